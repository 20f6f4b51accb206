// parallax engines: which executors and generators this build offers, and which other engines are on this machine.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/suite/peers.h"
#include "engine/base/text.h"
#include "fuzz/executors/executors.h"
#include "fuzz/external/engines.h"
#include "fuzz/generators/generators.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

namespace {

using nlohmann::json;

// Every engine that we know to drive: where it is and which version, or that it was not found.
json other_engines(const std::vector<std::string>& folders, std::vector<std::string>& notes) {
  json rows = json::array();
  const std::vector<bench::Peer> found = bench::find_peers(fuzz::engine_folders(folders), &notes);
  for (const bench::PeerRow& row : bench::peer_rows()) {
    const auto peer = std::ranges::find(found, &row, &bench::Peer::row);
    json entry = {{"name", row.name}, {"summary", row.summary}, {"votes", fuzz::find_external(row.name).has_value()}};
    entry["available"] = peer != found.end();
    if (peer != found.end()) {
      entry["version"] = peer->version;
      entry["program"] = peer->command.back();
    } else {
      entry["summary"] = text::format("{} (no program {} was found)", row.summary, row.program);
    }
    rows.push_back(std::move(entry));
  }
  return rows;
}

int run(bool as_json, const std::vector<std::string>& folders) {
  json report = {{"executors", json::array()}, {"generators", json::array()}};
  std::vector<std::string> notes;
  report["engines"] = other_engines(folders, notes);
  size_t count = 0;
  const fuzz::ExecutorInfo* executors = fuzz::executor_table(count);
  for (size_t i = 0; i < count; ++i) {
    std::string why;
    const bool there = fuzz::available(executors[i].kind, &why);
    report["executors"].push_back(
        {{"name", executors[i].name}, {"available", there}, {"summary", there ? executors[i].summary : why}});
  }
  const fuzz::GeneratorInfo* generators = fuzz::generator_table(count);
  for (size_t i = 0; i < count; ++i) {
    std::string why;
    const bool there = fuzz::available(generators[i].kind, &why);
    report["generators"].push_back(
        {{"name", generators[i].name}, {"available", there}, {"summary", there ? generators[i].summary : why}});
  }
  if (as_json) {
    std::printf("%s\n", report.dump(2).c_str());
    return kDone;
  }
  for (const char* group : {"executors", "generators", "engines"}) {
    std::printf("%s\n", group);
    for (const auto& row : report[group]) {
      const bool there = row["available"].get<bool>();
      std::printf("  %-14s %-12s %s\n", row["name"].get<std::string>().c_str(),
                  there ? row.value("version", std::string("yes")).c_str() : "NO",
                  row["summary"].get<std::string>().c_str());
    }
  }
  for (const std::string& note : notes) complain(note);
  return kDone;
}

}  // namespace

void add_engines(CLI::App& command, int& exit_code) {
  auto as_json = std::make_shared<bool>(false);
  auto folders = std::make_shared<std::vector<std::string>>();
  command.add_flag("--json", *as_json, "answer as JSON");
  command.add_option("--peers", *folders, "a folder with other engines, searched before PARALLAX_PEERS and PATH");
  command.callback([as_json, folders, &exit_code] { exit_code = run(*as_json, *folders); });
}

}  // namespace parallax::cli
