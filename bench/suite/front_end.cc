#include "bench/suite/front_end.h"

#include <chrono>
#include <memory>

#include "bench/suite/statistics.h"
#include "engine/wasm/module.h"

namespace parallax::bench {

namespace {

using Clock = std::chrono::steady_clock;

double us_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::micro>(to - from).count();
}

}  // namespace

Result<FrontEndSample> measure_front_end(const std::vector<uint8_t>& bytes, uint32_t rounds) {
  constexpr double kLeastUs = 5000;  // so that small modules are not measured by one tick of the clock
  FrontEndSample sample{.module_bytes = bytes.size()};
  std::vector<double> decoding, validating;
  for (uint32_t round = 0; round < rounds; ++round) {
    double decode_us = 0, validate_us = 0;
    uint32_t times = 0;
    while (decode_us + validate_us < kLeastUs) {
      std::vector<uint8_t> copy = bytes;
      const auto types = std::make_shared<wasm::TypeStore>();
      const auto begin = Clock::now();
      wasm::Module module = TRY(wasm::decode(std::move(copy), types));
      const auto decoded = Clock::now();
      TRY(wasm::validate(module));
      const auto end = Clock::now();
      decode_us += us_between(begin, decoded);
      validate_us += us_between(decoded, end);
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
