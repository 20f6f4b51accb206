// parallax parse FILE: WebAssembly text to binary.
#include <CLI/CLI.hpp>

#include <cstdio>

#include "engine/wasm/text/parse.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

namespace {

struct ParseArgs {
  std::string file;
  std::string output;
  bool strip = false;
};

int parse(const ParseArgs& args) {
  const auto source = read_file(args.file);
  if (!source) return complain(args.file, source.error());
  const auto names = args.strip ? wasm::text::NameSection::kOmit : wasm::text::NameSection::kEmit;
  const auto bytes = wasm::text::parse_module(std::string(source->begin(), source->end()), {.names = names});
  if (!bytes) {
    complain(args.file + ":" + bytes.error().message);
    return kUsage;
  }
  const std::string_view binary(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  if (args.output.empty() || args.output == "-") {
    std::fwrite(binary.data(), 1, binary.size(), stdout);
    return kDone;
  }
  const auto written = write_file(args.output, binary);
  return written ? kDone : complain("", written.error());
}

}  // namespace

void add_parse(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<ParseArgs>();
  command.add_option("FILE", args->file, "a .wat file, - for stdin")->required();
  command.add_option("-o,--output", args->output, "where the binary goes (default: stdout)");
  command.add_flag("--strip", args->strip, "write no names");
  command.callback([args, &exit_code] { exit_code = parse(*args); });
}

}  // namespace parallax::cli
