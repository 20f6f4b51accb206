#include "triage/finding.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/base/text.h"

namespace parallax::triage {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::unexpected<Error> io(const std::string& what) {
  return fail(ErrorCode::kIo, 0, text::format("{}: {}", what, std::strerror(errno)));
}

Result<> write_all(const std::string& path, const void* data, size_t size) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return io(path);
  const bool written = size == 0 || std::fwrite(data, 1, size, file) == size;
  if (std::fclose(file) != 0 || !written) return io(path);
  return {};
}
Result<> write_all(const std::string& path, std::string_view text) { return write_all(path, text.data(), text.size()); }

std::string readme(const Record& record, const std::string& name) {
  std::string out =
      text::format("# {}: {}\n\n{}\n\n", to_string(record.kind), summary_of(record.kind), record.difference);
  out +=
      text::format("Again: `parallax replay{} {}`\n\n", record.fault.empty() ? "" : " --fault " + record.fault, name);
  if (!record.symptom.empty() && record.symptom != record.signature)
    out += text::format("- symptom: `{}`\n", record.symptom);
  out += text::format("- signature: `{}`\n- origin: {}\n- executors:", record.signature, record.origin);
  for (const std::string& spec : record.executors) out += text::format(" `{}`", spec);
  out += text::format("\n- version: parallax {}\n", record.version);
  if (!record.fault.empty()) out += text::format("- planted fault: {}\n", record.fault);
  return out;
}

std::string occurrence(const Record& record) {
  return json({{"origin", record.origin},
               {"executors", record.executors},
               {"difference", record.difference},
               {"fault", record.fault}})
             .dump(-1, ' ', false, json::error_handler_t::replace) +
         "\n";
}

void remove_quietly(const std::string& folder) {
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

Result<> append(const std::string& path, const std::string& line) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return io(path);
  const bool written = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  ::close(fd);
  if (!written) return io(path);
  return {};
}

Result<> fill(const std::string& folder, const Record& record, std::span<const uint8_t> envelope,
              const std::string& log, const std::string& name) {
  TRY(write_all(folder + "/case.wasm", envelope.data(), envelope.size()));
  TRY(write_all(folder + "/finding.json", to_json(record)));
  TRY(write_all(folder + "/log.txt", log));
  TRY(write_all(folder + "/README.md", readme(record, name)));
  return {};
}

std::string string_at(const json& from, const char* key) {
  const auto it = from.find(key);
  return it != from.end() && it->is_string() ? it->get<std::string>() : std::string();
}

uint64_t number_at(const json& from, const char* key) {
  const auto it = from.find(key);
  return it != from.end() && it->is_number_integer() ? it->get<uint64_t>() : 0;
}

}  // namespace

std::string to_json(const Record& record) {
  json out = {{"class", to_string(record.kind)}, {"signature", record.signature}, {"difference", record.difference},
              {"executors", record.executors},   {"origin", record.origin},       {"seed", record.seed},
              {"index", record.index},           {"version", record.version}};
  if (!record.symptom.empty() && record.symptom != record.signature) out["symptom"] = record.symptom;
  if (!record.fault.empty()) out["fault"] = record.fault;
  if (!record.stage.empty()) out["stage"] = record.stage;
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<Record> record_from_json(std::string_view text) {
  const json from = json::parse(text, nullptr, false);
  Record record;
  if (!from.is_object() || !fuzz::parse_finding_class(string_at(from, "class"), record.kind)) {
    return fail(ErrorCode::kUsage, 0, "finding.json is not a finding");
  }
  record.signature = string_at(from, "signature");
  record.symptom = string_at(from, "symptom");
  if (record.symptom.empty()) record.symptom = record.signature;
  record.difference = string_at(from, "difference");
  record.origin = string_at(from, "origin");
  record.fault = string_at(from, "fault");
  record.stage = string_at(from, "stage");
  record.version = string_at(from, "version");
  record.seed = number_at(from, "seed");
  record.index = number_at(from, "index");
  if (const auto it = from.find("executors"); it != from.end() && it->is_array()) {
    for (const json& spec : *it) {
      if (spec.is_string()) record.executors.push_back(spec.get<std::string>());
    }
  }
  return record;
}

std::string folder_name(const Record& record) {
  // A planted fault never hides a real bug that shows itself in the same way.
  const uint64_t fault = record.fault.empty() ? 0 : XXH64(record.fault.data(), record.fault.size(), 0);
  return text::format("{}-{:016x}", to_string(record.kind),
                      XXH64(record.signature.data(), record.signature.size(), fault));
}

Result<Written> write_finding(const std::string& findings, const Record& record, std::span<const uint8_t> envelope,
                              const std::string& log) {
  std::error_code error;
  fs::create_directories(findings, error);
  if (error) return fail(ErrorCode::kIo, 0, text::format("{}: {}", findings, error.message()));
  const std::string name = folder_name(record);
  const std::string folder = findings + "/" + name;
  if (fs::exists(folder + "/finding.json", error)) {
    TRY(append(folder + "/occurrences.jsonl", occurrence(record)));
    return Written{folder, false};
  }
  const std::string temporary = text::format("{}/.new-{}-{}", findings, ::getpid(), name);
  remove_quietly(temporary);
  if (::mkdir(temporary.c_str(), 0755) != 0) return io(temporary);
  if (auto filled = fill(temporary, record, envelope, log, folder); !filled) {
    remove_quietly(temporary);
    return std::unexpected(filled.error());
  }
  if (::rename(temporary.c_str(), folder.c_str()) == 0) return Written{folder, true};
  // Another process was first.
  const int why = errno;
  remove_quietly(temporary);
  errno = why;
  if (why != EEXIST && why != ENOTEMPTY) return io(folder);
  TRY(append(folder + "/occurrences.jsonl", occurrence(record)));
  return Written{folder, false};
}

Result<Record> read_finding(const std::string& folder) {
  // Reading a folder as a file throws.
  std::error_code error;
  std::ifstream file(folder + "/finding.json", std::ios::binary);
  if (!file || fs::is_directory(folder + "/finding.json", error))
    return fail(ErrorCode::kIo, 0, text::format("{}: no finding.json", folder));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Record record = TRY(record_from_json(text));
  if (fs::is_directory(folder + "/occurrences.jsonl", error)) return record;
  std::ifstream further(folder + "/occurrences.jsonl", std::ios::binary);
  record.occurrences += static_cast<uint64_t>(std::count(std::istreambuf_iterator<char>(further), {}, '\n'));
  return record;
}

}  // namespace parallax::triage
