// GC programs of our own: the module around generated bodies, and the plan of what the embedder does with it.
//
// Everything that can be looked at from outside is exported: functions (which also names them for the oracle), globals,
// tables, memory, tags. Functions are numbered so that calls go upwards only; the last ones are leaves, one for every
// signature, and function references mean leaves, so that every program ends.
#include <iterator>
#include <string>
#include <string_view>

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

// "g" and 7 give "g7". Dozens of names a program: formatting them would be a tenth of making it.
std::string numbered(std::string_view prefix, uint32_t number) {
  char digits[10];
  char* begin = std::end(digits);
  do {
    *--begin = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  return std::string(prefix).append(begin, std::end(digits));
}

class Assembly {
 public:
  Assembly(ChoiceStream& choices, GcTypes::Count types) : choices_(choices), program_(choices, module_, types) {}
  // A second module that imports what the first one exports: functions, globals, tables, tags, memory.
  Assembly(ChoiceStream& choices, const Assembly& primary)
      : choices_(choices), program_(primary.program_, choices, module_), primary_(&primary.program_) {}

  std::vector<uint8_t> make_module(GcModuleSize size) {
    static constexpr uint32_t kSizes[] = {14, 14, 20, 20, 30, 45, 80, 200};
    size_ = size == GcModuleSize::kSmall ? kSizes[choices_.below(4)] : choices_.pick(kSizes);
    build();
    return module_.encode();
  }

  Case make() {
    // Swarm: most programs are small and quick (about two kilobytes), some middling, few large; a few are invalid by one
    // rule. Many small programs find more in the same time than few large ones: docs/fuzzing.md has the figures.
    static constexpr uint32_t kSizes[] = {14, 14, 20, 20, 20, 30, 30, 45, 80, 200};
    size_ = choices_.pick(kSizes);
    invalid_ = choices_.chance(1, 24);
    build();
    Case subject;
    subject.modules.push_back(module_.encode());
    subject.plan = plan();
    if (!invalid_ && choices_.chance(1, 5)) add_second(subject);
    // Programs are short; those that run for ever should notice soon, since some executors collect at every safepoint.
    subject.configuration.fuel = 2'000;
    subject.configuration.allocated_bytes = 1 << 20;
    tighten(subject.configuration);
    subject.claims_valid = !invalid_ && !mislinks_;
    subject.claims_invalid = invalid_;
    return subject;
  }

 private:
  // Where a budget ends is compared, so that one case in eight ends somewhere in the middle of the program.
  void tighten(Configuration& configuration) {
    switch (choices_.below(24)) {
      case 0: configuration.fuel = 1 + choices_.below(120); break;
      case 1: configuration.call_depth = 1 + choices_.below(6); break;
      case 2: configuration.allocated_bytes = choices_.below(3000); break;
      default: break;
    }
  }

  uint32_t import_func(const char* module, const char* name, std::vector<ValType> params,
                       std::vector<ValType> results = {}) {
    return module_.import_func(module, name, module_.add_func_type(std::move(params), std::move(results))).raw;
  }

  void imports() {
    program_.log_i32 = import_func("fuzzing-support", "log-i32", {wasm::kI32});
    program_.log_i64 = import_func("fuzzing-support", "log-i64", {wasm::kI64});
    program_.log_any = import_func("fuzzing-support", "log-anyref", {wasm::kAnyRef});
    program_.call_ref_host = import_func("fuzzing-support", "call-ref", {wasm::kFuncRef, wasm::kI32});
    program_.echo = import_func("parallax", "echo", {wasm::kAnyRef, wasm::kAnyRef, wasm::kExternRef, wasm::kEqRef},
                                {wasm::kEqRef, wasm::kExternRef, wasm::kAnyRef, wasm::kAnyRef});
    program_.expect = import_func("parallax", "expect", {wasm::kI32, wasm::kI32});
    program_.collect = import_func("parallax", "collect", {});
  }

  void build() {
    imports();
    if (primary_ != nullptr) import_primary();
    declare_functions();
    if (primary_ == nullptr) {
      tags();
      tables();
      globals();
    }
    segments();
    bodies();
  }

  void add_second(Case& subject) {
    Assembly second(choices_, *this);
    // Now and then what is imported is not what is there, by mutability or nullness: linking must be refused.
    second.mislinked_ = choices_.chance(1, 6);
    second.build();
    mislinks_ = second.mislinked_;
    subject.modules.push_back(second.module_.encode());
    // Linked to the last instance that is alive.
    uint32_t instance = 0;
    std::vector<uint32_t> alive;
    for (const Step& step : subject.plan) {
      if (step.kind == StepKind::kInstantiate) alive.push_back(instance++);
      if (step.kind == StepKind::kDropInstance) std::erase(alive, step.instance);
    }
    const uint32_t from = alive.back();
    subject.plan.push_back({.kind = StepKind::kInstantiate, .module = 1, .links = {from}});
    const bool drop_first = choices_.chance(1, 3);
    // A handle of the first instance made after those of the second.
    for (const auto& global : program_.globals) {
      if (!global.is_mutable || !global.type.is_defaultable()) continue;
      subject.plan.push_back(
          {.kind = StepKind::kSetGlobal, .instance = from, .name = numbered("g", global.number), .args = {Argument{}}});
      break;
    }
    for (const auto& function : second.program_.functions) {
      if (function.leaf) continue;
      subject.plan.push_back({.kind = StepKind::kCall,
                              .instance = instance,
                              .name = second.name_of(function),
                              .args = second.arguments(function, 0)});
      if (drop_first) subject.plan.push_back({.kind = StepKind::kDropInstance, .instance = from});
    }
    if (drop_first) {
      // What it imported lives on, under handles of its own.
      subject.plan.push_back({.kind = StepKind::kCall,
                              .instance = instance,
                              .name = numbered("imported", second.program_.functions.front().number)});
    } else {
      subject.plan.push_back({.kind = StepKind::kCall, .instance = from, .name = name_of(program_.functions.front())});
    }
  }

  void import_primary() {
    const GcTypes& types = program_.types;
    for (const auto& function : primary_->functions) {
      if (!function.leaf && function.number != primary_->functions.front().number) continue;
      const auto import_as = [&](uint32_t signature) {
        const wasm::FuncIndex func = module_.import_func(
            "primary", numbered(function.leaf ? "leaf" : "f", function.number), wasm::TypeIndex(signature));
        module_.add_export(numbered("imported", func.raw), ExternKind::kFunc, func.raw);
        program_.functions.push_back({func.raw, signature, true, true});
      };
      // As what they are, and now and then as a declared supertype of it too.
      const uint32_t signature = function.signature + types.shift();
      import_as(signature);
      if (types[signature].has_super && choices_.chance(1, 2)) import_as(types[signature].super);
    }
    const uint32_t wrong = mislinked_ ? choices_.below(static_cast<uint32_t>(primary_->globals.size())) : ~0u;
    for (size_t i = 0; i < primary_->globals.size(); ++i) {
      auto global = primary_->globals[i];
      if (i == wrong && global.type.is_ref() && choices_.chance(1, 2)) {
        global.type = global.type.nullable() ? global.type.as_non_null() : global.type.as_nullable();
        global.is_mutable = true;
      } else if (i == wrong) {
        global.is_mutable = !global.is_mutable;
      }
      ValType type = types.shifted(global.type);
      // What cannot be changed may be seen through a supertype.
      if (!global.is_mutable && type.is_ref() && choices_.chance(1, 2))
        type = ValType::ref(types.top(type.heap()), true);
      const wasm::GlobalIndex number =
          module_.import_global("primary", numbered("g", global.number), {type, global.is_mutable});
      program_.globals.push_back({number.raw, type, global.is_mutable});
    }
    for (const auto& table : primary_->tables) {
      const ValType type = types.shifted(table.type);
      const wasm::TableIndex number = module_.import_table("primary", numbered("table", table.number),
                                                           {type, {.min = table.size, .max = table.size + 20}});
      program_.tables.push_back({number.raw, type, table.size});
    }
    for (const auto& tag : primary_->tags) {
      std::vector<ValType> params = tag.params;
      for (ValType& param : params) param = types.shifted(param);
      const wasm::TagIndex number =
          module_.import_tag("primary", numbered("tag", tag.number), module_.add_func_type(params, {}));
      program_.tags.push_back({number.raw, std::move(params)});
    }
    program_.memory64 = primary_->memory64;
    module_.import_memory("primary", "memory", {{.min = 1, .max = 2, .is_64 = program_.memory64}});
  }

  void declare(uint32_t signature, bool leaf) {
    const wasm::FuncIndex func = module_.declare_func(wasm::TypeIndex(signature));
    program_.functions.push_back({func.raw, signature, leaf});
    module_.add_export(numbered(leaf ? "leaf" : "f", func.raw), ExternKind::kFunc, func.raw);
  }

  void declare_functions() {
    const uint32_t runs = 2 + choices_.below(3);
    for (uint32_t i = 0; i < runs; ++i) declare(program_.types.run_signature(), false);
    const uint32_t others = 1 + choices_.below(3);
    for (uint32_t i = 0; i < others; ++i) declare(choices_.pick(program_.types.signatures()), false);
    if (primary_ != nullptr) return;  // its leaves are imported
    for (const uint32_t signature : program_.types.signatures()) declare(signature, true);
  }

  ValType some_struct(bool nullable = true) { return GcTypes::ref(choices_.pick(program_.types.structs()), nullable); }

  void add_tag(std::vector<ValType> params) {
    const wasm::TagIndex tag = module_.add_tag(module_.add_func_type(params, {}));
    module_.add_export(numbered("tag", tag.raw), ExternKind::kTag, tag.raw);
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
    module_.add_export(numbered("table", table.raw), ExternKind::kTable, table.raw);
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
  // Nested allocations: the outer object's parts wait on the constant expression's stack.
  void constant_struct(CodeWriter& code, uint32_t type, int depth) {
    if (depth == 0 || choices_.chance(1, 3)) return void(code.op(Opcode::StructNewDefault, type));
    for (const wasm::FieldType& field : program_.types[type].fields) {
      const ValType value = field.storage.unpacked;
      switch (value.kind()) {
        case ValKind::kI32: code.i32_const(static_cast<int32_t>(choices_.below(300))); continue;
        case ValKind::kI64: code.i64_const(static_cast<int64_t>(choices_.below(300))); continue;
        case ValKind::kF32: code.f32_const(0x3f800000); continue;
        case ValKind::kF64: code.f64_const(0x4000000000000000); continue;
        default: break;
      }
      bool done = false;
      for (const uint32_t inner : program_.types.structs()) {
        if (!program_.types.matches(GcTypes::ref(inner, false), value) || !defaultable(inner) || choices_.chance(1, 2))
          continue;
        constant_struct(code, inner, depth - 1);
        done = true;
        break;
      }
      if (!done && program_.types.matches(HeapKind::kI31, value.heap())) {
        code.i32_const(static_cast<int32_t>(choices_.below(1000))).op(Opcode::RefI31);
      } else if (!done) {
        code.ref_null(value.heap());
      }
    }
    code.op(Opcode::StructNew, type);
  }
  std::vector<uint8_t> constant(ValType type) {
    CodeWriter code;
    code.reserve(16);
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
      if (type.nullable() && choices_.chance(1, 3)) continue;
      constant_struct(code, candidate, 3);
      return code.end().take();
    }
    if (program_.types.matches(HeapKind::kI31, heap)) return code.i32_const(-5).op(Opcode::RefI31).end().take();
    if (top == HeapKind::kExtern)
      return code.i32_const(77).op(Opcode::RefI31).op(Opcode::ExternConvertAny).end().take();
    return code.ref_null(heap).end().take();
  }

  void add_global(ValType type, bool is_mutable) {
    const wasm::GlobalIndex global = module_.add_global({type, is_mutable}, constant(type));
    module_.add_export(numbered("g", global.raw), ExternKind::kGlobal, global.raw);
    program_.globals.push_back({global.raw, type, is_mutable});
  }
  void globals() {
    for (const ValType type :
         {wasm::kAnyRef, wasm::kEqRef, wasm::kI31Ref, wasm::kExternRef, wasm::kFuncRef, wasm::kI64}) {
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
    program_.drop_data = module_.add_data({.bytes = {1, 2, 3, 4, 5, 6, 7, 8}}).raw;
    if (primary_ == nullptr) {
      program_.memory64 = choices_.chance(1, 6);
      module_.add_memory({{.min = 1, .max = 2, .is_64 = program_.memory64}});
      module_.add_export("memory", ExternKind::kMemory, 0);
    }
    program_.memory_bytes = 64;
    for (const ValType type : {wasm::kAnyRef, wasm::kFuncRef, wasm::kEqRef, some_struct()}) {
      add_elem(type, {constant(type), constant(type), constant(type)});
    }
    add_elem(wasm::kAnyRef, {constant(wasm::kAnyRef)});
    program_.drop_elem = program_.elems.back().number;
    program_.elems.pop_back();
    // Some functions stand in the table from the beginning.
    std::vector<wasm::FuncIndex> funcs;
    for (const auto& function : program_.functions) {
      if (function.leaf && funcs.size() < 4) funcs.push_back(wasm::FuncIndex(function.number));
    }
    module_.add_elem({.mode = wasm::SegmentMode::kActive,
                      .offset = CodeWriter().i32_const(1).end().take(),
                      .funcs = std::move(funcs)});
  }

  void bodies() {
    using Special = GcBody::Special;
    static constexpr Special kSpecials[] = {Special::kTrappingDrop, Special::kTrappingDrop, Special::kTrappingDrop,
                                            Special::kExhaust,      Special::kNone,         Special::kNone,
                                            Special::kNone,         Special::kNone,         Special::kNone};
    const Special special = invalid_ ? Special::kInvalid : choices_.pick(kSpecials);
    const size_t special_at = choices_.below(2);
    size_t defined = 0;
    for (const GcProgram::Function function : program_.functions) {
      if (function.imported) continue;
      const size_t i = defined++;
      GcBody body(choices_, program_, function, function.leaf ? 6 + size_ / 10 : size_);
      body.make(i == special_at ? special : Special::kNone);
      module_.set_body(wasm::FuncIndex(function.number), body.take_locals(), body.take_code());
    }
  }

  // --- The embedder's side ----------------------------------------------------------------------------------------
  std::string name_of(const GcProgram::Function& function) const {
    return numbered(function.leaf ? "leaf" : "f", function.number);
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
        default:
          args.push_back({kept > 0 ? ArgKind::kKept : ArgKind::kDefault, kept > 0 ? choices_.below(kept) : 0});
          break;
      }
    }
    return args;
  }

  std::vector<Step> plan() {
    std::vector<Step> steps;
    steps.reserve(24);
    steps.push_back({.kind = StepKind::kInstantiate});
    uint32_t kept = 0;
    const auto call = [&](const GcProgram::Function& function) {
      const bool keep =
          !program_.types[function.signature].results.empty() && program_.types[function.signature].results[0].is_ref();
      steps.push_back(
          {.kind = StepKind::kCall, .keep = keep, .name = name_of(function), .args = arguments(function, kept)});
      kept += keep;
    };
    for (const auto& function : program_.functions) {
      if (!function.leaf || choices_.chance(1, 3)) call(function);
    }
    if (choices_.chance(1, 3)) steps.push_back({.kind = StepKind::kCollect});
    if (choices_.chance(1, 2)) call(program_.functions.front());
    if (kept > 0 && choices_.chance(1, 4)) probe_root(steps, kept, call);
    if (choices_.chance(1, 8)) probe_call(steps);
    if (choices_.chance(1, 12)) drop_between(steps);
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

  // An instance made and dropped between others: the handles that it had are not those next to them.
  void drop_between(std::vector<Step>& steps) {
    uint32_t made = 0;
    for (const Step& step : steps) made += step.kind == StepKind::kInstantiate;
    const auto call_front = [&](uint32_t instance) {
      steps.push_back({.kind = StepKind::kCall, .instance = instance, .name = name_of(program_.functions.front())});
    };
    steps.push_back({.kind = StepKind::kInstantiate});
    steps.push_back({.kind = StepKind::kInstantiate});
    steps.push_back({.kind = StepKind::kDropInstance, .instance = made});
    steps.push_back({.kind = StepKind::kInstantiate});
    if (choices_.chance(1, 2)) call_front(made + 2);
    steps.push_back({.kind = StepKind::kDropInstance, .instance = made + 2});
    if (choices_.chance(1, 2)) steps.push_back({.kind = StepKind::kCollect});
    call_front(made + 1);
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
  const GcProgram* primary_ = nullptr;
  uint32_t size_ = 100;  // budget of one body
  bool invalid_ = false;
  bool mislinks_ = false;   // the second module is mislinked
  bool mislinked_ = false;  // one import is declared with another type than what it will be given
};

}  // namespace

Result<Case> make_gc_program(ChoiceStream& choices) { return Assembly(choices, GcTypes::Count::kAny).make(); }

std::vector<uint8_t> make_gc_module(ChoiceStream& choices, GcModuleSize size) {
  return Assembly(choices, GcTypes::Count::kFew).make_module(size);
}

}  // namespace parallax::fuzz
