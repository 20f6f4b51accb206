// Checks for impossible states.
//
// CHECK names a bug of Parallax itself (or a planted fault), never bad input: a failed check prints
// "ASSERTION FAILED: <text>" and ends the process through the installed handler. The text starts with the id
// of the invariant that broke ("I1: ...", see ARCHITECTURE.md), which is what triage buckets by.
// Rejected input, traps and limits are values (result.h, engine/wasm/embed.h) and do not come here.
#pragma once

#include <string_view>

#include "engine/base/text.h"

namespace parallax {

// Called with the formatted text of a failed check; must not return. The default prints and aborts.
using CheckHandler = void (*)(std::string_view text, const char* file, int line);

// Installs `handler` for the whole process and returns the previous one. Not thread-safe: call at start-up.
CheckHandler set_check_handler(CheckHandler handler);

[[noreturn]] void check_failed(const char* file, int line, std::string text);

}  // namespace parallax

// CHECK(cond, "I2: slot {} unmapped at {}", slot, site)
#define CHECK(cond, ...)                                                                   \
  do {                                                                                     \
    if (!(cond)) [[unlikely]]                                                              \
      ::parallax::check_failed(__FILE__, __LINE__, ::parallax::text::format(__VA_ARGS__)); \
  } while (false)

// A CHECK that costs too much for release builds.
#ifdef NDEBUG
#define DCHECK(cond, ...) \
  do {                    \
  } while (false)
#else
#define DCHECK(cond, ...) CHECK(cond, __VA_ARGS__)
#endif

#define UNREACHABLE(...) ::parallax::check_failed(__FILE__, __LINE__, ::parallax::text::format(__VA_ARGS__))
