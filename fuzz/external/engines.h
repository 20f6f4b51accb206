// External engines: which exist, and where they are on this machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace parallax::fuzz {

struct ExternalEngine {
  std::string_view name;         // as in executor specs: "v8:liftoff"
  std::string_view files;        // names of its program, separated by spaces
  std::string_view arguments;    // in front of the driver's text
  std::string_view environment;  // NAME=VALUE words
  std::string_view summary;
};

std::span<const ExternalEngine> external_engines();
// Index into external_engines(); error kUsage names what there is.
Result<uint32_t> find_external(std::string_view name);

// The engine's program: the first executable file of that name in $PARALLAX_PEERS (folders separated by colons, searched
// with their folders `bin`), then $PATH. Error kUnsupported says where was looked.
Result<std::string> external_program(const ExternalEngine& engine);
// The command that runs the driver, environment words first for env(1).
Result<std::vector<std::string>> external_command(const ExternalEngine& engine);

}  // namespace parallax::fuzz
