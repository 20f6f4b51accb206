#include "engine/wasm/func_walk.h"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/text.h"
#include "engine/wasm/builder.h"
#include "engine/wasm/func_walk_rules.h"
#include "engine/wasm/limits.h"
#include "engine/wasm/testing.h"

namespace parallax::wasm {
namespace {

using namespace testing;  // NOLINT: this unit's helpers
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string list(std::span<const ValType> types) {
  std::string text;
  for (const ValType type : types) text += (text.empty() ? "" : " ") + to_string(type);
  return "[" + text + "]";
}

// Writes down every event as "i32.add [i32 i32]->[i32]"; instructions that control cannot reach stand in parentheses.
struct Recorder {
  static constexpr bool kWantsEvents = true;
  std::string log;

  Result<> on_begin(const WalkView& view) {
    log += "begin " + list(view.locals()) + "\n";
    return {};
  }
  Result<> on_instr(const Instr& instr, const InstrTypes& types, const WalkView& view) {
    std::string line = info(instr.op).text + std::string(" ") + list(types.popped) + "->" + list(types.pushed);
    if (types.closed != nullptr) {
      line += parallax::text::format(" closes {}{}", types.closed->branched_to ? "branched " : "",
                                     types.falls_through ? "falling" : "cut off");
    }
    if (!types.reachable) line = "(" + line + ")";
    log += line + "\n";
    deepest = std::max(deepest, view.labels().size());
    return {};
  }
  Result<> on_finish(const WalkView&) {
    log += "finish\n";
    return {};
  }
  size_t deepest = 0;
};

// The events of function 0 of the module.
std::string events(std::string source, const Features& features = all_features()) {
  const auto module = load_wat(std::move(source), features);
  if (!module) return module.error().to_string();
  Recorder recorder;
  const Result<> result = walk_func(*module, FuncIndex(module->imported_funcs), features, recorder);
  return result ? recorder.log : result.error().to_string();
}

TEST(FuncWalk, ReportsWhatEveryInstructionTakesAndGives) {
  EXPECT_EQ(events("(func (param i32 i64) (result i32) (local f32) local.get 0 i32.const 1 i32.add)"),
            "begin [i32 i64 f32]\n"
            "local.get []->[i32]\n"
            "i32.const []->[i32]\n"
            "i32.add [i32 i32]->[i32]\n"
            "end [i32]->[] closes falling\n"
            "finish\n");
}

TEST(FuncWalk, BlocksTakeTheirParametersAndGiveTheirResults) {
  EXPECT_EQ(
      events("(func (param i32) (result i64) local.get 0 i32.const 2 (block (param i32) (result i64) i64.extend_i32_s) "
             "br 0)"),
      "begin [i32]\n"
      "local.get []->[i32]\n"
      "i32.const []->[i32]\n"
      "block [i32]->[i32]\n"
      "i64.extend_i32_s [i32]->[i64]\n"
      "end [i64]->[i64] closes falling\n"
      "br [i64]->[]\n"
      "(end [bot]->[] closes branched cut off)\n"
      "finish\n");
}

TEST(FuncWalk, UnreachableCodeIsStillReportedAndMarked) {
  EXPECT_EQ(events("(func (param i32) (result i32) local.get 0 block br 0 i32.add drop end)"),
            "begin [i32]\n"
            "local.get []->[i32]\n"
            "block []->[]\n"
            "br []->[]\n"
            "(i32.add [bot bot]->[i32])\n"
            "(drop [i32]->[])\n"
            "(end []->[] closes branched cut off)\n"
            "end [i32]->[] closes falling\n"
            "finish\n");
}

// Typing calls the code behind such a block live; no control reaches it.
TEST(FuncWalk, CodeBehindABlockThatNothingLeavesIsUnreachable) {
  EXPECT_EQ(events("(func (block unreachable) nop)"),
            "begin []\n"
            "block []->[]\n"
            "unreachable []->[]\n"
            "(end []->[] closes cut off)\n"
            "(nop []->[])\n"
            "(end []->[] closes cut off)\n"
            "finish\n");
}

TEST(FuncWalk, BothArmsOfAnIfLeadToItsEnd) {
  EXPECT_EQ(events("(func (param i32) (result i32) local.get 0 if (result i32) i32.const 1 else unreachable end)"),
            "begin [i32]\n"
            "local.get []->[i32]\n"
            "if [i32]->[]\n"
            "i32.const []->[i32]\n"
            "else [i32]->[] closes falling\n"
            "unreachable []->[]\n"
            "(end [bot]->[i32] closes cut off)\n"
            "end [i32]->[] closes falling\n"
            "finish\n");
  EXPECT_THAT(events("(func (param i32) local.get 0 if unreachable end nop)"), HasSubstr("\nnop []->[]\n"));
}

TEST(FuncWalk, ConditionalBranchesGiveBackWhatTheyCarry) {
  EXPECT_THAT(events("(func (param i32) (result i32) i32.const 7 local.get 0 br_if 0)"),
              HasSubstr("br_if [i32 i32]->[i32]\n"));
  EXPECT_THAT(events("(func (param anyref) (result i31ref) local.get 0 br_on_cast 0 anyref i31ref drop ref.null i31)"),
              HasSubstr("br_on_cast [anyref]->[(ref any)]\n"));
  EXPECT_THAT(events("(func (param anyref) (result (ref any)) local.get 0 br_on_non_null 0 unreachable)"),
              HasSubstr("br_on_non_null [anyref]->[]\n"));
}

TEST(FuncWalk, LoopsRememberBackEdges) {
  EXPECT_THAT(events("(func loop br 0 end)"), HasSubstr("closes branched cut off"));
  EXPECT_THAT(events("(func loop end)"), HasSubstr("end []->[] closes falling"));
}

TEST(FuncWalk, CatchClausesTargetLabelsOutsideTheirTryTable) {
  EXPECT_EQ(events("(tag $t (param i32)) (func (result i32) (block (result i32) (try_table (result i32) (catch $t 0) "
                   "unreachable)))"),
            "begin []\n"
            "block []->[]\n"
            "try_table []->[]\n"
            "unreachable []->[]\n"
            "(end [bot]->[i32] closes cut off)\n"
            "(end [i32]->[i32] closes branched cut off)\n"
            "end [i32]->[] closes falling\n"
            "finish\n");
}

TEST(FuncWalk, DeprecatedCatchBodiesStartWithThePayload) {
  EXPECT_EQ(events("(tag $t (param i64)) (func try unreachable catch $t drop catch_all rethrow 0 end)"),
            "begin []\n"
            "try []->[]\n"
            "unreachable []->[]\n"
            "(catch []->[i64] closes cut off)\n"
            "drop [i64]->[]\n"
            "catch_all []->[] closes falling\n"
            "rethrow []->[]\n"
            "(end []->[] closes cut off)\n"
            "end []->[] closes falling\n"
            "finish\n");
}

TEST(FuncWalk, ConstantExpressionsAreWalkedToo) {
  const auto module = load_wat("(global i32 (i32.const 3)) (global i32 (i32.add (global.get 0) (i32.const 4)))");
  ASSERT_TRUE(module.has_value()) << module.error().to_string();
  Recorder recorder;
  ASSERT_TRUE(walk_const_expr(*module, module->globals[1].init, kI32, 1, {}, recorder).has_value());
  EXPECT_THAT(recorder.log, HasSubstr("i32.add [i32 i32]->[i32]"));
  EXPECT_FALSE(walk_const_expr(*module, module->globals[1].init, kI32, 0, {}, recorder).has_value());
}

TEST(FuncWalk, AnErrorOfTheSinkEndsTheWalk) {
  struct Stops : Recorder {
    Result<> on_instr(const Instr& instr, const InstrTypes&, const WalkView&) {
      return fail(ErrorCode::kUnsupported, instr.offset, "enough");
    }
  } sink;
  const auto module = load_wat("(func nop)");
  EXPECT_EQ(walk_func(*module, FuncIndex(0), {}, sink).error().message, "enough");
}

// Walks take their buffers over from each other; nothing else may come along. Type 0 has a default in the first module
// only, and is long enough for a walk to remember that.
TEST(FuncWalk, AWalkKnowsNothingOfTheOneBefore) {
  const auto source = [](const char* last_field) {
    std::string fields;
    for (int i = 0; i < 20; ++i) fields += "i32 ";
    return "(type (struct (field " + fields + last_field +
           ")))(func (local i32 i64) (drop (block (result anyref) (struct.new_default 0))))";
  };
  const auto good = load_wat(source("i64"));
  ASSERT_TRUE(good.has_value()) << good.error().to_string();
  Recorder first, again;
  EXPECT_TRUE(walk_func(*good, FuncIndex(0), {}, first).has_value());
  EXPECT_TRUE(walk_func(*good, FuncIndex(0), {}, again).has_value());
  EXPECT_EQ(first.log, again.log);
  const auto decoded = decode(wat(source("(ref any)")), std::make_shared<TypeStore>());
  ASSERT_TRUE(decoded.has_value());
  Recorder bad;
  EXPECT_FALSE(walk_func(*decoded, FuncIndex(0), {}, bad).has_value());
  // One walk inside another.
  struct Nests : Recorder {
    const Module* inner = nullptr;
    Recorder of_inner;
    Result<> on_instr(const Instr& instr, const InstrTypes& types, const WalkView& view) {
      if (instr.op == Opcode::Block) TRY(walk_func(*inner, FuncIndex(0), {}, of_inner));
      return Recorder::on_instr(instr, types, view);
    }
  } outer;
  outer.inner = &*good;
  EXPECT_TRUE(walk_func(*good, FuncIndex(0), {}, outer).has_value());
  EXPECT_EQ(outer.log, first.log);
  EXPECT_EQ(outer.of_inner.log, first.log);
}

TEST(FuncWalk, ScanningReadsImmediatesAsWritten) {
  auto bytes = wat("(type (struct)) (type $t (struct)) (func (drop (ref.cast (ref null $t) (ref.null $t))))");
  const auto module = decode(std::move(bytes), nullptr, {.naming = TypeNaming::kModule});
  ASSERT_TRUE(module.has_value());
  std::string seen;
  Range code = module->funcs[0].body;
  ++code.begin;  // no locals
  const auto visit = [&](const Instr& instr) -> Result<> {
    seen +=
        std::string(info(instr.op).text) + (instr.op == Opcode::RefCastNull ? " " + to_string(instr.type) : "") + ";";
    return {};
  };
  EXPECT_TRUE(scan_instrs(*module, code, {}, visit).has_value());
  EXPECT_EQ(seen, "ref.null;ref.cast null (ref null 1);drop;end;");
}

// --- Messages ------------------------------------------------------------------------------------------------------------

TEST(FuncWalk, ErrorsShowWhatIsRequiredAndWhatIsThere) {
  EXPECT_EQ(verdict("(func i32.const 1 i64.eqz drop)"),
            "type mismatch: instruction requires [i64] but stack has [i32] (i64.eqz)");
  EXPECT_EQ(verdict("(func i32.add drop)"), "type mismatch: instruction requires [i32] but stack has [] (i32.add)");
  EXPECT_EQ(verdict("(func i32.const 1)"), "type mismatch: block requires [] but stack has [i32] (end)");
  EXPECT_EQ(verdict("(func (param (ref any)) (result (ref eq)) local.get 0)"),
            "type mismatch: block requires [(ref eq)] but stack has [(ref any)] (end)");
  EXPECT_EQ(verdict("(func br 4)"), "unknown label 4: there are 1");
  EXPECT_EQ(verdict("(func (local (ref any)) local.get 0 drop)"), "uninitialized local 0");
}

// --- Rules that are easy to get wrong --------------------------------------------------------------------------------------

TEST(Rules, LocalsAreInitialisedUntilTheirBlockEnds) {
  const std::string local = "(func (param (ref any)) (local (ref any)) ";
  EXPECT_EQ(verdict(local + "local.get 0 local.set 1 local.get 1 drop)"), "");
  EXPECT_EQ(verdict(local + "local.get 0 local.set 1 block local.get 1 drop end)"), "");
  EXPECT_EQ(verdict(local + "block local.get 0 local.set 1 end local.get 1 drop)"), "uninitialized local 1");
  EXPECT_EQ(verdict(local + "i32.const 0 if local.get 0 local.set 1 else local.get 1 drop end)"),
            "uninitialized local 1");
  EXPECT_EQ(verdict(local + "block local.get 0 local.tee 1 drop local.get 1 drop end)"), "");
  // Unreachable code does not initialise for what follows, but itself may rely on it.
  EXPECT_EQ(verdict(local + "block unreachable local.get 0 local.set 1 end local.get 1 drop)"),
            "uninitialized local 1");
  EXPECT_EQ(verdict(local + "unreachable local.get 1 drop)"), "uninitialized local 1");
}

TEST(Rules, ReferencesOfUnreachableCodeAreNoNumbers) {
  EXPECT_EQ(verdict("(func unreachable ref.as_non_null drop)"), "");
  EXPECT_EQ(verdict("(func unreachable ref.as_non_null ref.cast (ref struct) drop)"), "");
  EXPECT_THAT(verdict("(func unreachable ref.as_non_null i32.eqz drop)"), StartsWith("type mismatch"));
  EXPECT_THAT(verdict("(func unreachable ref.as_non_null ref.as_non_null select drop)"), StartsWith("type mismatch"));
  EXPECT_EQ(verdict("(func (result i32) unreachable select)"), "");
  EXPECT_THAT(verdict("(func (result i32) unreachable i64.const 0 i32.const 0 select)"), StartsWith("type mismatch"));
}

TEST(Rules, EveryIndexMustNameSomething) {
  const std::pair<const char*, const char*> kCases[] = {
      {"call 1", "function"},          {"local.get 0", "local"},        {"global.get 0", "global"},
      {"table.size 1", "table"},       {"memory.size 1", "memory"},     {"throw 0", "tag"},
      {"data.drop 1", "data segment"}, {"elem.drop 1", "elem segment"}, {"struct.new 2", "type"},
      {"call_ref 2", "type"},          {"struct.get 1 0", "field"},     {"br 1", "label"},
      {"table.init 0 1", "elem"},      {"memory.init 0 1", "data"},     {"memory.copy 0 1", "memory"},
      {"table.copy 0 1", "table"},     {"i32.load 1", "memory"},        {"try_table (catch 0 0) end", "tag"},
  };
  for (const auto& [code, what] : kCases) {
    EXPECT_THAT(
        verdict("(type (func)) (type (struct)) (memory 1) (table 1 funcref) (data) (elem func) (func (type 0) " +
                std::string(code) + ")"),
        StartsWith(std::string("unknown ") + what))
        << code;
  }
}

TEST(Rules, SelectWithoutATypeIsForNumbersAndVectors) {
  const std::string choose = "(local.get 0) (local.get 0) (i32.const 1)))";
  EXPECT_EQ(verdict("(func (param v128) (drop (select " + choose + ")"), "");
  EXPECT_THAT(verdict("(func (param funcref) (drop (select " + choose + ")"), StartsWith("type mismatch"));
  EXPECT_EQ(verdict("(func (param funcref) (drop (select (result funcref) " + choose + ")"), "");
}

TEST(Rules, BranchTablesCompareEveryTarget) {
  EXPECT_EQ(verdict("(func (result i32) block (result i32) i32.const 0 i32.const 1 br_table 0 1 0 end)"), "");
  EXPECT_THAT(
      verdict("(func (result i32) block (result i64) unreachable i32.const 1 br_table 0 1 end drop i32.const 0)"), "");
  EXPECT_THAT(
      verdict("(func (result i32) block (result i64) i32.const 0 i32.const 1 br_table 0 1 end drop i32.const 0)"),
      StartsWith("type mismatch"));
  EXPECT_THAT(verdict("(func block (result i32) i32.const 0 i32.const 1 br_table 1 0 end drop)"),
              StartsWith("type mismatch"));
}

TEST(Rules, BranchesWeakenTypesToTheirLabels) {
  EXPECT_THAT(
      verdict("(func (result anyref) (block (result anyref) (br_if 0 (ref.i31 (i32.const 1)) (i32.const 0)) i31.get_s "
              "drop ref.null any))"),
      StartsWith("type mismatch"));
  EXPECT_EQ(
      verdict("(func (result anyref) (block (result i31ref) (br_if 0 (ref.i31 (i32.const 1)) (i32.const 0)) i31.get_s "
              "drop ref.null i31))"),
      "");
}

TEST(Rules, FailedCastsLoseNullIfTheTargetAdmitsIt) {
  const auto cast = [](const std::string& to, const std::string& result) {
    return verdict("(func (param anyref) (result " + result + ") (block (result " + to + ") (br_on_cast 0 anyref " +
                   to + " (local.get 0)) (return)) unreachable)");
  };
  EXPECT_EQ(cast("i31ref", "(ref any)"), "");
  EXPECT_THAT(cast("(ref i31)", "(ref any)"), StartsWith("type mismatch"));
  EXPECT_EQ(cast("(ref i31)", "anyref"), "");
}

TEST(Rules, CastsStayInsideTheirHierarchy) {
  EXPECT_THAT(verdict("(func (param funcref) local.get 0 ref.test (ref any) drop)"), StartsWith("type mismatch"));
  EXPECT_EQ(verdict("(func (param externref) local.get 0 ref.test (ref noextern) drop)"), "");
  EXPECT_THAT(
      verdict("(func (param structref) (result (ref i31)) local.get 0 br_on_cast 0 structref (ref i31) unreachable)"),
      StartsWith("type mismatch"));
}

TEST(Rules, SixtyFourBitMemoriesAndTablesTakeLongAddresses) {
  EXPECT_EQ(verdict("(memory i64 1) (func (drop (i32.load (i64.const 0))))"), "");
  EXPECT_THAT(verdict("(memory i64 1) (func (drop (i32.load (i32.const 0))))"), StartsWith("type mismatch"));
  EXPECT_EQ(verdict("(memory i64 1) (memory 1) (func (memory.copy 0 1 (i64.const 0) (i32.const 0) (i32.const 0)))"),
            "");
  EXPECT_EQ(verdict("(table i64 1 funcref) (func (drop (table.size 0)) (drop (i64.eqz (table.grow 0 (ref.null func) "
                    "(i64.const 0)))))"),
            "");
  EXPECT_THAT(verdict("(memory 1) (func (drop (i32.load offset=4294967296 (i32.const 0))))"),
              StartsWith("offset out of range"));
}

// --- Linear time -----------------------------------------------------------------------------------------------------------

// Valid modules that would take minutes if some rule were quadratic.
std::string verdict_of_body(TypeIndex type, ModuleBuilder& m, CodeWriter& code) {
  m.add_func(type, {}, code);
  return verdict_of(m.encode());
}

TEST(Limits, AHundredThousandNestedBlocksAreFine) {
  ModuleBuilder m;
  const TypeIndex type = m.add_func_type({}, {});
  CodeWriter code;
  for (uint32_t i = 0; i < kMaxControlDepth; ++i) code.block(Opcode::Block);
  for (uint32_t i = 0; i < kMaxControlDepth; ++i) code.end();
  EXPECT_EQ(verdict_of_body(type, m, code.end()), "");
}

TEST(Limits, DeeperNestingIsALimitAndNoCrash) {
  ModuleBuilder m;
  const TypeIndex type = m.add_func_type({}, {});
  CodeWriter code;
  for (uint32_t i = 0; i <= kMaxControlDepth; ++i) code.block(Opcode::Block);
  EXPECT_THAT(verdict_of_body(type, m, code), StartsWith("limit"));
}

TEST(Limits, LargeBranchTablesWithManyValuesAreLinear) {
  ModuleBuilder m;
  const std::vector<ValType> values(kMaxResults, kI32);
  const TypeIndex type = m.add_func_type({}, values);
  const TypeIndex other = m.add_func_type({}, {std::vector<ValType>(kMaxResults, kI32)});
  CodeWriter code;
  std::vector<uint32_t> labels;
  for (uint32_t depth = 0; depth < 50; ++depth) code.block_of_type(Opcode::Block, depth % 2 == 0 ? type : other);
  for (size_t i = 0; i < values.size(); ++i) code.i32_const(1);
  code.i32_const(0);
  for (uint32_t i = 0; i < 2'000'000; ++i) labels.push_back(i % 51);
  code.br_table(labels);
  for (uint32_t depth = 0; depth < 51; ++depth) code.end();
  EXPECT_EQ(verdict_of_body(type, m, code), "");
}

// Three-byte instructions over ten thousand fields: in dead code and for default values they take constant time.
TEST(Limits, LargeStructsAreLinear) {
  ModuleBuilder m;
  SubType large{.kind = CompositeKind::kStruct};
  large.fields.assign(kMaxFields, {{kI32, Packed::kNone}, false});
  const TypeIndex type = m.add_type(std::move(large));
  const TypeIndex none = m.add_func_type({}, {});
  CodeWriter code;
  for (uint32_t i = 0; i < 300'000; ++i) code.op(Opcode::StructNewDefault, type.raw).op(Opcode::Drop);
  code.op(Opcode::Unreachable);
  for (uint32_t i = 0; i < 300'000; ++i) {
    code.op(Opcode::StructNew, type.raw).op(Opcode::Drop);
    code.op(Opcode::Unreachable);
  }
  EXPECT_EQ(verdict_of_body(none, m, code.end()), "");
}

TEST(Limits, OperandStacksAreBounded) {
  ModuleBuilder m;
  const TypeIndex many = m.add_func_type({}, std::vector<ValType>(kMaxResults, kI32));
  const TypeIndex type = m.add_func_type({}, {});
  m.import_func("m", "f", many);
  CodeWriter code;
  for (uint32_t i = 0; i < 2000; ++i) code.call(FuncIndex(0));
  EXPECT_THAT(verdict_of_body(type, m, code.end()), StartsWith("limit"));
}

TEST(Limits, LocalsOfAllFunctionsTogetherAreBounded) {
  const std::vector<ValType> locals(kMaxLocals, kI64);
  const std::vector<uint8_t> body = encode_body(locals, CodeWriter().end().bytes());
  const auto module_of = [&](size_t functions) {
    Module m;
    m.naming = TypeNaming::kModule;
    m.types.push_back({});
    m.rec_groups.push_back({0, 1, false});
    m.funcs.resize(functions);
    return encode(m, std::vector<std::vector<uint8_t>>(functions, body));
  };
  EXPECT_EQ(verdict_of(module_of(100)), "");
  EXPECT_THAT(verdict_of(module_of(2500)), StartsWith("limit"));
}

}  // namespace
}  // namespace parallax::wasm
