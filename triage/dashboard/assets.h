// The page's frame, style and script: see assets.cc.
#pragma once

namespace parallax::triage {

extern const char* const kDashboardBody;
extern const char* const kDashboardStyle;
extern const char* const kDashboardScript;

}  // namespace parallax::triage
