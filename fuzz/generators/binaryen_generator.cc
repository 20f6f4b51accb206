// Binaryen's fuzzer as a generator in process.
//
// The only file (besides other binaryen_*.cc) that sees Binaryen's headers. Its types and names are interned for ever, so
// its process has to be replaced from time to time; its Fatal() ends the process; both are the campaign's business. The
// thread pool is switched off before first use: it costs more than half of the time.
#include "fuzz/generators/makers.h"

#if PARALLAX_HAVE_BINARYEN

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "ir/utils.h"
#include "parsing.h"
#include "pass.h"
#include "tools/fuzzing.h"
#include "wasm-binary.h"
#include "wasm-builder.h"
#include "wasm-traversal.h"
#include "wasm.h"

namespace wasm {
extern size_t parallaxGCWeight;
}

namespace parallax::fuzz {

bool have_binaryen() { return true; }

namespace {

// What the engine compiles; one input in sixteen has 64-bit and several memories besides. Vectors need a memory: Binaryen's
// fuzzer loads them whether there is one or not.
::wasm::FeatureSet features(bool wide, bool memory) {
  using ::wasm::FeatureSet;
  return FeatureSet((wide ? FeatureSet::Memory64 | FeatureSet::MultiMemory : 0) |
                    (memory ? FeatureSet::SIMD | FeatureSet::RelaxedSIMD : 0) | FeatureSet::MVP | FeatureSet::SignExt |
                    FeatureSet::TruncSat | FeatureSet::MutableGlobals | FeatureSet::BulkMemory |
                    FeatureSet::BulkMemoryOpt | FeatureSet::CallIndirectOverlong | FeatureSet::ReferenceTypes |
                    FeatureSet::Multivalue | FeatureSet::TailCall | FeatureSet::GC | FeatureSet::ExtendedConst |
                    FeatureSet::ExceptionHandling);
}

// A program of ours as what Binaryen's fuzzer begins with: it adds to it, and changes what is there. Left to itself it
// hardly ever reads what it allocated.
bool begin_with_program(::wasm::Module& module, std::span<const uint8_t> bytes) {
  ChoiceStream choices(bytes);
  // Small inputs are to become small modules.
  const std::vector<uint8_t> binary =
      make_gc_module(choices, bytes.size() < 2'000 ? GcModuleSize::kSmall : GcModuleSize::kAny);
  const std::vector<char> input(binary.begin(), binary.end());
  try {
    ::wasm::WasmBinaryReader(module, module.features, input).read();
  } catch (const ::wasm::ParseException&) {
    return false;  // something that it does not know
  }
  return true;
}

// Binaryen's fuzzer writes `unreachable` where it has no better idea, null made non-null where it has no value, and its
// own limit of steps traps after a hundred of them: a fifth of all calls ended there, and what stands behind was never
// seen. Most of these places leave the function instead, with default results; some stay, because traps are to be
// compared too. Locals hold null until they are set, so most of what guards itself against null did nothing: most of them
// begin with an object, some of whose fields are written and read into other locals, so that what Binaryen's code
// computes with comes from the heap.
class FewerTraps : public ::wasm::WalkerPass<::wasm::PostWalker<FewerTraps>> {
 public:
  FewerTraps(ChoiceStream& choices, const ::wasm::Module& module) : choices_(choices) {
    const auto note = [&](::wasm::Type type) {
      if (!type.isRef() || known_.size() >= kMostTypes) return;
      const ::wasm::HeapType heap = type.getHeapType();
      if (heap.isStruct() || heap.isArray()) known_.push_back(heap);
    };
    for (const auto& function : module.functions) {
      for (const ::wasm::Type type : function->getParams()) note(type);
      for (const ::wasm::Type type : function->vars) note(type);
    }
    if (known_.empty()) {
      using ::wasm::Field;
      known_.emplace_back(::wasm::Struct({Field(::wasm::Type::i32, ::wasm::Mutable), Field(any_, ::wasm::Mutable)}));
      known_.emplace_back(::wasm::Array(Field(any_, ::wasm::Mutable)));
    }
  }

  void visitUnreachable(::wasm::Unreachable*) { leave(); }
  void visitRefAs(::wasm::RefAs* curr) {
    if (curr->op == ::wasm::RefAsNonNull && curr->value->is<::wasm::RefNull>()) leave();
  }
  void visitFunction(::wasm::Function* function) {
    if (function->imported()) return;
    ::wasm::Builder builder(*getModule());
    std::vector<::wasm::Expression*> begin;
    size_t left = kMostLocals;
    for (::wasm::Index i = function->getNumParams(); i < function->getNumLocals() && left > 0; ++i) {
      const ::wasm::Type type = function->getLocalType(i);
      if (!type.isRef() || !choices_.chance(3, 4)) continue;
      ::wasm::Expression* const value = default_of(type.with(::wasm::NonNullable), 0);
      if (value == nullptr) continue;
      --left;
      begin.push_back(builder.makeLocalSet(i, value));
      if (choices_.chance(3, 4)) access(function, i, value->type.getHeapType(), begin);
    }
    if (begin.empty() && choices_.chance(1, 2)) {
      const ::wasm::HeapType heap = choices_.pick(known_);
      if (::wasm::Expression* const value = default_of({heap, ::wasm::NonNullable}, 0)) {
        const ::wasm::Index local = ::wasm::Builder::addVar(function, {heap, ::wasm::Nullable});
        begin.push_back(builder.makeLocalSet(local, value));
        access(function, local, heap, begin);
      }
    }
    if (begin.empty()) return;
    begin.push_back(function->body);
    // Of the body's type before it was changed: what is unreachable now is seen by whoever finishes the module.
    function->body = builder.makeBlock(begin, function->body->type);
    changed_ = true;
  }

  bool changed() const { return changed_; }

 private:
  static constexpr auto kPlain = ::wasm::MemoryOrder::Unordered;
  static constexpr size_t kMostTypes = 64;
  static constexpr size_t kMostLocals = 4;  // of a function, that are given an object

  void leave() {
    if (getFunction() == nullptr || choices_.chance(1, 6)) return;
    const ::wasm::Type results = getFunction()->getResults();
    ::wasm::Expression* value = nullptr;
    if (results.isConcrete()) value = default_of(results, 0);
    if (results.isConcrete() && value == nullptr) return;
    replaceCurrent(::wasm::Builder(*getModule()).makeReturn(value));
    changed_ = true;
  }

  // Writes a field or an element of the new object in a local, and reads one into another local of its type.
  void access(::wasm::Function* function, ::wasm::Index local, ::wasm::HeapType heap,
              std::vector<::wasm::Expression*>& out) {
    ::wasm::Builder builder(*getModule());
    const ::wasm::Type type = function->getLocalType(local);
    const auto object = [&]() -> ::wasm::Expression* {
      ::wasm::Expression* const get = builder.makeLocalGet(local, type);
      return type.getHeapType() == heap ? get : builder.makeRefCast(get, ::wasm::Type(heap, ::wasm::NonNullable));
    };
    if (heap.isArray()) {
      const ::wasm::Field element = heap.getArray().element;
      const auto index = [&] { return builder.makeConst(int32_t(0)); };
      if (element.mutable_ == ::wasm::Mutable) {
        if (::wasm::Expression* const value = default_of(element.type, 1))
          out.push_back(builder.makeArraySet(object(), index(), value, kPlain));
      }
      out.push_back(kept(function, local, builder.makeArrayGet(object(), index(), kPlain, element.type)));
    } else if (heap.isStruct()) {
      const auto& fields = heap.getStruct().fields;
      for (::wasm::Index i = 0; i < fields.size() && i < 3; ++i) {
        if (fields[i].mutable_ == ::wasm::Mutable && choices_.chance(2, 3)) {
          if (::wasm::Expression* const value = default_of(fields[i].type, 1))
            out.push_back(builder.makeStructSet(i, object(), value, kPlain));
        }
        if (choices_.chance(2, 3))
          out.push_back(kept(function, local, builder.makeStructGet(i, object(), kPlain, fields[i].type)));
      }
    }
  }

  // What was read goes into a local of its type if there is one; references not into one that gets an object later.
  ::wasm::Expression* kept(::wasm::Function* function, ::wasm::Index object, ::wasm::Expression* value) {
    ::wasm::Builder builder(*getModule());
    const ::wasm::Index end = value->type.isRef() ? object : function->getNumLocals();
    for (::wasm::Index i = end; i-- > function->getNumParams();) {
      if (function->getLocalType(i) == value->type) return builder.makeLocalSet(i, value);
    }
    return builder.makeDrop(value);
  }

  // A value of the type that is made without trapping; null when none is known.
  ::wasm::Expression* default_of(::wasm::Type type, int depth) {
    using ::wasm::HeapType;
    ::wasm::Builder builder(*getModule());
    if (type.isTuple()) {
      std::vector<::wasm::Expression*> parts;
      for (const ::wasm::Type part : type) {
        parts.push_back(default_of(part, depth));
        if (parts.back() == nullptr) return nullptr;
      }
      return builder.makeTupleMake(parts);
    }
    if (!type.isRef()) return ::wasm::LiteralUtils::makeZero(type, *getModule());
    if (type.isNullable()) {
      if (depth < 2 && choices_.chance(3, 4)) {
        if (::wasm::Expression* const value = default_of(type.with(::wasm::NonNullable), depth)) return value;
      }
      return builder.makeRefNull(type.getHeapType());
    }
    const HeapType heap = type.getHeapType();
    if (heap.isBasic()) {
      const bool takes_struct = heap == HeapType::eq || heap == HeapType::any || heap == HeapType::struct_;
      if (takes_struct && !type.isExact() && depth < 2 && !known_.empty() && choices_.chance(3, 4)) {
        const HeapType picked = choices_.pick(known_);
        if (picked.isStruct() || heap != HeapType::struct_) {
          if (::wasm::Expression* const value = default_of({picked, ::wasm::NonNullable}, depth + 1)) return value;
        }
      }
      const bool is_any = heap == HeapType::i31 || heap == HeapType::eq || heap == HeapType::any;
      return is_any && !type.isExact() ? builder.makeRefI31(builder.makeConst(int32_t(choices_.below(100)))) : nullptr;
    }
    if (depth > 3) return nullptr;
    if (heap.isStruct()) {
      std::vector<::wasm::Expression*> fields;
      for (const ::wasm::Field& field : heap.getStruct().fields) {
        fields.push_back(default_of(field.type, depth + 1));
        if (fields.back() == nullptr) return nullptr;
      }
      return builder.makeStructNew(heap, fields);
    }
    if (heap.isArray()) {
      ::wasm::Expression* const element = default_of(heap.getArray().element.type, depth + 1);
      if (element == nullptr) return builder.makeArrayNewFixed(heap, {});
      return builder.makeArrayNew(heap, builder.makeConst(int32_t(1 + choices_.below(6))), element);
    }
    return nullptr;
  }

  const ::wasm::Type any_{::wasm::HeapType::any, ::wasm::Nullable};
  ChoiceStream& choices_;
  std::vector<::wasm::HeapType> known_;  // of structs and arrays that locals hold, with repetitions
  bool changed_ = false;
};

// Binaryen's fuzzer gives every memory sixteen pages at least and stays within sixteen bytes of it, for the most part. One
// page does as well: each executor clears, compares and gives back all of them, which took longer than running the code.
void shrink_memories(::wasm::Module& module) {
  for (const auto& memory : module.memories) {
    const uint64_t page = uint64_t{1} << memory->pageSizeLog2;
    const bool fits = std::ranges::all_of(module.dataSegments, [&](const auto& segment) {
      if (segment->isPassive() || segment->memory != memory->name) return true;
      const auto* const offset = segment->offset->template dynCast<::wasm::Const>();
      const uint64_t begin = offset != nullptr ? static_cast<uint64_t>(offset->value.getInteger()) : page;
      return begin <= page && segment->data.size() <= page - begin;
    });
    if (fits && memory->initial > ::wasm::Address(1)) memory->initial = 1;
  }
}

}  // namespace

Result<Case> make_binaryen(std::span<const uint8_t> bytes) {
  static const bool single_threaded =
      ::setenv("BINARYEN_CORES", "1", 1) == 0 && ::unsetenv("BINARYEN_FUZZER_MAX_BYTES") == 0;
  if (!single_threaded || bytes.size() < 16)
    return fail(ErrorCode::kLimit, 0, "too few bytes for Binaryen's generator");
  // Bits of the input choose the swarm: how heavy on accesses and casts, whether accesses may be out of bounds, and whether
  // it begins with a program of ours.
  ::wasm::parallaxGCWeight = bytes[0] % 4 == 0 ? 1 : 8;
  const bool begun = bytes[2] % 4 != 0;
  const bool memory = bytes[0] % 8 < 6;
  const auto fresh = [&] {
    auto made = std::make_unique<::wasm::Module>();
    made->features = features(begun || bytes[1] % 16 == 0, memory);
    return made;
  };
  auto owner = fresh();
  if (begun && !begin_with_program(*owner, bytes.subspan(3))) owner = fresh();
  ::wasm::Module& module = *owner;
  {
    ::wasm::TranslateToFuzzReader reader(module, std::vector<char>(bytes.begin(), bytes.end()));
    reader.setAllowMemory(memory);
    reader.setAllowOOB(bytes[0] % 16 == 0);
    reader.build();
  }
  ChoiceStream choices(bytes.subspan(4));
  FewerTraps fewer(choices, module);
  fewer.walkModule(&module);
  if (fewer.changed()) {
    for (const auto& function : module.functions) {
      if (!function->imported()) ::wasm::ReFinalize().walkFunctionInModule(function.get(), &module);
    }
  }
  shrink_memories(module);
  ::wasm::PassOptions options;
  options.validate = false;
  ::wasm::PassRunner runner(&module, options);
  runner.add("dce");
  runner.add("translate-to-exnref");
  runner.run();
  ::wasm::BufferWithRandomAccess buffer;
  ::wasm::WasmBinaryWriter writer(&module, buffer, options);
  writer.setNamesSection(false);
  writer.write();
  Case subject;
  subject.modules.emplace_back(buffer.begin(), buffer.end());
  subject.claims_valid = true;
  return subject;
}

}  // namespace parallax::fuzz

#else

namespace parallax::fuzz {

bool have_binaryen() { return false; }
Result<Case> make_binaryen(std::span<const uint8_t>) {
  return fail(ErrorCode::kUnsupported, 0, "this build has no Binaryen (scripts/bootstrap builds it)");
}

}  // namespace parallax::fuzz

#endif
