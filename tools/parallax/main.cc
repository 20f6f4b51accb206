// parallax: the command line. Subcommands stand in commands.def; this file only dispatches and maps errors of usage to
// the exit code for them.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>

#include "tools/parallax/commands.h"

namespace {

struct Command {
  const char* name;
  bool hidden;
  const char* summary;
  void (*add)(CLI::App&, int&);
};

constexpr Command kCommands[] = {
#define COMMAND(name, hidden, summary) {#name, hidden, summary, parallax::cli::add_##name},
#include "tools/parallax/commands.def"
#undef COMMAND
};

constexpr const char* kFooter =
    "Exit codes: 0 agreed or done, 1 a finding or a failure, 2 bad usage or unreadable input, 3 environment problem.\n"
    "`parallax COMMAND --help` explains each command.";

bool is_command(std::string_view word) {
  return std::ranges::any_of(kCommands, [&](const Command& row) { return word == row.name; });
}

// What the parser lets through: a range has nothing against "nan", and what is too large becomes the largest.
std::string check_number(const std::string& word) {
  std::string lower = word;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (lower.find("nan") != std::string::npos) return word + " is no number";
  return error == std::errc::result_out_of_range ? word + " is too large" : "";
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{"Parallax: differential fuzzing of WebAssembly GC engines, and a runtime of its own"};
  app.name("parallax");
  app.set_version_flag("--version", std::string("parallax ") + parallax::cli::kVersion);
  app.require_subcommand(1);
  app.footer(kFooter);
  int exit_code = parallax::cli::kDone;
  for (const Command& row : kCommands) {
    CLI::App* command = app.add_subcommand(row.name, row.summary);
    if (row.hidden) command->group("");
    row.add(*command, exit_code);
    for (CLI::Option* option : command->get_options()) {
      const std::string type = option->get_type_name();
      if (type.starts_with("FLOAT") || type.starts_with("UINT")) option->check(check_number);
    }
  }
  // "-5" is an argument, not an option: hidden from the parser, restored by cmd_run.
  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && !words[0].starts_with('-') && !is_command(words[0])) {
    parallax::cli::complain("no command '" + words[0] + "'; parallax --help lists them");
    return parallax::cli::kUsage;
  }
  for (std::string& word : words) {
    const bool number =
        word.size() > 1 && word[0] == '-' && (std::isdigit(static_cast<unsigned char>(word[1])) != 0 || word == "-inf");
    if (number) word.insert(word.begin(), '\x01');
  }
  std::reverse(words.begin(), words.end());
  try {
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? parallax::cli::kDone : parallax::cli::kUsage;
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    parallax::cli::complain("cannot write to the standard output");
    return parallax::cli::kEnvironment;
  }
  return exit_code;
}
