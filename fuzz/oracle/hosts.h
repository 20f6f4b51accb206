// What the host offers to modules under test.
//
// The imports of module "fuzzing-support" behave as in the hosts of Binaryen's fuzzer (its interpreter's
// execution-results.h and its JavaScript shell), so that all of them log the same:
//   log-*                     a host call in the trace, nothing else
//   throw(i32)                0: exception jstag with externref 0xbad; else exception wasmtag with that payload
//   table-get, table-set      the exported table called "table"; out of range or too early: a jstag exception
//   call-export, call-ref     calls with default arguments; what cannot be called from JavaScript: a jstag exception
//   call-*-catch              the same; 1 if an exception came out, else 0
//   sleep(ms, id)             id, at once
//   wasmtag (i32), jstag (externref)
// Module "parallax" is for programs of our own: "collect" collects garbage; "echo" collects and gives its arguments back in
// reverse order; "expect" compares what a program computed with what it knows to be right, a difference is a finding
// when the program is a generator's own (a mutated one knows nothing). Any other function answers with default values,
// or traps where its type has none; other globals hold the value that Binaryen's hosts give them (externref) or a default.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "fuzz/oracle/observation.h"

namespace parallax::fuzz {

enum class Expectations : uint8_t { kIgnored, kBelieved };

class Hosts {
 public:
  // Host calls are recorded in `out`. Both must outlive every call into the store.
  Hosts(wasm::Embedding& store, std::shared_ptr<wasm::TypeStore> types, Observation& out, Expectations expectations);
  ~Hosts();

  // An extern for one import, or an error when the host cannot make it (kUnlinkable).
  Result<wasm::Extern> make_import(const wasm::Module& module, const wasm::Import& import, uint32_t instance_number,
                                   uint32_t import_number);
  // From now on (the start function has run) the exports of this instance can be reached by its host functions.
  void publish(uint32_t instance_number, wasm::InstanceId instance, std::shared_ptr<const wasm::Module> module);
  void withdraw(uint32_t instance_number);

  // Writes a value as it looks without following references.
  void put_shallow(const wasm::Value& value);
  // Writes an outcome: kind, trap, tag, values.
  void put_outcome(const wasm::Outcome& outcome);
  // Writes which tag it is.
  void put_tag(wasm::Extern tag);
  // Which function a reference names; false when it is none that we know.
  bool put_func(const wasm::Value& ref);
  // Ends a step: unrecorded host calls become one hash.
  void flush_trace();

 private:
  void record_call(uint32_t instance_number, uint32_t import_number, std::span<const wasm::Value> args);

  struct State;
  std::unique_ptr<State> state_;
};

// Arguments for a call from JavaScript's point of view; false when there are none.
bool default_arguments(std::span<const wasm::ValType> params, std::vector<wasm::Value>& out);

}  // namespace parallax::fuzz
