#include "triage/campaign_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/base/text.h"

namespace parallax::triage {

using nlohmann::json;

namespace {

// Members of a line that are numbers, once, for writing and reading.
template <class S, class F>
void each_count(S& sample, F&& visit) {
  visit("cases", sample.cases);
  visit("agreed", sample.agreed);
  visit("inconclusive", sample.inconclusive);
  visit("rejected", sample.rejected);
  visit("findings", sample.findings);
  visit("distinct", sample.distinct);
  visit("corpus_cases", sample.corpus_cases);
  visit("corpus_bytes", sample.corpus_bytes);
  visit("workers", sample.workers);
  visit("restarts", sample.restarts);
  visit("rss_bytes", sample.rss_bytes);
}

template <class S, class F>
void each_table(S& sample, F&& visit) {
  visit("inconclusive_reasons", sample.inconclusive_reasons);
  visit("rejected_reasons", sample.rejected_reasons);
  visit("generators", sample.generators);
  visit("yield_cases", sample.yield_cases);
  visit("yield_features", sample.yield_features);
  visit("yield_microseconds", sample.yield_microseconds);
  visit("coverage", sample.coverage);
}

uint64_t count_of(const json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  return 0;  // a negative or broken count is none
}

uint64_t count_at(const json& from, const char* key) {
  const auto it = from.find(key);
  return it != from.end() ? count_of(*it) : 0;
}

double number_at(const json& from, const char* key) {
  const auto it = from.find(key);
  return it != from.end() && it->is_number() ? it->get<double>() : 0;
}

std::string string_at(const json& from, const char* key) {
  const auto it = from.find(key);
  return it != from.end() && it->is_string() ? it->get<std::string>() : std::string();
}

CampaignStart read_start(const json& line) {
  CampaignStart start{.unix_seconds = static_cast<int64_t>(count_at(line, "unix_seconds")),
                      .version = string_at(line, "version"),
                      .generator = string_at(line, "generator"),
                      .seed = count_at(line, "seed"),
                      .jobs = count_at(line, "jobs"),
                      .executors = {},
                      .fault = string_at(line, "fault"),
                      .findings = string_at(line, "findings")};
  if (const auto it = line.find("executors"); it != line.end() && it->is_array()) {
    for (const json& spec : *it) {
      if (spec.is_string()) start.executors.push_back(spec.get<std::string>());
    }
  }
  return start;
}

Sample read_sample(const json& line) {
  Sample sample;
  sample.seconds = number_at(line, "seconds");
  sample.per_second = number_at(line, "per_second");
  each_count(sample, [&](const char* key, uint64_t& count) { count = count_at(line, key); });
  each_table(sample, [&](const char* key, std::map<std::string, uint64_t>& table) {
    const auto it = line.find(key);
    if (it == line.end() || !it->is_object()) return;
    for (const auto& [name, value] : it->items()) table[name] = count_of(value);
  });
  return sample;
}

std::string dump(const json& line) { return line.dump(-1, ' ', false, json::error_handler_t::replace); }

std::unexpected<Error> io(const std::string& path) {
  return fail(ErrorCode::kIo, 0, text::format("{}: {}", path, std::strerror(errno)));
}

Result<> append(const std::string& path, std::string line) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return io(path);
  const off_t size = ::lseek(fd, 0, SEEK_END);
  char last = '\n';
  if (size > 0 && ::pread(fd, &last, 1, size - 1) == 1 && last != '\n') line.insert(line.begin(), '\n');
  line += '\n';
  const ssize_t written = ::write(fd, line.data(), line.size());
  if (written >= 0 && written != static_cast<ssize_t>(line.size())) errno = ENOSPC;
  const bool whole = written == static_cast<ssize_t>(line.size());
  const int why = errno;
  ::close(fd);
  errno = why;
  if (!whole) return io(path);
  return {};
}

}  // namespace

std::string to_line(const CampaignStart& start) {
  return dump({{"line", "start"},
               {"unix_seconds", start.unix_seconds},
               {"version", start.version},
               {"generator", start.generator},
               {"seed", start.seed},
               {"jobs", start.jobs},
               {"executors", start.executors},
               {"fault", start.fault},
               {"findings", start.findings}});
}

std::string to_line(const Sample& sample) {
  json line = {{"line", "sample"}, {"seconds", sample.seconds}, {"per_second", sample.per_second}};
  each_count(sample, [&](const char* key, const uint64_t& count) { line[key] = count; });
  each_table(sample, [&](const char* key, const std::map<std::string, uint64_t>& table) { line[key] = table; });
  return dump(line);
}

Result<> append_line(const std::string& path, const CampaignStart& start) { return append(path, to_line(start)); }
Result<> append_line(const std::string& path, const Sample& sample) { return append(path, to_line(sample)); }

CampaignLog parse_campaign_log(std::string_view text) {
  CampaignLog log;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view row = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (row.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const json line = json::parse(row, nullptr, false);
    const std::string kind = line.is_object() ? string_at(line, "line") : "";
    if (kind.empty()) {
      log.damaged += 1;
    } else if (kind == "start") {
      log.starts.push_back(read_start(line));
    } else if (kind == "sample") {
      log.samples.push_back(read_sample(line));
    }
  }
  return log;
}

Result<CampaignLog> read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return io(path);
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return fail(ErrorCode::kIo, 0, text::format("{}: is a folder, expected a file", path));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) return io(path);
  return parse_campaign_log(text);
}

}  // namespace parallax::triage
