// WASI functions, called through a module that exports its imports: no compiled code is needed.
#include "engine/runtime/wasi.h"

#include <gtest/gtest.h>

#include "engine/runtime/store.h"
#include "engine/wasm/text/parse.h"

namespace parallax::runtime {
namespace {

using wasm::Value;

constexpr const char* kModule = R"((module
  (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $r (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $a (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $s (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $c (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $n (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $k (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $e (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\05\00\00\00\15\00\00\00\01\00\00\00hello!")
  (export "fd_write" (func $w)) (export "fd_read" (func $r)) (export "args_get" (func $a))
  (export "args_sizes_get" (func $s)) (export "clock_time_get" (func $c)) (export "random_get" (func $n))
  (export "fd_seek" (func $k)) (export "proc_exit" (func $e))))";

struct Program {
  std::shared_ptr<wasm::TypeStore> types = std::make_shared<wasm::TypeStore>();
  Store store{types, {}, nullptr};
  Wasi wasi;
  wasm::InstanceId instance = 0;

  explicit Program(WasiOptions options = {}) : wasi(store, *types, std::move(options)) {
    auto module = wasm::load(*wasm::text::parse_module(kModule), types);
    std::vector<wasm::Extern> imports;
    for (const wasm::Import& item : module->imports) imports.push_back(*wasi.import(item.module, item.name));
    EXPECT_TRUE(
        store.instantiate(std::make_shared<const wasm::Module>(std::move(*module)), imports, instance).returned());
    wasi.bind(instance);
  }
  wasm::Outcome call(const char* name, std::vector<Value> args) {
    return store.call(*store.find_export(instance, name), args);
  }
  uint64_t error(const char* name, std::vector<Value> args) { return call(name, std::move(args)).values.at(0).low; }
  std::span<uint8_t> memory() { return *store.memory(*store.find_export(instance, "memory")); }
  uint32_t word(size_t at) {
    uint32_t value;
    std::memcpy(&value, memory().data() + at, 4);
    return value;
  }
};

Value i(uint32_t x) { return Value::i32(x); }

TEST(Wasi, WritesGatherTheirBuffers) {
  Program program;
  EXPECT_EQ(program.error("fd_write", {i(1), i(0), i(2), i(100)}), 0u);
  EXPECT_EQ(program.wasi.output(1), "hello!");
  EXPECT_EQ(program.word(100), 6u);
  EXPECT_EQ(program.error("fd_write", {i(2), i(0), i(1), i(100)}), 0u);
  EXPECT_EQ(program.wasi.output(2), "hello");
}

TEST(Wasi, ReadsFillBuffersUntilTheInputEnds) {
  std::string input = "abc";
  Program program({.read = [&](std::span<uint8_t> to) {
    const size_t count = std::min(to.size(), input.size());
    std::memcpy(to.data(), input.data(), count);
    input.erase(0, count);
    return count;
  }});
  EXPECT_EQ(program.error("fd_read", {i(0), i(0), i(2), i(100)}), 0u);
  EXPECT_EQ(program.word(100), 3u);
  EXPECT_EQ(program.memory()[16], 'a');
  EXPECT_EQ(program.error("fd_read", {i(0), i(0), i(2), i(100)}), 0u);
  EXPECT_EQ(program.word(100), 0u);
}

TEST(Wasi, BadPointersAndDescriptorsAreErrorsNotCrashes) {
  Program program;
  EXPECT_EQ(program.error("fd_write", {i(7), i(0), i(1), i(100)}), 8u);
  EXPECT_EQ(program.error("fd_write", {i(1), i(0xfffffff0), i(2), i(100)}), 21u);
  EXPECT_EQ(program.error("fd_write", {i(1), i(0), i(1), i(65534)}), 21u);
  EXPECT_EQ(program.error("fd_write", {i(1), i(65520), i(0xffffffff), i(100)}), 21u);
  EXPECT_EQ(program.error("random_get", {i(65530), i(100)}), 21u);
  EXPECT_EQ(program.error("fd_seek", {i(1), Value::i64(0), i(0), i(100)}), 70u);
  EXPECT_EQ(program.error("fd_seek", {i(3), Value::i64(0), i(0), i(100)}), 8u);
}

TEST(Wasi, ArgumentsStandInMemoryAsCStrings) {
  Program program({.args = {"prog", "x"}});
  EXPECT_EQ(program.error("args_sizes_get", {i(200), i(204)}), 0u);
  EXPECT_EQ(program.word(200), 2u);
  EXPECT_EQ(program.word(204), 7u);
  EXPECT_EQ(program.error("args_get", {i(300), i(400)}), 0u);
  EXPECT_STREQ(reinterpret_cast<const char*>(program.memory().data() + program.word(304)), "x");
}

TEST(Wasi, ClockAndRandomNumbersAreDeterministic) {
  Program one;
  Program two;
  for (Program* program : {&one, &two}) {
    EXPECT_EQ(program->error("clock_time_get", {i(0), Value::i64(0), i(200)}), 0u);
    EXPECT_EQ(program->error("random_get", {i(208), i(16)}), 0u);
  }
  EXPECT_EQ(std::memcmp(one.memory().data() + 200, two.memory().data() + 200, 24), 0);
}

TEST(Wasi, ExitEndsTheRunAndIsRemembered) {
  Program program;
  EXPECT_EQ(program.call("proc_exit", {i(3)}).trap, wasm::TrapKind::kHostTrap);
  EXPECT_EQ(program.wasi.exit_code(), 3u);
}

}  // namespace
}  // namespace parallax::runtime
