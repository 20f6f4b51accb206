// Specification scripts (.wast): what a file asks for, as a list of commands.
//
// Modules stay tokens (or bytes, or quoted text) until somebody asks for their binary, because a script may well contain
// modules that are malformed on purpose. Commands of other dialects are kept as kUnknown with their name, so that a
// runner can count them instead of giving up on the file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/wasm/embed.h"
#include "engine/wasm/text/parse.h"
#include "engine/wasm/types.h"

namespace parallax::wasm::text {

class Tokens;

enum class ModuleForm : uint8_t { kText, kBinary, kQuote };

struct ScriptModule {
  ModuleForm form = ModuleForm::kText;
  std::string name;              // "" without
  std::string content;           // kBinary: the bytes; kQuote: the text
  size_t group = 0;              // kText: token of its "("
  bool is_whole_script = false;  // kText: the script's fields are the module
};

// An argument.
struct ConstantValue {
  enum class Kind : uint8_t { kNumber, kNull, kHost } kind = Kind::kNumber;
  Value number;             // kNumber
  uint64_t host_value = 0;  // kHost: ref.extern n, ref.host n
};

struct Action {
  enum class Kind : uint8_t { kInvoke, kGet } kind = Kind::kInvoke;
  std::string module;  // "": the latest
  std::string name;
  std::vector<ConstantValue> args;
};

// What one lane of a number or vector must be.
struct LanePattern {
  enum class Kind : uint8_t { kBits, kCanonicalNan, kArithmeticNan } kind = Kind::kBits;
  uint64_t bits = 0;
};

// What one result must be.
struct Pattern {
  enum class Kind : uint8_t {
    kNumber,     // type, lanes
    kNull,       // any null
    kHost,       // host_value, through ref.extern n or ref.host n
    kRefOfType,  // a non-null reference that matches `ref`
    kEither,     // one of `choices`
  } kind = Kind::kNumber;
  ValKind type = ValKind::kI32;
  unsigned lane_bits = 0;
  bool is_float = false;
  std::vector<LanePattern> lanes;  // one for scalars
  uint64_t host_value = 0;
  ValType ref;
  std::string text;  // as written, for messages
  std::vector<Pattern> choices;
};

enum class CommandKind : uint8_t {
  kModule,
  kModuleDefinition,
  kModuleInstance,
  kRegister,
  kAction,
  kAssertReturn,
  kAssertTrap,
  kAssertExhaustion,
  kAssertException,
  kAssertMalformed,
  kAssertInvalid,
  kAssertUnlinkable,
  kAssertMalformedCustom,
  kAssertInvalidCustom,
  kUnknown,
};
const char* to_string(CommandKind kind);

struct Command {
  CommandKind kind = CommandKind::kUnknown;
  uint32_t line = 0;
  std::optional<ScriptModule> module;  // kModule, kModuleDefinition, assertions about modules
  std::optional<Action> action;
  std::vector<Pattern> expected;  // kAssertReturn
  std::string text;               // expected message; kRegister: name to register as; kUnknown: the command
  std::string name;               // kRegister, kModuleInstance: the module or instance; "": the latest
  std::string instance_of;        // kModuleInstance: the definition
};

struct Script {
  std::shared_ptr<const Tokens> tokens;
  std::vector<Command> commands;

  // The binary of a module. Errors: kSyntax for text; binaries are handed on as they are.
  Result<std::vector<uint8_t>> binary(const ScriptModule& module, const ParseOptions& options = {}) const;
};

// Errors are those of the script itself: its lexical structure and its commands.
Result<Script> parse_script(std::string source);

}  // namespace parallax::wasm::text
