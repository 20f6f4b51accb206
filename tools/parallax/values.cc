#include "tools/parallax/values.h"

#include <bit>
#include <charconv>
#include <cstdlib>

#include "engine/base/text.h"

namespace parallax::cli {

using wasm::RefKind;
using wasm::ValKind;
using wasm::Value;

namespace {

// An integer literal within [-2^(bits-1), 2^bits); the bits, zero-extended.
bool parse_integer(std::string_view text, unsigned bits, uint64_t& out) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x")) {
    base = 16;
    text.remove_prefix(2);
  }
  uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return false;
  const uint64_t mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  if (negative ? magnitude > (mask >> 1) + 1 : magnitude > mask) return false;
  out = (negative ? ~magnitude + 1 : magnitude) & mask;
  return true;
}

bool parse_float(const std::string& text, double& out) {
  char* end = nullptr;
  out = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0';
}

std::optional<Value> parse_number(std::string_view text, ValKind kind) {
  uint64_t bits = 0;
  double number = 0;
  switch (kind) {
    case ValKind::kI32:
      return parse_integer(text, 32, bits) ? std::optional(Value::i32(static_cast<uint32_t>(bits))) : std::nullopt;
    case ValKind::kI64: return parse_integer(text, 64, bits) ? std::optional(Value::i64(bits)) : std::nullopt;
    case ValKind::kF32:
      if (!parse_float(std::string(text), number)) return {};
      return Value::f32_bits(std::bit_cast<uint32_t>(static_cast<float>(number)));
    case ValKind::kF64:
      if (!parse_float(std::string(text), number)) return {};
      return Value::f64_bits(std::bit_cast<uint64_t>(number));
    case ValKind::kV128: return parse_integer(text, 64, bits) ? std::optional(Value::v128(bits, 0)) : std::nullopt;
    case ValKind::kRef:
    case ValKind::kBottom: break;
  }
  return {};
}

}  // namespace

Result<Value> parse_value(std::string_view text, wasm::ValType type, wasm::Embedding& store) {
  std::optional<Value> value;
  uint64_t bits = 0;
  if (!type.is_ref()) {
    value = parse_number(text, type.kind());
  } else if (text == "null") {
    if (type.nullable()) value = Value::null();
  } else if (text.starts_with("i31:") && parse_integer(text.substr(4), 31, bits)) {
    value = Value::reference({RefKind::kI31, bits});
  } else if (text.starts_with("host:") && parse_integer(text.substr(5), 64, bits)) {
    value = store.make_host_ref(bits);
  }
  if (value && type.is_ref() && value->ref.kind != RefKind::kNull && !store.matches(*value, type)) value.reset();
  if (!value) {
    return fail(ErrorCode::kUsage, 0,
                text::format("'{}' is no argument for a parameter of type {}", text, wasm::to_string(type)));
  }
  return *value;
}

std::string print_value(const Value& value, wasm::Embedding& store, const wasm::TypeStore& types) {
  switch (value.kind) {
    case ValKind::kI32: return text::format("i32 {}", static_cast<int32_t>(value.low));
    case ValKind::kI64: return text::format("i64 {}", static_cast<int64_t>(value.low));
    case ValKind::kF32: return text::format("f32 {}", std::bit_cast<float>(static_cast<uint32_t>(value.low)));
    case ValKind::kF64: return text::format("f64 {}", std::bit_cast<double>(value.low));
    case ValKind::kV128: return text::format("v128 {:#018x} {:#018x}", value.low, value.high);
    case ValKind::kBottom: return "?";
    case ValKind::kRef: break;
  }
  if (value.ref.kind == RefKind::kNull) return "ref null";
  if (value.ref.kind == RefKind::kI31) {  // 31 bits, sign-extended as by i31.get_s
    return text::format("i31 {}", static_cast<int32_t>(static_cast<uint32_t>(value.ref.name) << 1) >> 1);
  }
  const auto view = store.inspect(value);
  if (!view) return view.error().message;
  if (view->kind == RefKind::kHost) return text::format("host {}", view->host_value);
  if (view->kind == RefKind::kExn) return "exception";
  const char* kind = view->kind == RefKind::kStruct ? "struct" : view->kind == RefKind::kArray ? "array" : "func";
  return text::format("ref {} {}", kind, types.print(types.get(view->type)));
}

std::string print_outcome(const wasm::Outcome& outcome, wasm::Embedding& store, const wasm::TypeStore& types) {
  std::string values;
  for (const Value& value : outcome.values) values += (values.empty() ? "" : ", ") + print_value(value, store, types);
  switch (outcome.kind) {
    case wasm::OutcomeKind::kReturned: return values.empty() ? "returned" : values;
    case wasm::OutcomeKind::kTrapped: return text::format("trap: {}", wasm::to_string(outcome.trap));
    case wasm::OutcomeKind::kThrew: return text::format("exception: ({})", values);
    default: break;
  }
  const std::string name = wasm::to_string(outcome.kind);
  return outcome.error.message.empty() ? name : text::format("{}: {}", name, outcome.error.message);
}

}  // namespace parallax::cli
