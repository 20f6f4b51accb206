// Names of compiled code: perf's map, and what a debugger shows if there is one.
#include "engine/jit/symbols.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "engine/base/text.h"
#include "engine/jit/engine.h"
#include "engine/runtime/store.h"
#include "engine/wasm/text/parse.h"

// Where the test stops the debugger.
extern "C" [[gnu::noinline, gnu::used]] void parallax_symbols_test_stop() { asm volatile("" ::: "memory"); }

namespace parallax::jit {
namespace {

// $outer calls $inner calls the host; $inner has a leaf besides.
wasm::Outcome run(const runtime::EngineOptions& options, bool perf_map, bool gdb) {
  name_code_for(perf_map, gdb);
  auto types = std::make_shared<wasm::TypeStore>();
  auto engine = make_engine(types, options);
  name_code_for(false, false);
  auto bytes = wasm::text::parse_module(R"((module
    (import "" "host" (func $host))
    (func $leaf (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func $inner (param i32) (result i32) (call $host) (call $leaf (local.get 0)))
    (func $outer (export "outer") (param i32) (result i32) (i32.mul (call $inner (local.get 0)) (i32.const 2)))
    (func (export "nameless") (result i32) (i32.const 7))))");
  auto module = wasm::load(std::move(*bytes), types);
  const wasm::Extern host =
      engine->make_func(types->intern_func({}, {}), [](wasm::Embedding&, std::span<const wasm::Value>) {
        parallax_symbols_test_stop();
        return wasm::Outcome::ok({});
      });
  wasm::InstanceId instance = 0;
  const auto made =
      engine->instantiate(std::make_shared<wasm::Module>(std::move(*module)), std::span(&host, 1), instance);
  if (!made.returned()) return made;
  (void)engine->call(*engine->find_export(instance, "nameless"), {});
  const wasm::Value argument = wasm::Value::i32(20);
  return engine->call(*engine->find_export(instance, "outer"), std::span(&argument, 1));
}

TEST(Symbols, PerfMapNamesEveryPieceOfCode) {
  const std::string path = text::format("/tmp/perf-{}.map", getpid());
  ASSERT_TRUE(run({.level = runtime::OptLevel::kO1}, true, false).returned());
  std::ifstream in(path);
  uint64_t functions = 0;
  std::string wanted[] = {"wasm:leaf", "wasm:inner", "wasm:outer", "wasm:func4", "stub:host_call", "host::"};
  std::vector<bool> seen(std::size(wanted));
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    uint64_t begin = 0, size = 0;
    std::string name;
    words >> std::hex >> begin >> size >> name;
    EXPECT_TRUE(words) << line;
    EXPECT_GT(begin, 0x10000u);
    EXPECT_GT(size, 0u) << line;
    EXPECT_LT(size, 4096u) << line;
    functions += name.starts_with("wasm:");
    for (size_t n = 0; n < std::size(wanted); ++n) {
      if (name == wanted[n]) seen[n] = true;
    }
  }
  EXPECT_EQ(functions, 4u);
  for (size_t n = 0; n < std::size(wanted); ++n) EXPECT_TRUE(seen[n]) << wanted[n];
  std::remove(path.c_str());
}

// What the test below runs in a debugger.
TEST(Symbols, DISABLED_ProgramForTheDebugger) {
  EXPECT_TRUE(run({.level = runtime::OptLevel::kO1}, false, true).returned());
}

TEST(Symbols, BacktracesOfGdbShowWebAssemblyFunctions) {
  if (std::system("gdb --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "there is no gdb";
  char self[4096] = {};
  ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
  const std::string command = text::format(
      "gdb -nx -batch -ex 'set confirm off' -ex 'set breakpoint pending on' -ex 'break parallax_symbols_test_stop' "
      "-ex run -ex bt --args {} --gtest_also_run_disabled_tests "
      "--gtest_filter=Symbols.DISABLED_ProgramForTheDebugger 2>&1",
      self);
  FILE* const pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string said;
  for (char part[512]; std::fgets(part, sizeof(part), pipe) != nullptr;) said += part;
  pclose(pipe);
  if (said.find("Breakpoint 1, ") == std::string::npos) GTEST_SKIP() << "gdb cannot run programs here: " << said;
  size_t at = 0;
  for (const char* frame : {"parallax_symbols_test_stop", "stub:host_call", "host::", "wasm:inner", "wasm:outer",
                            "entry:i:i", " enter ", "main"}) {
    at = said.find(frame, at);
    ASSERT_NE(at, std::string::npos) << frame << "\n" << said;
  }
}

TEST(Symbols, NothingStaysInTheListOfTheDebugger) {
  const CodeSymbol symbol{.code = std::span(reinterpret_cast<const uint8_t*>(&run), 16), .name = "x"};
  for (int round = 0; round < 2; ++round) {
    CodeSymbols symbols(false, true);
    symbols.add(symbol);
    symbols.add(symbol);
  }
  EXPECT_TRUE(run({.level = runtime::OptLevel::kO0}, false, true).returned());
  const std::vector<uint8_t> file = elf_of(symbol);
  EXPECT_EQ(file[0], 0x7f);
  EXPECT_EQ(file.size() % 8, 0u);
}

}  // namespace
}  // namespace parallax::jit
