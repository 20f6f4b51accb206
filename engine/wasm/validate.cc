// Validation of a decoded module (specification, chapter "Validation", section "Modules").
#include <algorithm>
#include <string_view>
#include <vector>

#include "engine/base/case_clock.h"
#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/wasm/features.h"
#include "engine/wasm/limits.h"
#include "engine/wasm/module.h"
#include "engine/wasm/walk_core.h"

namespace parallax::wasm {
namespace {

// ORDER: ExternKind.
constexpr const char* kExternTexts[] = {"function", "table", "memory", "global", "tag"};

// Parameters and locals of all functions together.
constexpr size_t kMaxLocalsOfModule = 100'000'000;

// One walk for all bodies and expressions, so that its buffers are allocated once.
class Validator {
 public:
  Validator(const Module& module, const Features& features)
      : module_(module), features_(features), lease_(module, features), walk_(*lease_) {}

  Result<> run() {
    TRY(tables());
    TRY(memories());
    TRY(tags());
    TRY(globals());
    TRY(table_inits());
    TRY(exports());
    TRY(start());
    TRY(elems());
    TRY(datas());
    return bodies();
  }

 private:
  Result<> invalid(WasmOffset offset, std::string message) {
    return fail(ErrorCode::kInvalid, offset, std::move(message));
  }

  Result<> known(uint64_t index, size_t count, const char* what, WasmOffset offset) {
    if (index < count) return {};
    return invalid(offset, text::format("unknown {} {}: there are {}", what, index, count));
  }

  Result<> const_expr(ConstExpr expr, ValType expected, uint32_t visible_globals) {
    if (walk_.begin_const_expr(expr, expected, visible_globals)) walk_.run();
    return walk_.finish();
  }

  Result<> limits(const Limits& limits, uint64_t largest, const char* what, WasmOffset at) {
    if (limits.min > largest || limits.max.value_or(0) > largest) {
      return invalid(at, text::format("{}: at most {}", what, largest));
    }
    if (limits.max.has_value() && limits.min > *limits.max) {
      return invalid(at,
                     text::format("size minimum must not be greater than maximum: {} and {}", limits.min, *limits.max));
    }
    return {};
  }

  Result<> tables() {
    if (module_.tables.size() > 1 && !features_.has(Feature::kReferenceTypes)) {
      return invalid(module_.tables[1].offset, "multiple tables");
    }
    for (const Table& table : module_.tables) {
      TRY(limits(table.type.limits, table.type.limits.is_64 ? UINT64_MAX : UINT32_MAX, "table size", table.offset));
      if (!table.imported && !table.init.has_value() && !table.type.element.is_defaultable()) {
        return invalid(table.offset, text::format("type mismatch: a table of {} needs an initialiser",
                                                  to_string(table.type.element)));
      }
    }
    return {};
  }

  // Initialisers of tables see imported globals only.
  Result<> table_inits() {
    for (const Table& table : module_.tables) {
      if (table.init.has_value()) TRY(const_expr(*table.init, table.type.element, module_.imported_globals));
    }
    return {};
  }

  Result<> memories() {
    if (module_.memories.size() > 1 && !features_.has(Feature::kMultiMemory)) {
      return invalid(module_.memories[1].offset, "multiple memories");
    }
    for (const Memory& memory : module_.memories) {
      const uint64_t largest = memory.type.limits.is_64 ? uint64_t{1} << 48 : uint64_t{1} << 16;
      TRY(limits(memory.type.limits, largest,
                 "memory size must be at most 65536 pages (4GiB), or 2**48 with 64-bit addresses", memory.offset));
    }
    return {};
  }

  Result<> tags() {
    for (const Tag& tag : module_.tags) {
      if (!module_.types[tag.type].results.empty()) return invalid(tag.offset, "non-empty tag result type");
    }
    return {};
  }

  // Without gc, constant expressions see imported globals only.
  uint32_t visible_globals(size_t defined_before) const {
    return static_cast<uint32_t>(features_.has(Feature::kGc) ? defined_before : module_.imported_globals);
  }

  // Each global sees those before it.
  Result<> globals() {
    for (uint32_t i = module_.imported_globals; i < module_.globals.size(); ++i) {
      const Global& global = module_.globals[i];
      TRY(const_expr(global.init, global.type.value, visible_globals(i)));
    }
    return {};
  }

  size_t size_of(ExternKind kind) const {
    switch (kind) {
      case ExternKind::kFunc: return module_.funcs.size();
      case ExternKind::kTable: return module_.tables.size();
      case ExternKind::kMemory: return module_.memories.size();
      case ExternKind::kGlobal: return module_.globals.size();
      case ExternKind::kTag: return module_.tags.size();
    }
    return 0;
  }

  Result<> exports() {
    for (const Export& e : module_.exports)
      TRY(known(e.index, size_of(e.kind), kExternTexts[static_cast<size_t>(e.kind)], e.offset));
    ExportIndex names;
    const size_t twice = names.build(module_.exports);
    if (twice == module_.exports.size()) return {};
    const Export& second = module_.exports[twice];
    return invalid(second.offset, text::format("duplicate export name {}", text::quoted(second.name)));
  }

  Result<> start() {
    if (!module_.start.has_value()) return {};
    TRY(known(module_.start->raw, module_.funcs.size(), "function", module_.start_offset));
    const SubType& type = module_.func_type(*module_.start);
    if (!type.params.empty() || !type.results.empty()) {
      return invalid(module_.start_offset, "start function must take and give nothing");
    }
    return {};
  }

  Result<> elems() {
    const uint32_t globals = visible_globals(module_.globals.size());
    for (const ElemSegment& segment : module_.elems) {
      if (segment.mode == SegmentMode::kActive) {
        TRY(known(segment.table.raw, module_.tables.size(), "table", segment.entry));
        const TableType& table = module_.tables[segment.table.index()].type;
        if (!module_.store->matches(segment.type, table.element)) {
          return invalid(segment.entry, text::format("type mismatch: segment of {} for a table of {}",
                                                     to_string(segment.type), to_string(table.element)));
        }
        TRY(const_expr(segment.offset, table.limits.is_64 ? kI64 : kI32, globals));
      }
      for (const FuncIndex func : segment.funcs) TRY(known(func.raw, module_.funcs.size(), "function", segment.entry));
      for (const ConstExpr expr : segment.exprs) TRY(const_expr(expr, segment.type, globals));
    }
    return {};
  }

  Result<> datas() {
    for (const DataSegment& segment : module_.datas) {
      if (segment.mode != SegmentMode::kActive) continue;
      TRY(known(segment.memory.raw, module_.memories.size(), "memory", segment.entry));
      const bool is_64 = module_.memories[segment.memory.index()].type.limits.is_64;
      TRY(const_expr(segment.offset, is_64 ? kI64 : kI32, visible_globals(module_.globals.size())));
    }
    return {};
  }

  // A few bytes declare 50,000 locals; their sum is bounded so that time stays linear in the module's size.
  Result<> bodies() {
    size_t locals = 0;
    for (size_t i = module_.imported_funcs; i < module_.funcs.size(); ++i) {
      if (walk_.begin_func(FuncIndex(i))) walk_.run();
      TRY(walk_.finish());
      locals += walk_.locals().size();
      if (locals > kMaxLocalsOfModule) {
        return fail(ErrorCode::kLimit, module_.funcs[i].body.begin,
                    text::format("more than {} locals in the module", kMaxLocalsOfModule));
      }
    }
    return {};
  }

  const Module& module_;
  const Features& features_;
  LeasedWalk<false> lease_;
  WalkCore<false>& walk_;
};

}  // namespace

Result<> validate(Module& module, const Features& features) {
  const InStage stage(CaseStage::kValidate);
  CHECK(module.naming == TypeNaming::kCanonical, "I7: validate needs a module with canonical types");
  return Validator(module, features).run();
}

Result<Module> load(std::vector<uint8_t> bytes, std::shared_ptr<TypeStore> store, const Features& features) {
  Module module = TRY(decode(std::move(bytes), std::move(store), {.features = features}));
  TRY(validate(module, features));
  return module;
}

}  // namespace parallax::wasm
