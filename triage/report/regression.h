// Regression tests out of a case: what the embedder does, with what the reference was seen to answer.
//
// Written as a specification script (which Wasmtime takes too), as JavaScript for any shell (V8's mjsunit style, without
// its helpers) and as a lit test of Binaryen. Not every case can be said in each: globals set from outside, probes of
// handles, hosts that call back. Then the text is empty and the remark says why; nothing is said that is only nearly right.
// Whoever calls this runs the script on both sides before claiming that it tells them apart.
#pragma once

#include <string>
#include <vector>

#include "fuzz/case/case.h"
#include "triage/report/observed.h"
#include "triage/report/report.h"

namespace parallax::triage {

// `reference` is the observation of the executor that is believed; of a module that was wrongly accepted or rejected only
// the validation is tested. `about` becomes a comment.
std::vector<RegressionTest> regression_tests(const fuzz::Case& subject, const Observed& reference,
                                             fuzz::FindingClass kind, const std::string& about);

}  // namespace parallax::triage
