// The frame of a web page that stands alone: no external resources, light and dark, keyboard, narrow screens, paper.
#pragma once

#include <string>
#include <string_view>

namespace parallax::triage {

// `body` is HTML, `title` is text. `script` runs at the end, under a policy that admits nothing from elsewhere.
std::string html_page(std::string_view title, std::string_view body, std::string_view style = {},
                      std::string_view script = {});

// JSON for use inside a <script> element: nothing in it can end the element.
std::string json_for_script(std::string json);

}  // namespace parallax::triage
