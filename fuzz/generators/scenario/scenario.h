// Scenarios: what an embedder does with several stores, right and wrong, and what must come of it.
//
// Choices become a list of actions over the C API (engine/api): stores are made and deleted in any order, modules shared,
// instances linked, functions called with references of any store, dead or alive; host functions act themselves in the
// middle of a call, throw, trap, and return what they should not. A *model* (model.h), which knows neither executor, says
// of each action what must happen: the value, the trap, or the class of refusal. A scenario is played on both executors;
// judges are
//   - the model: every result, every refusal and its class, every identity of references
//   - the other executor: both logs are equal
//   - the stores: they verify after collections and at the end
//   - the end: no handle is left, every finalizer ran exactly once
// Not judged: texts of messages, host info of plain references, what threads do.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/api/include/parallax_gc.h"
#include "engine/base/choices.h"

namespace parallax::fuzz {

enum class Act : uint8_t {
#define ACTION(id, name, summary) id,
#include "fuzz/generators/scenario/actions.def"
#undef ACTION
};
enum class ModuleText : uint8_t { kLibrary, kClient, kInvalid };
enum class ExportName : uint8_t {
#define EXPORT(id, name, params, results, summary) id,
#include "fuzz/generators/scenario/exports.def"
#undef EXPORT
};

// A number of a handle: handles are numbered in the order in which actions make them. Deleted ones keep their number.
using HandleNo = uint32_t;
inline constexpr HandleNo kNoHandle = ~0u;  // null

// A value as the model sees it. Objects, foreign objects and functions are numbered by the model.
struct Seen {
  enum class Kind : uint8_t { kNothing, kNumber, kNull, kObject, kForeign, kI31, kFunc };
  Kind kind = Kind::kNothing;
  int64_t number = 0;
  friend bool operator==(const Seen&, const Seen&) = default;
};

struct Expected {
  enum class End : uint8_t { kFine, kRefused, kTrapped, kHostTrapped, kThrew };
  End end = End::kFine;
  parallax_error_t error = PARALLAX_ERROR_NONE;  // kRefused
  const char* trap = "";                         // kTrapped: part of the message
  Seen value;                                    // kFine: result; kThrew: the reference of the payload
  int32_t number = 0;                            // kThrew: the number of the payload
  // Of a reference: the object's number, a handle of the same object, and one of something else.
  int32_t content = 0;
  HandleNo twin = kNoHandle, stranger = kNoHandle;
};

// How the host function of a call ends, after `inside`.
enum class HostEnd : uint8_t { kReturnArgument, kReturnNull, kReturnHandle, kTrap, kThrow };

struct Action {
  Act act = Act::kCollect;
  HandleNo subject = kNoHandle;  // what is used: store, function, global, ...
  std::vector<HandleNo> refs;    // references and imports, in order
  std::vector<int32_t> numbers;
  std::string signature;  // kCall: letters of exports.def, in order of arguments
  ModuleText text = ModuleText::kLibrary;
  HandleNo makes = kNoHandle;  // first of the handles that it makes, when it succeeds
  uint32_t makes_count = 0;
  Expected expected;
  // kCall of something that calls the host.
  bool asks = false;
  Expected argument;  // what the host function sees
  std::vector<Action> inside;
  HostEnd end = HostEnd::kReturnArgument;
  HandleNo end_ref = kNoHandle;  // kReturnHandle, kThrow (payload)
  HandleNo end_tag = kNoHandle;  // kThrow; kTrap: the store
};

struct Scenario {
  uint8_t level = 2;
  parallax_collector_t collector = PARALLAX_MOVING;
  uint32_t zeal = 0;
  bool armed = false;
  std::vector<Action> actions;
};

Scenario make_scenario(ChoiceStream& choices);
// The scenario of a campaign at (seed, index).
Scenario scenario_at(uint64_t seed, uint64_t index);
// One line per action, those of host functions indented.
std::string describe(const Scenario& scenario);

struct Played {
  std::vector<std::string> log;  // one line per action, without addresses
  std::string finding;           // empty, or what the model, a store or the end objects to
  uint64_t actions = 0;
  uint64_t refusals = 0;  // as they must be
};
Played play(const Scenario& scenario, parallax_executor_t executor);

// Plays on both executors and compares. Empty, or "JUDGE: what" with the scenario.
struct ScenarioVerdict {
  std::string judge;  // "model", "executors", "store", "end"; empty: agreed
  std::string text;
  uint64_t actions = 0;
  uint64_t refusals = 0;
};
ScenarioVerdict judge_scenario(const Scenario& scenario);
// The comparison of two plays, for judge_scenario and its tests.
ScenarioVerdict judge_plays(const Played& jit, const Played& interp);

// The binary of a module.
const std::vector<char>& module_bytes(ModuleText text);
struct ExportRow {
  const char* name;
  const char* params;
  const char* results;
};
const ExportRow& row(ExportName name);
inline constexpr uint32_t kLibraryFuncs = 14;
inline constexpr uint32_t kTableSize = 4;

}  // namespace parallax::fuzz
