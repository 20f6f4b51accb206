// parallax validate FILE...: whether modules are well-formed and valid, and why not.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/base/text.h"
#include "engine/wasm/features.h"
#include "engine/wasm/module.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

namespace {

struct ValidateArgs {
  std::vector<std::string> files;
  std::vector<std::string> enable, disable;
  bool json = false;
};

Result<wasm::Features> features_of(const ValidateArgs& args) {
  wasm::Features features;
  for (const auto& [names, on] : {std::pair(&args.enable, true), std::pair(&args.disable, false)}) {
    for (const std::string& name : *names) {
      const auto feature = wasm::find_feature(name);
      if (!feature) return fail(ErrorCode::kUsage, 0, text::format("no feature is called '{}'", name));
      features.set(*feature, on);
    }
  }
  return features;
}

int validate(const ValidateArgs& args) {
  const auto features = features_of(args);
  if (!features) return complain("", features.error());
  nlohmann::json out = nlohmann::json::array();
  int exit_code = kDone;
  for (const std::string& file : args.files) {
    auto bytes = read_module(file);
    if (!bytes && bytes.error().code != ErrorCode::kSyntax) return complain(file, bytes.error());
    Result<> verdict;
    if (!bytes) {
      verdict = std::unexpected(bytes.error());
    } else if (const auto module = wasm::load(std::move(*bytes), std::make_shared<wasm::TypeStore>(), *features);
               !module) {
      verdict = std::unexpected(module.error());
    }
    if (!verdict) exit_code = kFound;
    if (args.json) {
      nlohmann::json row = {{"file", file}, {"valid", verdict.has_value()}};
      if (!verdict) {
        row["code"] = to_string(verdict.error().code);
        row["offset"] = verdict.error().offset;
        row["message"] = verdict.error().message;
      }
      out.push_back(std::move(row));
    } else if (verdict) {
      std::printf("%s: valid\n", file.c_str());
    } else {
      std::printf("%s: %s\n", file.c_str(), verdict.error().to_string().c_str());
    }
  }
  if (args.json) std::printf("%s\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return exit_code;
}

}  // namespace

void add_validate(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<ValidateArgs>();
  command.add_option("FILE", args->files, ".wasm or .wat files")->required();
  command.add_option("--enable", args->enable, "features to turn on");
  command.add_option("--disable", args->disable, "features to turn off");
  command.add_flag("--json", args->json, "print a report for programs");
  command.callback([args, &exit_code] { exit_code = validate(*args); });
}

}  // namespace parallax::cli
