// The types of one generated GC program: rec groups with struct families, arrays and function signatures.
//
// Shapes are chosen for what collectors and optimisers get wrong: subtypes that add reference fields, packed fields,
// narrowed immutable fields, non-null fields, function types with subtypes. Every type can be constructed: non-null
// fields only name types of a lower number.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "engine/base/choices.h"
#include "engine/wasm/builder.h"

namespace parallax::fuzz {

class GcTypes {
 public:
  // Draws the types and adds them to `module`: some dozens, or now and then more than sixteen bits can number.
  enum class Count : uint8_t { kFew, kAny };
  GcTypes(ChoiceStream& choices, wasm::ModuleBuilder& module, Count count);
  // The same types for another module, behind some that only it has: equal types have different numbers there.
  GcTypes(const GcTypes& other, ChoiceStream& choices, wasm::ModuleBuilder& module);
  // What was added to the other's numbers.
  uint32_t shift() const { return shift_; }
  wasm::ValType shifted(wasm::ValType type) const;

  const wasm::SubType& operator[](uint32_t type) const { return types_[type]; }
  const std::vector<uint32_t>& structs() const { return structs_; }
  const std::vector<uint32_t>& arrays() const { return arrays_; }
  const std::vector<uint32_t>& signatures() const { return signatures_; }
  // Two structs, all fields defaultable, that are the same type although written twice, or differ in one property.
  struct Twins {
    uint32_t first, second;
    bool same;
  };
  const std::vector<Twins>& twins() const { return twins_; }
  // The signature () -> i64.
  uint32_t run_signature() const { return run_signature_; }
  // What fits a type, in order. Bodies ask for the same few types again and again, so the answers are remembered: types
  // do not change once they are drawn. An answer is valid until the next question of its kind.
  struct Field {
    uint32_t type, number;
  };
  // All structs that are `type` or below it.
  std::span<const uint32_t> structs_below(uint32_t type) const;
  // The fields of structs, and the arrays, that read as something that matches.
  std::span<const Field> fields_of(wasm::ValType type) const;
  std::span<const uint32_t> arrays_of(wasm::ValType type) const;

  // Matching with the module's numbers, by declaration: never says yes where the specification says no.
  bool matches(wasm::HeapType sub, wasm::HeapType super) const;
  bool matches(wasm::ValType sub, wasm::ValType super) const {
    if (sub == super) return true;
    if (!sub.is_ref() || !super.is_ref() || (sub.nullable() && !super.nullable())) return false;
    return matches(sub.heap(), super.heap());
  }
  bool is_below(uint32_t sub, uint32_t super) const;
  wasm::HeapType top(wasm::HeapType heap) const;
  wasm::HeapType bottom(wasm::HeapType heap) const;

  static wasm::ValType ref(uint32_t type, bool nullable = true) {
    return wasm::ValType::ref(wasm::HeapType::concrete(type), nullable);
  }

 private:
  // Answers by question.
  template <class Answer>
  class Answers {
   public:
    template <class Find>
    std::span<const Answer> of(uint32_t question, Find&& find) {
      for (const Row& row : rows_) {
        if (row.question == question) return std::span(answers_).subspan(row.begin, row.end - row.begin);
      }
      const size_t begin = answers_.size();
      find(answers_);
      rows_.push_back({question, begin, answers_.size()});
      return std::span(answers_).subspan(begin);
    }

   private:
    struct Row {
      uint32_t question;
      size_t begin, end;
    };
    std::vector<Row> rows_;
    std::vector<Answer> answers_;
  };
  // What matching needs to know of a type, close together.
  static constexpr uint32_t kNone = ~0u;
  struct Kin {
    uint32_t super;  // or kNone
    wasm::CompositeKind kind;
  };

  void add(wasm::SubType type) {
    kin_.push_back({type.has_super ? type.super : kNone, type.kind});
    types_.push_back(std::move(type));
  }
  wasm::StorageType draw_storage(uint32_t below, uint32_t group_end);
  wasm::ValType draw_ref(uint32_t below, uint32_t group_end);
  void draw_struct(uint32_t group_end);
  void draw_array(uint32_t group_end);
  void draw_signature(uint32_t group_end);
  void add_group(wasm::ModuleBuilder& module, uint32_t begin);
  void draw_twins(wasm::ModuleBuilder& module);

  ChoiceStream& choices_;
  std::vector<wasm::SubType> types_;
  std::vector<Kin> kin_;
  std::vector<uint32_t> structs_, arrays_, signatures_;
  std::vector<Twins> twins_;
  std::vector<std::pair<uint32_t, uint32_t>> groups_;  // first, end
  void draw_many(wasm::ModuleBuilder& module);
  uint32_t first_ = 0;  // number of the first type that takes part
  uint32_t shift_ = 0;
  uint32_t run_signature_ = 0;
  mutable Answers<uint32_t> structs_below_, arrays_of_;
  mutable Answers<Field> fields_of_;
};

}  // namespace parallax::fuzz
