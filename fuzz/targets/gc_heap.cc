// The heap against a model: bytes are operations on roots and objects, collections among them; after each collection the
// heap's graph must be the model's, and the heap verifier content.   [I1]
#include <map>
#include <memory>

#include "engine/base/check.h"
#include "engine/base/choices.h"
#include "engine/gc/heap.h"

namespace {

using namespace parallax;      // NOLINT: glue
using namespace parallax::gc;  // NOLINT: glue

constexpr LayoutId kPair = 1, kRefs = 2, kBytes = 3;
constexpr uint32_t kPairBytes = 24, kNumber = 16, kRoots = 8;

// An object as it should be: what it is, its number or length, and what it refers to.
struct Node {
  LayoutId layout;
  uint32_t number;
  std::vector<Node*> refs;
};

struct World final : HeapClient {
  LayoutTable layouts;
  uint64_t next = 0, limit = 0;
  Ref roots[kRoots] = {};
  Node* model[kRoots] = {};
  std::vector<std::unique_ptr<Node>> nodes;
  std::unique_ptr<Heap> heap;

  explicit World(const HeapOptions& options) {
    layouts.define(kPair, {.kind = LayoutKind::kFixed, .bytes = kPairBytes, .ref_offsets = {8, 12}});
    layouts.define(kRefs, {.kind = LayoutKind::kArray, .elements_are_refs = true, .element_bytes = 4});
    layouts.define(kBytes, {.kind = LayoutKind::kArray, .element_bytes = 1});
    heap = std::make_unique<Heap>(options, layouts, *this, BumpWindow{&next, &limit});
  }
  void visit_roots(RootVisitor& visitor) override {
    for (uint32_t i = 0; i < kRoots; ++i) visitor.visit(&roots[i], RootKind::kGlobal, i);
  }
  void host_box_died(uint64_t) override {}

  static uint32_t slot(LayoutId layout, size_t i) {
    return layout == kPair ? 8 + 4 * static_cast<uint32_t>(i) : kHeaderBytes + 4 * static_cast<uint32_t>(i);
  }

  void make(uint32_t root, LayoutId layout, uint32_t number) {
    const uint32_t length = layout == kPair ? 0 : number % 40;
    const Ref ref = heap->allocate(layout, length, layouts.at(layout).size(length));
    if (ref.is_null()) return;
    if (layout == kPair) heap->store(ref, kNumber, number);
    nodes.push_back(std::make_unique<Node>(Node{layout, layout == kPair ? number : length, {}}));
    nodes.back()->refs.resize(layout == kPair ? 2 : layout == kRefs ? length : 0);
    roots[root] = ref;
    model[root] = nodes.back().get();
  }
  void link(uint32_t from, uint32_t field, uint32_t to) {
    if (model[from] == nullptr || model[from]->refs.empty()) return;
    const size_t i = field % model[from]->refs.size();
    heap->store_ref(roots[from], slot(model[from]->layout, i), roots[to]);
    model[from]->refs[i] = model[to];
  }
  void follow(uint32_t root, uint32_t field, uint32_t into) {
    if (model[root] == nullptr || model[root]->refs.empty()) return;
    const size_t i = field % model[root]->refs.size();
    roots[into] = heap->load<Ref>(roots[root], slot(model[root]->layout, i));
    model[into] = model[root]->refs[i];
  }

  void compare() {
    const std::string wrong = heap->verify();
    CHECK(wrong.empty() && heap->violation().empty(), "{}{}", wrong, heap->violation());
    std::map<uint32_t, const Node*> met;
    std::vector<std::pair<Ref, const Node*>> work;
    const auto meet = [&](Ref ref, const Node* node) {
      CHECK(ref.is_null() == (node == nullptr), "I1: a reference is {} and should not be",
            ref.is_null() ? "null" : "there");
      if (node == nullptr) return;
      const auto [it, fresh] = met.emplace(ref.bits, node);
      CHECK(it->second == node, "I1: two objects became one, or one two");
      if (fresh) work.emplace_back(ref, node);
    };
    for (uint32_t i = 0; i < kRoots; ++i) meet(roots[i], model[i]);
    while (!work.empty()) {
      const auto [ref, node] = work.back();
      work.pop_back();
      const ObjectHeader& header = heap->header(ref);
      CHECK(header.layout() == node->layout, "I1: an object changed its layout");
      const uint32_t number = node->layout == kPair ? heap->load<uint32_t>(ref, kNumber) : header.length;
      CHECK(number == node->number, "I1: contents changed from {} to {}", node->number, number);
      for (size_t i = 0; i < node->refs.size(); ++i) meet(heap->load<Ref>(ref, slot(node->layout, i)), node->refs[i]);
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ChoiceStream choices(std::span(data, size));
  HeapOptions options;
  options.collector = choices.chance(1, 2)   ? GcKind::kGenerational
                      : choices.chance(1, 2) ? GcKind::kMoving
                                             : GcKind::kNonMoving;
  options.heap_bytes = 1 << 20;
  options.collect_after_bytes = 4 << 10;
  options.zeal.mode = static_cast<ZealMode>(choices.below(4));
  options.zeal.n = 1 + choices.below(8);
  options.zeal.poison = choices.chance(1, 2);
  options.zeal.verify_after = choices.chance(1, 2);
  World world(options);
  if (!world.heap->ok()) return 0;
  for (uint32_t step = 0; step < 400 && (choices.has_bytes() || step < 20); ++step) {
    const uint32_t at = choices.below(kRoots);
    switch (choices.below(10)) {
      case 0: world.roots[at] = kNullRef, world.model[at] = nullptr; break;
      case 1:
        world.heap->collect();
        world.compare();
        break;
      case 2:
      case 3: world.link(at, choices.byte(), choices.below(kRoots)); break;
      case 4: world.follow(at, choices.byte(), choices.below(kRoots)); break;
      case 5: world.make(at, kBytes, choices.byte()); break;
      case 6:
      case 7: world.make(at, kRefs, choices.byte()); break;
      default: world.make(at, kPair, choices.u32()); break;
    }
  }
  world.compare();
  return 0;
}
