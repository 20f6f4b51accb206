// Where things were made: what reports of wrong names say about both of their ends.   [serves I1]
//
// A *site* is an opaque number of whoever runs code (the JIT: a return address); it is cheap to note for every object
// and resolved to a place of the program only when something is wrong.
#pragma once

#include <cstdint>

namespace parallax {

struct Place {
  static constexpr uint32_t kUnknown = ~uint32_t{0};
  uint32_t func = kUnknown;    // FuncIndex in its module
  uint32_t offset = kUnknown;  // wasm offset
  bool known() const { return func != kUnknown; }
};

class OriginSource {
 public:
  virtual ~OriginSource() = default;
  // Of the compiled code that is asking the runtime for something; 0: nobody's (the embedder, instantiation).
  virtual uint64_t current_site() const = 0;
  virtual Place place_of(uint64_t site) const = 0;
  virtual uint64_t collections_so_far() const = 0;
};

}  // namespace parallax
