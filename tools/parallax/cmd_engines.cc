// parallax engines: which executors and generators this build and this machine offer.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "fuzz/executors/executors.h"
#include "fuzz/generators/generators.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

namespace {

int run(bool as_json) {
  nlohmann::json report = {{"executors", nlohmann::json::array()}, {"generators", nlohmann::json::array()}};
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
  for (const char* group : {"executors", "generators"}) {
    std::printf("%s\n", group);
    for (const auto& row : report[group]) {
      std::printf("  %-9s %-4s %s\n", row["name"].get<std::string>().c_str(),
                  row["available"].get<bool>() ? "yes" : "NO", row["summary"].get<std::string>().c_str());
    }
  }
  std::printf("External engines are not driven by this version.\n");
  return kDone;
}

}  // namespace

void add_engines(CLI::App& command, int& exit_code) {
  auto as_json = std::make_shared<bool>(false);
  command.add_flag("--json", *as_json, "answer as JSON");
  command.callback([as_json, &exit_code] { exit_code = run(*as_json); });
}

}  // namespace parallax::cli
