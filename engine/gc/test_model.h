// For tests: a heap with roots, and a model of its graph that changes in step with it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "engine/base/choices.h"
#include "engine/gc/heap.h"

namespace parallax::gc::test {

inline constexpr LayoutId kPair = 1;  // two references and a number
inline constexpr LayoutId kRefArray = 2;
inline constexpr LayoutId kByteArray = 3;
inline constexpr uint32_t kPairBytes = 24;
inline constexpr uint32_t kPairNumber = 16;

inline LayoutTable make_layouts() {
  LayoutTable table;
  table.define(kPair, {.kind = LayoutKind::kFixed, .bytes = kPairBytes, .ref_offsets = {8, 12}});
  table.define(kRefArray,
               {.kind = LayoutKind::kArray, .elements_are_refs = true, .element_bytes = 4, .ref_offsets = {}});
  table.define(kByteArray, {.kind = LayoutKind::kArray, .element_bytes = 1, .ref_offsets = {}});
  return table;
}

// A heap with a vector of roots.
struct World final : HeapClient {
  LayoutTable layouts = make_layouts();
  uint64_t next = 0;
  uint64_t limit = 0;
  uint32_t* list = nullptr;
  std::vector<Ref> roots;
  std::vector<uint64_t> dead_hosts;
  Heap heap;

  explicit World(const HeapOptions& options) : heap(options, layouts, *this, {&next, &limit, nullptr, &list}) {}
  // Where the list of remembered objects ends.
  uint32_t** remembered() { return &list; }
  void visit_roots(RootVisitor& visitor) override {
    for (size_t i = 0; i < roots.size(); ++i) visitor.visit(&roots[i], RootKind::kGlobal, i);
  }
  void host_box_died(uint64_t id) override { dead_hosts.push_back(id); }

  Ref pair(uint32_t number) {
    const Ref ref = heap.allocate(kPair, 0, kPairBytes);
    if (!ref.is_null()) heap.store(ref, kPairNumber, number);
    return ref;
  }
  Ref array(LayoutId layout, uint32_t length) { return heap.allocate(layout, length, layouts.at(layout).size(length)); }
};

inline HeapOptions options_of(GcKind kind, ZealMode mode = ZealMode::kNone, bool poison = true) {
  HeapOptions options;
  options.collector = kind;
  options.heap_bytes = 8 << 20;
  options.collect_after_bytes = 16 << 10;
  options.zeal.mode = mode;
  options.zeal.poison = poison;
  return options;
}

// The model: a graph of ordinary C++ objects that the mutator changes in step with the heap.
struct Node {
  LayoutId layout;
  uint32_t number;
  std::vector<Node*> fields;  // null, or an i31 when in `small`
  std::map<uint32_t, uint32_t> small;
};

class Mutator {
 public:
  // `longest`: of arrays.
  Mutator(World& world, uint64_t seed, uint32_t longest = 3000) : world_(world), choices_(seed), longest_(longest) {
    world_.roots.resize(12);
    shadow_.resize(12, nullptr);
  }

  void step() {
    const uint32_t at = choices_.below(12);
    switch (choices_.below(8)) {
      case 0:
      case 1: return set_root(at, make_pair_node());
      case 2: return set_root(at, make_array_node(kRefArray));
      case 3: return set_root(at, make_array_node(kByteArray));
      case 4:
        world_.roots[at] = kNullRef;
        shadow_[at] = nullptr;
        return;
      case 5: return link(at, choices_.below(12));
      case 6: return small(at);
      case 7: return descend(at, choices_.below(12));
    }
  }

  uint32_t refused = 0;  // allocations for which there was no room

  // Walks heap and model together: same shape, same sharing, same contents.
  void expect_same_graph() {
    std::map<uint32_t, Node*> to_node;
    std::map<Node*, uint32_t> to_ref;
    std::vector<std::pair<Ref, Node*>> work;
    const auto meet = [&](Ref ref, Node* node) {
      ASSERT_EQ(ref.is_null(), node == nullptr);
      if (node == nullptr) return;
      const auto [a, fresh] = to_node.emplace(ref.bits, node);
      const auto [b, fresh_too] = to_ref.emplace(node, ref.bits);
      ASSERT_EQ(a->second, node);
      ASSERT_EQ(b->second, ref.bits);
      if (fresh && fresh_too) work.emplace_back(ref, node);
    };
    for (size_t i = 0; i < shadow_.size(); ++i) meet(world_.roots[i], shadow_[i]);
    while (!work.empty()) {
      const auto [ref, node] = work.back();
      work.pop_back();
      ASSERT_TRUE(world_.heap.plausible(ref));
      const ObjectHeader header = world_.heap.header(ref);
      ASSERT_EQ(header.layout(), node->layout);
      if (node->layout == kPair) {
        ASSERT_EQ(world_.heap.load<uint32_t>(ref, kPairNumber), node->number);
      } else {
        ASSERT_EQ(header.length, node->number);
      }
      if (node->layout == kByteArray) {
        for (uint32_t i = 0; i < node->number; ++i) ASSERT_EQ(*world_.heap.at(ref, kHeaderBytes + i), uint8_t(i * 7));
      }
      for (uint32_t i = 0; i < node->fields.size(); ++i) {
        const Ref field = world_.heap.load<Ref>(ref, kHeaderBytes + 4 * i);
        if (const auto it = node->small.find(i); it != node->small.end()) {
          ASSERT_EQ(field, Ref::i31(it->second));
        } else {
          meet(field, node->fields[i]);
        }
      }
    }
  }

 private:
  Node* node(LayoutId layout, uint32_t number, size_t fields) {
    nodes_.push_back(std::make_unique<Node>(Node{layout, number, std::vector<Node*>(fields), {}}));
    return nodes_.back().get();
  }
  std::pair<Ref, Node*> make_pair_node() {
    const uint32_t number = choices_.u32();
    return {world_.pair(number), node(kPair, number, 2)};
  }
  std::pair<Ref, Node*> make_array_node(LayoutId layout) {
    const uint32_t length = choices_.chance(1, 10) ? choices_.below(longest_) : choices_.below(20);
    const Ref ref = world_.array(layout, length);
    for (uint32_t i = 0; layout == kByteArray && i < length && !ref.is_null(); ++i)
      *world_.heap.at(ref, kHeaderBytes + i) = uint8_t(i * 7);
    return {ref, node(layout, length, layout == kRefArray ? length : 0)};
  }
  void set_root(uint32_t at, std::pair<Ref, Node*> made) {
    ASSERT_EQ(world_.heap.violation(), "");
    if (made.first.is_null()) {
      ++refused;
      made.second = nullptr;
    }
    world_.roots[at] = made.first;
    shadow_[at] = made.second;
  }
  void link(uint32_t from, uint32_t to) {
    Node* const holder = shadow_[from];
    if (holder == nullptr || holder->fields.empty()) return;
    const uint32_t field = choices_.below(static_cast<uint32_t>(holder->fields.size()));
    holder->fields[field] = shadow_[to];
    holder->small.erase(field);
    world_.heap.store_ref(world_.roots[from], kHeaderBytes + 4 * field, world_.roots[to]);
  }
  void small(uint32_t from) {
    Node* const holder = shadow_[from];
    if (holder == nullptr || holder->fields.empty()) return;
    const uint32_t field = choices_.below(static_cast<uint32_t>(holder->fields.size()));
    const uint32_t value = choices_.u32() & 0x7fffffff;
    holder->small[field] = value;
    holder->fields[field] = nullptr;
    world_.heap.store(world_.roots[from], kHeaderBytes + 4 * field, Ref::i31(value));
  }
  void descend(uint32_t from, uint32_t to) {
    Node* const holder = shadow_[from];
    if (holder == nullptr || holder->fields.empty()) return;
    const uint32_t field = choices_.below(static_cast<uint32_t>(holder->fields.size()));
    if (holder->small.contains(field)) return;
    shadow_[to] = holder->fields[field];
    world_.roots[to] = world_.heap.load<Ref>(world_.roots[from], kHeaderBytes + 4 * field);
  }

  World& world_;
  ChoiceStream choices_;
  uint32_t longest_;
  std::vector<Node*> shadow_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace parallax::gc::test
