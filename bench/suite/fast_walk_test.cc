// The validator's fast walk (engine/wasm/walk_fast.h) against the plain one, on programs and on what is left of them after
// bytes were changed: same verdict, same message, same place. The plain walk is the one with events.
#include <gtest/gtest.h>

#include "bench/suite/programs.h"
#include "engine/base/text.h"
#include "engine/wasm/func_walk_rules.h"
#include "engine/wasm/module.h"
#include "engine/wasm/text/parse.h"

namespace parallax::bench {
namespace {

struct PlainSink {
  static constexpr bool kWantsEvents = true;
  static Result<> on_begin(const wasm::WalkView&) { return {}; }
  static Result<> on_instr(const wasm::Instr&, const wasm::InstrTypes&, const wasm::WalkView&) { return {}; }
  static Result<> on_finish(const wasm::WalkView&) { return {}; }
};
struct FastSink {
  static constexpr bool kWantsEvents = false;
  static Result<> on_begin(const wasm::WalkView&) { return {}; }
  static Result<> on_instr(const wasm::Instr&, const wasm::InstrTypes&, const wasm::WalkView&) { return {}; }
  static Result<> on_finish(const wasm::WalkView&) { return {}; }
};

template <class Sink>
std::string verdict(const wasm::Module& module, wasm::FuncIndex func) {
  Sink sink;
  const Result<> result = wasm::walk_func(module, func, {}, sink);
  return result ? "valid" : result.error().to_string();
}

struct Counts {
  uint32_t valid = 0, invalid = 0;
};

void compare(const wasm::Module& module, wasm::FuncIndex func, const std::string& what, Counts& counts) {
  const std::string plain = verdict<PlainSink>(module, func);
  ASSERT_EQ(verdict<FastSink>(module, func), plain) << what;
  ++(plain == "valid" ? counts.valid : counts.invalid);
}

TEST(FastWalk, AgreesWithThePlainWalkOnBrokenBodies) {
  Counts counts;
  uint64_t seed = 1;
  const auto random = [&](uint64_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>((seed >> 33) % below);
  };
  for (const Program& program : programs()) {
    auto module = wasm::decode(*assemble(program), std::make_shared<wasm::TypeStore>());
    ASSERT_TRUE(module) << program.name;
    for (uint32_t i = module->imported_funcs; i < module->funcs.size(); ++i) {
      const wasm::FuncIndex func(i);
      const wasm::Range body = module->funcs[i].body;
      compare(*module, func, program.name, counts);
      // Opcodes that exist, small numbers, and any byte: one or two at a time.
      for (uint32_t round = 0; round < 400; ++round) {
        const std::vector<uint8_t> before = module->bytes;
        const uint32_t changes = 1 + random(2);
        std::string what = program.name;
        for (uint32_t change = 0; change < changes; ++change) {
          const uint32_t at = body.begin + random(body.size());
          const uint32_t kind = random(3);
          const uint32_t byte = kind == 0 ? random(8) : kind == 1 ? 0x20 + random(5) : random(256);
          module->bytes[at] = static_cast<uint8_t>(byte);
          what += text::format(", byte {:#x} is {:#04x}", at, byte);
        }
        compare(*module, func, what, counts);
        if (HasFatalFailure()) return;
        module->bytes = before;
      }
    }
  }
  EXPECT_GT(counts.valid, 1000u);
  EXPECT_GT(counts.invalid, 1000u);
}

TEST(FastWalk, AgreesOnWhichReferencesFitWhere) {
  constexpr const char* kHeaps[] = {"any",    "eq",     "i31",      "struct", "array", "none", "func",
                                    "nofunc", "extern", "noextern", "exn",    "noexn", "$s",   "$t"};
  std::vector<std::string> types = {"i32", "i64", "f32", "f64"};
  for (const char* heap : kHeaps) {
    types.push_back(text::format("(ref {})", heap));
    types.push_back(text::format("(ref null {})", heap));
  }
  Counts counts;
  for (const std::string& have : types) {
    std::string source = "(type $s (sub (struct))) (type $t (sub $s (struct (field i32))))";
    for (size_t i = 0; i < types.size(); ++i) {
      source +=
          text::format("(func $f{0} (param {1})) (func (param {2}) (call $f{0} (local.get 0)))", i, types[i], have);
    }
    // The end of the module is read with care, so that the last bodies would not be walked fast.
    source += "(data \"0123456789012345678901234567890123456789\")";
    auto module = wasm::decode(*wasm::text::parse_module(source), std::make_shared<wasm::TypeStore>());
    ASSERT_TRUE(module) << module.error().message;
    for (uint32_t i = 1; i < module->funcs.size(); i += 2) {
      compare(*module, wasm::FuncIndex(i), text::format("{} for {}", have, types[i / 2]), counts);
    }
  }
  EXPECT_GT(counts.valid, types.size());
  EXPECT_GT(counts.invalid, counts.valid);
}

}  // namespace
}  // namespace parallax::bench
