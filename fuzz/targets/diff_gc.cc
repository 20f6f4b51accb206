// GC programs under collection: the first two bytes choose collector, level and the one safepoint at which it collects (or
// every), the rest is choices for the generator.
#include "engine/base/text.h"
#include "fuzz/generators/generators.h"
#include "fuzz/targets/support/judging.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax;
  if (size < 2) return 0;
  const std::span<const uint8_t> bytes(data, size);
  auto subject = fuzz::generate(fuzz::GeneratorKind::kGc, bytes.subspan(2));
  if (!subject) return 0;
  const std::string zeal = data[1] == 255 ? "every" : text::format("only{}", data[1]);
  const std::string jit = text::format("jit:O{}:{}:zeal={}{}", data[0] % 3, data[0] & 8 ? "nonmoving" : "moving", zeal,
                                       data[0] & 16 ? ":armed" : "");
  subject->configuration.executors = {"interp", jit, text::format("jit:O{}", 2 - data[0] % 3)};
  fuzz::judge_or_die(*subject, bytes);
  return 0;
}
