// main() of a fuzz target that is built without a fuzzing engine: runs the target on each file given.
//
//   fuzz_NAME FILE-OR-FOLDER...                      each file once, a folder stands for the files in it, by name
//   fuzz_NAME -runs=N -max_total_time=S -seed=N ...  besides: that many random inputs, mutated from the files
//   fuzz_NAME -distill=FOLDER -most=N ...            of all these the few that reach every feature that is published
//                                                    (fuzz/feedback), at most so many, into the folder
//
// -fault=NAME plants a fault (engine/base/faults.h), which the target must then notice. The first is how a crash file is
// replayed under a debugger, the second the smoke test of a target. Random inputs are
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
#include "engine/base/faults.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" __attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                                                unsigned int seed);

// Features of the last input, where the target publishes any (fuzz/feedback/publish.cc): the linker's names of the section.
extern "C" __attribute__((weak)) uint8_t __start___libfuzzer_extra_counters[];  // NOLINT: the linker's name
extern "C" __attribute__((weak)) uint8_t __stop___libfuzzer_extra_counters[];   // NOLINT: the linker's name

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

struct Options {
  uint64_t runs = 0, seed = 1;
  double seconds = 0;
  size_t max_size = 16 << 10;
  std::vector<fs::path> files;
  fs::path distilled;  // folder; empty: nothing is distilled
  size_t most = 32;    // files in it
  fs::path artifact;   // each random input stands there while it runs
  bool readable = true, has_fault = true;
};

// Inputs that reached something that no smaller or earlier one did, with all that they reach.
class Distillery {
 public:
  explicit Distillery(const Options& options) : options_(options) {}

  void run(const Bytes& bytes) {
    uint8_t* const counters = __start___libfuzzer_extra_counters;
    const auto size = counters == nullptr ? 0 : static_cast<size_t>(__stop___libfuzzer_extra_counters - counters);
    if (options_.distilled.empty() || size == 0) {
      LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
      return;
    }
    std::fill_n(counters, size, uint8_t{0});
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    smallest_.resize(size, SIZE_MAX);
    Candidate candidate{bytes, {}};
    bool wanted = false;
    for (size_t i = 0; i < size; ++i) {
      if (counters[i] == 0) continue;
      candidate.features.push_back(i);
      wanted |= bytes.size() < smallest_[i];
      smallest_[i] = std::min(smallest_[i], bytes.size());
    }
    if (wanted) candidates_.push_back(std::move(candidate));
  }

  // Again and again the input that reaches most of what is missing, of equals the smallest.
  bool write() const {
    std::error_code error;
    fs::create_directories(options_.distilled, error);
    std::vector<bool> covered(smallest_.size());
    size_t written = 0, reached = 0;
    for (; written < options_.most; ++written) {
      const Candidate* best = nullptr;
      size_t most = 0;
      for (const Candidate& candidate : candidates_) {
        const auto fresh = static_cast<size_t>(std::count_if(candidate.features.begin(), candidate.features.end(),
                                                             [&](size_t feature) { return !covered[feature]; }));
        if (fresh == 0 || fresh < most) continue;
        if (fresh == most && candidate.bytes.size() >= best->bytes.size()) continue;
        best = &candidate;
        most = fresh;
      }
      if (best == nullptr) break;
      for (const size_t feature : best->features) covered[feature] = true;
      reached += most;
      char name[32];
      std::snprintf(name, sizeof name, "seed-%03zu.bin", written);
      std::ofstream(options_.distilled / name, std::ios::binary)
          .write(reinterpret_cast<const char*>(best->bytes.data()), static_cast<std::streamsize>(best->bytes.size()));
    }
    const auto all = static_cast<size_t>(
        std::count_if(smallest_.begin(), smallest_.end(), [](size_t size) { return size != SIZE_MAX; }));
    std::fprintf(stderr, "%zu inputs reach %zu of %zu features\n", written, reached, all);
    return !error && written > 0;
  }

 private:
  struct Candidate {
    Bytes bytes;
    std::vector<size_t> features;
  };
  const Options& options_;
  std::vector<size_t> smallest_;  // size of the smallest input, by feature
  std::vector<Candidate> candidates_;
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
    if (arg.starts_with("-fault=")) options.has_fault = parallax::choose_fault(value);
    if (arg.starts_with("-exact_artifact_path=")) options.artifact = value;
    if (arg.starts_with("-max_len=")) options.max_size = std::strtoull(value, nullptr, 10);
    if (arg.starts_with("-distill=")) options.distilled = value;
    if (arg.starts_with("-most=")) options.most = std::strtoull(value, nullptr, 10);
    if (arg[0] != '-') add_files(arg, options.files);
  }
  if (options.seconds > 0 && options.runs == 0) options.runs = ~uint64_t{0};
  return options;
}

std::vector<Bytes> run_files(Options& options, Distillery& distillery) {
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
    distillery.run(seeds.back());
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

uint64_t run_random(const Options& options, const std::vector<Bytes>& seeds, Distillery& distillery) {
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
    if (!options.artifact.empty()) {
      std::ofstream(options.artifact, std::ios::binary)
          .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    distillery.run(bytes);
  }
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  Options options = read_arguments(argc, argv);
  if (!options.has_fault) {
    std::fprintf(stderr, "no such fault (docs/faults.md)\n");
    return 2;
  }
  Distillery distillery(options);
  const std::vector<Bytes> seeds = run_files(options, distillery);
  if (options.runs != 0) {
    const uint64_t done = run_random(options, seeds, distillery);
    std::fprintf(stderr, "%llu random inputs from %zu files\n", static_cast<unsigned long long>(done), seeds.size());
  }
  if (!options.distilled.empty()) return distillery.write() && options.readable ? 0 : 2;
  if (options.runs != 0) return options.readable ? 0 : 2;
  if (options.files.empty()) {
    std::fprintf(stderr,
                 "usage: %s FILE-OR-FOLDER... [-runs=N] [-max_total_time=SECONDS] [-seed=N]\n"
                 "(built without a fuzzing engine: runs each file once, then random inputs if asked to)\n",
                 argv[0]);
  }
  return options.readable && !options.files.empty() ? 0 : 2;
}
