// main() of a fuzz target that is built without a fuzzing engine: runs the target on each file given.
//
//   fuzz_NAME FILE-OR-FOLDER...                      each file once, a folder stands for the files in it, by name
//   fuzz_NAME -runs=N -max_total_time=S -seed=N ...  besides: that many random inputs, mutated from the files
//
// The first is how a crash file is replayed under a debugger, the second the smoke test of a target. Random inputs are
// made by the target's own mutator where it has one, and by changing bytes; no coverage guides them. Other flags of
// libFuzzer are ignored.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "engine/base/choices.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" __attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                                                unsigned int seed);

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

struct Options {
  uint64_t runs = 0, seed = 1;
  double seconds = 0;
  size_t max_size = 16 << 10;
  std::vector<fs::path> files;
  bool readable = true;
};

void add_files(const fs::path& path, std::vector<fs::path>& out) {
  if (!fs::is_directory(path)) return out.push_back(path);
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  out.insert(out.end(), files.begin(), files.end());
}

Options read_arguments(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const char* value = arg.find('=') == std::string::npos ? "" : argv[i] + arg.find('=') + 1;
    if (arg.starts_with("-runs=")) options.runs = std::strtoull(value, nullptr, 10);
    if (arg.starts_with("-seed=")) options.seed = std::strtoull(value, nullptr, 10);
    if (arg.starts_with("-max_total_time=")) options.seconds = std::strtod(value, nullptr);
    if (arg.starts_with("-max_len=")) options.max_size = std::strtoull(value, nullptr, 10);
    if (arg[0] != '-') add_files(arg, options.files);
  }
  if (options.seconds > 0 && options.runs == 0) options.runs = ~uint64_t{0};
  return options;
}

std::vector<Bytes> run_files(Options& options) {
  std::vector<Bytes> seeds;
  for (const fs::path& path : options.files) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) {
      std::fprintf(stderr, "cannot read %s\n", path.c_str());
      options.readable = false;
      continue;
    }
    seeds.push_back(Bytes{std::istreambuf_iterator<char>(stream), {}});
    if (options.runs == 0) std::fprintf(stderr, "running %s (%zu bytes)\n", path.c_str(), seeds.back().size());
    LLVMFuzzerTestOneInput(seeds.back().data(), seeds.back().size());
  }
  return seeds;
}

void change_bytes(Bytes& bytes, size_t max_size, parallax::ChoiceStream& choices) {
  for (uint32_t i = 1 + choices.below(4); i > 0; --i) {
    const uint32_t at = choices.below(static_cast<uint32_t>(bytes.size() + 1));
    switch (choices.below(3)) {
      case 0:
        if (bytes.size() < max_size) bytes.insert(bytes.begin() + at, choices.byte());
        break;
      case 1:
        if (at < bytes.size()) bytes.erase(bytes.begin() + at);
        break;
      default:
        if (at < bytes.size()) bytes[at] = choices.byte();
        break;
    }
  }
}

uint64_t run_random(const Options& options, const std::vector<Bytes>& seeds) {
  const auto begin = std::chrono::steady_clock::now();
  parallax::ChoiceStream choices(options.seed);
  uint64_t done = 0;
  Bytes bytes;
  for (; done < options.runs; ++done) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    if (options.seconds > 0 && passed.count() >= options.seconds) break;
    // A fresh seed, or another change of what the last change left.
    if (bytes.empty() || choices.chance(1, 6)) {
      bytes.clear();
      if (!seeds.empty() && choices.chance(7, 8)) bytes = choices.pick(seeds);
      for (uint32_t i = bytes.empty() ? choices.below(600) : 0; i > 0; --i) bytes.push_back(choices.byte());
    }
    if (LLVMFuzzerCustomMutator != nullptr && choices.chance(3, 4)) {
      size_t size = bytes.size();
      bytes.resize(std::max(options.max_size, size));
      size = LLVMFuzzerCustomMutator(bytes.data(), size, bytes.size(), choices.u32());
      bytes.resize(size);
    } else {
      change_bytes(bytes, options.max_size, choices);
    }
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  Options options = read_arguments(argc, argv);
  const std::vector<Bytes> seeds = run_files(options);
  if (options.runs != 0) {
    const uint64_t done = run_random(options, seeds);
    std::fprintf(stderr, "%llu random inputs from %zu files\n", static_cast<unsigned long long>(done), seeds.size());
    return options.readable ? 0 : 2;
  }
  if (options.files.empty()) {
    std::fprintf(stderr,
                 "usage: %s FILE-OR-FOLDER... [-runs=N] [-max_total_time=SECONDS] [-seed=N]\n"
                 "(built without a fuzzing engine: runs each file once, then random inputs if asked to)\n",
                 argv[0]);
  }
  return options.readable && !options.files.empty() ? 0 : 2;
}
