#include "bench/suite/front_end.h"

#include <ctime>
#include <memory>

#include "bench/suite/statistics.h"
#include "engine/wasm/features.h"
#include "engine/wasm/module.h"

namespace parallax::bench {

namespace {

// Processor time of this thread: nothing here waits, and other programs do not count.
double now_us() {
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

wasm::Features everything() {
  wasm::Features features;
  features.set(wasm::Feature::kLegacyExceptions, true);
  return features;
}

}  // namespace

Result<FrontEndSample> measure_front_end(const std::vector<uint8_t>& bytes, uint32_t rounds) {
  constexpr double kLeastUs = 5000;  // so that small modules are not measured by one tick of the clock
  const wasm::Features features = everything();
  FrontEndSample sample{.module_bytes = bytes.size()};
  std::vector<double> decoding, validating;
  for (uint32_t round = 0; round < rounds; ++round) {
    double decode_us = 0, validate_us = 0;
    uint32_t times = 0;
    while (decode_us + validate_us < kLeastUs) {
      std::vector<uint8_t> copy = bytes;
      const auto types = std::make_shared<wasm::TypeStore>();
      const double begin = now_us();
      wasm::Module module = TRY(wasm::decode(std::move(copy), types, {.features = features}));
      const double decoded = now_us();
      TRY(wasm::validate(module, features));
      const double end = now_us();
      decode_us += decoded - begin;
      validate_us += end - decoded;
      ++times;
      if (round != 0 || times != 1) continue;
      for (size_t i = module.imported_funcs; i < module.funcs.size(); ++i) {
        sample.code_bytes += module.funcs[i].body.size();
        ++sample.functions;
      }
    }
    decoding.push_back(decode_us / times);
    validating.push_back(validate_us / times);
  }
  sample.decode_us = median(std::move(decoding));
  sample.validate_us = median(std::move(validating));
  return sample;
}

}  // namespace parallax::bench
