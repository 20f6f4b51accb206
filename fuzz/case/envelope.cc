// The envelope: see case.h. The section's content is JSON text: fields can be added while old files stay readable, people
// can read it in the file, and its parser does not recurse on hostile nesting (the parsers of binary forms do).
#include <nlohmann/json.hpp>

#include <cstring>

#include "engine/base/text.h"
#include "fuzz/case/case.h"

namespace parallax::fuzz {

namespace {

using nlohmann::json;

constexpr std::string_view kSectionName = "parallax.case";
constexpr uint64_t kFormat = 1;
constexpr uint32_t kMaxModules = 64;
constexpr size_t kMaxSteps = 100'000;

void write_leb(std::vector<uint8_t>& out, uint32_t value) {
  do {
    const uint8_t low = value & 0x7f;
    value >>= 7;
    out.push_back(low | (value != 0 ? 0x80 : 0));
  } while (value != 0);
}

// Empty when the bytes do not hold one.
std::optional<uint32_t> read_leb(std::span<const uint8_t> bytes, size_t& at) {
  uint64_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    if (at >= bytes.size()) return {};
    const uint8_t byte = bytes[at++];
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value <= UINT32_MAX ? std::optional(static_cast<uint32_t>(value)) : std::nullopt;
  }
  return {};
}

std::string to_hex(std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::optional<std::vector<uint8_t>> from_hex(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  if (text.size() % 2 != 0) return {};
  std::vector<uint8_t> out;
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return {};
    out.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return out;
}

// Only what differs from the default is written: envelopes stay small and readable.
json step_json(const Step& step) {
  json out = {{"do", to_string(step.kind)}};
  if (step.module != 0) out["module"] = step.module;
  if (step.instance != 0) out["instance"] = step.instance;
  if (step.kept != 0) out["kept"] = step.kept;
  if (step.keep) out["keep"] = true;
  if (!step.name.empty()) out["name"] = step.name;
  for (const Argument& arg : step.args) out["args"].push_back({static_cast<unsigned>(arg.kind), arg.low, arg.high});
  if (!step.links.empty()) out["links"] = step.links;
  return out;
}

// Readers never throw: a value of the wrong kind counts as absent.
template <class T>
T number(const json& from, const char* key, T otherwise) {
  const auto it = from.find(key);
  if (it == from.end() || !it->is_number_integer()) return otherwise;
  return static_cast<T>(it->get<uint64_t>());
}

bool flag(const json& from, const char* key) {
  const auto it = from.find(key);
  return it != from.end() && it->is_boolean() && it->get<bool>();
}

const json& list(const json& from, const char* key) {
  static const json kEmpty = json::array();
  const auto it = from.find(key);
  return it != from.end() && it->is_array() ? *it : kEmpty;
}

std::string string(const json& from, const char* key) {
  const auto it = from.find(key);
  return it != from.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::optional<Step> read_step(const json& from) {
  if (!from.is_object()) return {};
  Step step;
  const std::string kind = string(from, "do");
  size_t row = 0;
  while (row < kStepKindCount && kind != to_string(static_cast<StepKind>(row))) ++row;
  if (row == kStepKindCount) return {};
  step.kind = static_cast<StepKind>(row);
  step.module = number(from, "module", 0u);
  step.instance = number(from, "instance", 0u);
  step.kept = number(from, "kept", 0u);
  step.keep = flag(from, "keep");
  step.name = string(from, "name");
  for (const json& item : list(from, "args")) {
    if (!item.is_array() || item.size() != 3) return {};
    for (const json& part : item) {
      if (!part.is_number_integer()) return {};
    }
    const auto arg_kind = item[0].get<uint64_t>();
    if (arg_kind > static_cast<uint64_t>(ArgKind::kKept)) return {};
    step.args.push_back({static_cast<ArgKind>(arg_kind), item[1].get<uint64_t>(), item[2].get<uint64_t>()});
  }
  for (const json& item : list(from, "links")) {
    if (item.is_number_integer()) step.links.push_back(item.get<uint32_t>());
  }
  return step;
}

json to_json(const Case& subject) {
  const Configuration& configuration = subject.configuration;
  json out = {{"format", kFormat},
              {"fuel", configuration.fuel},
              {"call_depth", configuration.call_depth},
              {"allocated_bytes", configuration.allocated_bytes},
              {"memory_pages", configuration.memory_pages},
              {"table_elements", configuration.table_elements},
              {"max_calls", configuration.max_calls}};
  if (!configuration.executors.empty()) out["executors"] = configuration.executors;
  if (!subject.origin.empty()) out["origin"] = subject.origin;
  if (subject.claims_valid) out["claims_valid"] = true;
  if (subject.claims_invalid) out["claims_invalid"] = true;
  for (const Step& step : subject.plan) out["plan"].push_back(step_json(step));
  for (size_t i = 1; i < subject.modules.size(); ++i) out["modules"].push_back(to_hex(subject.modules[i]));
  return out;
}

Result<> from_json(const json& from, Case& subject) {
  if (const uint64_t format = number(from, "format", 0); format != kFormat) {
    return fail(ErrorCode::kMalformed, 0,
                text::format("case section: its format is {}, this build reads format {}", format, kFormat));
  }
  for (const char* key : {"plan", "modules", "executors"}) {
    if (from.contains(key) && !from[key].is_array())
      return fail(ErrorCode::kMalformed, 0, text::format("case section: {} is not a list", text::quoted(key)));
  }
  Configuration& configuration = subject.configuration;
  configuration.fuel = number(from, "fuel", configuration.fuel);
  configuration.call_depth = number(from, "call_depth", configuration.call_depth);
  configuration.allocated_bytes = number(from, "allocated_bytes", configuration.allocated_bytes);
  configuration.memory_pages = number(from, "memory_pages", configuration.memory_pages);
  configuration.table_elements = number(from, "table_elements", configuration.table_elements);
  configuration.max_calls = number(from, "max_calls", configuration.max_calls);
  for (const json& item : list(from, "executors")) {
    if (item.is_string()) configuration.executors.push_back(item.get<std::string>());
  }
  subject.origin = string(from, "origin");
  subject.claims_valid = flag(from, "claims_valid");
  subject.claims_invalid = flag(from, "claims_invalid");
  for (const json& item : list(from, "plan")) {
    auto step = read_step(item);
    if (!step || subject.plan.size() >= kMaxSteps)
      return fail(ErrorCode::kMalformed, 0, "case section: a step is not one");
    subject.plan.push_back(std::move(*step));
  }
  for (const json& item : list(from, "modules")) {
    auto module = item.is_string() ? from_hex(item.get_ref<const std::string&>()) : std::nullopt;
    if (!module || subject.modules.size() >= kMaxModules) {
      return fail(ErrorCode::kMalformed, 0, "case section: a module is not hexadecimal, or there are too many");
    }
    subject.modules.push_back(std::move(*module));
  }
  return {};
}

struct Section {
  size_t begin = 0;  // of the section's id byte
  std::span<const uint8_t> content;
};

// The case section if it is the last section; anything that does not parse as sections has none.
std::optional<Section> find_section(std::span<const uint8_t> bytes) {
  static constexpr uint8_t kMagic[] = {0, 'a', 's', 'm'};
  if (bytes.size() < 8 || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) return {};
  size_t at = 8;
  while (at < bytes.size()) {
    const size_t begin = at;
    const uint8_t id = bytes[at++];
    const auto size = read_leb(bytes, at);
    if (!size || *size > bytes.size() - at) return {};
    const size_t end = at + *size;
    if (id == 0 && end == bytes.size()) {
      size_t inner = at;
      const auto length = read_leb(bytes.first(end), inner);
      if (length == kSectionName.size() && end - inner >= *length &&
          std::memcmp(bytes.data() + inner, kSectionName.data(), *length) == 0) {
        return Section{begin, bytes.subspan(inner + *length, end - inner - *length)};
      }
    }
    at = end;
  }
  return {};
}

}  // namespace

std::vector<uint8_t> write_envelope(const Case& subject) {
  const std::string content = to_json(subject).dump(-1, ' ', false, json::error_handler_t::replace);
  std::vector<uint8_t> out = subject.modules.front();
  std::vector<uint8_t> body;
  write_leb(body, static_cast<uint32_t>(kSectionName.size()));
  body.insert(body.end(), kSectionName.begin(), kSectionName.end());
  body.insert(body.end(), content.begin(), content.end());
  out.push_back(0);
  write_leb(out, static_cast<uint32_t>(body.size()));
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

Result<Case> read_envelope(std::span<const uint8_t> bytes) {
  Case subject;
  const auto section = find_section(bytes);
  if (!section) {
    subject.modules.emplace_back(bytes.begin(), bytes.end());
    return subject;
  }
  subject.modules.emplace_back(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(section->begin));
  const json content = json::parse(section->content.begin(), section->content.end(), nullptr, false);
  if (!content.is_object()) return fail(ErrorCode::kMalformed, section->begin, "case section: content is damaged");
  TRY(from_json(content, subject));
  return subject;
}

}  // namespace parallax::fuzz
