#include "fuzz/oracle/difference.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <type_traits>
#include <unordered_map>

#include "engine/base/text.h"

namespace parallax::fuzz {

namespace {

using wasm::RefKind;

const char* name_of(RefKind kind) {
  static constexpr const char* kNames[] = {"null", "i31", "struct", "array", "func", "host reference", "exception"};
  return kNames[static_cast<size_t>(kind)];
}

// Reads tokens with the words of one case.
class Reader {
 public:
  Reader(const LoadedCase& subject, const Observation& of) : subject_(subject), of_(of) {}

  std::string type(uint64_t id) const {
    if (id >= subject_.types->size()) return text::format("type {}", id);
    return text::format("type {} {}", id,
                        subject_.types->print(subject_.types->get(wasm::TypeId(static_cast<uint32_t>(id)))));
  }

  // The name of an export: instance k was made by the k-th instantiate step.
  std::string export_name(uint32_t instance, uint64_t number) const {
    uint32_t seen = 0;
    for (const Step& step : subject_.plan) {
      if (step.kind != StepKind::kInstantiate) continue;
      if (seen++ != instance) continue;
      if (step.module >= subject_.modules.size()) break;
      const auto& exports = subject_.modules[step.module]->exports;
      if (number < exports.size())
        return text::format("{} of instance {}", text::quoted(exports[number].name), instance);
    }
    return text::format("export {} of instance {}", number, instance);
  }

  std::string import_name(uint32_t instance, uint64_t number) const {
    uint32_t seen = 0;
    for (const Step& step : subject_.plan) {
      if (step.kind != StepKind::kInstantiate || seen++ != instance || step.module >= subject_.modules.size()) continue;
      const auto& imports = subject_.modules[step.module]->imports;
      if (number < imports.size()) {
        return text::format("{} {}", text::quoted(imports[number].module), text::quoted(imports[number].name));
      }
    }
    return text::format("import {}", number);
  }

  // One token as words, without its place.
  std::string token(const Token& t) const {
    switch (t.tok) {
      case Tok::kStep:
        return text::format("step {}: {}", t.value,
                            t.value < subject_.plan.size() ? describe(subject_.plan[t.value]) : "?");
      case Tok::kSkipped: return "skipped";
      case Tok::kOutcome: return wasm::to_string(static_cast<wasm::OutcomeKind>(t.value));
      case Tok::kTrap: return text::format("trap \"{}\"", wasm::to_string(static_cast<wasm::TrapKind>(t.value)));
      case Tok::kThrown: return "exception";
      case Tok::kValues: return text::format("{} values", t.value);
      case Tok::kFuel: return text::format("{} units of fuel used", t.value);
      case Tok::kCharged: return text::format("{} bytes of objects allocated", t.value);
      case Tok::kRefused: return "refused";
      case Tok::kAccepted: return "accepted";
      case Tok::kHostCall: return text::format("host call {}", import_name(t.aux, t.value));
      case Tok::kHostResult: return "host result";
      case Tok::kTraceHash: return text::format("{} more tokens of host calls with hash {:#x}", t.aux, t.value);
      case Tok::kGlobal: return text::format("global {}", export_name(t.aux, t.value));
      case Tok::kTable: return text::format("table {}", export_name(t.aux, t.value));
      case Tok::kTableSize: return text::format("{} elements", t.value);
      case Tok::kTableElement: return text::format("element {}", t.value);
      case Tok::kMemory: return text::format("memory {}", export_name(t.aux, t.value));
      case Tok::kMemorySize: return text::format("{} bytes", t.value);
      case Tok::kMemoryChunk:
        return text::format("bytes {} to {} with hash {:#x}", t.aux * 4096u, t.aux * 4096u + 4095u, t.value);
      case Tok::kRoot: return text::format("kept result {}", t.value);
      case Tok::kI32: return text::format("i32 {}", static_cast<int32_t>(t.value));
      case Tok::kI64: return text::format("i64 {}", static_cast<int64_t>(t.value));
      case Tok::kF32:
        return text::format("f32 {} (bits {:#x})", std::bit_cast<float>(static_cast<uint32_t>(t.value)), t.value);
      case Tok::kF64: return text::format("f64 {} (bits {:#x})", std::bit_cast<double>(t.value), t.value);
      case Tok::kV128Low: return text::format("v128 low half {:#x}", t.value);
      case Tok::kV128High: return text::format("v128 high half {:#x}", t.value);
      case Tok::kNull: return "null";
      case Tok::kI31: return text::format("i31 {}", t.value);
      case Tok::kHost: return text::format("host reference {}", t.value);
      case Tok::kFunc: return text::format("function {}", export_name(t.aux, t.value));
      case Tok::kHostFunc: return text::format("host function {}", t.value);
      case Tok::kObject:
        return text::format("object {} ({}), not met before", t.value, name_of(static_cast<RefKind>(t.aux)));
      case Tok::kSeen: return text::format("object {} ({}), met before", t.value, name_of(static_cast<RefKind>(t.aux)));
      case Tok::kShallow: return text::format("{} of {}", name_of(static_cast<RefKind>(t.aux)), type(t.value));
      case Tok::kBroken: return "a reference that is not live";
      case Tok::kContents:
        return text::format("contents of object {} ({})", t.value, name_of(static_cast<RefKind>(t.aux)));
      case Tok::kType: return type(t.value);
      case Tok::kExnTag:
        return t.aux == 1 ? text::format("tag of {}", type(t.value)) : text::format("tag #{:#x}", t.value);
      case Tok::kLength: return text::format("length {}", t.value);
      case Tok::kField: return text::format("field {}", t.value);
      case Tok::kTruncated: return "end of the recorded graph";
    }
    return "?";
  }

  // Where the token at `at` stands: the step and section before it, and for contents of an object the path to it.
  std::string place(size_t at) const {
    std::string step = "before the first step", section;
    std::string path;
    std::unordered_map<uint64_t, std::string> found;  // by object number: the path by which it was first met
    std::string field;
    for (size_t i = 0; i <= at && i < of_.tokens.size(); ++i) {
      const Token& t = of_.tokens[i];
      switch (t.tok) {
        case Tok::kStep:
          step = "in " + token(t);
          section.clear();
          path.clear();
          break;
        case Tok::kHostCall:
          if (i < at) path = token(t);
          break;
        case Tok::kOutcome: path.clear(); break;
        case Tok::kGlobal:
        case Tok::kTable:
        case Tok::kMemory:
        case Tok::kRoot:
          step = "in the final state";
          if (i < at) path = token(t);
          break;
        case Tok::kTableElement:
          if (i < at) path = path.substr(0, path.find(", element")) + ", " + token(t);
          break;
        case Tok::kContents: {
          const auto it = found.find(t.value);
          section = it != found.end() ? it->second : text::format("object {}", t.value);
          path = section;
          break;
        }
        case Tok::kField:
          if (i < at) path = text::format("{} -> {}", section, t.value);
          break;
        case Tok::kObject: found[t.value] = path; break;
        default: break;
      }
    }
    return path.empty() ? step : text::format("{}, at {}", step, path);
  }

 private:
  const LoadedCase& subject_;
  const Observation& of_;
};

size_t usable(const Observation& of) { return of.inconclusive ? of.conclusive_tokens : of.tokens.size(); }

// For signatures: components and enumerators, no numbers that vary between cases.
std::string kind_of(const Reader& reader, const Token* left, const Token* right) {
  const auto side = [&](const Token* t) -> std::string {
    if (t == nullptr) return "nothing";
    if (t->tok == Tok::kOutcome || t->tok == Tok::kTrap) return reader.token(*t);
    static constexpr const char* kNames[] = {
#define TOKEN(id, component) #id,
#include "fuzz/oracle/tokens.def"
#undef TOKEN
    };
    return kNames[static_cast<size_t>(t->tok)] + 1;
  };
  const Tok tok = left != nullptr ? left->tok : right->tok;
  const std::string a = side(left), b = side(right);
  return text::format("{}: {}", component(tok), a == b ? a : a + " / " + b);
}

}  // namespace

bool agree(const Observation& left, const Observation& right) {
  static_assert(std::has_unique_object_representations_v<Token>);
  const size_t left_size = usable(left), right_size = usable(right);
  const size_t common = std::min(left_size, right_size);
  if (common != 0 && std::memcmp(left.tokens.data(), right.tokens.data(), common * sizeof(Token)) != 0) return false;
  return left_size == right_size || left.inconclusive || right.inconclusive;
}

std::optional<Difference> find_difference(const LoadedCase& subject, const Observation& left, const Observation& right,
                                          const std::string& left_name, const std::string& right_name) {
  const size_t left_size = usable(left), right_size = usable(right);
  const size_t common = std::min(left_size, right_size);
  if (agree(left, right)) return {};
  size_t at = 0;
  while (at < common && left.tokens[at] == right.tokens[at]) ++at;
  const Reader reader(subject, left), right_reader(subject, right);
  const Token* a = at < left_size ? &left.tokens[at] : nullptr;
  const Token* b = at < right_size ? &right.tokens[at] : nullptr;
  Difference difference;
  difference.token = at;
  // Outcomes differ first by kind; the trap or value behind it says more.
  const auto with_detail = [&](const Reader& words, const Observation& of, const Token* t) {
    if (t == nullptr) return std::string("nothing more");
    std::string out = words.token(*t);
    if (t->tok == Tok::kOutcome && t + 1 < of.tokens.data() + of.tokens.size()) {
      const Token& next = *(t + 1);
      if (next.tok == Tok::kTrap) out = words.token(next);
      if (next.tok == Tok::kValues && next.value > 0 && t + 2 < of.tokens.data() + of.tokens.size()) {
        out += text::format(" {}", words.token(*(t + 2)));
      }
    }
    return out;
  };
  difference.kind = kind_of(reader, a, b);
  if (a != nullptr && b != nullptr && a->tok == Tok::kOutcome && b->tok == Tok::kOutcome) {
    const auto short_side = [&](const Observation& of, const Token* t) {
      const Token* next = t + 1 < of.tokens.data() + of.tokens.size() ? t + 1 : nullptr;
      return next != nullptr && next->tok == Tok::kTrap ? reader.token(*next) : reader.token(*t);
    };
    difference.kind = text::format("outcome: {} / {}", short_side(left, a), short_side(right, b));
  }
  const bool left_longer = left_size >= right_size;
  difference.text =
      text::format("{}: {} has {}, {} has {}", left_longer ? reader.place(at) : right_reader.place(at), left_name,
                   with_detail(reader, left, a), right_name, with_detail(right_reader, right, b));
  return difference;
}

std::string print_observation(const LoadedCase& subject, const Observation& observation, size_t max_lines) {
  const Reader reader(subject, observation);
  std::string out;
  size_t lines = 0;
  for (const Token& t : observation.tokens) {
    if (lines++ == max_lines) {
      out += "...\n";
      break;
    }
    const bool heading = t.tok == Tok::kStep || t.tok == Tok::kGlobal || t.tok == Tok::kTable ||
                         t.tok == Tok::kMemory || t.tok == Tok::kRoot || t.tok == Tok::kContents;
    out += text::format("{}{}\n", heading ? "" : "  ", reader.token(t));
  }
  if (observation.inconclusive) out += text::format("ended: {}\n", observation.inconclusive_reason);
  if (observation.fault != FaultClass::kNone) out += text::format("fault: {}\n", observation.fault_text);
  return out;
}

}  // namespace parallax::fuzz
