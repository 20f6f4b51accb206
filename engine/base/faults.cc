#include "engine/base/faults.h"

#include <charconv>
#include <iterator>

namespace parallax {

FaultState g_fault;

namespace {

constexpr FaultInfo kFaults[] = {
#define PARALLAX_FAULT(id, name, invariant, summary) {Fault::id, name, invariant, summary},
#include "fuzz/faults/faults.def"
#undef PARALLAX_FAULT
};

}  // namespace

bool fault_fires_slow(Fault) {
  ++g_fault.reached;
  const uint32_t site = g_fault.next_site++;
  if (g_fault.site != FaultState::kEverySite && g_fault.site != site) return false;
  ++g_fault.infected;
  return true;
}

bool choose_fault(std::string_view spec) {
  const size_t colon = spec.find(':');
  const FaultInfo* row = find_fault(spec.substr(0, colon));
  if (row == nullptr) return false;
  FaultState chosen;
  chosen.active = row->fault;
  if (colon != std::string_view::npos) {
    const std::string_view digits = spec.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), chosen.site);
    if (error != std::errc{} || end != digits.data() + digits.size()) return false;
  }
  g_fault = chosen;
  return true;
}

const FaultInfo* find_fault(std::string_view name) {
  for (const FaultInfo& row : kFaults) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

const FaultInfo* fault_table(uint32_t& count) {
  count = static_cast<uint32_t>(std::size(kFaults));
  return kFaults;
}

}  // namespace parallax
