// What the targets that judge cases have in common: feedback, and how a finding ends the process.
#pragma once

#include <cstdint>
#include <span>

#include "engine/base/result.h"
#include "fuzz/case/case.h"

namespace parallax::fuzz {

// Judges the case, tells the engine which features it reached, and ends the process on a finding with ASSERTION FAILED
// and the signature, which is what crash triage buckets by. `bytes` choose what the case leaves open.
void judge_or_die(const Case& subject, std::span<const uint8_t> bytes);

// A module or envelope as it stands; its maker's claims end here, since mutation keeps them and breaks the module.
Result<Case> case_of_module(std::span<const uint8_t> bytes);
bool is_module(std::span<const uint8_t> bytes);

}  // namespace parallax::fuzz
