// Names of things: the custom section "name" (specification, appendix "Custom Sections"), reading and writing.
//
// Covers the module, function, local, label, type, table, memory, global, element, data, field and tag subsections.
// Names are
// decoration: a malformed section never makes a module invalid; reading keeps what stands before the first mistake.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/wasm/encode.h"
#include "engine/wasm/module.h"

namespace parallax::wasm {

struct NameEntry {
  uint32_t index;
  std::string name;
  friend bool operator==(const NameEntry&, const NameEntry&) = default;
};
struct IndirectNameEntry {
  uint32_t outer;  // function; type for fields
  uint32_t index;
  std::string name;
  friend bool operator==(const IndirectNameEntry&, const IndirectNameEntry&) = default;
};

// Sorted by index (outer, index) after reading. Before writing they need not be; of equal indices the first one counts.
struct ModuleNames {
  std::string module;
  std::vector<NameEntry> funcs, types, tables, memories, globals, elems, datas, tags;
  std::vector<IndirectNameEntry> locals, labels, fields;
  bool empty() const;

  // The name, or "" when there is none. Require sorted entries.
  static std::string_view find(const std::vector<NameEntry>& entries, uint32_t index);
  static std::string_view find(const std::vector<IndirectNameEntry>& entries, uint32_t outer, uint32_t index);
};

// Names of the module's (first) name section; what is malformed is left out.
ModuleNames read_names(const Module& module);
// The content of a name section.
void encode(ByteWriter& out, const ModuleNames& names);

}  // namespace parallax::wasm
