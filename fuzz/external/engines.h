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
// driver.js, and self_check.js, which makes a file that judges itself of it.
std::string_view driver_script();
std::string_view self_check_script();
// Index into external_engines(); error kUsage names what there is.
Result<uint32_t> find_external(std::string_view name);

// Words of a text, empty ones left out.
std::vector<std::string> split(std::string_view text, char separator);

// Where engines are looked for, in order: `asked`, the folders of the environment variable PARALLAX_PEERS (separated by
// colons), the cache that scripts/fetch-peers fills, then PATH. Of all but the last, the folders inside them, too.
std::vector<std::string> engine_folders(const std::vector<std::string>& asked);
// How to start a program from this folder, without arguments; empty when it is not there. A folder may hold the executable
// itself, `bin/`, packages as npm unpacks them (`node_modules/`), or a whole distribution of its own (with `usr/`), whose
// programs are then started through that distribution's dynamic linker.
std::vector<std::string> command_in(const std::string& folder, std::string_view program);

// How to start the engine's program. Error kUnsupported says where was looked.
Result<std::vector<std::string>> external_program(const ExternalEngine& engine);
// The command that runs the driver, environment words first for env(1).
Result<std::vector<std::string>> external_command(const ExternalEngine& engine);

}  // namespace parallax::fuzz
