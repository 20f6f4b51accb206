// What every subcommand shares: exit codes, error text, input files.
//
// Exit codes are part of the interface and the same for all subcommands. Messages for people go to stderr and start
// with "parallax: "; stdout carries the answer only, so that --json output can be piped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace CLI {
class App;
}

namespace parallax::cli {

enum ExitCode : int {
  kDone = 0,         // agreed, finished
  kFound = 1,        // a finding, a trap, a failed test
  kUsage = 2,        // bad arguments or unreadable input
  kEnvironment = 3,  // the machine failed us: no process, no memory, no space, a missing component
};

inline constexpr const char* kVersion = PARALLAX_VERSION;

#define COMMAND(name, hidden, summary) void add_##name(CLI::App& command, int& exit_code);
#include "tools/parallax/commands.def"
#undef COMMAND

// Prints "parallax: <text>" to stderr.
void complain(std::string_view text);
// Prints the error and answers with the exit code that fits its code.
int complain(std::string_view what, const Error& error);

// The bytes of a regular file ("-" is stdin). Errors are kIo and say what is wrong with the path: missing, a folder, not
// readable, empty.
Result<std::vector<uint8_t>> read_file(const std::string& path);
// A module as binary: reads the file and, when it is WebAssembly text (.wat, or anything not starting like a binary but
// like text), parses it.
Result<std::vector<uint8_t>> read_module(const std::string& path);
// Writes a file atomically (temporary file, then rename); devices, pipes and links are written through.
Result<> write_file(const std::string& path, std::string_view content);

// The files to work on: a file is itself, a folder is all its regular files below, sorted. kIo when missing.
Result<std::vector<std::string>> files_below(const std::string& path, std::string_view extension = "");
// The cases below a path: of a finding only its case.wasm, of other folders every file. kUsage when there are none.
Result<std::vector<std::string>> cases_below(const std::string& path);

}  // namespace parallax::cli
