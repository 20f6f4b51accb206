// Vectors, differentially: every computation of opcodes.def with a vector in its signature, on every combination of
// corner-case operands, on the interpreter and on compiled code of every CPU level.
//
// Table-driven: a new opcode is covered by its row. Operands come as parameters and as constants (where the optimiser
// folds them), and both operands are also one value, because sequences must not read what they have overwritten.
#include <gtest/gtest.h>

#include <bit>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include "engine/jit/compiler.h"
#include "engine/jit/engine.h"
#include "engine/jit/vectors.h"
#include "engine/runtime/store.h"
#include "engine/wasm/numerics.h"
#include "engine/wasm/text/parse.h"
#include "interp/interp.h"

namespace parallax::jit {
namespace {

using runtime::CpuLevel;
using runtime::OptLevel;
using wasm::ImmKind;
using wasm::Opcode;
using wasm::Outcome;
using wasm::V128;
using wasm::Value;

bool is_vector_computation(Opcode opcode) {
  const std::string_view signature = wasm::info(opcode).signature;
  return wasm::has_numeric(opcode) && signature.find('v') != std::string_view::npos;
}

// --- Operands ------------------------------------------------------------------------------------------------------

template <class T>
V128 all(T lane) {
  std::array<T, 16 / sizeof(T)> lanes;
  lanes.fill(lane);
  return V128::of(lanes);
}

// Lanes that are equal, alternate, or differ, of every width; what is a NaN for one is an integer for another.
const std::vector<V128>& vectors() {
  static const std::vector<V128> kVectors = [] {
    const auto f = [](float x) { return std::bit_cast<uint32_t>(x); };
    const auto d = [](double x) { return std::bit_cast<uint64_t>(x); };
    constexpr float kInf = std::numeric_limits<float>::infinity();
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const auto words = [](uint32_t a, uint32_t b, uint32_t c, uint32_t e) {
      return V128::of(std::array<uint32_t, 4>{a, b, c, e});
    };
    return std::vector<V128>{
        V128{},
        all<uint8_t>(0xff),
        all<uint8_t>(0x80),
        all<uint8_t>(0x7f),
        all<uint8_t>(0x01),
        all<uint16_t>(0x8000),
        all<uint16_t>(0x7fff),
        all<uint16_t>(0x00ff),
        all<uint16_t>(0xff00),
        all<uint32_t>(0x80000000),
        all<uint32_t>(0x7fffffff),
        all<uint32_t>(0x0000ffff),
        all<uint64_t>(0x8000000000000000),
        all<uint64_t>(0x7fffffffffffffff),
        all<uint64_t>(0x00000000ffffffff),
        all<uint64_t>(0xffffffff00000000),
        V128::of_halves(0xffffffffffffffff, 0),
        V128::of_halves(0x0706050403020100, 0x0f0e0d0c0b0a0908),
        V128::of_halves(0x17f080ff10200f1f, 0x018090a0b0c0d0e0),
        V128::of_halves(0x0123456789abcdef, 0xfedcba9876543210),
        V128::of_halves(0x8001800180018001, 0x7ffe7ffe7ffe7ffe),
        V128::of_halves(0x8000000080000001, 0x7fffffff80000000),
        V128::of_halves(1, 0x8000000000000001),
        V128::of_halves(0xffffffffffffffff, 0xfffffffffffffffe),
        // Single precision.
        words(f(0), f(-0.0f), f(1), f(-1)),
        words(f(-0.0f), f(0), f(-0.0f), f(0)),
        words(f(kInf), f(-kInf), f(kInf), f(0)),
        words(0x7fc00000, 0xffc00000, 0x7fa00000, 0xff800001),
        words(0x7fc12345, f(1), 0xffa00000, f(-1)),
        words(f(0.5f), f(-0.5f), f(1.5f), f(2.5f)),
        words(f(-2.5f), f(0.4999999f), f(8388609.0f), f(-0.1f)),
        words(f(2147483648.0f), f(2147483520.0f), f(-2147483648.0f), f(-2147483904.0f)),
        words(f(4294967296.0f), f(4294967040.0f), f(3e9f), f(-1.0f)),
        words(f(1e30f), f(-1e30f), f(1e-40f), f(3.4028235e38f)),
        words(0x00ffffff, 0x01000001, 0xffffff7f, 0x80000081),
        // Double precision.
        V128::of_halves(d(0.0), d(-0.0)),
        V128::of_halves(d(-0.0), d(0.0)),
        V128::of_halves(d(kInfinity), d(-kInfinity)),
        V128::of_halves(0x7ff8000000000000, 0xfff8000000000000),
        V128::of_halves(0x7ff4000000000000, 0xfff0000000000001),
        V128::of_halves(d(1.5), 0x7ff8000000001234),
        V128::of_halves(d(2.5), d(-0.5)),
        V128::of_halves(d(2147483647.0), d(2147483648.0)),
        V128::of_halves(d(-2147483648.0), d(-2147483649.0)),
        V128::of_halves(d(4294967295.0), d(4294967296.0)),
        V128::of_halves(d(-1.0), d(4294967295.5)),
        V128::of_halves(d(1e300), d(1e-310)),
        V128::of_halves(d(4503599627370497.5), d(-1e300)),
        V128::of_halves(d(1e39), d(3.5)),
    };
  }();
  return kVectors;
}

std::vector<Value> operands(char letter) {
  std::vector<Value> values;
  switch (letter) {
    case 'v':
      for (const V128& v : vectors()) values.push_back(Value::v128(v.low(), v.high()));
      return values;
    case 'i':
      for (const uint32_t x :
           {0u, 1u, 3u, 7u, 8u, 9u, 15u, 16u, 31u, 32u, 33u, 63u, 64u, 0x80u, 0x8000u, 0xdeadbeefu, 0xffffffffu}) {
        values.push_back(Value::i32(x));
      }
      return values;
    case 'l':
      for (const uint64_t x : {uint64_t{0}, uint64_t{1}, uint64_t{0xdeadbeefcafebabe}, ~uint64_t{0}})
        values.push_back(Value::i64(x));
      return values;
    case 'f':
      for (const uint32_t x : {0u, 0x80000000u, 0x3f800000u, 0x7fc00000u, 0x7fa00001u, 0xff800000u})
        values.push_back(Value::f32_bits(x));
      return values;
    default:
      for (const uint64_t x : {uint64_t{0}, uint64_t{0x8000000000000000}, uint64_t{0x3ff0000000000000},
                               uint64_t{0x7ff8000000000000}, uint64_t{0x7ff4000000000001}}) {
        values.push_back(Value::f64_bits(x));
      }
      return values;
  }
}

// Combinations of operands; of three vectors only some, which every value takes part in.
std::vector<std::vector<Value>> combinations(std::string_view letters) {
  std::vector<std::vector<Value>> all = {{}};
  for (size_t n = 0; n < letters.size(); ++n) {
    const std::vector<Value> next = operands(letters[n]);
    std::vector<std::vector<Value>> longer;
    for (size_t c = 0; c < all.size(); ++c) {
      for (size_t v = 0; v < next.size(); ++v) {
        if (n == 2 && (c + v * 7) % 23 != 0) continue;
        longer.push_back(all[c]);
        longer.back().push_back(next[v]);
      }
    }
    all = std::move(longer);
  }
  return all;
}

// --- Programs ------------------------------------------------------------------------------------------------------

const char* type_name(char letter) {
  switch (letter) {
    case 'i': return "i32";
    case 'l': return "i64";
    case 'f': return "f32";
    case 'd': return "f64";
    default: return "v128";
  }
}

std::string constant_text(const Value& v) {
  switch (v.kind) {
    case wasm::ValKind::kI32: return "(i32.const " + std::to_string(static_cast<uint32_t>(v.low)) + ")";
    case wasm::ValKind::kI64: return "(i64.const " + std::to_string(v.low) + ")";
    case wasm::ValKind::kF32: return "(f32.reinterpret_i32 (i32.const " + std::to_string(v.low) + "))";
    case wasm::ValKind::kF64: return "(f64.reinterpret_i64 (i64.const " + std::to_string(v.low) + "))";
    default: return "(v128.const i64x2 " + std::to_string(v.low) + " " + std::to_string(v.high) + ")";
  }
}

std::vector<std::string> immediates(Opcode opcode) {
  std::vector<std::string> texts;
  switch (wasm::info(opcode).immediates) {
    case ImmKind::Lane:
      for (uint32_t lane = 0; lane < wasm::lane_count(opcode); ++lane) texts.push_back(" " + std::to_string(lane));
      return texts;
    case ImmKind::Shuffle:
      return {" 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15", " 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31",
              " 31 0 30 1 29 2 28 3 27 4 26 5 25 6 24 7", " 5 5 5 5 5 5 5 5 21 21 21 21 21 21 21 21"};
    default: return {""};
  }
}

struct Setting {
  const char* name;
  EngineOptions options;
  x64::EmitterFault fault = x64::EmitterFault::kNone;
};

const Setting kSettings[] = {
    {"O0 host", {.level = OptLevel::kO0, .heap_bytes = 1 << 20}},
    {"O1 sse4", {.level = OptLevel::kO1, .cpu = CpuLevel::kSse4, .heap_bytes = 1 << 20}},
    {"O2 baseline", {.level = OptLevel::kO2, .cpu = CpuLevel::kBaseline, .heap_bytes = 1 << 20}},
    {"O2 host, chaos", {.level = OptLevel::kO2, .verify = true, .chaos_seed = 7, .heap_bytes = 1 << 20}},
    {"O2 sse4, chaos",
     {.level = OptLevel::kO2, .cpu = CpuLevel::kSse4, .verify = true, .chaos_seed = 3, .heap_bytes = 1 << 20}},
};

uint64_t g_comparisons = 0;

// One module on the interpreter and, as often as there are settings, compiled.
class Sides {
 public:
  Sides(const std::string& source, std::span<const Setting> settings) {
    auto bytes = wasm::text::parse_module(source);
    if (!bytes) {
      ADD_FAILURE() << bytes.error().to_string() << "\n" << source;
      return;
    }
    const auto add = [&](std::string name, std::shared_ptr<wasm::TypeStore> types,
                         std::unique_ptr<wasm::Embedding> store) {
      auto module = wasm::load(*bytes, types);
      ASSERT_TRUE(module.has_value()) << module.error().to_string();
      Side side{std::move(name), std::move(store), 0};
      const Outcome made =
          side.store->instantiate(std::make_shared<wasm::Module>(std::move(*module)), {}, side.instance);
      ASSERT_TRUE(made.returned()) << made.error.to_string();
      sides_.push_back(std::move(side));
    };
    auto types = std::make_shared<wasm::TypeStore>();
    add("interp", types, interp::make_interpreter(types, {}));
    for (const Setting& setting : settings) {
      types = std::make_shared<wasm::TypeStore>();
      JitCompiler* compiler = nullptr;
      auto engine = make_engine(types, setting.options, &compiler);
      compiler->plant(setting.fault);
      add(setting.name, types, std::move(engine));
    }
  }

  // The number of sides that disagree with the interpreter; each is an error unless `quiet`.
  uint32_t disagreements(const std::string& name, const std::vector<Value>& args, const std::string& what,
                         bool quiet = false) {
    uint32_t count = 0;
    Value expected;
    for (Side& side : sides_) {
      const Outcome outcome = side.store->call(*side.store->find_export(side.instance, name), args);
      if (!outcome.returned()) {
        ADD_FAILURE() << side.name << ": " << what << ": " << to_string(outcome.kind) << " " << outcome.error.message;
        return 1;
      }
      const Value& got = outcome.values.at(0);
      if (&side == &sides_.front()) {
        expected = got;
        continue;
      }
      ++g_comparisons;
      if (got.low == expected.low && got.high == expected.high) continue;
      ++count;
      if (quiet) continue;
      std::string text = side.name + ": " + what;
      for (const Value& arg : args) text += " " + constant_text(arg);
      ADD_FAILURE() << text << " gives " << constant_text(got) << ", the interpreter " << constant_text(expected);
    }
    return count;
  }

 private:
  struct Side {
    std::string name;
    std::unique_ptr<wasm::Embedding> store;
    wasm::InstanceId instance;
  };
  std::vector<Side> sides_;
};

std::string function(const std::string& name, const std::string& params, char result, const std::string& body) {
  return "(func (export \"" + name + "\")" + params + " (result " + type_name(result) + ") " + body + ")\n";
}

// One opcode with one immediate.
uint32_t compare_sides(Opcode opcode, const std::string& immediate, std::span<const Setting> settings, bool quiet) {
  const std::string signature = wasm::info(opcode).signature;
  const std::string letters = signature.substr(0, signature.find(':'));
  const std::string text = wasm::info(opcode).text + immediate;
  const auto all = combinations(letters);
  std::string params, gets;
  for (size_t n = 0; n < letters.size(); ++n) {
    params += std::string(" (param ") + type_name(letters[n]) + ")";
    gets += " (local.get " + std::to_string(n) + ")";
  }
  std::string source = "(module\n" + function("params", params, signature.back(), "(" + text + gets + ")");
  const bool alike = letters.size() > 1 && letters[1] == letters[0];
  if (alike) {
    std::string twice;
    for (size_t n = 0; n < letters.size(); ++n) twice += " (local.get 0)";
    source += function("same", " (param v128)", signature.back(), "(" + text + twice + ")");
  }
  // Constants: every so many combinations, the last operand or all of them.
  std::vector<size_t> chosen;
  for (size_t c = 0; c < all.size(); c += 1 + all.size() / 24) chosen.push_back(c);
  for (const size_t c : chosen) {
    std::string constants;
    for (const Value& v : all[c]) constants += " " + constant_text(v);
    source += function("all" + std::to_string(c), "", signature.back(), "(" + text + constants + ")");
    std::string last;
    for (size_t n = 0; n + 1 < letters.size(); ++n) last += " (local.get " + std::to_string(n) + ")";
    source += function("last" + std::to_string(c), params, signature.back(),
                       "(" + text + last + " " + constant_text(all[c].back()) + ")");
  }
  Sides sides(source + ")", settings);
  uint32_t count = 0;
  for (const auto& args : all) count += sides.disagreements("params", args, text, quiet);
  if (alike) {
    for (const Value& v : operands('v')) count += sides.disagreements("same", {v}, text + " of the same", quiet);
  }
  for (const size_t c : chosen) {
    count += sides.disagreements("all" + std::to_string(c), {}, text + " of constants", quiet);
    count += sides.disagreements("last" + std::to_string(c), all[c], text + " by a constant", quiet);
  }
  return count;
}

TEST(Vectors, EveryComputationAgreesWithTheInterpreterOnEveryCpuLevel) {
  g_comparisons = 0;
  uint32_t operations = 0;
  for (size_t op = 0; op < wasm::kOpcodeCount; ++op) {
    const auto opcode = static_cast<Opcode>(op);
    if (!is_vector_computation(opcode)) continue;
    ++operations;
    for (const std::string& immediate : immediates(opcode)) compare_sides(opcode, immediate, kSettings, false);
  }
  EXPECT_GT(operations, 230u);
  std::cout << operations << " operations, " << g_comparisons << " comparisons with the interpreter\n";
  EXPECT_GT(g_comparisons, 1'000'000u);
}

TEST(Vectors, WrongCodeIsNoticed) {
  const Setting wraps[] = {{"planted", {.heap_bytes = 1 << 20}, x64::EmitterFault::kSwizzleWraps}};
  EXPECT_GT(compare_sides(Opcode::I8x16Swizzle, "", wraps, true), 0u);
  EXPECT_GT(compare_sides(Opcode::I8x16RelaxedSwizzle, "", wraps, true), 0u);
  EXPECT_EQ(compare_sides(Opcode::I8x16Add, "", wraps, true), 0u);
  const Setting nans[] = {{"planted", {.heap_bytes = 1 << 20}, x64::EmitterFault::kKeepNans}};
  for (const Opcode opcode : {Opcode::F32x4Add, Opcode::F32x4Min, Opcode::F32x4Sqrt, Opcode::F32x4RelaxedMadd})
    EXPECT_GT(compare_sides(opcode, "", nans, true), 0u) << wasm::info(opcode).text;
}

// How many computations have no call on each level; falls only when somebody takes a sequence away.
TEST(Vectors, MostComputationsAreSequences) {
  struct Row {
    CpuLevel level;
    uint32_t at_least;
  };
  for (const Row& row : {Row{CpuLevel::kBaseline, 193}, Row{CpuLevel::kSse4, 233}}) {
    const x64::CpuFeatures cpu =
        row.level == CpuLevel::kBaseline ? x64::CpuFeatures{} : x64::CpuFeatures{.sse41 = true, .sse42 = true};
    uint32_t count = 0;
    for (size_t op = 0; op < wasm::kOpcodeCount; ++op) {
      const auto opcode = static_cast<Opcode>(op);
      if (is_vector_computation(opcode) && find_vector_row(opcode, cpu) != kNoVectorRow) ++count;
    }
    EXPECT_GE(count, row.at_least);
  }
}

// --- Wherever values go --------------------------------------------------------------------------------------------

constexpr EngineOptions kEverywhere[] = {
    {.level = OptLevel::kO0, .verify = true, .heap_bytes = 1 << 24},
    {.level = OptLevel::kO1, .cpu = CpuLevel::kSse4, .armed = true, .heap_bytes = 1 << 24},
    {.level = OptLevel::kO2,
     .zeal = {.mode = runtime::ZealMode::kEverySafepoint},
     .cpu = CpuLevel::kBaseline,
     .armed = true,
     .heap_bytes = 1 << 24},
    {.level = OptLevel::kO2, .verify = true, .chaos_seed = 5, .heap_bytes = 1 << 24},
    {.level = OptLevel::kO2, .collector = runtime::GcKind::kNonMoving, .chaos_seed = 9, .heap_bytes = 1 << 24},
};

// One instance; the host function "h" of module "m" turns (i32, v128, f64) into (v128 with exchanged halves, i32).
class Program {
 public:
  Program(const std::string& source, const EngineOptions& options)
      : types_(std::make_shared<wasm::TypeStore>()), store_(make_engine(types_, options)) {
    auto bytes = wasm::text::parse_module(source);
    if (!bytes) {
      ADD_FAILURE() << bytes.error().to_string();
      return;
    }
    auto module = wasm::load(std::move(*bytes), types_);
    if (!module) {
      ADD_FAILURE() << module.error().to_string();
      return;
    }
    std::vector<wasm::Extern> imports;
    const auto shared = std::make_shared<wasm::Module>(std::move(*module));
    if (shared->imported_funcs != 0) {
      imports.push_back(store_->make_func(shared->funcs[0].type_id, [](wasm::Embedding&, std::span<const Value> args) {
        EXPECT_EQ(args[2].low, std::bit_cast<uint64_t>(2.5));
        return Outcome::ok({Value::v128(args[1].high, args[1].low), Value::i32(static_cast<uint32_t>(args[0].low))});
      }));
    }
    const Outcome made = store_->instantiate(shared, imports, instance_);
    EXPECT_TRUE(made.returned()) << to_string(made.kind) << made.error.to_string();
  }
  Outcome call(const char* name, const std::vector<Value>& args = {}) {
    return store_->call(*store_->find_export(instance_, name), args);
  }
  // The one result, as halves.
  void expect(const char* name, const std::vector<Value>& args, uint64_t low, uint64_t high) {
    const Outcome outcome = call(name, args);
    ASSERT_TRUE(outcome.returned()) << name << ": " << to_string(outcome.kind) << " " << outcome.error.to_string();
    EXPECT_EQ(outcome.values.at(0).low, low) << name;
    EXPECT_EQ(outcome.values.at(0).high, high) << name;
  }

 private:
  std::shared_ptr<wasm::TypeStore> types_;
  std::unique_ptr<wasm::Embedding> store_;
  wasm::InstanceId instance_ = 0;
};

const Value kOne = Value::v128(0x1111111122222222, 0x3333333344444444);
const Value kTwo = Value::v128(0x5555555566666666, 0x7777777788888888);

TEST(Vectors, TravelThroughCallsOfEveryKind) {
  // Twelve vectors, so that some do not fit registers, among other values; the last comes back first.
  std::string params, results, backwards, forwards;
  for (int n = 0; n < 12; ++n) {
    params += " v128 i64 f32";
    results += " f32 i64 v128";
  }
  for (int n = 35; n >= 0; --n) backwards += "(local.get " + std::to_string(n) + ")";
  for (int n = 0; n < 36; ++n) forwards += "(local.get " + std::to_string(n) + ")";
  const std::string source =
      "(module (type $t (func (param" + params + ") (result" + results +
      "))) (table funcref (elem $r)) (func $r (type $t) " + backwards +
      ")"
      "(func (export \"direct\") (type $t) (call $r " +
      forwards + "))(func (export \"indirect\") (type $t) (call_indirect (type $t) " + forwards +
      "(i32.const 0)))(func (export \"reference\") (type $t) (call_ref $t " + forwards +
      "(ref.func $r)))(func (export \"tail\") (type $t) (return_call $r " + forwards +
      "))(func (export \"tail_ref\") (type $t) (return_call_ref $t " + forwards +
      "(ref.func $r)))(func (export \"tail_indirect\") (type $t) (return_call_indirect (type $t) " + forwards +
      "(i32.const 0))))";
  std::vector<Value> args;
  for (uint32_t n = 0; n < 12; ++n) {
    args.push_back(Value::v128(n, ~uint64_t{n}));
    args.push_back(Value::i64(100 + n));
    args.push_back(Value::f32_bits(200 + n));
  }
  for (const EngineOptions& options : kEverywhere) {
    Program program(source, options);
    for (const char* name : {"direct", "indirect", "reference", "tail", "tail_ref", "tail_indirect"}) {
      const Outcome outcome = program.call(name, args);
      ASSERT_TRUE(outcome.returned()) << name << " " << outcome.error.to_string();
      for (size_t n = 0; n < args.size(); ++n) {
        const Value& got = outcome.values[args.size() - 1 - n];
        EXPECT_EQ(got.low, args[n].low) << name << " " << n;
        EXPECT_EQ(got.high, args[n].high) << name << " " << n;
      }
    }
  }
}

TEST(Vectors, ReachHostFunctionsAndComeBack) {
  for (const EngineOptions& options : kEverywhere) {
    Program program(R"((module
      (func $h (import "m" "h") (param i32 v128 f64) (result v128 i32))
      (func (export "f") (param v128) (result v128)
        (local $kept v128) (local $n i32)
        (local.set $kept (i8x16.add (local.get 0) (local.get 0)))
        (call $h (i32.const 7) (local.get 0) (f64.const 2.5))
        (local.set $n)
        (v128.xor (local.get $kept))
        (i32x4.replace_lane 0 (local.get $n)))))",
                    options);
    program.expect("f", {kOne}, (0x3333333344444444 ^ 0x2222222244444444) >> 32 << 32 | 7,
                   0x1111111122222222 ^ 0x6666666688888888);
  }
}

TEST(Vectors, LiveInObjectsGlobalsAndExceptions) {
  for (const EngineOptions& options : kEverywhere) {
    Program program(R"((module
      (type $s (struct (field i8) (field $v (mut v128)) (field (mut anyref)) (field $w v128)))
      (type $a (array (mut v128)))
      (tag $e (param i32 v128 f32))
      (global $g (mut v128) (v128.const i64x2 5 6))
      (global $constant (ref $s) (struct.new $s (i32.const 1) (v128.const i64x2 7 8) (ref.null any) (v128.const i64x2 9 10)))
      (data $d "0123456789abcdefABCDEFGHIJKLMNOPQ")
      (memory 1)
      (func $collect (drop (struct.new_default $s)))
      (func (export "struct") (param v128 v128) (result v128)
        (local $s (ref $s))
        (local.set $s (struct.new $s (i32.const 1) (local.get 0) (ref.i31 (i32.const 3)) (local.get 1)))
        (call $collect)
        (struct.set $s $v (local.get $s) (i32x4.sub (struct.get $s $w (local.get $s)) (struct.get $s $v (local.get $s))))
        (call $collect)
        (struct.get $s $v (local.get $s)))
      (func (export "constant") (result v128) (struct.get $s $w (global.get $constant)))
      (func (export "array") (param v128 i32) (result v128)
        (local $a (ref $a))
        (local.set $a (array.new $a (local.get 0) (i32.const 9)))
        (call $collect)
        (array.set $a (local.get $a) (local.get 1) (i64x2.splat (i64.const 1)))
        (array.fill $a (local.get $a) (i32.const 0) (i8x16.splat (i32.const 2)) (i32.const 1))
        (array.copy $a $a (local.get $a) (i32.const 7) (local.get $a) (i32.const 0) (i32.const 2))
        (i32x4.add (array.get $a (local.get $a) (i32.const 7))
          (i32x4.add (array.get $a (local.get $a) (i32.const 8)) (array.get $a (local.get $a) (local.get 1)))))
      (func (export "fixed") (param v128 v128 i32) (result v128)
        (array.get $a (array.new_fixed $a 3 (local.get 0) (v128.const i64x2 3 4) (local.get 1)) (local.get 2)))
      (func (export "data") (param i32) (result v128)
        (array.get $a (array.new_data $a $d (i32.const 1) (i32.const 2)) (local.get 0)))
      (func (export "init") (result v128)
        (local $a (ref $a))
        (local.set $a (array.new_default $a (i32.const 3)))
        (array.init_data $a $d (local.get $a) (i32.const 2) (i32.const 16) (i32.const 1))
        (v128.or (array.get $a (local.get $a) (i32.const 0)) (array.get $a (local.get $a) (i32.const 2))))
      (func (export "global") (param v128) (result v128)
        (global.get $g) (global.set $g (local.get 0)) (i64x2.add (global.get $g)))
      (func $throw (param v128) (throw $e (i32.const 1) (local.get 0) (f32.const 0)))
      (func (export "catch") (param v128) (result v128)
        (local $kept v128)
        (local.set $kept (v128.not (local.get 0)))
        (block $caught (result i32 v128 f32)
          (try_table (catch $e $caught) (call $throw (local.get 0)))
          (unreachable))
        (drop) (call $collect) (i16x8.add (local.get $kept)) (local.set 0) (drop) (local.get 0))
      (func (export "escape") (param v128) (call $throw (local.get 0)))))",
                    options);
    program.expect("struct", {kOne, kTwo}, 0x4444444444444444, 0x4444444444444444);
    program.expect("constant", {}, 9, 10);
    program.expect("array", {kOne, Value::i32(5)}, 0x1313131324242425, 0x3535353546464647);
    program.expect("fixed", {kOne, kTwo, Value::i32(2)}, kTwo.low, kTwo.high);
    program.expect("fixed", {kOne, kTwo, Value::i32(1)}, 3, 4);
    program.expect("data", {Value::i32(0)}, 0x3837363534333231, 0x4166656463626139);
    program.expect("init", {}, 0x4847464544434241, 0x504f4e4d4c4b4a49);
    program.expect("global", {kOne}, kOne.low + 5, kOne.high + 6);
    program.expect("global", {kTwo}, kOne.low + kTwo.low, kOne.high + kTwo.high);
    program.expect("catch", {kOne}, ~uint64_t{0}, ~uint64_t{0});
    const Outcome thrown = program.call("escape", {kOne});
    ASSERT_EQ(thrown.kind, wasm::OutcomeKind::kThrew);
    EXPECT_EQ(thrown.values.at(1).low, kOne.low);
    EXPECT_EQ(thrown.values.at(1).high, kOne.high);
  }
}

TEST(Vectors, PassBlocksLoopsSelectsAndSpills) {
  // Twenty live vectors and a call in the loop: more than there are registers.
  std::string locals, set, sum;
  for (int n = 0; n < 20; ++n) {
    const std::string local = "$x" + std::to_string(n);
    locals += "(local " + local + " v128)";
    set += "(local.set " + local + " (i32x4.add (local.get 0) (i32x4.splat (i32.const " + std::to_string(n) + "))))";
    sum += "(local.set 0 (i32x4.add (local.get 0) (local.get " + local + ")))";
  }
  for (const EngineOptions& options : kEverywhere) {
    Program program("(module (func $f) (func (export \"spill\") (param v128 i32) (result v128) " + locals + set +
                        "(loop $l (call $f) " + sum +
                        "(br_if $l (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))) (local.get 0))" + R"(
      (func (export "select") (param v128 v128 i32) (result v128)
        (select (local.get 0) (local.get 1) (local.get 2)))
      (func (export "blocks") (param v128 v128 i32) (result v128)
        (local.get 0) (local.get 1)
        (if (param v128 v128) (result v128 v128) (local.get 2) (then (local.set 0) (local.get 1)) (else (call $swap)))
        (loop $l (param v128 v128) (result v128 v128)
          (call $swap)
          (br_if $l (local.tee 2 (i32.sub (local.get 2) (i32.const 1)))))
        (i8x16.sub))
      (func $swap (param v128 v128) (result v128 v128) (local.get 1) (local.get 0))))",
                    options);
    program.expect("spill", {Value::v128(0x0000000100000002, 0), Value::i32(2)}, 0x000001a5000001ce,
                   0x0000017c0000017c);
    program.expect("select", {kOne, kTwo, Value::i32(1)}, kOne.low, kOne.high);
    program.expect("select", {kOne, kTwo, Value::i32(0)}, kTwo.low, kTwo.high);
    program.expect("blocks", {kOne, kTwo, Value::i32(3)}, 0x4444444444444444, 0x4444444444444444);
    program.expect("blocks", {kOne, kTwo, Value::i32(2)}, 0xbcbcbcbcbcbcbcbc, 0xbcbcbcbcbcbcbcbc);
  }
}

TEST(Vectors, MemoryAccessesAreExactlyBounded) {
  struct Row {
    const char* text;
    uint32_t bytes;
    bool store = false;
    bool lane = false;
  };
  constexpr Row kRows[] = {
      {"v128.load", 16},
      {"v128.load8x8_s", 8},
      {"v128.load16x4_u", 8},
      {"v128.load32x2_s", 8},
      {"v128.load8_splat", 1},
      {"v128.load16_splat", 2},
      {"v128.load32_splat", 4},
      {"v128.load64_splat", 8},
      {"v128.load32_zero", 4},
      {"v128.load64_zero", 8},
      {"v128.load8_lane", 1, false, true},
      {"v128.load64_lane", 8, false, true},
      {"v128.store", 16, true},
      {"v128.store8_lane", 1, true, true},
      {"v128.store32_lane", 4, true, true},
  };
  for (const EngineOptions& options : kEverywhere) {
    for (const std::string address : {"i32", "i64"}) {
      std::string source = "(module (memory " + address + " 1)";
      for (const Row& row : kRows) {
        source += "(func (export \"" + std::string(row.text) + "\") (param " + address + " v128)" +
                  (row.store ? "" : "(result v128)") + "(" + row.text + " offset=3" + (row.lane ? " 1" : "") +
                  " (local.get 0)" + (row.store || row.lane ? "(local.get 1)" : "") + "))";
      }
      Program program(source + ")", options);
      for (const Row& row : kRows) {
        for (const uint64_t where : {uint64_t{0}, uint64_t{65533} - row.bytes, uint64_t{65534} - row.bytes,
                                     uint64_t{65536}, uint64_t{0xffffffff}}) {
          const Value at = address == "i32" ? Value::i32(static_cast<uint32_t>(where)) : Value::i64(where);
          const Outcome outcome = program.call(row.text, {at, kOne});
          EXPECT_EQ(outcome.returned(), where + 3 + row.bytes <= 65536) << row.text << " " << where;
          if (!outcome.returned()) { EXPECT_EQ(outcome.trap, wasm::TrapKind::kMemoryOutOfBounds); }
        }
      }
    }
  }
}

}  // namespace
}  // namespace parallax::jit
