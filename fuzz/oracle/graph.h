// The reachable object graph as tokens: breadth-first from the values given to it, each object numbered when first met.
//
// Linear in what it visits and bounded by limits that depend on the tokens alone, so that equal heaps are cut off at the
// same place. Reads through Embedding only; nothing it calls may collect, so names stay valid during one walk.
#pragma once

#include <cstdint>
#include <vector>

#include "fuzz/oracle/hosts.h"
#include "fuzz/oracle/observation.h"

namespace parallax::fuzz {

class GraphWalk {
 public:
  static constexpr uint64_t kMaxObjects = 20'000;
  static constexpr uint64_t kMaxValues = 100'000;  // fields and elements read
  static constexpr uint64_t kMaxElements = 1'000;  // of one object

  GraphWalk(wasm::Embedding& store, Hosts& hosts, Observation& out);

  // Writes a value; a reference not met before is numbered and queued.
  void put(const wasm::Value& value);
  // Writes the contents of everything queued, and of what that queues.
  void drain();
  uint64_t objects() const { return queue_.size(); }

 private:
  // The number of `ref`, and whether it is new.
  uint32_t number_of(const wasm::Ref& ref, bool& is_new);
  void put_contents(uint32_t number);
  void grow();

  wasm::Embedding& store_;
  Hosts& hosts_;
  Observation& out_;
  struct Slot {
    wasm::Ref ref;
    uint32_t number = 0;  // + 1; 0 is free
  };
  std::vector<Slot> slots_;         // open addressing
  std::vector<wasm::Value> queue_;  // by number
  size_t drained_ = 0;
  uint64_t values_ = 0;
  bool truncated_ = false;
};

}  // namespace parallax::fuzz
