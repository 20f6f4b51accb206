// Structure-aware mutation for fuzzing engines that link us: LLVMFuzzerCustomMutator and LLVMFuzzerCustomCrossOver.
//
// Linked into the targets that take modules. An input that is a valid module (or envelope) is mutated as a module most of
// the time; anything else, and a share of the valid ones, is left to the engine's own mutation of bytes, which is what
// the decoder, the text parser and the validator's refusals want.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "fuzz/mutators/mutate.h"

// The engine's own mutation of bytes. Weak, so that programs without an engine link.
extern "C" __attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

bool is_module(const uint8_t* data, size_t size) { return size >= 8 && std::memcmp(data, "\0asm", 4) == 0; }

size_t mutate_bytes(uint8_t* data, size_t size, size_t max_size) {
  return LLVMFuzzerMutate != nullptr ? LLVMFuzzerMutate(data, size, max_size) : size;
}

size_t take(const std::vector<uint8_t>& made, uint8_t* data, size_t max_size) {
  if (made.empty() || made.size() > max_size) return 0;
  std::memcpy(data, made.data(), made.size());
  return made.size();
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  if (!is_module(data, size) || seed % 8 == 0) return mutate_bytes(data, size, max_size);
  const size_t made = take(parallax::fuzz::mutate_input({data, size}, {}, max_size, seed), data, max_size);
  return made != 0 ? made : mutate_bytes(data, size, max_size);
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* data1, size_t size1, const uint8_t* data2, size_t size2,
                                            uint8_t* out, size_t max_out_size, unsigned int seed) {
  if (!is_module(data1, size1) || !is_module(data2, size2)) return 0;
  return take(parallax::fuzz::mutate_input({data1, size1}, {data2, size2}, max_out_size, seed), out, max_out_size);
}
