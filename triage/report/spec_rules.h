// Which rule of the specification decides: rows in spec_rules.def.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace parallax::triage {

struct SpecRule {
  const char* about;  // "struct.get", "trap: cast failure", "identity"
  const char* section;
  const char* place;  // page#anchor
  const char* rule;
  std::string url() const { return std::string("https://webassembly.github.io/spec/core/") + place; }
};

// Null where no row fits. `instruction` may be followed by immediates ("struct.get 3 1").
const SpecRule* rule_of_instruction(std::string_view instruction);
const SpecRule* rule_of_trap(std::string_view text);
const SpecRule* rule_of_topic(std::string_view component);

}  // namespace parallax::triage
