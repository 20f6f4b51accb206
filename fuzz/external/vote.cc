#include "fuzz/external/vote.h"

#include <xxhash.h>

#include <charconv>
#include <map>
#include <memory>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/base/base64.h"
#include "engine/base/text.h"
#include "engine/wasm/traps.h"
#include "fuzz/external/worker.h"

namespace parallax::fuzz {

namespace {

using nlohmann::json;
using wasm::TrapKind;

constexpr double kSeconds = 20;
// Stands for a trap whose message no pattern knows.
constexpr uint64_t kUnknownTrap = 255;

// Traps that the messages of engines do not tell apart, by the first one of each group.
struct TrapGroup {
  const char* name;  // as in the driver
  TrapKind first;
};
constexpr TrapGroup kGroups[] = {
    {"unreachable", TrapKind::kUnreachable},
    {"division by zero", TrapKind::kIntegerDivideByZero},
    {"range", TrapKind::kIntegerOverflow},
    {"cast", TrapKind::kNullReference},  // a cast that null fails is either, by engine
    {"indirect call", TrapKind::kUninitializedElement},
    {"null", TrapKind::kNullReference},
    {"bounds", TrapKind::kMemoryOutOfBounds},
};

TrapKind group_of(TrapKind kind) {
  switch (kind) {
    case TrapKind::kInvalidConversion: return TrapKind::kIntegerOverflow;
    case TrapKind::kIndirectCallTypeMismatch: return TrapKind::kUninitializedElement;
    case TrapKind::kCastFailure:
    case TrapKind::kNullFunctionReference:
    case TrapKind::kNullStructureReference:
    case TrapKind::kNullArrayReference:
    case TrapKind::kNullI31Reference:
    case TrapKind::kNullExceptionReference: return TrapKind::kNullReference;
    case TrapKind::kTableOutOfBounds:
    case TrapKind::kArrayOutOfBounds:
    case TrapKind::kUndefinedElement: return TrapKind::kMemoryOutOfBounds;
    case TrapKind::kAllocationSizeTooLarge:
    case TrapKind::kUnreachable:
    case TrapKind::kIntegerDivideByZero:
    case TrapKind::kIntegerOverflow:
    case TrapKind::kMemoryOutOfBounds:
    case TrapKind::kUninitializedElement:
    case TrapKind::kNullReference:
    case TrapKind::kHostTrap: return kind;
  }
  return kind;
}

// --- The driver's answer, as tokens ------------------------------------------------------------------------------------------

uint64_t number(const json& value) {
  if (value.is_number()) return value.get<uint64_t>();
  const auto& text = value.get_ref<const std::string&>();
  for (const TrapGroup& group : kGroups) {
    if (text == group.name) return static_cast<uint64_t>(group.first);
  }
  uint64_t parsed = 0;
  std::from_chars(text.data(), text.data() + text.size(), parsed);
  return parsed;
}

// Writes tokens as the oracle does: host calls beyond a limit become one hash a step, memory becomes hashes.
class Rewriter {
 public:
  Rewriter(const json& chunks, Observation& out) : chunks_(chunks), out_(out) {}

  void put(Token token) {
    const bool in_call = begin_ != kNone && is_argument(token.tok);
    if (begin_ != kNone && !in_call) end_call();
    if (token.tok == Tok::kStep) flush();
    if (token.tok == Tok::kHostCall) begin_ = out_.tokens.size();
    if (token.tok == Tok::kMemoryChunk) token.value = hash_chunk(token.value);
    out_.tokens.push_back(token);
  }
  void end_steps() {
    if (begin_ != kNone) end_call();
    flush();
  }

 private:
  static constexpr size_t kNone = ~size_t{0};

  static bool is_argument(Tok tok) {
    switch (tok) {
      case Tok::kI32:
      case Tok::kI64:
      case Tok::kF32:
      case Tok::kF64:
      case Tok::kNull:
      case Tok::kI31:
      case Tok::kHost:
      case Tok::kFunc:
      case Tok::kHostFunc:
      case Tok::kShallow: return true;
      default: return false;
    }
  }

  void end_call() {
    const auto count = static_cast<uint32_t>(out_.tokens.size() - begin_);
    if (trace_tokens_ + count > kMaxTraceTokens) {
      hash_ = XXH3_64bits_withSeed(out_.tokens.data() + begin_, count * sizeof(Token), hash_);
      hashed_ += count;
      out_.tokens.resize(begin_);
    }
    trace_tokens_ += count;
    begin_ = kNone;
  }

  void flush() {
    if (hashed_ == 0) return;
    out_.put(Tok::kTraceHash, hashed_, hash_);
    hashed_ = 0;
    hash_ = 0;
  }

  uint64_t hash_chunk(uint64_t number) {
    static const std::vector<uint8_t> kZeros(kMemoryChunk, 0);
    if (number == 0 || number > chunks_.size()) return XXH3_64bits(kZeros.data(), kZeros.size());
    const std::vector<uint8_t> bytes = from_base64(chunks_[number - 1].get_ref<const std::string&>());
    return XXH3_64bits(bytes.data(), bytes.size());
  }

  const json& chunks_;
  Observation& out_;
  size_t begin_ = kNone;  // of the host call that is being written
  uint32_t trace_tokens_ = 0, hashed_ = 0;
  uint64_t hash_ = 0;
};

// The answer's tokens. Requires an answer of the driver's form.
void read_answer(const json& answer, Observation& out) {
  const json& flat = answer.at("tokens");
  Rewriter rewriter(answer.at("chunks"), out);
  const size_t conclusive = answer.at("conclusive").get<size_t>();
  for (size_t i = 0; i + 2 < flat.size(); i += 3) {
    if (i / 3 == conclusive) out.conclusive_tokens = out.tokens.size();
    const auto tok = flat[i].get<int64_t>();
    if (tok < 0) {
      rewriter.end_steps();
      continue;
    }
    const bool unknown = flat[i + 2].is_number() && flat[i + 2].get<int64_t>() < 0;
    rewriter.put({static_cast<Tok>(tok), flat[i + 1].get<uint32_t>(), unknown ? kUnknownTrap : number(flat[i + 2])});
  }
  if (answer.at("inconclusive").is_null()) return;
  out.inconclusive = true;
  out.inconclusive_reason = answer.at("inconclusive").get<std::string>();
}

using Workers = std::map<uint32_t, std::unique_ptr<ExternalWorker>>;

Workers& workers() {
  static thread_local Workers all;
  return all;
}

ExternalWorker& worker_of(uint32_t engine) {
  auto& worker = workers()[engine];
  if (worker == nullptr) worker = std::make_unique<ExternalWorker>(external_engines()[engine]);
  return *worker;
}

std::string describe_end(const Reply& reply) {
  const std::string how =
      reply.signal != 0 ? text::format("signal {}", reply.signal) : text::format("exit code {}", reply.exit_code);
  return text::format("{}: {}", how, reply.text);
}

}  // namespace

Result<ExternalEnd> observe_external(const JsCase& subject, uint32_t engine, Observation& out) {
  out = {};
  const Reply reply = TRY(worker_of(engine).ask(subject.text, kSeconds));
  if (reply.end == Reply::End::kTimedOut) return ExternalEnd{ExternalEnd::Kind::kHung, {}, {}};
  if (reply.end == Reply::End::kDied) return ExternalEnd{ExternalEnd::Kind::kCrashed, describe_end(reply), {}};
  const json answer = json::parse(reply.text, nullptr, false);
  if (answer.is_discarded() || !answer.is_object()) {
    return ExternalEnd{ExternalEnd::Kind::kCrashed, "no answer: " + reply.text.substr(0, 500), {}};
  }
  if (answer.contains("broken")) {
    out.inconclusive = true;
    out.inconclusive_reason = "driver: " + answer["broken"].get<std::string>();
    return ExternalEnd{};
  }
  read_answer(answer, out);
  ExternalEnd end;
  if (answer.contains("message") && answer["message"].is_string()) end.message = answer["message"].get<std::string>();
  return end;
}

void stop_externals() { workers().clear(); }

std::string own_limit(const Observation& reference) {
  if (reference.inconclusive) return reference.inconclusive_reason;
  if (reference.exhausted > 0) return "the reference ran out of its budget";
  for (const Token& token : reference.tokens) {
    if (token.tok != Tok::kTrap) continue;
    if (token.value == static_cast<uint64_t>(TrapKind::kAllocationSizeTooLarge)) return "allocation limit";
    if (token.value == static_cast<uint64_t>(TrapKind::kHostTrap)) return "a trap of the host";
  }
  return {};
}

// Only our executors count what a step uses.
static void forget_budgets(Observation& out) {
  const auto is_budget = [](const Token& token) { return token.tok == Tok::kFuel || token.tok == Tok::kCharged; };
  const auto conclusive = out.tokens.begin() + static_cast<std::ptrdiff_t>(out.conclusive_tokens);
  out.conclusive_tokens -= static_cast<size_t>(std::count_if(out.tokens.begin(), conclusive, is_budget));
  std::erase_if(out.tokens, is_budget);
}

void project(Observation& out, const Observation* guide) {
  forget_budgets(out);
  for (size_t i = 0; i < out.tokens.size(); ++i) {
    Token& token = out.tokens[i];
    if (token.tok == Tok::kF32 && (token.value & 0x7fff'ffffu) > 0x7f80'0000u) token.value = 0x7fc0'0000u;
    if (token.tok == Tok::kF64 && (token.value & 0x7fff'ffff'ffff'ffffu) > 0x7ff0'0000'0000'0000u) {
      token.value = 0x7ff8'0000'0000'0000u;
    }
    if (token.tok != Tok::kTrap) continue;
    const bool guided = guide != nullptr && i < guide->tokens.size() && guide->tokens[i].tok == Tok::kTrap;
    if (token.value == kUnknownTrap && guided) token.value = guide->tokens[i].value;
    if (token.value != kUnknownTrap) token.value = static_cast<uint64_t>(group_of(static_cast<TrapKind>(token.value)));
  }
}

std::string excuse(const Freedom& freedom, std::string_view component) {
  const bool is_value = component == "number" || component == "memory" || component == "host call";
  if (component == "trap") return "engines name traps differently";
  if (freedom.growth) return "growth may fail";
  if (freedom.relaxed_simd) return "relaxed SIMD";
  if (freedom.nan_bits && is_value) return "bits of NaN may show";
  return {};
}

}  // namespace parallax::fuzz
