// Instruction selection against the interpreter: operands in memory, parts of addresses, updates in place, bit tests,
// and NaNs that nobody sees. Every function runs with every pair of corner values on several settings.
#include <gtest/gtest.h>

#include "engine/jit/test_program.h"
#include "interp/interp.h"

namespace parallax::jit {
namespace {

using runtime::EngineOptions;
using runtime::MemoryChecks;
using runtime::OptLevel;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::Value;

const EngineOptions kSettings[] = {
    {.level = OptLevel::kO0, .verify = true, .heap_bytes = 1 << 20},
    {.level = OptLevel::kO1, .verify = true, .chaos_seed = 3, .heap_bytes = 1 << 20},
    {.level = OptLevel::kO2, .verify = true, .heap_bytes = 1 << 20},
    {.level = OptLevel::kO2, .memory = MemoryChecks::kGuard, .verify = true, .heap_bytes = 1 << 20},
    {.level = OptLevel::kO2, .memory = MemoryChecks::kGuard, .verify = true, .chaos_seed = 9, .heap_bytes = 1 << 20},
    {.level = OptLevel::kO2, .cpu = runtime::CpuLevel::kBaseline, .verify = true, .heap_bytes = 1 << 20},
};

// The same module in the reference interpreter.
class Reference {
 public:
  explicit Reference(const std::string& source) {
    interp::InterpOptions options;
    options.features.bits = ~0u;
    store_ = interp::make_interpreter(types_, options);
    auto bytes = wasm::text::parse_module(source);
    if (!bytes) {
      ADD_FAILURE() << bytes.error().to_string() << "\n" << source;
      return;
    }
    auto module = wasm::load(std::move(*bytes), types_);
    if (!module) {
      ADD_FAILURE() << module.error().to_string() << "\n" << source;
      return;
    }
    const Outcome made = store_->instantiate(std::make_shared<wasm::Module>(std::move(*module)), {}, instance_);
    EXPECT_TRUE(made.returned());
  }
  Outcome call(const std::string& name, const std::vector<Value>& args) {
    return store_->call(*store_->find_export(instance_, name), args);
  }

 private:
  std::shared_ptr<wasm::TypeStore> types_ = std::make_shared<wasm::TypeStore>();
  std::unique_ptr<wasm::Embedding> store_;
  wasm::InstanceId instance_ = 0;
};

std::string show(const Outcome& o) {
  if (o.kind == OutcomeKind::kTrapped) return "trap " + std::to_string(static_cast<int>(o.trap));
  std::string out = to_string(o.kind);
  for (const Value& v : o.values) out += " " + std::to_string(v.low);
  return out;
}

// One function per body, all with the parameters and results given, called with every list of arguments. What they did to
// memory is read back by "sum".
void expect_like_interpreter(const std::string& prelude, const std::string& signature,
                             const std::vector<std::string>& bodies, const std::vector<std::vector<Value>>& calls) {
  std::string source = "(module (memory 1)\n" + prelude;
  for (size_t n = 0; n < bodies.size(); ++n) {
    source += "(func (export \"f" + std::to_string(n) + "\") " + signature + " " + bodies[n] + ")\n";
  }
  source +=
      "(func (export \"sum\") (result i64) (local $i i32) (local $s i64)"
      "  (loop $l (local.set $s (i64.add (i64.rotl (local.get $s) (i64.const 5)) (i64.load (local.get $i))))"
      "    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 256))))"
      "  (local.get $s))\n";
  source += "(data (i32.const 0) \"";
  for (int n = 0; n < 256; ++n) source += "\\" + std::string(1, "0123456789abcdef"[n * 7 % 16]) + "d";
  source += "\"))";
  Reference reference(source);
  std::vector<std::vector<std::string>> expected;
  for (size_t n = 0; n < bodies.size(); ++n) {
    expected.emplace_back();
    for (const auto& args : calls) {
      expected.back().push_back(show(reference.call("f" + std::to_string(n), args)) + " " +
                                show(reference.call("sum", {})));
    }
  }
  for (size_t s = 0; s < std::size(kSettings); ++s) {
    Program program(source, kSettings[s]);
    for (size_t n = 0; n < bodies.size(); ++n) {
      for (size_t c = 0; c < calls.size(); ++c) {
        const std::string got =
            show(program.call(("f" + std::to_string(n)).c_str(), calls[c])) + " " + show(program.call("sum"));
        ASSERT_EQ(got, expected[n][c]) << "setting " << s << ", call " << c << " of " << bodies[n];
      }
    }
  }
}

std::vector<std::vector<Value>> pairs32(const std::vector<uint32_t>& values) {
  std::vector<std::vector<Value>> calls;
  for (const uint32_t a : values) {
    for (const uint32_t b : values) calls.push_back({Value::i32(a), Value::i32(b)});
  }
  return calls;
}

const std::vector<uint32_t> kCorners = {0,      1,      2,          3,          8,          0x7f,       0x80,
                                        0xff,   0x100,  0xfff8,     0xfffc,     0xfffd,     0xffff,     0x10000,
                                        0x3fff, 0x4000, 0x3fffffff, 0x40000000, 0x7fffffff, 0x80000000, 0xffffffff};

TEST(Selection, LoadsBecomeOperands) {
  const char* const kOps[] = {"add", "sub", "mul", "and", "or", "xor"};
  const char* const kCompares[] = {"eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"};
  std::vector<std::string> bodies;
  const std::string load = "(i32.load (local.get 1))";
  for (const std::string op : kOps) {
    bodies.push_back("(i32." + op + " (local.get 0) " + load + ")");
    bodies.push_back("(i32." + op + " " + load + " (local.get 0))");
    bodies.push_back("(i32." + op + " (local.get 1) " + load + ")");
    bodies.push_back("(i32.wrap_i64 (i64." + op +
                     " (i64.extend_i32_s (local.get 0)) (i64.load offset=3 (local.get 1))))");
  }
  for (const std::string op : kCompares) {
    for (const std::string& compare :
         {"(i32." + op + " (local.get 0) " + load + ")", "(i32." + op + " " + load + " (local.get 0))",
          "(i32." + op + " " + load + " (i32.const -77))", "(i32." + op + " (i32.const 5) " + load + ")",
          "(i32." + op + " (i32.load8_u (local.get 1)) (i32.const 0x7d))",
          "(i32." + op + " (i32.load8_u (local.get 1)) (i32.const 200))",
          "(i32." + op + " (i32.load8_u (local.get 1)) (i32.const 0))",
          "(i32." + op + " (i32.load8_u (local.get 1)) (i32.const 300))",
          "(i64." + op + " (i64.load8_u (local.get 1)) (i64.const 255))",
          "(i32.eqz (i32." + op + " (local.get 0) " + load + "))"}) {
      bodies.push_back(compare);
      bodies.push_back("(if (result i32) " + compare + " (then (i32.const 3)) (else (local.get 0)))");
      bodies.push_back("(select (local.get 0) (i32.const 9) " + compare + ")");
    }
  }
  for (const std::string zero :
       {"(i32.eqz (i32.load (local.get 1)))", "(i32.eqz (i32.load8_u (local.get 1)))",
        "(i64.eqz (i64.load (local.get 1)))", "(i32.eqz (i32.eqz (i32.load8_u (local.get 1))))"}) {
    bodies.push_back(zero);
    bodies.push_back("(if (result i32) " + zero + " (then (i32.const 3)) (else (local.get 0)))");
  }
  for (const std::string condition : {"(i32.load (local.get 1))", "(i32.load8_u (local.get 1))"}) {
    bodies.push_back("(if (result i32) " + condition + " (then (i32.const 3)) (else (local.get 0)))");
    bodies.push_back("(select (local.get 0) (i32.const 9) " + condition + ")");
    bodies.push_back("(drop (select (local.get 0) (i32.const 9) " + condition + ")) (i32.const 2)");
  }
  bodies.push_back("(i32.wrap_i64 (i64.shr_u (i64.extend_i32_s (i32.load (local.get 1))) (i64.const 16)))");
  expect_like_interpreter("", "(param i32 i32) (result i32)", bodies, pairs32(kCorners));
}

TEST(Selection, FloatsFromMemory) {
  std::vector<std::string> bodies;
  for (const std::string f : {"f32", "f64"}) {
    const std::string load = "(" + f + ".load offset=1 (local.get 1))";
    const std::string x = "(" + f + ".convert_i32_s (local.get 0))";
    const std::string bits = f == "f32" ? "(i32.reinterpret_f32 " : "(i32.wrap_i64 (i64.shr_u (i64.reinterpret_f64 ";
    const std::string end = f == "f32" ? ")" : ") (i64.const 20)))";
    for (const std::string op : {"add", "sub", "mul", "div", "min", "max", "copysign"}) {
      bodies.push_back(bits + "(" + f + "." + op + " " + x + " " + load + ")" + end);
      bodies.push_back(bits + "(" + f + "." + op + " " + load + " " + x + ")" + end);
    }
    for (const std::string op : {"sqrt", "neg", "abs", "ceil"})
      bodies.push_back(bits + "(" + f + "." + op + " " + load + ")" + end);
    for (const std::string op : {"eq", "ne", "lt", "gt", "le", "ge"}) {
      for (const std::string& compare :
           {"(" + f + "." + op + " " + x + " " + load + ")", "(" + f + "." + op + " " + load + " " + x + ")"}) {
        bodies.push_back(compare);
        bodies.push_back("(if (result i32) " + compare + " (then (i32.const 3)) (else (local.get 0)))");
        bodies.push_back("(if (result i32) (i32.eqz " + compare + ") (then (i32.const 3)) (else (local.get 0)))");
      }
    }
    for (const std::string from : {"i32.load", "i64.load"}) {
      const std::string i = from.substr(0, 3);
      bodies.push_back(bits + "(" + f + ".convert_" + i + "_s (" + from + " (local.get 1)))" + end);
      bodies.push_back(bits + "(" + f + ".convert_" + i + "_u (" + from + " (local.get 1)))" + end);
    }
  }
  bodies.push_back("(i32.reinterpret_f32 (f32.demote_f64 (f64.load (local.get 1))))");
  bodies.push_back("(i32.wrap_i64 (i64.reinterpret_f64 (f64.promote_f32 (f32.load (local.get 1)))))");
  expect_like_interpreter("", "(param i32 i32) (result i32)", bodies, pairs32(kCorners));
}

// In 32 bits an address wraps; the machine's does not.
TEST(Selection, AddressesTakeOnlyPartsThatDoNotWrap) {
  std::vector<std::string> bodies;
  for (const std::string offset : {"", "offset=4 ", "offset=65528 ", "offset=0x7ffffff0 ", "offset=0xffff0000 "}) {
    for (const std::string k : {"0", "1", "2", "3", "4"}) {
      for (const std::string x :
           {"(local.get 0)", "(i32.and (local.get 0) (i32.const 0xff))",
            "(i32.and (local.get 0) (i32.const 0x3fffffff))", "(i32.and (local.get 0) (i32.const 0x1fffffff))",
            "(i32.shr_u (local.get 0) (i32.const 1))", "(i32.shr_u (local.get 0) (i32.const 3))",
            "(i32.load8_u (i32.and (local.get 1) (i32.const 0xff)))", "(i32.rem_u (local.get 0) (i32.const 100))",
            "(i32.lt_u (local.get 0) (local.get 1))"}) {
        const std::string scaled = "(i32.shl " + x + " (i32.const " + k + "))";
        bodies.push_back("(i32.load " + offset + scaled + ")");
        bodies.push_back("(i32.load " + offset + "(i32.add " + scaled + " (i32.const 12)))");
        bodies.push_back("(i32.load " + offset + "(i32.shl (i32.add " + x + " (i32.const 3)) (i32.const " + k + ")))");
        bodies.push_back("(i32.load " + offset + "(i32.add " + x + " (i32.const -4)))");
        // The parts have other readers too.
        bodies.push_back("(local $t i32) (local.set $t " + scaled + ") (i32.add (local.get $t) (i32.load " + offset +
                         "(i32.add (local.get $t) (i32.const 8))))");
      }
    }
  }
  std::vector<std::vector<Value>> calls;
  for (const uint32_t a : kCorners) calls.push_back({Value::i32(a), Value::i32(a >> 3)});
  expect_like_interpreter("", "(param i32 i32) (result i32)", bodies, calls);
}

TEST(Selection, UpdatesInPlace) {
  std::vector<std::string> bodies;
  for (const std::string type : {"i32", "i64"}) {
    const std::string x = type == "i32" ? "(local.get 0)" : "(i64.extend_i32_s (local.get 0))";
    for (const auto& [load, store] : std::initializer_list<std::pair<std::string, std::string>>{{"load", "store"},
                                                                                                {"load8_u", "store8"},
                                                                                                {"load8_s", "store8"},
                                                                                                {"load16_u", "store16"},
                                                                                                {"load", "store8"},
                                                                                                {"load8_u", "store"}}) {
      for (const std::string op : {"add", "sub", "and", "or", "xor", "mul"}) {
        for (const std::string& value :
             {x, "(" + type + ".const 77)", "(" + type + ".const -129)", "(" + type + ".const 0x12345678)"}) {
          const std::string at = "(local.get 1)";
          const std::string loaded = "(" + type + "." + load + " offset=2 " + at + ")";
          bodies.push_back("(" + type + "." + store + " offset=2 " + at + " (" + type + "." + op + " " + loaded + " " +
                           value + ")) (i32.const 0)");
          bodies.push_back("(" + type + "." + store + " offset=2 " + at + " (" + type + "." + op + " " + value + " " +
                           loaded + ")) (i32.const 0)");
        }
      }
    }
  }
  bodies.push_back("(i64.store32 (local.get 1) (i64.add (i64.load32_u (local.get 1)) (i64.const 5))) (i32.const 0)");
  // Another place, another offset, a store between, another reader.
  bodies.push_back("(i32.store (local.get 1) (i32.add (i32.load (local.get 0)) (i32.const 5))) (i32.const 0)");
  bodies.push_back("(i32.store offset=4 (local.get 1) (i32.add (i32.load (local.get 1)) (i32.const 5))) (i32.const 0)");
  bodies.push_back(
      "(local $t i32) (local.set $t (i32.load (local.get 1))) (i32.store (local.get 0) (i32.const 1))"
      "(i32.store (local.get 1) (i32.add (local.get $t) (i32.const 5))) (i32.const 0)");
  bodies.push_back(
      "(local $t i32) (i32.store (local.get 1) (i32.add (local.tee $t (i32.load (local.get 1))) (i32.const 5))) "
      "(local.get $t)");
  expect_like_interpreter("", "(param i32 i32) (result i32)", bodies,
                          pairs32({0, 1, 7, 8, 200, 0xfffa, 0xfffb, 0xfffe, 0xffff, 0x80000001, 0xffffffff}));
}

// A load that is moved to its reader still reads what was there, and traps before whatever came after it.
TEST(Selection, LoadsKeepTheirPlaceAmongEffects) {
  const std::string prelude =
      "(func $write (param i32) (i32.store (local.get 0) (i32.const -1)))"
      "(func $div (param i32) (result i32) (i32.div_u (i32.const 7) (local.get 0)))";
  const std::vector<std::string> bodies = {
      "(i32.add (local.get 0) (i32.load (local.get 1)) (i32.store (i32.const 8) (i32.const 1)))",
      "(i32.load (local.get 1)) (call $write (local.get 0)) (i32.add (local.get 0))",
      "(i32.load (local.get 1)) (i32.div_u (local.get 1) (local.get 0)) (i32.add)",
      "(i32.div_u (local.get 1) (local.get 0)) (i32.load (local.get 1)) (i32.add)",
      "(i32.load (local.get 1)) (i32.load (local.get 0)) (i32.sub)",
      "(drop (i32.add (local.get 0) (i32.load (local.get 1)))) (i32.const 1)",
      "(drop (select (local.get 0) (local.get 1) (i32.lt_u (local.get 0) (i32.load (local.get 1))))) (i32.const 1)",
      "(drop (i32.add (local.get 0) (i32.add (local.get 1) (i32.load (local.get 1))))) (i32.const 1)",
      "(drop (f64.add (f64.const 1) (f64.load (local.get 1)))) (i32.const 1)",
      "(i32.load (local.get 1)) (if (local.get 0) (then (unreachable))) (i32.add (local.get 0))",
      "(local $t i32) (local.set $t (i32.lt_u (local.get 0) (i32.load (local.get 1))))"
      "(i32.store (local.get 0) (i32.const 0)) (if (result i32) (local.get $t) (then (i32.const 1)) (else (i32.const "
      "2)))",
      "(local $t i32) (local.set $t (i32.lt_u (local.get 0) (i32.load (local.get 1))))"
      "(drop (i32.div_u (local.get 0) (local.get 1))) (if (result i32) (local.get $t) (then (i32.const 1)) (else "
      "(i32.const 2)))",
  };
  expect_like_interpreter(prelude, "(param i32 i32) (result i32)", bodies,
                          pairs32({0, 1, 8, 0xfffc, 0xfffd, 0x10000, 0xffffffff}));
}

TEST(Selection, IntegerTricks) {
  std::vector<std::string> bodies;
  for (const std::string t : {"i32", "i64"}) {
    const bool wide = t == "i64";
    const auto in = [&](const char* n) {
      return wide ? "(i64.mul (i64.extend_i32_u (local.get " + std::string(n) + ")) (i64.const 0x100000001))"
                  : "(local.get " + std::string(n) + ")";
    };
    const std::string a = in("0");
    const std::string b = in("1");
    const auto op = [&](const std::string& name, const std::string& x, const std::string& y) {
      return "(" + t + "." + name + " " + x + " " + y + ")";
    };
    const auto constant = [&](const std::string& c) { return "(" + t + ".const " + c + ")"; };
    std::vector<std::string> values = {
        op("and", a, op("xor", b, constant("-1"))),
        op("and", op("xor", a, constant("-1")), b),
        op("and", a, op("sub", a, constant("1"))),
        op("and", op("add", a, constant("-1")), a),
        op("and", a, op("sub", constant("0"), a)),
        op("and", a, op("sub", b, constant("1"))),
        op("add", a, op("shl", b, constant("3"))),
        op("add", op("shl", a, constant("1")), b),
        op("add", a, op("shl", b, constant("4"))),
        op("add", op("shl", a, constant("2")), op("shl", b, constant("3"))),
        op("mul", a, constant("3")),
        op("mul", a, constant("5")),
        op("mul", a, constant("9")),
        op("mul", a, constant("-7")),
        op("shl", a, b),
        op("shr_u", a, b),
        op("shr_s", a, b),
        op("rotl", a, b),
        op("rotr", a, b),
        op("xor", op("rotl", a, constant("7")), op("rotr", a, constant("18"))),
        op("xor", op("rotr", a, constant("0")), op("rotl", a, constant("0"))),
        op("add", op("add", a, b), op("mul", a, b)),
    };
    for (std::string& v : values)
      bodies.push_back(wide ? "(i32.wrap_i64 (i64.xor " + v + " (i64.shr_u " + v + " (i64.const 32))))" : v);
    // Flags of the operation itself, with its result read later or not.
    for (const std::string name : {"add", "sub", "and", "or", "xor", "mul"}) {
      for (const std::string& y : std::vector<std::string>{b, constant("-1"), constant("8")}) {
        const std::string x = op(name, a, y);
        const std::string read = wide ? "(i32.wrap_i64 (local.get $t))" : "(local.get $t)";
        const std::string is_zero = "(" + t + ".eqz (local.tee $t " + x + "))";
        const std::string local = "(local $t " + t + ") ";
        bodies.push_back(local + "(if (result i32) " + is_zero + " (then (i32.const 3)) (else " + read + "))");
        bodies.push_back(local + "(if (result i32) (i32.eqz " + is_zero + ") (then " + read +
                         ") (else (i32.const 4)))");
        bodies.push_back("(if (result i32) (" + t + ".eqz " + x + ") (then (i32.const 3)) (else (local.get 1)))");
      }
      bodies.push_back("(local $n " + t + ") (local $c i32) (local.set $n " + constant("5") +
                       ") (loop $l (local.set $c (i32.add (local.get $c) (local.get 0))) (br_if $l (i32.and (i32.lt_u "
                       "(local.get $c) "
                       "(i32.const 0x70000000)) (i32.eqz (" +
                       t + ".eqz (local.tee $n " + op("sub", "(local.get $n)", constant("1")) +
                       "))))) ) (local.get $c)");
    }
    bodies.push_back("(local $n " + t + ") (local $c i32) (local.set $n " + constant("5") +
                     ") (loop $l (local.set $c (i32.add (local.get $c) (local.get 0))) (br_if $l (i32.eqz (" + t +
                     ".eqz (local.tee $n " + op("sub", "(local.get $n)", constant("1")) + "))))) (local.get $c)");
    for (const std::string& c :
         std::vector<std::string>{constant("0xff"), constant("0xffff"), constant("0xffffffff")}) {
      const std::string masked = op("and", a, c);
      bodies.push_back(wide ? "(i32.wrap_i64 (i64.rotl " + masked + " (i64.const 20)))" : masked);
      bodies.push_back("(if (result i32) (" + t + ".eqz " + masked + ") (then (i32.const 3)) (else (local.get 1)))");
    }
    for (const std::string compare : {"lt_s", "le_s", "gt_s", "ge_s", "lt_u", "ge_u"}) {
      bodies.push_back("(if (result i32) " + op(compare, a, constant("0")) +
                       " (then (i32.const 3)) (else (local.get 1)))");
    }
    for (const std::string& mask : {b, constant("1"), constant("0x80"), constant("-256"), constant("0")}) {
      const std::string test = op("and", a, mask);
      for (const std::string& condition :
           {"(" + t + ".eqz " + test + ")", op("ne", test, constant("0")), op("eq", test, constant("0")),
            "(i32.eqz " + op("ne", test, constant("0")) + ")", op("gt_u", test, constant("0")),
            op("lt_s", test, constant("0")), wide ? op("ne", test, constant("1")) : test}) {
        bodies.push_back("(if (result i32) " + condition + " (then (i32.const 3)) (else (local.get 0)))");
        bodies.push_back("(select (local.get 1) (i32.const 9) " + condition + ")");
      }
    }
  }
  expect_like_interpreter("", "(param i32 i32) (result i32)", bodies, pairs32(kCorners));
}

// What a NaN looks like shows wherever bits are seen, and x86 makes other ones than WebAssembly wants.
TEST(Nans, AreCanonicalWhereverTheyAreSeen) {
  const std::string prelude =
      "(global $g (mut f64) (f64.const 0))"
      "(type $s (struct (field (mut f64)) (field (mut f32))))"
      "(func $bits (param f64) (result i64) (i64.reinterpret_f64 (local.get 0)))";
  const std::string odd = "(f64.div (local.get 0) (local.get 1))";
  std::vector<std::string> bodies = {
      "(i64.reinterpret_f64 (f64.add (f64.mul " + odd + " (local.get 1)) (f64.sub (local.get 0) (local.get 1))))",
      "(i64.reinterpret_f64 (f64.neg " + odd + "))",
      "(i64.reinterpret_f64 (f64.abs (f64.neg " + odd + ")))",
      "(i64.reinterpret_f64 (f64.copysign (f64.const 2) " + odd + "))",
      "(i64.reinterpret_f64 (f64.copysign " + odd + " (local.get 0)))",
      "(i64.reinterpret_f64 (f64.add (f64.neg " + odd + ") (f64.const 1)))",
      "(i64.reinterpret_f64 (f64.min " + odd + " (f64.const 1)))",
      "(i64.reinterpret_f64 (f64.max (f64.sqrt " + odd + ") (local.get 1)))",
      "(i64.reinterpret_f64 (f64.ceil (f64.sqrt (f64.sub " + odd + " (local.get 0)))))",
      "(i64.extend_i32_u (i32.reinterpret_f32 (f32.demote_f64 (f64.add " + odd + " (local.get 0)))))",
      "(i64.reinterpret_f64 (f64.promote_f32 (f32.add (f32.demote_f64 " + odd + ") (f32.const 1))))",
      "(i64.extend_i32_u (f64.lt (f64.add " + odd + " (local.get 0)) (local.get 1)))",
      "(i64.trunc_sat_f64_s (f64.add " + odd + " (local.get 0)))",
      "(f64.store (i32.const 16) " + odd + ") (i64.load (i32.const 16))",
      "(f32.store (i32.const 16) (f32.demote_f64 " + odd + ")) (i64.load (i32.const 16))",
      "(global.set $g " + odd + ") (i64.reinterpret_f64 (global.get $g))",
      "(call $bits (f64.mul " + odd + " (local.get 0)))",
      "(i64.reinterpret_f64 (struct.get $s 0 (struct.new $s " + odd + " (f32.const 0))))",
      // Parameters and selects: all canonical, or one from somewhere else.
      "(i64.reinterpret_f64 (select " + odd +
          " (f64.mul (local.get 0) (local.get 1)) (f64.gt (local.get 1) (f64.const 0))))",
      "(i64.reinterpret_f64 (select " + odd + " (local.get 1) (f64.gt (local.get 1) (f64.const 0))))",
      "(i64.reinterpret_f64 (if (result f64) (f64.gt (local.get 1) (f64.const 0)) (then " + odd +
          ") (else (local.get 0))))",
      "(i64.reinterpret_f64 (if (result f64) (f64.gt (local.get 1) (f64.const 0)) (then " + odd +
          ") (else (f64.const nan:0x8000000000001))))",
  };
  // Loops: a sum that is seen behind it, within it, and one that begins with a NaN of somebody else.
  for (const std::string& first :
       std::vector<std::string>{"(f64.const 0)", "(local.get 0)", odd, "(f64.load (i32.const 8))"}) {
    for (const std::string within : {"", "(f64.store (i32.const 24) (local.get $s))",
                                     "(local.set $x (i64.xor (local.get $x) (i64.reinterpret_f64 (local.get $s))))",
                                     "(local.set $s (select (local.get $s) (local.get 1) (local.get $n)))"}) {
      bodies.push_back(
          "(local $s f64) (local $n i32) (local $x i64) (local.set $s " + first +
          ") (local.set $n (i32.const 3)) (loop $l (local.set $s (f64.add (local.get $s) (f64.mul " + odd +
          " (local.get 1)))) " + within +
          " (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
          "(f64.store (i32.const 32) (local.get $s)) (i64.xor (local.get $x) (i64.reinterpret_f64 (local.get $s)))");
      // Left from the middle, without a turn.
      bodies.push_back("(local $s f64) (local $n i32) (local $x i64) (local.set $s " + first +
                       ") (local.set $n (i32.const 3)) (block $out (loop $l " + within +
                       "(br_if $out (f64.ge (local.get 1) (f64.const 1))) (local.set $s (f64.sub (local.get $s) " +
                       odd +
                       ")) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))"
                       "(i64.xor (local.get $x) (i64.reinterpret_f64 (local.get $s)))");
    }
  }
  std::vector<std::vector<Value>> calls;
  for (const uint64_t a :
       {uint64_t{0}, uint64_t{0x8000000000000000}, uint64_t{0x3ff0000000000000}, uint64_t{0xc000000000000000},
        uint64_t{0x7ff0000000000000}, uint64_t{0xfff0000000000000}, uint64_t{0x7ff8000000000000},
        uint64_t{0xfff8000000000000}, uint64_t{0x7ff4000000000001}, uint64_t{0xffffffffffffffff}}) {
    for (const uint64_t b : {uint64_t{0}, uint64_t{0x3ff8000000000000}, uint64_t{0xbff0000000000000},
                             uint64_t{0x7ff0000000000000}, uint64_t{0xfff8000000000123}}) {
      calls.push_back({Value::f64_bits(a), Value::f64_bits(b)});
    }
  }
  expect_like_interpreter(prelude, "(param f64 f64) (result i64)", bodies, calls);
}

}  // namespace
}  // namespace parallax::jit
