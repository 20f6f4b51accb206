// The reducer's operators: what can be made smaller, one row each in reducers.def.
//
// An operator lists its sites in a state and applies itself at one of them, to a copy. Sites stay meaningful while a state
// is changed (they hold stable ids), so that many can be applied to one copy; apply() answers false, possibly leaving the
// copy half changed, when a site is gone or does not admit the change. Whatever comes out is encoded, validated and tested
// by the engine (reduce.cc): an operator may be wrong about types, never about what it was asked to remove.
#pragma once

#include <cstdint>
#include <vector>

#include "triage/reduce/state.h"

namespace parallax::triage::reduce {

struct Site {
  uint32_t module = 0;
  uint32_t a = 0, b = 0, c = 0;  // the operator's own
};

// Whether many sites are worth trying at once (halves, quarters, ...), or one after the other only. kCareful: at once, but
// where it does not apply it may leave the copy half changed.
enum class Shape : uint8_t { kChunks, kCareful, kSingle };
// What it changes: a plain module has no plan and no settings.
enum class Subject : uint8_t { kModule, kPlan, kSettings };

struct Operator {
  const char* name;
  Subject subject;
  Shape shape;
  const char* summary;
  void (*sites)(const State& state, std::vector<Site>& out);
  bool (*apply)(State& state, const Site& site);
};

// All rows, in the order in which they are tried: large things first.
const Operator* operator_table(size_t& count);

#define REDUCER(id, name, subject, shape, summary)             \
  void sites_##id(const State& state, std::vector<Site>& out); \
  bool apply_##id(State& state, const Site& site);
#include "triage/reduce/reducers.def"
#undef REDUCER

// What a change leaves behind that nobody names: always valid to remove.
void tidy(State& state);

}  // namespace parallax::triage::reduce
