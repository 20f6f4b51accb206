#include "engine/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace parallax {

namespace {

void print_and_abort(std::string_view message, const char* file, int line) {
  std::fprintf(stderr, "ASSERTION FAILED: %.*s\n  at %s:%d\n", static_cast<int>(message.size()), message.data(), file,
               line);
  std::fflush(stderr);
  std::abort();
}

CheckHandler g_handler = print_and_abort;

}  // namespace

CheckHandler set_check_handler(CheckHandler handler) {
  CheckHandler previous = g_handler;
  g_handler = handler != nullptr ? handler : print_and_abort;
  return previous;
}

void check_failed(const char* file, int line, std::string message) {
  g_handler(message, file, line);
  std::abort();
}

}  // namespace parallax
