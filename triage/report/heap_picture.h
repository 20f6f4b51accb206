// Two heaps drawn: the object graphs of both sides as SVG, with what differs between them marked.
//
// The graphs are read from observations, in which objects are numbered by a breadth-first walk. Both are walked in step
// from their roots: objects met by the same path belong together, and a field differs when its values do, when one side
// has it alone, or when it leads to an object that belongs to another one (identity). Only what helps is drawn: objects
// that differ, the paths to them from the roots, and what they refer to, up to a limit; the rest is counted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "triage/report/observed.h"

namespace parallax::triage {

struct HeapValue {
  static constexpr uint32_t kNoObject = UINT32_MAX;
  std::string text;             // "i32 5", "null", "function \"f\" of instance 0"
  uint32_t object = kNoObject;  // when it refers to one
  friend bool operator==(const HeapValue&, const HeapValue&) = default;
};

struct HeapObject {
  std::string kind;  // "struct", "array", "exception", ...
  std::string type;  // "type 6 (sub 3 (struct ...))"
  uint64_t length = 0;
  std::vector<std::pair<uint64_t, HeapValue>> fields;  // by index
};

struct HeapRoot {
  std::string name;  // "global \"g0\" of instance 0", "kept result 0"
  HeapValue value;
};

struct HeapGraph {
  std::vector<HeapRoot> roots;      // those that hold no object included
  std::vector<HeapObject> objects;  // by number
  bool truncated = false;
  bool empty() const { return roots.empty(); }
};

// The final state of an observation; empty when it has none.
HeapGraph read_heap(const Observed& seen);

// Marks for one side: what differs from the other.
struct HeapMarks {
  std::vector<bool> roots;
  std::vector<bool> objects;  // the object itself: type, length, or nothing belongs to it
  std::vector<std::vector<bool>> fields;
  size_t count() const;
};
struct HeapComparison {
  HeapMarks left, right;
  bool equal() const { return left.count() == 0 && right.count() == 0; }
};
HeapComparison compare_heaps(const HeapGraph& left, const HeapGraph& right);

struct PictureLimits {
  size_t objects = 24;
  size_t whole = 12;   // heaps of so many objects are drawn whole
  size_t fields = 10;  // of one object, those that differ first
};

// A whole SVG document that needs nothing else and fits light and dark pages. `title` is read to those who do not see.
std::string draw_heap(const HeapGraph& graph, const HeapMarks& marks, const std::string& title,
                      const PictureLimits& limits = {});

}  // namespace parallax::triage
