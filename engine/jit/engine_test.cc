// The engine from text to outcome: numerics against the front end's, calls, exits, exceptions, collections.
#include "engine/jit/engine.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "engine/jit/compiler.h"
#include "engine/jit/lower_compute.h"
#include "engine/jit/test_program.h"
#include "engine/runtime/store.h"
#include "engine/wasm/numerics.h"
#include "engine/wasm/text/parse.h"

namespace parallax::jit {
namespace {

using runtime::OptLevel;
using wasm::Opcode;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::TrapKind;
using wasm::V128;
using wasm::Value;

const EngineOptions kConfigurations[] = {
    {.level = OptLevel::kO0, .verify = true, .heap_bytes = 1 << 24},
    {.level = OptLevel::kO1, .armed = true, .verify = true, .heap_bytes = 1 << 24},
    {.level = OptLevel::kO2,
     .zeal = {.mode = runtime::ZealMode::kEverySafepoint},
     .armed = true,
     .heap_bytes = 1 << 24},
    {.level = OptLevel::kO2, .verify = true, .chaos_seed = 5, .heap_bytes = 1 << 24},
    {.level = OptLevel::kO2, .memory = runtime::MemoryChecks::kGuard, .verify = true, .heap_bytes = 1 << 24},
    {.level = OptLevel::kO2,
     .collector = runtime::GcKind::kGenerational,
     .zeal = {.tiny = true},
     .verify = true,
     .heap_bytes = 1 << 24},
    {.level = OptLevel::kO2, .collector = runtime::GcKind::kGenerational, .verify = true, .heap_bytes = 1 << 24},
    {.level = OptLevel::kO1,
     .collector = runtime::GcKind::kGenerational,
     .zeal = {.mode = runtime::ZealMode::kEverySafepoint},
     .armed = true,
     .heap_bytes = 1 << 24},
};

// --- Numerics ------------------------------------------------------------------------------------------------------

const char* type_name(char letter) {
  return letter == 'i' ? "i32" : letter == 'l' ? "i64" : letter == 'f' ? "f32" : "f64";
}

std::vector<uint64_t> corner_values(char letter) {
  switch (letter) {
    case 'i':
      return {0,    1,      2,      3,          31,         32,         33,         0x7f,       0x80,
              0xff, 0x7fff, 0x8000, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0xdeadbeef};
    case 'l':
      return {0,
              1,
              2,
              31,
              63,
              64,
              65,
              0x80,
              0x8000,
              0x7fffffff,
              0x80000000,
              0xffffffff,
              0x100000000,
              0x7fffffffffffffff,
              0x8000000000000000,
              0x8000000000000001,
              0x8000000000000400,
              0x8000000000000401,
              0xfffffffffffffffe,
              0xffffffffffffffff,
              0xdeadbeefcafebabe,
              0x7fffff4000000001};
    default: break;
  }
  const double values[] = {0.0,
                           -0.0,
                           1.0,
                           -1.0,
                           0.5,
                           -0.5,
                           1.5,
                           2.5,
                           -2.5,
                           0.9999999,
                           -0.9999999,
                           3.1415926,
                           1e10,
                           -1e10,
                           1e30,
                           -1e30,
                           2147483647.0,
                           2147483648.0,
                           -2147483648.0,
                           -2147483649.0,
                           4294967295.0,
                           4294967296.0,
                           9223372036854775808.0,
                           -9223372036854775808.0,
                           9223372036854774784.0,
                           18446744073709551616.0,
                           18446744073709549568.0,
                           4503599627370496.5,
                           8388608.5,
                           1e-310,
                           1e-40,
                           std::numeric_limits<double>::infinity(),
                           -std::numeric_limits<double>::infinity()};
  std::vector<uint64_t> bits;
  for (const double v : values) {
    bits.push_back(letter == 'f' ? std::bit_cast<uint32_t>(static_cast<float>(v)) : std::bit_cast<uint64_t>(v));
  }
  if (letter == 'f') {
    bits.insert(bits.end(),
                {0x7fc00000, 0xffc00000, 0x7fa00000, 0xff800001, 0x4f000000, 0x4effffff, 0xcf000000, 0xcf000001});
  } else {
    bits.insert(bits.end(), {0x7ff8000000000000, 0xfff8000000000000, 0x7ff4000000000000, 0xfff0000000000001,
                             0x41dfffffffe00000, 0x41dfffffffc00000});
  }
  return bits;
}

Value value_of(char letter, uint64_t bits) {
  switch (letter) {
    case 'i': return Value::i32(static_cast<uint32_t>(bits));
    case 'l': return Value::i64(bits);
    case 'f': return Value::f32_bits(static_cast<uint32_t>(bits));
    default: return Value::f64_bits(bits);
  }
}

std::string constant_text(char letter, uint64_t bits) {
  if (letter == 'i') return "(i32.const " + std::to_string(static_cast<uint32_t>(bits)) + ")";
  if (letter == 'l') return "(i64.const " + std::to_string(bits) + ")";
  if (letter == 'f') return "(f32.reinterpret_i32 (i32.const " + std::to_string(static_cast<uint32_t>(bits)) + "))";
  return "(f64.reinterpret_i64 (i64.const " + std::to_string(bits) + "))";
}

void expect_like_front_end(const wasm::Checked<V128>& expected, const Outcome& got, const std::string& what) {
  if (expected) {
    ASSERT_TRUE(got.returned()) << what << ": " << to_string(got.kind) << " " << got.error.message;
    EXPECT_EQ(got.values[0].low, expected->low()) << what;
  } else {
    ASSERT_EQ(got.kind, OutcomeKind::kTrapped) << what;
    EXPECT_EQ(got.trap, expected.error()) << what;
  }
}

// Every scalar operation on every pair of corner values, with its operands in registers and with constant ones.
void check_numerics(const EngineOptions& options, const x64::CpuFeatures* cpu) {
  uint32_t operations = 0;
  for (size_t op = 0; op < wasm::kOpcodeCount; ++op) {
    const auto opcode = static_cast<Opcode>(op);
    if (compute_row(opcode).kind == ComputeKind::kNone) continue;
    ++operations;
    const std::string signature = wasm::info(opcode).signature;
    const bool binary = signature[1] != ':';
    const char a = signature[0];
    const char r = signature.back();
    const std::string text = wasm::info(opcode).text;
    std::string source = "(module ";
    const auto add = [&](const std::string& name, const std::string& params, const std::string& body) {
      source += "(func (export \"" + name + "\") " + params + " (result " + type_name(r) + ") " + body + ")\n";
    };
    const std::string p = std::string("(param ") + type_name(a) + ")";
    add("params", binary ? p + p : p, "(" + text + " (local.get 0)" + (binary ? " (local.get 1))" : ")"));
    const auto values = corner_values(a);
    if (binary) {
      for (size_t n = 0; n < values.size(); ++n) {
        add("right" + std::to_string(n), p, "(" + text + " (local.get 0) " + constant_text(a, values[n]) + ")");
        add("left" + std::to_string(n), p, "(" + text + " " + constant_text(a, values[n]) + " (local.get 0))");
      }
      add("same", p, "(" + text + " (local.get 0) (local.get 0))");
    }
    if (r == 'i' && (compute_row(opcode).kind == ComputeKind::kCompareInt ||
                     compute_row(opcode).kind == ComputeKind::kCompareFloat)) {
      const std::string compare = "(" + text + " (local.get 0) (local.get 1))";
      add("branch", p + p, "(if (result i32) " + compare + " (then (i32.const 1)) (else (i32.const 0)))");
      add("unless", p + p, "(if (result i32) (i32.eqz " + compare + ") (then (i32.const 0)) (else (i32.const 1)))");
      add("select", p + p, "(select (i32.const 1) (i32.const 0) " + compare + ")");
    }
    Program program(source + ")", options, cpu);
    wasm::Instr instr{.op = opcode};
    for (const uint64_t x : values) {
      if (!binary) {
        const V128 in[] = {V128::of_halves(x, 0)};
        expect_like_front_end(wasm::evaluate(instr, in), program.call("params", {value_of(a, x)}),
                              text + " " + std::to_string(x));
        continue;
      }
      for (size_t n = 0; n < values.size(); ++n) {
        const V128 in[] = {V128::of_halves(x, 0), V128::of_halves(values[n], 0)};
        const auto expected = wasm::evaluate(instr, in);
        const std::string what = text + " " + std::to_string(x) + " " + std::to_string(values[n]);
        const std::vector<Value> both = {value_of(a, x), value_of(a, values[n])};
        expect_like_front_end(expected, program.call("params", both), what);
        expect_like_front_end(expected, program.call(("right" + std::to_string(n)).c_str(), {both[0]}),
                              what + " (right)");
        const V128 swapped[] = {in[1], in[0]};
        expect_like_front_end(wasm::evaluate(instr, swapped),
                              program.call(("left" + std::to_string(n)).c_str(), {both[0]}), what + " (left)");
        if (source.find("\"branch\"") != std::string::npos) {
          expect_like_front_end(expected, program.call("branch", both), what + " (branch)");
          expect_like_front_end(expected, program.call("unless", both), what + " (unless)");
          expect_like_front_end(expected, program.call("select", both), what + " (select)");
        }
      }
      const V128 twice[] = {V128::of_halves(x, 0), V128::of_halves(x, 0)};
      expect_like_front_end(wasm::evaluate(instr, twice), program.call("same", {value_of(a, x)}), text + " same");
    }
  }
  EXPECT_GT(operations, 120u);
}

TEST(Numerics, UnoptimisedCodeComputesWhatTheFrontEndComputes) {
  check_numerics({.level = OptLevel::kO0, .heap_bytes = 1 << 20}, nullptr);
}

TEST(Numerics, OptimisedChaoticCodeComputesTheSame) {
  check_numerics({.level = OptLevel::kO2, .verify = true, .chaos_seed = 11, .heap_bytes = 1 << 20}, nullptr);
}

TEST(Numerics, BitCountsHaveFallbacks) {
  const x64::CpuFeatures old{.sse41 = true};
  Program program(R"((module
    (func (export "clz") (param i64) (result i64) (i64.clz (local.get 0)))
    (func (export "ctz") (param i64) (result i64) (i64.ctz (local.get 0)))
    (func (export "popcnt") (param i64) (result i64) (i64.popcnt (local.get 0)))
    (func (export "clz32") (param i32) (result i32) (i32.clz (local.get 0)))
    (func (export "ctz32") (param i32) (result i32) (i32.ctz (local.get 0)))
    (func (export "popcnt32") (param i32) (result i32) (i32.popcnt (local.get 0)))))",
                  {.heap_bytes = 1 << 20}, &old);
  for (const uint64_t x : corner_values('l')) {
    EXPECT_EQ(program.call("clz", {Value::i64(x)}).values[0].low, std::countl_zero(x));
    EXPECT_EQ(program.call("ctz", {Value::i64(x)}).values[0].low, std::countr_zero(x));
    EXPECT_EQ(program.call("popcnt", {Value::i64(x)}).values[0].low, std::popcount(x));
    const auto narrow = static_cast<uint32_t>(x);
    EXPECT_EQ(program.call("clz32", {Value::i32(narrow)}).values[0].low, std::countl_zero(narrow));
    EXPECT_EQ(program.call("ctz32", {Value::i32(narrow)}).values[0].low, std::countr_zero(narrow));
    EXPECT_EQ(program.call("popcnt32", {Value::i32(narrow)}).values[0].low, std::popcount(narrow));
  }
}

TEST(Numerics, TheOldestMachineComputesTheSame) {
  check_numerics({.level = OptLevel::kO2, .cpu = runtime::CpuLevel::kBaseline, .heap_bytes = 1 << 20}, nullptr);
}

// --- Memory --------------------------------------------------------------------------------------------------------

TEST(Memory, BoundsAreExactForEveryOffsetAndAddressType) {
  for (const EngineOptions& options : kConfigurations) {
    for (const std::string address : {"i32", "i64"}) {
      std::string source = "(module (memory " + address + " 1)\n";
      const uint64_t offsets[] = {0, 1, 65528, 65532, 65535, 65536, 0x7ffffff8, 0x7fffffff, 0x80000000, 0xffffffff};
      for (const uint64_t offset : offsets) {
        const std::string at = "offset=" + std::to_string(offset);
        source += "(func (export \"load" + std::to_string(offset) + "\") (param " + address +
                  ") (result i64) (i64.load " + at + " (local.get 0)))\n";
        source += "(func (export \"const" + std::to_string(offset) + "\") (result i64) (i64.load " + at + " (" +
                  address + ".const 1)))\n";
        source += "(func (export \"store" + std::to_string(offset) + "\") (param " + address + ") (i64.store8 " + at +
                  " (local.get 0) (i64.const 258)))\n";
      }
      Program program(source + ")", options);
      const uint64_t addresses[] = {0,
                                    1,
                                    7,
                                    8,
                                    65527,
                                    65528,
                                    65529,
                                    65535,
                                    65536,
                                    0x7fffffff,
                                    0xffffffff,
                                    0xffffffffffffffff,
                                    0x8000000000000000};
      for (const uint64_t offset : offsets) {
        const auto expect = [&](const Outcome& got, bool fits, const char* what) {
          EXPECT_EQ(got.kind, fits ? OutcomeKind::kReturned : OutcomeKind::kTrapped) << what << " " << offset;
          if (!fits) EXPECT_EQ(got.trap, TrapKind::kMemoryOutOfBounds);
        };
        for (uint64_t where : addresses) {
          if (address == "i32" && where > 0xffffffff) continue;
          const bool wraps = where + offset < where;
          const Value v = address == "i32" ? Value::i32(static_cast<uint32_t>(where)) : Value::i64(where);
          expect(program.call(("load" + std::to_string(offset)).c_str(), {v}), !wraps && where + offset <= 65536 - 8,
                 "load");
          expect(program.call(("store" + std::to_string(offset)).c_str(), {v}), !wraps && where + offset <= 65535,
                 "store");
        }
        expect(program.call(("const" + std::to_string(offset)).c_str()), 1 + offset <= 65536 - 8, "constant address");
      }
    }
  }
}

// --- Calls ---------------------------------------------------------------------------------------------------------

std::string repeat(const std::string& text, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += text;
  return out;
}

TEST(Calls, ManyArgumentsAndResultsKeepTheirOrder) {
  // 20 integers and 20 floats there and back, reversed, through direct, indirect, reference and tail calls.
  const std::string types = repeat("i32 f64 i64 f32 ", 10);
  std::string backwards;
  for (int n = 39; n >= 0; --n) backwards += "(local.get " + std::to_string(n) + ") ";
  std::string forwards;
  for (int n = 0; n < 40; ++n) forwards += "(local.get " + std::to_string(n) + ") ";
  const std::string reversed = repeat("f32 i64 f64 i32 ", 10);
  const std::string signature = "(param " + types + ") (result " + reversed + ")";
  Program program_text("(module (type $t (func " + signature +
                       ")) (table funcref (elem $reverse)) (elem declare func $reverse)"
                       "(func $reverse (type $t) " +
                       backwards +
                       ")"
                       "(func (export \"direct\") (type $t) (call $reverse " +
                       forwards +
                       "))"
                       "(func (export \"indirect\") (type $t) (call_indirect (type $t) " +
                       forwards +
                       "(i32.const 0)))"
                       "(func (export \"reference\") (type $t) (call_ref $t " +
                       forwards +
                       "(ref.func $reverse)))"
                       "(func (export \"tail\") (type $t) (return_call $reverse " +
                       forwards +
                       "))"
                       "(func (export \"tail_ref\") (type $t) (return_call_ref $t " +
                       forwards + "(ref.func $reverse))))");
  std::vector<Value> args;
  for (uint32_t n = 0; n < 10; ++n) {
    args.push_back(Value::i32(4 * n));
    args.push_back(Value::f64_bits(std::bit_cast<uint64_t>(4.0 * n + 1)));
    args.push_back(Value::i64(4 * n + 2));
    args.push_back(Value::f32_bits(std::bit_cast<uint32_t>(4.0f * static_cast<float>(n) + 3)));
  }
  for (const char* name : {"direct", "indirect", "reference", "tail", "tail_ref"}) {
    const Outcome outcome = program_text.call(name, args);
    ASSERT_TRUE(outcome.returned()) << name << outcome.error.message;
    ASSERT_EQ(outcome.values.size(), 40u);
    for (size_t n = 0; n < 40; ++n) EXPECT_EQ(outcome.values[n].low, args[39 - n].low) << name << n;
  }
}

TEST(Calls, TailCallsDoNotNest) {
  for (const EngineOptions& options : kConfigurations) {
    Program program(R"((module (func $down (export "down") (param i32) (result i32)
      (if (i32.eqz (local.get 0)) (then (return (i32.const 7))))
      (return_call $down (i32.sub (local.get 0) (i32.const 1))))))",
                    options);
    program.engine().set_budget({.call_depth = 3});
    EXPECT_EQ(program.call("down", {Value::i32(20000)}).values.at(0).low, 7u);
  }
}

TEST(Calls, DepthIsCheckedBeforeFuelAndRestoredByEveryWayOut) {
  for (const EngineOptions& options : kConfigurations) {
    Program program(R"((module (tag $e)
      (func $deep (export "deep") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1)) (else (call $deep (i32.sub (local.get 0) (i32.const 1))))))
      (func $throw (param i32) (if (i32.eqz (local.get 0)) (then (throw $e))) (call $throw (i32.sub (local.get 0) (i32.const 1))))
      (func (export "catch") (param i32) (result i32)
        (block $h (try_table (catch_all $h) (call $throw (local.get 0)))) (call $deep (local.get 0)))))",
                    options);
    program.engine().set_budget({.fuel = 1000, .call_depth = 10});
    EXPECT_TRUE(program.call("deep", {Value::i32(9)}).returned());
    EXPECT_EQ(program.call("deep", {Value::i32(10)}).kind, OutcomeKind::kStackExhausted);
    EXPECT_TRUE(program.call("catch", {Value::i32(8)}).returned());
    EXPECT_EQ(program.call("catch", {Value::i32(9)}).kind, OutcomeKind::kStackExhausted);
    program.engine().set_budget({.fuel = 10, .call_depth = 10});
    EXPECT_EQ(program.call("deep", {Value::i32(10)}).kind, OutcomeKind::kStackExhausted);
    program.engine().set_budget({.fuel = 9, .call_depth = 10});
    EXPECT_EQ(program.call("deep", {Value::i32(9)}).kind, OutcomeKind::kFuelExhausted);
    EXPECT_EQ(program.call("deep", {Value::i32(0)}).kind, OutcomeKind::kFuelExhausted);
  }
}

// Functions without a frame, with one, and what hosts call back: all of them nest.
TEST(Calls, EveryKindOfFunctionCountsOneLevel) {
  for (const EngineOptions& options : kConfigurations) {
    Program program(R"((module
      (import "" "back" (func $back))
      (type $s (struct (field i32)))
      (type $leaf (func (param i32) (result i32)))
      (table funcref (elem $bare $allocates $tail $host))
      (func $bare (type $leaf) (i32.add (local.get 0) (i32.const 1)))
      (func $allocates (type $leaf)
        (i32.add (struct.get $s 0 (struct.new $s (local.get 0))) (i32.const 1)))
      (func $tail (type $leaf) (return_call $bare (local.get 0)))
      (func $host (type $leaf) (call $back) (i32.add (local.get 0) (i32.const 1)))
      (func (export "innermost"))
      (func (export "run") (param i32) (result i32)
        (call_indirect (type $leaf) (i32.const 41) (local.get 0)))
      (func (export "count") (param i32) (result i32)
        (loop $l
          (if (local.get 0) (then (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br $l))))
        (i32.const 42))))",
                    options);
    Program* self = &program;
    const wasm::Extern host = program.engine().make_func(
        program.types().intern_func({}, {}),
        [self](wasm::Embedding&, std::span<const Value>) { return self->call("innermost"); });
    program.start(std::span(&host, 1));
    for (int32_t kind = 0; kind < 4; ++kind) {
      const uint32_t needed = kind == 3 ? 3 : 2;
      program.engine().set_budget({.call_depth = needed});
      const Outcome enough = program.call("run", {Value::i32(kind)});
      ASSERT_TRUE(enough.returned()) << kind << " " << to_string(enough.kind);
      EXPECT_EQ(enough.values.at(0).low, 42u);
      for (uint32_t depth = 0; depth < needed; ++depth) {
        program.engine().set_budget({.fuel = depth, .call_depth = depth});
        EXPECT_EQ(program.call("run", {Value::i32(kind)}).kind, OutcomeKind::kStackExhausted) << kind << " " << depth;
        EXPECT_EQ(program.engine().stats().fuel_used, depth);
      }
    }
    program.engine().set_budget({.call_depth = 0});
    EXPECT_EQ(program.call("count", {Value::i32(3)}).kind, OutcomeKind::kStackExhausted);
    program.engine().set_budget({.fuel = 5, .call_depth = 1});
    EXPECT_TRUE(program.call("count", {Value::i32(3)}).returned());
  }
}

TEST(Calls, NativeStackEndsBeforeTheMachineDoes) {
  Program program("(module (func $f (export \"f\") (call $f)))");
  program.engine().set_budget({.call_depth = ~0u});
  EXPECT_EQ(program.call("f").kind, OutcomeKind::kNativeStack);
  EXPECT_EQ(program.call("f").kind, OutcomeKind::kNativeStack);
}

// --- Hosts and exceptions ------------------------------------------------------------------------------------------

TEST(Hosts, ReenterThrowTrapAndCollect) {
  for (const EngineOptions& options : kConfigurations) {
    Program program(R"((module
      (type $s (struct (field i32)))
      (import "" "back" (func $back (param i32 anyref f64) (result anyref)))
      (tag $e (export "e") (param anyref))
      (func (export "inner") (param i32 anyref) (result anyref)
        (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $e (local.get 1))))
        (if (i32.eq (local.get 0) (i32.const 2)) (then (unreachable)))
        (local.get 1))
      (func (export "outer") (param i32) (result i32) (local $keep (ref null $s))
        (local.set $keep (struct.new $s (i32.const 5)))
        (block $caught (result anyref)
          (try_table (catch $e $caught)
            (drop (call $back (local.get 0) (struct.new $s (i32.const 37)) (f64.const 1))))
          (return (struct.get $s 0 (local.get $keep))))
        (i32.add (struct.get $s 0 (ref.cast (ref $s))) (struct.get $s 0 (local.get $keep))))))",
                    options);
    const wasm::ValType any = wasm::kAnyRef;
    const wasm::TypeId type = program.types().intern_func({wasm::kI32, any, wasm::kF64}, {any});
    Program* self = &program;
    const wasm::Extern host =
        program.engine().make_func(type, [self](wasm::Embedding& store, std::span<const Value> args) {
          const wasm::RootId kept = store.root(args[1]);
          const Value mode = args[0];
          store.collect();
          Outcome outcome = self->call("inner", {mode, *store.rooted(kept)});
          (void)store.unroot(kept);
          return outcome;
        });
    program.start(std::span(&host, 1));
    for (int round = 0; round < 3; ++round) {
      const Outcome plain = program.call("outer", {Value::i32(0)});
      ASSERT_TRUE(plain.returned()) << to_string(plain.kind) << " " << plain.error.message;
      EXPECT_EQ(plain.values.at(0).low, 5u);
      EXPECT_EQ(program.call("outer", {Value::i32(1)}).values.at(0).low, 42u);
      const Outcome trapped = program.call("outer", {Value::i32(2)});
      EXPECT_EQ(trapped.kind, OutcomeKind::kTrapped);
      EXPECT_EQ(trapped.trap, TrapKind::kUnreachable);
    }
    EXPECT_TRUE(program.engine().verify().has_value());
  }
}

// Fuel is in a register while compiled code runs: hosts see what is left, and what they set counts from then on.
TEST(Hosts, SeeFuelAndChangeIt) {
  for (const EngineOptions& options : kConfigurations) {
    Program program(R"((module
      (import "" "meter" (func $meter (param i32)))
      (tag $e (export "e"))
      (func (export "inner"))
      (func $count (param i32)
        (loop $l
          (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
          (br_if $l (local.get 0))))
      (func (export "outer") (param i32 i32)
        (call $count (i32.const 5))
        (block $h (try_table (catch_all $h) (call $meter (local.get 0))))
        (call $count (local.get 1)))))",
                    options);
    Program* self = &program;
    std::vector<uint64_t> seen;
    const wasm::TypeId type = program.types().intern_func({wasm::kI32}, {});
    const wasm::Extern host =
        program.engine().make_func(type, [&](wasm::Embedding& store, std::span<const Value> args) -> Outcome {
          seen.push_back(store.stats().fuel_used);
          if (args[0].low == 1) store.set_budget({.fuel = 8, .call_depth = 10});
          if (args[0].low == 2) (void)self->call("inner");
          if (args[0].low == 3) {
            store.set_budget({.fuel = 8, .call_depth = 10});
            return Outcome{.kind = OutcomeKind::kThrew, .tag = self->exported("e")};
          }
          return Outcome::ok({});
        });
    program.start(std::span(&host, 1));
    const auto run = [&](int32_t mode, int32_t turns) {
      program.engine().set_budget({.fuel = 20, .call_depth = 10});
      const OutcomeKind kind = program.call("outer", {Value::i32(mode), Value::i32(turns)}).kind;
      return std::pair(kind, program.engine().stats().fuel_used);
    };
    // 1 + (1 + 5) before the host, 1 + turns behind it.
    EXPECT_EQ(run(0, 12), std::pair(OutcomeKind::kReturned, uint64_t{20}));
    EXPECT_EQ(run(0, 13), std::pair(OutcomeKind::kFuelExhausted, uint64_t{20}));
    EXPECT_EQ(run(1, 7), std::pair(OutcomeKind::kReturned, uint64_t{8}));
    EXPECT_EQ(run(1, 8), std::pair(OutcomeKind::kFuelExhausted, uint64_t{8}));
    EXPECT_EQ(run(2, 11), std::pair(OutcomeKind::kReturned, uint64_t{20}));
    EXPECT_EQ(run(2, 12), std::pair(OutcomeKind::kFuelExhausted, uint64_t{20}));
    EXPECT_EQ(run(3, 3), std::pair(OutcomeKind::kReturned, uint64_t{4}));
    EXPECT_EQ(run(3, 8), std::pair(OutcomeKind::kFuelExhausted, uint64_t{8}));
    EXPECT_EQ(seen, std::vector<uint64_t>(8, 7));
  }
}

TEST(Exceptions, CarryEveryKindOfValueThroughCollections) {
  for (const EngineOptions& options : kConfigurations) {
    Program program(R"((module
      (type $s (struct (field i32)))
      (tag $e (param i32 i64 f32 f64 (ref $s) funcref externref))
      (func $thrower (param i32)
        (throw $e (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4) (struct.new $s (i32.const 5)) (ref.func $thrower) (ref.null extern)))
      (func (export "f") (result i32) (local $f funcref)
        (block $h (result i32 i64 f32 f64 (ref $s) funcref externref)
          (try_table (catch $e $h) (call $thrower (i32.const 0)))
          (unreachable))
        (drop) (local.set $f)
        (struct.get $s 0)
        (drop (struct.new $s (i32.const 9)))
        (if (ref.is_null (local.get $f)) (then (unreachable)))
        (return))
      (elem declare func $thrower)))",
                    options);
    EXPECT_EQ(program.call("f").values.at(0).low, 5u);
  }
}

// --- Collections ---------------------------------------------------------------------------------------------------

TEST(Collections, ListsSurviveAMovingCollectionAtEverySafepoint) {
  for (const EngineOptions& options : kConfigurations) {
    Program program(R"((module
      (type $n (struct (field i32) (field (mut (ref null $n)))))
      (type $a (array (mut (ref null $n))))
      (func $cons (param i32 (ref null $n)) (result (ref $n)) (struct.new $n (local.get 0) (local.get 1)))
      (func (export "f") (param i32) (result i32)
        (local $list (ref null $n)) (local $sum i32) (local $a (ref $a)) (local $i i32)
        (local.set $a (array.new_default $a (local.get 0)))
        (loop $l
          (local.set $list (call $cons (local.get $i) (local.get $list)))
          (array.set $a (local.get $a) (local.get $i) (local.get $list))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $l (i32.lt_u (local.get $i) (local.get 0))))
        (block $done
          (loop $l
            (br_if $done (ref.is_null (local.get $list)))
            (local.set $sum (i32.add (local.get $sum) (struct.get $n 0 (local.get $list))))
            (local.set $list (struct.get $n 1 (local.get $list)))
            (br $l)))
        (i32.add (local.get $sum) (struct.get $n 0 (array.get $a (local.get $a) (i32.const 1)))))))",
                    options);
    EXPECT_EQ(program.call("f", {Value::i32(100)}).values.at(0).low, 4951u);
    EXPECT_TRUE(program.engine().verify().has_value());
  }
}

// --- Failures to compile -------------------------------------------------------------------------------------------

// The branch on a test may come after a collection; the test itself looks at the object before.
TEST(Collections, TypeTestsAreMadeBeforeTheObjectMoves) {
  for (const EngineOptions& options : kConfigurations) {
    Program program(R"((module
      (type $a (sub (struct (field i32))))
      (type $b (sub $a (struct (field i32) (field i32))))
      (global $kept (mut (ref null $a)) (ref.null $a))
      (func $make (param i32) (result (ref null $a))
        (if (result (ref null $a)) (local.get 0)
          (then (struct.new $b (i32.const 1) (i32.const 2))) (else (struct.new $a (i32.const 3)))))
      (func (export "f") (param i32) (result i32)
        (local $x (ref null $a)) (local $is i32)
        (local.set $x (call $make (local.get 0)))
        (global.set $kept (local.get $x))
        (local.set $is (ref.test (ref $b) (global.get $kept)))
        (global.set $kept (struct.new $a (i32.const 4)))
        (if (result i32) (local.get $is) (then (i32.const 10)) (else (i32.const 20))))))",
                    options);
    EXPECT_EQ(program.call("f", {Value::i32(1)}).values.at(0).low, 10u);
    EXPECT_EQ(program.call("f", {Value::i32(0)}).values.at(0).low, 20u);
  }
}

TEST(Failures, HugeFramesAreALimit) {
  // 40,000 locals that are all live across a call need more frame than is given.
  std::string source =
      "(module (func $f) (func (export \"f\") (param i64) (result i64) (local" + repeat(" i64", 40000) + ")";
  for (int n = 1; n <= 40000; ++n)
    source += "(local.set " + std::to_string(n) + " (i64.add (local.get 0) (i64.const " + std::to_string(n) + ")))";
  source += "(call $f) (local.get 0)";
  for (int n = 1; n <= 40000; ++n) source += "(i64.add (local.get " + std::to_string(n) + "))";
  Program program(source + "))", {.heap_bytes = 1 << 20});
  const Outcome outcome = program.call("f", {Value::i64(1)});
  EXPECT_EQ(outcome.kind, OutcomeKind::kUnsupported) << to_string(outcome.kind);
  EXPECT_EQ(outcome.error.code, ErrorCode::kLimit);
}

// --- Allocation ----------------------------------------------------------------------------------------------------

const char* const kAllocating = R"((module
  (type $pair (struct (field (mut anyref)) (field (mut i32)) (field i8)))
  (type $bytes (array (mut i8)))
  (type $refs (array (mut anyref)))
  (global $kept (mut (ref null $pair)) (ref.null $pair))
  (global $made (export "made") (mut i32) (i32.const 0))
  (func $one (global.set $made (i32.add (global.get $made) (i32.const 1))))
  (func (export "allocate") (param $n i32) (local $i i32)
    (loop $l
      (global.set $kept (struct.new $pair (ref.null any) (local.get $i) (i32.const 1)))
      (call $one)
      (struct.set $pair 0 (global.get $kept) (array.new_default $bytes (i32.and (local.get $i) (i32.const 31))))
      (call $one)
      (struct.set $pair 0 (global.get $kept) (array.new_default $refs (i32.and (local.get $i) (i32.const 7))))
      (call $one)
      (if (i32.eq (i32.and (local.get $i) (i32.const 63)) (i32.const 40))
        (then
          (struct.set $pair 0 (global.get $kept) (array.new_default $bytes (i32.const 30000)))
          (call $one)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n)))))
  (func (export "numbers") (param $n i32) (param $step i64) (param $half f64) (result i64)
    (local $i i32) (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64) (local $f i64)
    (local $x f64) (local $y f64) (local $z f64) (local $w f64)
    (loop $l
      (global.set $kept (struct.new $pair (global.get $kept) (local.get $i) (i32.const 1)))
      (local.set $a (i64.add (local.get $a) (local.get $step)))
      (local.set $b (i64.xor (local.get $b) (local.get $a)))
      (local.set $c (i64.sub (local.get $c) (local.get $b)))
      (local.set $x (f64.add (local.get $x) (local.get $half)))
      (local.set $y (f64.sub (local.get $x) (local.get $y)))
      (struct.set $pair 0 (global.get $kept) (array.new_default $bytes (i32.and (local.get $i) (i32.const 255))))
      (local.set $d (i64.add (local.get $d) (i64.rotl (local.get $c) (i64.const 7))))
      (local.set $e (i64.mul (local.get $d) (i64.const 3)))
      (local.set $f (i64.xor (local.get $f) (local.get $e)))
      (local.set $z (f64.mul (local.get $y) (local.get $half)))
      (local.set $w (f64.add (local.get $w) (local.get $z)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i64.add (i64.add (local.get $f) (i64.add (local.get $a) (local.get $b)))
      (i64.xor (i64.reinterpret_f64 (local.get $w)) (i64.reinterpret_f64 (local.get $x)))))))";

TEST(Allocation, BudgetsEndAtTheSameObjectWhoeverAllocatesIt) {
  for (const uint64_t bytes : {0u, 15u, 16u, 100u, 1000u, 3333u, 20000u, 35000u, 36000u, 37500u, 123456u, 1500000u}) {
    std::vector<std::pair<int32_t, uint64_t>> ends;
    for (const EngineOptions& options : kConfigurations) {
      Program program(kAllocating, options);
      program.start();
      program.engine().set_budget({.allocated_bytes = bytes});
      EXPECT_EQ(program.call("allocate", {Value::i32(20000)}).kind, OutcomeKind::kHeapExhausted) << bytes;
      const wasm::StoreStats stats = program.engine().stats();
      EXPECT_LE(stats.allocated_bytes, bytes);
      const auto made = static_cast<int32_t>(program.engine().global_get(program.exported("made"))->low);
      EXPECT_EQ(static_cast<uint64_t>(made), stats.allocated_objects);
      ends.emplace_back(made, stats.allocated_bytes);
      EXPECT_EQ(ends.back(), ends.front()) << "configuration " << ends.size() - 1;
      // Again, with a budget that begins where nothing was left.
      program.engine().set_budget({.allocated_bytes = bytes});
      EXPECT_EQ(program.call("allocate", {Value::i32(20000)}).kind, OutcomeKind::kHeapExhausted);
      EXPECT_EQ(program.engine().stats().allocated_bytes, stats.allocated_bytes);
    }
  }
}

TEST(Allocation, TheSlowPathLeavesNumbersAlone) {
  std::vector<uint64_t> answers;
  for (const EngineOptions& options : kConfigurations) {
    Program program(kAllocating, options);
    const Outcome outcome =
        program.call("numbers", {Value::i32(3000), Value::i64(0x1234567), Value::f64_bits(0x3fe0000000000000)});
    ASSERT_TRUE(outcome.returned()) << outcome.error.to_string();
    answers.push_back(outcome.values[0].low);
    EXPECT_EQ(answers.back(), answers.front()) << "configuration " << answers.size() - 1;
  }
}

}  // namespace
}  // namespace parallax::jit
