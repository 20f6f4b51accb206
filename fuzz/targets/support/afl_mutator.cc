// The mutators as a custom mutator library of AFL++: AFL_CUSTOM_MUTATOR_LIBRARY=libparallax_afl_mutator.so.
//
// AFL++ does not know LLVMFuzzerCustomMutator; it loads a shared object that exports afl_custom_*. An answer of no bytes
// makes it go on with its own mutation of bytes, which is what inputs that are no valid modules get.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "fuzz/mutators/mutate.h"

namespace {

struct State {
  uint64_t seed;
  std::vector<uint8_t> out;
  std::string description;
};

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void* afl_custom_init(void* afl, unsigned int seed) { return new State{seed, {}, {}}; }

EXPORT void afl_custom_deinit(void* data) { delete static_cast<State*>(data); }

EXPORT size_t afl_custom_fuzz(void* data, uint8_t* buffer, size_t size, uint8_t** out, uint8_t* add_buffer,
                              size_t add_size, size_t max_size) {
  State& state = *static_cast<State*>(data);
  state.seed = state.seed * 6364136223846793005ull + 1442695040888963407ull;
  const bool cross = add_buffer != nullptr && add_size > 8 && (state.seed >> 33) % 3 == 0;
  state.out = parallax::fuzz::mutate_input(
      {buffer, size}, cross ? std::span<const uint8_t>(add_buffer, add_size) : std::span<const uint8_t>(), max_size,
      state.seed >> 8);
  *out = state.out.empty() ? buffer : state.out.data();
  return state.out.size();
}

EXPORT const char* afl_custom_describe(void* data, size_t max_description) {
  State& state = *static_cast<State*>(data);
  state.description = "parallax_" + std::to_string(state.seed);
  if (state.description.size() > max_description) state.description.resize(max_description);
  return state.description.c_str();
}
