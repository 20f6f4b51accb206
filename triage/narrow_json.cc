// The diagnosis as JSON: see narrow.h.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/base/text.h"
#include "triage/narrow.h"

namespace parallax::triage {

using nlohmann::json;

namespace {

constexpr const char* kShown[] = {"shows", "another finding", "agrees", "unknown"};  // ORDER: Shown

// One description of every struct's members serves both directions: `visit(name, member)`.
template <class T, class Visit>
void members(T& of, Visit&& visit)
  requires std::is_same_v<std::remove_const_t<T>, Setting>
{
  visit("name", of.name);
  visit("spec", of.spec);
  visit("shown", of.shown);
  visit("outcome", of.outcome);
}
template <class T, class Visit>
void members(T& of, Visit&& visit)
  requires std::is_same_v<std::remove_const_t<T>, GuiltyRewrite>
{
  visit("number", of.number);
  visit("total", of.total);
  visit("kind", of.kind);
  visit("summary", of.summary);
  visit("pass", of.pass);
  visit("func", of.func);
  visit("offset", of.offset);
  visit("text", of.text);
  visit("ir_before", of.ir_before);
  visit("ir_after", of.ir_after);
}
template <class T, class Visit>
void members(T& of, Visit&& visit)
  requires std::is_same_v<std::remove_const_t<T>, GuiltyCollection>
{
  visit("index", of.index);
  visit("total", of.total);
  visit("func", of.func);
  visit("offset", of.offset);
  visit("operation", of.operation);
}
template <class T, class Visit>
void members(T& of, Visit&& visit)
  requires std::is_same_v<std::remove_const_t<T>, DifferingEvent>
{
  visit("number", of.number);
  visit("func", of.func);
  visit("offset", of.offset);
  visit("operation", of.operation);
  visit("left", of.left);
  visit("right", of.right);
  visit("of_null", of.of_null);
}
template <class T, class Visit>
void members(T& of, Visit&& visit)
  requires std::is_same_v<std::remove_const_t<T>, Stability>
{
  visit("runs", of.runs);
  visit("same", of.same);
  visit("varies", of.varies);
}
template <class T, class Visit>
void members(T& of, Visit&& visit)
  requires std::is_same_v<std::remove_const_t<T>, Narrowed>
{
  visit("class", of.bug_class);
  visit("signature", of.signature);
  visit("id", of.id);
  visit("words", of.words);
  visit("reference", of.reference);
  visit("original", of.original);
  visit("weakest", of.weakest);
  visit("fault", of.fault);
  visit("stability", of.stability);
  visit("features", of.features);
  visit("vector", of.vector);
  visit("neighbours", of.neighbours);
  visit("guilty_pass", of.guilty_pass);
  visit("needed_passes", of.needed_passes);
  visit("rewrite", of.rewrite);
  visit("map_pattern", of.map_pattern);
  visit("collection", of.collection);
  visit("armed", of.armed);
  visit("plain", of.plain);
  visit("invariant", of.invariant);
  visit("invariant_text", of.invariant_text);
  visit("evaluator", of.evaluator);
  visit("evaluator_pass", of.evaluator_pass);
  visit("event", of.event);
  visit("notes", of.notes);
  visit("done", of.done);
  visit("complete", of.complete);
  visit("seconds", of.seconds);
}

template <class T>
concept Plain = std::is_same_v<T, std::string> || std::is_arithmetic_v<T>;

template <Plain T>
json write(const T& value) {
  return value;
}
json write(Shown value) { return to_string(value); }
template <class T>
json write(const T& value);
template <class T>
json write(const std::vector<T>& values) {
  json out = json::array();
  for (const T& value : values) out.push_back(write(value));
  return out;
}
template <class T>
json write(const std::optional<T>& value) {
  return value ? write(*value) : json();
}
template <class T>
json write(const T& value) {
  json out = json::object();
  members(value, [&](const char* name, const auto& member) { out[name] = write(member); });
  return out;
}

// Members of another type than expected keep their defaults.
void read(const json& from, std::string& out) {
  if (from.is_string()) out = from.get<std::string>();
}
void read(const json& from, bool& out) {
  if (from.is_boolean()) out = from.get<bool>();
}
void read(const json& from, double& out) {
  if (from.is_number()) out = from.get<double>();
}
void read(const json& from, uint64_t& out) {
  if (from.is_number_unsigned()) out = from.get<uint64_t>();
}
void read(const json& from, uint32_t& out) {
  if (from.is_number_unsigned()) out = static_cast<uint32_t>(from.get<uint64_t>());
}
void read(const json& from, Shown& out) {
  for (size_t i = 0; i < std::size(kShown); ++i) {
    if (from.is_string() && from.get<std::string>() == kShown[i]) out = static_cast<Shown>(i);
  }
}
template <class T>
void read(const json& from, T& out);
template <class T>
void read(const json& from, std::vector<T>& out) {
  if (!from.is_array()) return;
  for (const json& item : from) read(item, out.emplace_back());
}
template <class T>
void read(const json& from, std::optional<T>& out) {
  if (from.is_object()) read(from, out.emplace());
}
template <class T>
void read(const json& from, T& out) {
  if (!from.is_object()) return;
  members(out, [&](const char* name, auto& member) {
    if (const auto it = from.find(name); it != from.end()) read(*it, member);
  });
}

}  // namespace

const char* to_string(Shown shown) { return kShown[static_cast<size_t>(shown)]; }

std::string to_json(const Narrowed& narrowed) {
  return write(narrowed).dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<Narrowed> narrowed_from_json(std::string_view text) {
  const json from = json::parse(text, nullptr, false);
  if (!from.is_object() || !from.contains("signature") || !from.contains("stability")) {
    return fail(ErrorCode::kSyntax, 0, "narrow.json is not a diagnosis");
  }
  Narrowed out;
  read(from, out);
  return out;
}

Result<Narrowed> read_narrowed(const std::string& folder) {
  std::ifstream file(folder + "/narrow.json", std::ios::binary);
  std::error_code error;
  if (!file || std::filesystem::is_directory(folder + "/narrow.json", error))
    return fail(ErrorCode::kIo, 0, text::format("{}: no narrow.json (run parallax narrow)", folder));
  return narrowed_from_json(std::string{std::istreambuf_iterator<char>(file), {}});
}

Result<> write_narrowed(const std::string& folder, const Narrowed& narrowed) {
  const std::string path = folder + "/narrow.json";
  const std::string temporary = text::format("{}.{}", path, ::getpid());
  const std::string content = to_json(narrowed);
  std::FILE* file = std::fopen(temporary.c_str(), "wbe");
  if (file == nullptr) return fail(ErrorCode::kIo, 0, text::format("{}: {}", path, std::strerror(errno)));
  const bool written = std::fwrite(content.data(), 1, content.size(), file) == content.size();
  if (std::fclose(file) == 0 && written && std::rename(temporary.c_str(), path.c_str()) == 0) return {};
  const int why = errno;
  ::unlink(temporary.c_str());
  return fail(ErrorCode::kIo, 0, text::format("{}: {}", path, std::strerror(why)));
}

}  // namespace parallax::triage
