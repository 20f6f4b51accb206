// GC programs of our own: the module around generated bodies, and the plan of what the embedder does with it.
//
// Everything that can be looked at from outside is exported: functions (which also names them for the oracle), globals,
// tables, memory, tags. Functions are numbered so that calls go upwards only; the last ones are leaves, one for every
// signature, and function references mean leaves, so that every program ends.
#include "engine/base/text.h"
#include "fuzz/generators/gc_body.h"
#include "fuzz/generators/makers.h"

namespace parallax::fuzz {

using wasm::CodeWriter;
using wasm::ExternKind;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::Opcode;
using wasm::SubType;
using wasm::ValKind;
using wasm::ValType;

namespace {

class Assembly {
 public:
  explicit Assembly(ChoiceStream& choices) : choices_(choices), program_(choices, module_) {}

  Case make() {
    imports();
    declare_functions();
    tags();
    tables();
    globals();
    segments();
    bodies();
    Case subject;
    subject.modules.push_back(module_.encode());
    subject.plan = plan();
    subject.claims_valid = true;
    return subject;
  }

 private:
  uint32_t import_func(const char* module, const char* name, std::vector<ValType> params, std::vector<ValType> results = {}) {
    return module_.import_func(module, name, module_.add_func_type(std::move(params), std::move(results))).raw;
  }

  void imports() {
    program_.log_i32 = import_func("fuzzing-support", "log-i32", {wasm::kI32});
    program_.log_i64 = import_func("fuzzing-support", "log-i64", {wasm::kI64});
    program_.log_any = import_func("fuzzing-support", "log-anyref", {wasm::kAnyRef});
    program_.call_ref_host = import_func("fuzzing-support", "call-ref", {wasm::kFuncRef, wasm::kI32});
    program_.collect = import_func("parallax", "collect", {});
  }

  void declare(uint32_t signature, bool leaf) {
    const wasm::FuncIndex func = module_.declare_func(wasm::TypeIndex(signature));
    program_.functions.push_back({func.raw, signature, leaf});
    module_.add_export(text::format("{}{}", leaf ? "leaf" : "f", func.raw), ExternKind::kFunc, func.raw);
  }

  void declare_functions() {
    const uint32_t runs = 2 + choices_.below(3);
    for (uint32_t i = 0; i < runs; ++i) declare(program_.types.run_signature(), false);
    const uint32_t others = 1 + choices_.below(3);
    for (uint32_t i = 0; i < others; ++i) declare(choices_.pick(program_.types.signatures()), false);
    for (const uint32_t signature : program_.types.signatures()) declare(signature, true);
  }

  ValType some_struct(bool nullable = true) { return GcTypes::ref(choices_.pick(program_.types.structs()), nullable); }

  void add_tag(std::vector<ValType> params) {
    const wasm::TagIndex tag = module_.add_tag(module_.add_func_type(params, {}));
    module_.add_export(text::format("tag{}", tag.raw), ExternKind::kTag, tag.raw);
    program_.tags.push_back({tag.raw, std::move(params)});
  }
  void tags() {
    add_tag({wasm::kAnyRef});
    add_tag({some_struct(), wasm::kI32});
    if (choices_.chance(1, 2)) add_tag({some_struct()});
    if (choices_.chance(1, 2)) add_tag({wasm::kExternRef, wasm::kI64, wasm::kEqRef});
  }

  void add_table(ValType type, uint32_t size) {
    const wasm::TableIndex table = module_.add_table({type, {.min = size, .max = size + 20}});
    module_.add_export(text::format("table{}", table.raw), ExternKind::kTable, table.raw);
    program_.tables.push_back({table.raw, type, size});
  }
  void tables() {
    add_table(wasm::kFuncRef, 6);
    add_table(wasm::kAnyRef, 5);
    add_table(some_struct(), 4);
    if (choices_.chance(1, 2)) add_table(wasm::kExternRef, 3);
  }

  // Constant expressions: null, i31, a struct of defaults, a function.
  bool defaultable(uint32_t type) const {
    for (const wasm::FieldType& field : program_.types[type].fields) {
      if (!field.storage.unpacked.is_defaultable()) return false;
    }
    return true;
  }
  std::vector<uint8_t> constant(ValType type) {
    CodeWriter code;
    if (type == wasm::kI32) return code.i32_const(static_cast<int32_t>(choices_.below(100))).end().take();
    if (type == wasm::kI64) return code.i64_const(static_cast<int64_t>(choices_.below(100))).end().take();
    const HeapType heap = type.heap();
    const HeapType top = program_.types.top(heap);
    if (type.nullable() && choices_.chance(1, 3)) return code.ref_null(heap).end().take();
    if (top == HeapKind::kFunc) {
      for (const auto& function : program_.functions) {
        if (function.leaf && program_.types.matches(HeapType::concrete(function.signature), heap)) {
          return code.op(Opcode::RefFunc, function.number).end().take();
        }
      }
    }
    for (const uint32_t candidate : program_.types.structs()) {
      if (!program_.types.matches(HeapType::concrete(candidate), heap) || !defaultable(candidate)) continue;
      return code.op(Opcode::StructNewDefault, candidate).end().take();
    }
    if (program_.types.matches(HeapKind::kI31, heap)) return code.i32_const(-5).op(Opcode::RefI31).end().take();
    if (top == HeapKind::kExtern) return code.i32_const(77).op(Opcode::RefI31).op(Opcode::ExternConvertAny).end().take();
    return code.ref_null(heap).end().take();
  }

  void add_global(ValType type, bool is_mutable) {
    const wasm::GlobalIndex global = module_.add_global({type, is_mutable}, constant(type));
    module_.add_export(text::format("g{}", global.raw), ExternKind::kGlobal, global.raw);
    program_.globals.push_back({global.raw, type, is_mutable});
  }
  void globals() {
    for (const ValType type : {wasm::kAnyRef, wasm::kEqRef, wasm::kI31Ref, wasm::kExternRef, wasm::kFuncRef, wasm::kI64}) {
      add_global(type, true);
    }
    add_global(some_struct(), true);
    add_global(some_struct(), true);
    add_global(GcTypes::ref(choices_.pick(program_.types.arrays())), true);
    for (const uint32_t type : program_.types.structs()) {
      if (!defaultable(type) || !choices_.chance(1, 2)) continue;
      add_global(GcTypes::ref(type, false), choices_.chance(1, 2));
      break;
    }
  }

  void add_elem(ValType type, std::vector<std::vector<uint8_t>> exprs) {
    const auto size = static_cast<uint32_t>(exprs.size());
    const wasm::ElemIndex elem = module_.add_elem({.type = type, .uses_exprs = true, .exprs = std::move(exprs)});
    program_.elems.push_back({elem.raw, type, size});
  }
  void segments() {
    std::vector<uint8_t> bytes(96);
    for (uint8_t& byte : bytes) byte = choices_.byte();
    program_.data_size = static_cast<uint32_t>(bytes.size());
    program_.data = module_.add_data({.bytes = std::move(bytes)}).raw;
    module_.add_memory({{.min = 1, .max = 2}});
    program_.memory_bytes = 64;
    module_.add_export("memory", ExternKind::kMemory, 0);
    for (const ValType type : {wasm::kAnyRef, wasm::kFuncRef, wasm::kEqRef, some_struct()}) {
      add_elem(type, {constant(type), constant(type), constant(type)});
    }
    // Some functions stand in the table from the beginning.
    std::vector<wasm::FuncIndex> funcs;
    for (const auto& function : program_.functions) {
      if (function.leaf && funcs.size() < 4) funcs.push_back(wasm::FuncIndex(function.number));
    }
    module_.add_elem({.mode = wasm::SegmentMode::kActive, .offset = CodeWriter().i32_const(1).end().take(), .funcs = std::move(funcs)});
  }

  void bodies() {
    const bool with_trap = choices_.chance(1, 3);
    const size_t trapping = choices_.below(2);
    for (size_t i = 0; i < program_.functions.size(); ++i) {
      const GcProgram::Function function = program_.functions[i];
      GcBody body(choices_, program_, function, function.leaf ? 25 : 160);
      body.make(with_trap && i == trapping);
      module_.set_body(wasm::FuncIndex(function.number), body.take_locals(), body.take_code());
    }
  }

  // --- The embedder's side ----------------------------------------------------------------------------------------
  std::string name_of(const GcProgram::Function& function) const {
    return text::format("{}{}", function.leaf ? "leaf" : "f", function.number);
  }

  std::vector<Argument> arguments(const GcProgram::Function& function, uint32_t kept) {
    std::vector<Argument> args;
    for (const ValType param : program_.types[function.signature].params) {
      if (!param.is_ref()) {
        args.push_back({ArgKind::kNumber, choices_.u32()});
        continue;
      }
      switch (choices_.below(4)) {
        case 0: args.push_back({ArgKind::kI31, choices_.below(1u << 20)}); break;
        case 1: args.push_back({ArgKind::kHost, choices_.below(1000)}); break;
        case 2: args.push_back({}); break;
        default: args.push_back({kept > 0 ? ArgKind::kKept : ArgKind::kDefault, kept > 0 ? choices_.below(kept) : 0}); break;
      }
    }
    return args;
  }

  std::vector<Step> plan() {
    std::vector<Step> steps = {{.kind = StepKind::kInstantiate}};
    uint32_t kept = 0;
    const auto call = [&](const GcProgram::Function& function) {
      const bool keep = !program_.types[function.signature].results.empty() && program_.types[function.signature].results[0].is_ref();
      steps.push_back({.kind = StepKind::kCall, .keep = keep, .name = name_of(function), .args = arguments(function, kept)});
      kept += keep;
    };
    for (const auto& function : program_.functions) {
      if (!function.leaf || choices_.chance(1, 3)) call(function);
    }
    if (choices_.chance(1, 3)) steps.push_back({.kind = StepKind::kCollect});
    if (choices_.chance(1, 2)) call(program_.functions.front());
    if (kept > 0 && choices_.chance(1, 4)) probe_root(steps, kept, call);
    if (choices_.chance(1, 8)) probe_call(steps);
    if (choices_.chance(1, 8)) probe_foreign(steps);
    return steps;
  }

  // A released root must not be read, also not after its slot was used again.
  template <class Call>
  void probe_root(std::vector<Step>& steps, uint32_t kept, const Call& call) {
    const uint32_t victim = choices_.below(kept);
    steps.push_back({.kind = StepKind::kRelease, .kept = victim});
    for (const auto& function : program_.functions) {
      if (!program_.types[function.signature].results.empty() && choices_.chance(1, 2)) call(function);
    }
    steps.push_back({.kind = StepKind::kProbeRoot, .kept = victim});
  }

  // A dropped instance's handles must not be used, also not after a new instance took its slots.
  void probe_call(std::vector<Step>& steps) {
    const std::string name = name_of(program_.functions.front());
    steps.push_back({.kind = StepKind::kDropInstance});
    if (choices_.chance(1, 2)) steps.push_back({.kind = StepKind::kCollect});
    steps.push_back({.kind = StepKind::kInstantiate});
    steps.push_back({.kind = StepKind::kCall, .instance = 1, .name = name});
    steps.push_back({.kind = StepKind::kProbeCall, .name = name});
  }

  void probe_foreign(std::vector<Step>& steps) {
    for (const auto& function : program_.functions) {
      for (const ValType param : program_.types[function.signature].params) {
        if (!param.is_ref()) continue;
        steps.push_back({.kind = StepKind::kProbeForeign, .name = name_of(function)});
        return;
      }
    }
  }

  ChoiceStream& choices_;
  wasm::ModuleBuilder module_;
  GcProgram program_;
};

}  // namespace

Result<Case> make_gc_program(ChoiceStream& choices) { return Assembly(choices).make(); }

}  // namespace parallax::fuzz
