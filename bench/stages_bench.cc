// Where the time of a case goes: generate, load, and for each executor make, run, end; then compare.
//
//   bench_stages [--cases N] [--seed S] [--generator gc|binaryen|mix] [--armed] [FILE...]
//
// Measures what a worker of `parallax fuzz` does, stage by stage, on the cases of one seed; with files, on those. "compile"
// is part of "run" and measured by the clock on the wall. Prints microseconds of processor time per case and judged cases per second. A figure without stages, `judge`, is the
// whole of fuzz::judge() with the executors that a campaign draws.
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "engine/base/check.h"
#include "engine/jit/compiler.h"
#include "fuzz/generators/generators.h"
#include "fuzz/oracle/judge.h"
#include "fuzz/oracle/observe.h"

namespace {

using namespace parallax;  // NOLINT: a program of its own

// Processor time, so that a busy machine does not show.
double now() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

struct Stage {
  const char* name;
  double seconds = 0;
  uint64_t times = 0;
};

class Timer {
 public:
  explicit Timer(Stage& stage) : stage_(stage), begin_(now()) {}
  ~Timer() {
    stage_.seconds += now() - begin_;
    ++stage_.times;
  }

 private:
  Stage& stage_;
  double begin_;
};

struct Setup {
  uint64_t cases = 2000, seed = 1;
  fuzz::GeneratorKind generator = fuzz::GeneratorKind::kGc;
  std::vector<std::string> executors = {"interp", "jit:O2", "jit:O1:nonmoving:zeal=17:chaos=3"};
  std::vector<std::string> files;
};

class Stages {
 public:
  explicit Stages(Setup setup) : setup_(std::move(setup)) {
    for (const std::string& spec : setup_.executors) { rows_.push_back({.spec = *fuzz::parse_spec(spec)}); }
  }

  void run() {
    observations_.resize(rows_.size());
    for (uint64_t i = 0; i < setup_.cases; ++i) one(i);
    print();
  }

 private:
  struct Row {
    fuzz::ExecutorSpec spec;
    Stage make{"make"}, run{"run"}, compile{"  compile"}, end{"end"};
    uint64_t functions = 0;
    uint64_t collections = 0;
  };

  Result<fuzz::Case> make_case(uint64_t i) {
    if (setup_.files.empty()) return fuzz::generate_at(setup_.generator, setup_.seed, i);
    std::ifstream in(setup_.files[i % setup_.files.size()], std::ios::binary);
    const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
    return fuzz::read_envelope(bytes);
  }

  void one(uint64_t i) {
    Result<fuzz::Case> subject = fail(ErrorCode::kIo, 0, "");
    {
      const Timer timer(generate_);
      subject = make_case(i);
    }
    if (!subject) return;
    bytes_ += subject->modules.front().size();
    Result<fuzz::LoadedCase> loaded = fail(ErrorCode::kIo, 0, "");
    {
      const Timer timer(load_);
      loaded = fuzz::load_case(*subject);
    }
    if (!loaded) return;
    ++judged_;
    for (size_t e = 0; e < rows_.size(); ++e) execute(*loaded, rows_[e], observations_[e]);
    for (size_t e = 1; e < rows_.size(); ++e) {
      const Timer timer(compare_);
      if (fuzz::find_difference(*loaded, observations_[0], observations_[e], "reference", "other")) ++differences_;
    }
  }

  void execute(const fuzz::LoadedCase& loaded, Row& row, fuzz::Observation& out) {
    Result<std::unique_ptr<wasm::Embedding>> store = fail(ErrorCode::kIo, 0, "");
    const fuzz::MakeStore make = [&] { return fuzz::make_executor(row.spec, loaded.types); };
    {
      const Timer timer(row.make);
      store = make();
    }
    CHECK(store.has_value(), "{}", store.error().message);
    const jit::CompileStats before = jit::JitCompiler::of_thread();
    {
      const Timer timer(row.run);
      fuzz::observe(loaded, **store, make, out);
    }
    const jit::CompileStats& after = jit::JitCompiler::of_thread();
    row.compile.seconds += static_cast<double>(after.nanoseconds - before.nanoseconds) * 1e-9;
    row.functions += after.functions - before.functions;
    row.collections += out.stats.collections;
    const Timer timer(row.end);
    store->reset();
  }

  void line(const std::string& owner, const Stage& stage) const {
    std::printf("%-42s %-10s %9.1f us\n", owner.c_str(), stage.name, stage.seconds * 1e6 / double(judged_));
  }

  void print() {
    std::printf("%llu cases judged, %.0f bytes each, %llu differences\n", static_cast<unsigned long long>(judged_),
                double(bytes_) / double(judged_), static_cast<unsigned long long>(differences_));
    double total = generate_.seconds + load_.seconds + compare_.seconds;
    line("", generate_);
    line("", load_);
    for (const Row& row : rows_) {
      const std::string spec = to_string(row.spec);
      line(spec, row.make);
      line(spec, row.run);
      if (row.functions != 0) line(spec, row.compile);
      line(spec, row.end);
      std::printf("%-42s %.1f functions compiled, %.1f collections per case\n", "",
                  double(row.functions) / double(judged_), double(row.collections) / double(judged_));
      total += row.make.seconds + row.run.seconds + row.end.seconds;
    }
    line("", compare_);
    std::printf("%-42s %-10s %9.1f us  = %.0f cases per second\n", "", "total", total * 1e6 / double(judged_),
                double(judged_) / total);
  }

  Setup setup_;
  std::vector<Row> rows_;
  std::vector<fuzz::Observation> observations_;
  Stage generate_{"generate"}, load_{"load"}, compare_{"compare"};
  uint64_t judged_ = 0, bytes_ = 0, differences_ = 0;
};

void whole_judgement(const Setup& setup) {
  const double begin = now();
  uint64_t judged = 0;
  for (uint64_t i = 0; i < setup.cases; ++i) {
    const auto subject = fuzz::generate_at(setup.generator, setup.seed, i);
    if (!subject) continue;
    const auto executors = fuzz::executors_of(*subject, i * 0x9e3779b97f4a7c15ull);
    (void)fuzz::judge(*subject, {.executors = *executors});
    ++judged;
  }
  const double seconds = now() - begin;
  std::printf("as a campaign draws executors: %.1f us = %.0f cases per second\n", seconds * 1e6 / double(judged),
              double(judged) / seconds);
}

}  // namespace

int main(int argc, char** argv) {
  Setup setup;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (arg == "--cases") {
      setup.cases = std::strtoull(value, nullptr, 10), ++i;
    } else if (arg == "--seed") {
      setup.seed = std::strtoull(value, nullptr, 10), ++i;
    } else if (arg == "--generator") {
      if (!fuzz::parse_generator(value, setup.generator)) return std::fprintf(stderr, "no such generator\n"), 2;
      ++i;
    } else if (arg == "--armed") {
      setup.executors = {"interp", "jit:O2:armed", "jit:O1:nonmoving:zeal=17:armed:chaos=3"};
    } else {
      setup.files.push_back(arg);
    }
  }
  Stages(setup).run();
  if (setup.files.empty()) whole_judgement(setup);
  return 0;
}
