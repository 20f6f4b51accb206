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

}  // namespace
}  // namespace parallax::jit
