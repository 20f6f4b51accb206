#include "engine/wasm/text/script.h"

#include <array>
#include <utility>

#include "engine/wasm/text/module_parser.h"
#include "engine/wasm/text/numbers.h"

namespace parallax::wasm::text {

namespace {

constexpr std::string_view kFieldWords[] = {"type", "rec",    "import", "func",  "table", "memory",
                                            "tag",  "global", "export", "start", "elem",  "data"};

struct Shape {
  std::string_view word;
  unsigned lanes;
  unsigned bits;
  bool is_float;
};
constexpr Shape kShapes[] = {{"i8x16", 16, 8, false}, {"i16x8", 8, 16, false}, {"i32x4", 4, 32, false},
                             {"i64x2", 2, 64, false}, {"f32x4", 4, 32, true},  {"f64x2", 2, 64, true}};

struct Scalar {
  std::string_view word;
  ValKind kind;
  unsigned bits;
  bool is_float;
};
constexpr Scalar kScalars[] = {{"i32.const", ValKind::kI32, 32, false},
                               {"i64.const", ValKind::kI64, 64, false},
                               {"f32.const", ValKind::kF32, 32, true},
                               {"f64.const", ValKind::kF64, 64, true}};

// Patterns for references: (ref.struct) and the like, and what a non-null one must match.
struct RefPattern {
  std::string_view word;
  HeapKind heap;
};
constexpr RefPattern kRefPatterns[] = {
    {"ref.func", HeapKind::kFunc},   {"ref.extern", HeapKind::kExtern}, {"ref.any", HeapKind::kAny},
    {"ref.eq", HeapKind::kEq},       {"ref.i31", HeapKind::kI31},       {"ref.struct", HeapKind::kStruct},
    {"ref.array", HeapKind::kArray}, {"ref.exn", HeapKind::kExn},       {"ref.host", HeapKind::kAny}};

class ScriptParser {
 public:
  explicit ScriptParser(Script& script) : script_(script), in_(*script.tokens, 0) {}

  Result<> run() {
    if (in_.is(TokenKind::kLeft)) {
      for (const std::string_view word : kFieldWords) {
        if (in_.at_group(word)) return whole_script_is_module();
      }
    }
    while (!in_.is(TokenKind::kEnd)) TRY(command());
    return {};
  }

 private:
  Result<> whole_script_is_module() {
    Command command;
    command.kind = CommandKind::kModule;
    command.line = 1;
    command.module.emplace();
    command.module->is_whole_script = true;
    script_.commands.push_back(std::move(command));
    return {};
  }

  Result<> command() {
    if (!in_.is(TokenKind::kLeft)) return in_.unexpected();
    const size_t group = in_.at();
    Command out;
    out.line = in_.tokens().position(in_.peek().offset).line;
    in_.next();
    const Token& head = in_.next();
    if (head.kind != TokenKind::kWord) return in_.fail(head, "unknown command");
    TRY(read(head.text, group, out));
    in_.move_to(group);
    in_.skip_group();
    script_.commands.push_back(std::move(out));
    return {};
  }

  Result<> read(std::string_view word, size_t group, Command& out) {
    struct Row {
      std::string_view word;
      CommandKind kind;
      Result<> (ScriptParser::*read)(Command&);
    };
    static constexpr Row kRows[] = {
        {"register", CommandKind::kRegister, &ScriptParser::read_register},
        {"assert_return", CommandKind::kAssertReturn, &ScriptParser::read_assert_return},
        {"assert_trap", CommandKind::kAssertTrap, &ScriptParser::read_assert_trap},
        {"assert_exhaustion", CommandKind::kAssertExhaustion, &ScriptParser::read_assert_action},
        {"assert_exception", CommandKind::kAssertException, &ScriptParser::read_assert_exception},
        {"assert_malformed", CommandKind::kAssertMalformed, &ScriptParser::read_assert_module},
        {"assert_invalid", CommandKind::kAssertInvalid, &ScriptParser::read_assert_module},
        {"assert_unlinkable", CommandKind::kAssertUnlinkable, &ScriptParser::read_assert_module},
        {"assert_malformed_custom", CommandKind::kAssertMalformedCustom, &ScriptParser::read_assert_module},
        {"assert_invalid_custom", CommandKind::kAssertInvalidCustom, &ScriptParser::read_assert_module},
    };
    for (const Row& row : kRows) {
      if (word != row.word) continue;
      out.kind = row.kind;
      TRY((this->*row.read)(out));
      return in_.expect_right();
    }
    if (word == "module") {
      in_.move_to(group);
      return read_module_command(out);
    }
    if (word == "invoke" || word == "get") {
      in_.move_to(group);
      out.kind = CommandKind::kAction;
      out.action = TRY(action());
      return {};
    }
    out.kind = CommandKind::kUnknown;
    out.text = std::string(word);
    return {};
  }

  // --- Modules -------------------------------------------------------------------------------------------------------

  Result<> read_module_command(Command& out) {
    out.kind = CommandKind::kModule;
    Cursor look = in_;
    look.take_group("module");
    if (look.at_word("definition")) out.kind = CommandKind::kModuleDefinition;
    if (look.at_word("instance")) {
      in_.move_to(look.at() + 1);
      out.kind = CommandKind::kModuleInstance;
      out.name = optional_id();
      out.instance_of = optional_id();
      return {};
    }
    out.module = TRY(module());
    return {};
  }

  std::string optional_id() { return in_.is(TokenKind::kId) ? std::string(in_.next().text) : std::string(); }

  Result<ScriptModule> module() {
    const size_t group = in_.at();
    ScriptModule out;
    out.group = group;
    TRY(in_.expect_group("module"));
    in_.take_word("definition");
    out.name = optional_id();
    if (in_.take_word("binary")) {
      out.form = ModuleForm::kBinary;
    } else if (in_.take_word("quote")) {
      out.form = ModuleForm::kQuote;
    }
    if (out.form != ModuleForm::kText) {
      while (in_.is(TokenKind::kString)) out.content += in_.next().text;
      if (!in_.is(TokenKind::kRight)) return in_.unexpected();
    }
    in_.move_to(group);
    in_.skip_group();
    return out;
  }

  // --- Actions -------------------------------------------------------------------------------------------------------

  Result<Action> action() {
    Action out;
    if (in_.take_group("get")) {
      out.kind = Action::Kind::kGet;
    } else {
      TRY(in_.expect_group("invoke"));
    }
    out.module = optional_id();
    out.name = TRY(in_.expect_name());
    while (!in_.is(TokenKind::kRight)) out.args.push_back(TRY(constant()));
    in_.next();
    return out;
  }

  Result<uint64_t> number(Number<uint64_t> value) {
    if (!value) return in_.fail(in_.peek(), "malformed or out of range: " + Cursor::describe(in_.peek()));
    in_.next();
    return *value;
  }
  Result<uint64_t> lane(unsigned bits, bool is_float) {
    if (!in_.is(TokenKind::kWord)) return in_.unexpected();
    const std::string_view text = in_.peek().text;
    return number(!is_float ? parse_integer(text, bits)
                            : parse_float(text, bits == 32 ? FloatWidth::k32 : FloatWidth::k64));
  }

  Result<ConstantValue> constant() {
    ConstantValue out;
    const size_t group = in_.at();
    if (!in_.is(TokenKind::kLeft)) return in_.unexpected();
    if (in_.take_group("ref.null")) {
      out.kind = ConstantValue::Kind::kNull;
      in_.move_to(in_.tokens()[group].match);
    } else if (in_.take_group("ref.extern") || in_.take_group("ref.host")) {
      out.kind = ConstantValue::Kind::kHost;
      out.host_value = TRY(number(parse_unsigned(in_.peek().text, UINT32_MAX)));
    } else {
      const Pattern pattern = TRY(number_pattern());
      out.number = value_of(pattern);
      return out;
    }
    TRY(in_.expect_right());
    return out;
  }

  static Value value_of(const Pattern& pattern) {
    Value value{.kind = pattern.type, .low = 0, .high = 0, .ref = {}};
    unsigned at = 0;
    for (const LanePattern& lane : pattern.lanes) {
      uint64_t& half = at < 64 ? value.low : value.high;
      half |= lane.bits << (at % 64);
      at += pattern.lane_bits;
    }
    return value;
  }

  // --- Patterns ------------------------------------------------------------------------------------------------------

  Result<LanePattern> lane_pattern(unsigned bits, bool is_float) {
    LanePattern out;
    if (is_float && in_.take_word("nan:canonical")) {
      out.kind = LanePattern::Kind::kCanonicalNan;
    } else if (is_float && in_.take_word("nan:arithmetic")) {
      out.kind = LanePattern::Kind::kArithmeticNan;
    } else {
      out.bits = TRY(lane(bits, is_float));
    }
    return out;
  }

  // (t.const ...), or (v128.const shape ...)
  Result<Pattern> number_pattern() {
    Pattern out;
    unsigned lanes = 1;
    const auto take = [&]() -> bool {
      for (const Scalar& row : kScalars) {
        if (!in_.take_group(row.word)) continue;
        out.type = row.kind;
        out.lane_bits = row.bits;
        out.is_float = row.is_float;
        return true;
      }
      if (!in_.take_group("v128.const")) return false;
      out.type = ValKind::kV128;
      for (const Shape& shape : kShapes) {
        if (!in_.take_word(shape.word)) continue;
        lanes = shape.lanes;
        out.lane_bits = shape.bits;
        out.is_float = shape.is_float;
        return true;
      }
      return false;
    };
    if (!take()) return in_.fail(in_.peek(1), "unknown constant " + Cursor::describe(in_.peek(1)));
    for (unsigned i = 0; i < lanes; ++i) out.lanes.push_back(TRY(lane_pattern(out.lane_bits, out.is_float)));
    TRY(in_.expect_right());
    return out;
  }

  Result<Pattern> pattern() {
    const size_t group = in_.at();
    if (!in_.is(TokenKind::kLeft)) return in_.unexpected();
    Pattern out = TRY(pattern_alternatives(group));
    const uint32_t begin = in_.tokens()[group].offset;
    const uint32_t end = in_.tokens()[in_.tokens()[group].match].offset + 1;
    out.text = std::string(in_.tokens().source().substr(begin, end - begin));
    return out;
  }

  Result<Pattern> pattern_alternatives(size_t group) {
    Pattern out;
    if (in_.take_group("either")) {
      out.kind = Pattern::Kind::kEither;
      while (!in_.is(TokenKind::kRight)) out.choices.push_back(TRY(pattern()));
      in_.next();
      return out;
    }
    if (in_.take_group("ref.null")) {
      out.kind = Pattern::Kind::kNull;
      in_.move_to(in_.tokens()[group].match + 1);
      return out;
    }
    for (const RefPattern& row : kRefPatterns) {
      if (!in_.take_group(row.word)) continue;
      if (in_.at_number() && (row.heap == HeapKind::kExtern || row.word == "ref.host")) {
        out.kind = Pattern::Kind::kHost;
        out.host_value = TRY(number(parse_unsigned(in_.peek().text, UINT32_MAX)));
      } else {
        out.kind = Pattern::Kind::kRefOfType;
        out.ref = ValType::ref(row.heap, false);
      }
      TRY(in_.expect_right());
      return out;
    }
    return number_pattern();
  }

  // --- Assertions ----------------------------------------------------------------------------------------------------

  Result<> read_register(Command& out) {
    out.text = TRY(in_.expect_name());
    out.name = optional_id();
    return {};
  }
  Result<> read_assert_return(Command& out) {
    out.action = TRY(action());
    while (!in_.is(TokenKind::kRight)) out.expected.push_back(TRY(pattern()));
    return {};
  }
  Result<> read_assert_trap(Command& out) {
    return in_.at_group("module") ? read_assert_module(out) : read_assert_action(out);
  }
  Result<> read_assert_action(Command& out) {
    out.action = TRY(action());
    out.text = TRY(in_.expect_string());
    return {};
  }
  Result<> read_assert_exception(Command& out) {
    out.action = TRY(action());
    return {};
  }
  Result<> read_assert_module(Command& out) {
    out.module = TRY(module());
    out.text = TRY(in_.expect_string());
    return {};
  }

  Script& script_;
  Cursor in_;
};

}  // namespace

const char* to_string(CommandKind kind) {
  switch (kind) {
    case CommandKind::kModule: return "module";
    case CommandKind::kModuleDefinition: return "module definition";
    case CommandKind::kModuleInstance: return "module instance";
    case CommandKind::kRegister: return "register";
    case CommandKind::kAction: return "action";
    case CommandKind::kAssertReturn: return "assert_return";
    case CommandKind::kAssertTrap: return "assert_trap";
    case CommandKind::kAssertExhaustion: return "assert_exhaustion";
    case CommandKind::kAssertException: return "assert_exception";
    case CommandKind::kAssertMalformed: return "assert_malformed";
    case CommandKind::kAssertInvalid: return "assert_invalid";
    case CommandKind::kAssertUnlinkable: return "assert_unlinkable";
    case CommandKind::kAssertMalformedCustom: return "assert_malformed_custom";
    case CommandKind::kAssertInvalidCustom: return "assert_invalid_custom";
    case CommandKind::kUnknown: return "unknown command";
  }
  return "?";
}

Result<std::vector<uint8_t>> Script::binary(const ScriptModule& module, const ParseOptions& options) const {
  switch (module.form) {
    case ModuleForm::kText:
      if (module.is_whole_script) return parse_fields(*tokens, 0, tokens->size() - 1, options, {});
      return parse_module_group(*tokens, module.group, options);
    case ModuleForm::kBinary: return std::vector<uint8_t>(module.content.begin(), module.content.end());
    case ModuleForm::kQuote: return parse_module(module.content, options);
  }
  return {};
}

Result<Script> parse_script(std::string source) {
  Script script;
  script.tokens = TRY(Tokens::lex(std::move(source)));
  TRY(ScriptParser(script).run());
  return script;
}

}  // namespace parallax::wasm::text
