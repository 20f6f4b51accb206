// parallax print FILE: a module as WebAssembly text.
#include <CLI/CLI.hpp>

#include <cstdio>

#include "engine/wasm/features.h"
#include "engine/wasm/text/print.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

namespace {

struct PrintArgs {
  std::string file;
  std::string output;
  bool offsets = false, no_customs = false;
};

int print(const PrintArgs& args) {
  auto bytes = read_module(args.file);
  if (!bytes) return complain(args.file, bytes.error());
  wasm::text::PrintOptions options;
  options.features.bits = ~0u;  // whatever is there is shown
  options.offsets = args.offsets;
  options.customs = !args.no_customs;
  const auto text = wasm::text::print_binary(std::move(*bytes), options);
  if (!text) return complain(args.file, text.error());
  if (args.output.empty() || args.output == "-") {
    std::fwrite(text->data(), 1, text->size(), stdout);
    return kDone;
  }
  const auto written = write_file(args.output, *text);
  return written ? kDone : complain("", written.error());
}

}  // namespace

void add_print(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<PrintArgs>();
  command.add_option("FILE", args->file, "a .wasm or .wat file, - for stdin")->required();
  command.add_option("-o,--output", args->output, "where the text goes (default: stdout)");
  command.add_flag("--offsets", args->offsets, "comments with the binary offset of every instruction");
  command.add_flag("--no-customs", args->no_customs, "leave out custom sections (names stay)");
  command.callback([args, &exit_code] { exit_code = print(*args); });
}

}  // namespace parallax::cli
