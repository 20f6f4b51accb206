#include "fuzz/feedback/feedback.h"

#include <algorithm>
#include <bit>

#include "engine/wasm/func_walk_rules.h"

#if __has_include("engine/jit/compiler.h")
#include "engine/jit/compiler.h"
#include "engine/runtime/store.h"
#define PARALLAX_HAVE_JIT 1
#else
#define PARALLAX_HAVE_JIT 0
#endif

namespace parallax::fuzz {

namespace {

struct Row {
  const char* name;
  uint32_t slots;
  const char* summary;
};
constexpr Row kRows[] = {
#define DOMAIN(id, name, slots, summary) {name, slots, summary},
#include "fuzz/feedback/domains.def"
#undef DOMAIN
};

constexpr std::array<DomainInfo, kDomainCount> number_domains() {
  std::array<DomainInfo, kDomainCount> out{};
  uint32_t first = 0;
  for (size_t i = 0; i < kDomainCount; ++i) {
    out[i] = {kRows[i].name, kRows[i].slots, first, kRows[i].summary};
    first += kRows[i].slots;
  }
  return out;
}

uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t z = a * 0x9e3779b97f4a7c15ull + b + 0x632be59bd9b4e019ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  return z ^ (z >> 31);
}

// 0, 1, 2, 3-4, 5-8, ... : how often, roughly.
uint64_t roughly(uint64_t count) { return count < 3 ? count : 1 + static_cast<uint64_t>(std::bit_width(count - 1)); }

// What matters about a type: kind, nullness, of concrete types what they are made of and whether they have a supertype.
// Finer shapes make every case new and say nothing.
uint64_t shape(const wasm::TypeStore& types, wasm::ValType type) {
  if (!type.is_ref() || type == wasm::kBottomRef) return static_cast<uint64_t>(type.kind());
  uint64_t out = 16 + (type.nullable() ? 1 : 0) + 2 * static_cast<uint64_t>(type.heap().kind());
  if (type.heap().is_concrete()) {
    const wasm::TypeId id = type.heap().type_id();
    out = mix(out, static_cast<uint64_t>(types.get(id).kind) * 2 + (types.depth(id) > 0));
  }
  return out;
}

struct ShapeSink {
  static constexpr bool kWantsEvents = true;
  Feedback& feedback;
  const wasm::TypeStore& types;

  Result<> on_begin(const wasm::WalkView&) { return {}; }
  Result<> on_finish(const wasm::WalkView&) { return {}; }
  Result<> on_instr(const wasm::Instr& instr, const wasm::InstrTypes& seen, const wasm::WalkView&) {
    if (!seen.reachable || instr.op == wasm::Opcode::End) return {};
    uint64_t hash = static_cast<uint64_t>(instr.op);
    const size_t most = std::min<size_t>(seen.popped.size(), 2);
    for (size_t i = seen.popped.size() - most; i < seen.popped.size(); ++i) {
      hash = mix(hash, shape(types, seen.popped[i]));
    }
    if (wasm::info(instr.op).immediates == wasm::ImmKind::HeapType) hash = mix(hash, shape(types, instr.type));
    if (wasm::info(instr.op).immediates == wasm::ImmKind::BrOnCast) hash = mix(hash, shape(types, instr.target));
    feedback.note(Domain::kShapes, hash);
    return {};
  }
};

}  // namespace

const std::array<DomainInfo, kDomainCount> kDomains = number_domains();

Domain domain_of(uint32_t feature) {
  size_t i = kDomainCount;
  while (kDomains[--i].first > feature) {}
  return static_cast<Domain>(i);
}

bool parse_domains(std::string_view text, DomainSet& out) {
  out = 0;
  if (text == "all") return out = kAllDomains, true;
  if (text == "none") return true;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find(','));
    text = name.size() == text.size() ? std::string_view() : text.substr(name.size() + 1);
    size_t i = 0;
    while (i < kDomainCount && name != kDomains[i].name) ++i;
    if (i == kDomainCount) return false;
    out |= 1u << i;
  }
  return out != 0;
}

Feedback::Feedback(DomainSet domains) : domains_(domains), counts_(kFeatureCount) {}

void Feedback::begin() {
  for (const uint32_t feature : features_) counts_[feature] = 0;
  features_.clear();
  subject_ = nullptr;
  last_func_ = ~0u;
}

void Feedback::note(Domain domain, uint64_t what) {
  const DomainInfo& row = kDomains[static_cast<size_t>(domain)];
  const uint32_t feature = row.first + static_cast<uint32_t>(mix(what, 0) % row.slots);
  uint8_t& count = counts_[feature];
  if (count == 0) features_.push_back(feature);
  if (count != 255) ++count;
}

void Feedback::loaded(const LoadedCase& subject) {
  begin();
  subject_ = &subject;
  if (!wants(Domain::kShapes)) return;
  for (const auto& module : subject.modules) shapes(*module);
}

// Shapes were noted when the modules came.
void Feedback::again(const LoadedCase& subject) {
  begin();
  subject_ = &subject;
}

void Feedback::shapes(const wasm::Module& module) {
  ShapeSink sink{*this, *module.store};
  for (size_t i = module.imported_funcs; i < module.funcs.size(); ++i) {
    (void)wasm::walk_func(module, wasm::FuncIndex(i), wasm::Features{.bits = ~0u}, sink);
  }
}

void Feedback::collected(const ExecutorSpec& spec, const wasm::StoreStats& stats) {
  if (!wants(Domain::kCollections)) return;
  uint64_t hash = mix(static_cast<uint64_t>(spec.kind), static_cast<uint64_t>(spec.collector));
  hash = mix(hash, static_cast<uint64_t>(spec.zeal));
  hash = mix(hash, roughly(stats.collections));
  note(Domain::kCollections, mix(hash, roughly(stats.live_bytes_after_last / 64)));
}

#if PARALLAX_HAVE_JIT

namespace {

jit::JitCompiler* compiler_of(const ExecutorSpec& spec, wasm::Embedding& store) {
  if (spec.kind != ExecutorKind::kJit) return nullptr;
  // What the oracle's self-test puts around a store is no store.
  auto* const engine = dynamic_cast<runtime::Store*>(&store);
  return engine == nullptr ? nullptr : dynamic_cast<jit::JitCompiler*>(engine->compiler());
}

}  // namespace

struct Feedback::Hearing {
  static void heard(void* context, const opt::Gate::Query& query) {
    auto& self = *static_cast<Feedback*>(context);
    if (!query.allowed) return;
    const uint32_t rewrite = static_cast<uint32_t>(query.pass) * 64 + static_cast<uint32_t>(query.rewrite);
    if (self.wants(Domain::kRewrites)) self.note(Domain::kRewrites, rewrite);
    if (self.wants(Domain::kPairs) && self.last_func_ == query.func.raw) {
      self.note(Domain::kPairs, uint64_t{self.last_rewrite_} << 32 | rewrite);
    }
    self.last_func_ = query.func.raw;
    self.last_rewrite_ = rewrite;
  }
};

void Feedback::begins(const ExecutorSpec& spec, wasm::Embedding& store) {
  last_func_ = ~0u;
  if (!wants(Domain::kRewrites) && !wants(Domain::kPairs)) return;
  jit::JitCompiler* const compiler = compiler_of(spec, store);
  if (compiler == nullptr || compiler->gate().listener != nullptr) return;
  compiler->gate().listener = &Hearing::heard;
  compiler->gate().listener_context = this;
}

void Feedback::compiled(const ExecutorSpec& spec, wasm::Embedding& store) {
  const jit::JitCompiler* const compiler = compiler_of(spec, store);
  if (compiler == nullptr || !wants(Domain::kSafepoints) || subject_->modules.size() != 1) return;
  const std::vector<uint8_t>& bytes = subject_->modules.front()->bytes;
  for (const jit::CallSite& site : compiler->call_sites().all()) {
    if (bytes.size() < 2 || site.offset >= bytes.size() - 1) continue;  // none, or a stub's
    // The instruction by its first bytes: 0xfb and its like are followed by the number.
    uint64_t hash = bytes[site.offset];
    if (hash >= 0xfb) hash = hash << 8 | bytes[site.offset + 1];
    hash = mix(hash, roughly(site.map_count));
    note(Domain::kSafepoints, mix(hash, site.landing != jit::CallSite::kNone));
  }
}

#else

void Feedback::begins(const ExecutorSpec&, wasm::Embedding&) {}
void Feedback::compiled(const ExecutorSpec&, wasm::Embedding&) {}

#endif

void Feedback::ran(const ExecutorSpec& spec, wasm::Embedding& store, const Observation& seen) {
  compiled(spec, store);
  collected(spec, seen.stats);
  if (!wants(Domain::kOutcomes) || spec.kind != ExecutorKind::kInterp) return;
  StepKind step = StepKind::kInstantiate;
  for (const Token& token : seen.tokens) {
    if (token.tok == Tok::kStep && token.value < subject_->plan.size()) step = subject_->plan[token.value].kind;
    if (token.tok == Tok::kOutcome || token.tok == Tok::kTrap || token.tok == Tok::kExnTag ||
        token.tok == Tok::kRefused || token.tok == Tok::kSkipped) {
      note(Domain::kOutcomes, mix(static_cast<uint64_t>(token.tok) << 8 | static_cast<uint64_t>(step), token.value));
    }
  }
  note(Domain::kOutcomes, mix(1, roughly(seen.objects)));
}

}  // namespace parallax::fuzz
