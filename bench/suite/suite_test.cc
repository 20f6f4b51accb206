// The programs on every executor of ours, and the judges of measurements: wrong checksums, ends of calls, peers that lie.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "bench/suite/compile_speed.h"
#include "bench/suite/front_end.h"
#include "bench/suite/peers.h"
#include "bench/suite/results.h"
#include "bench/suite/statistics.h"
#include "engine/base/text.h"
#include "engine/wasm/text/parse.h"

namespace parallax::bench {
namespace {

namespace fs = std::filesystem;
using testing::DoubleNear;
using testing::HasSubstr;

constexpr Timing kOnce{.warm_seconds = 0, .seconds = 0};

Subject tiny_subject(const Program& program) {
  auto bytes = assemble(program);
  EXPECT_TRUE(bytes) << program.name << ": " << bytes.error().message;
  return {.program = &program, .bytes = bytes ? *bytes : std::vector<uint8_t>(), .path = "", .scale = program.tiny};
}

// A row of our own: a module given as text, with what it is said to answer.
struct Planted {
  Program program{"planted", Family::kScalar, {1, 42}, {1, 42}, ""};
  Subject subject;
  explicit Planted(const char* text) {
    subject = {.program = &program, .bytes = *wasm::text::parse_module(text), .path = "", .scale = program.full};
  }
};

TEST(Programs, GiveTheirChecksumsOnEveryExecutor) {
  for (const Program& program : programs()) {
    const Subject subject = tiny_subject(program);
    for (const char* executor : {"interp", "jit:O0:armed:zeal=every", "jit:O2:armed:zeal=every"}) {
      const auto sample = measure(executor, subject, kOnce);
      EXPECT_TRUE(sample) << program.name << " on " << executor << ": " << sample.error().message;
    }
  }
}

TEST(CompileSpeed, CompilesWhatNeverRunsAndCountsStages) {
  const auto bytes = wasm::text::parse_module(R"((module
    (import "nowhere" "f" (func $f (param i32)))
    (import "nowhere" "g" (global $g i32))
    (import "nowhere" "m" (memory 1))
    (data (i32.const 0xffffffff) "out of bounds, if it ever ran")
    (func $start unreachable)
    (start $start)
    (func (export "a") (param i32) (result i32) (call $f (local.get 0)) (i32.add (local.get 0) (global.get $g)))))");
  ASSERT_TRUE(bytes);
  const auto subject = load_for_compiling(*bytes);
  ASSERT_TRUE(subject) << subject.error().message;
  EXPECT_EQ(subject->functions, 2u);
  for (const char* executor : {"jit:O0", "jit:O2"}) {
    const auto sum = measure_compile(executor, *subject, false);
    ASSERT_TRUE(sum) << executor << ": " << sum.error().message;
    EXPECT_EQ(sum->failed, 0u) << sum->first_failure;
    EXPECT_GT(sum->us, 0);
    EXPECT_GT(sum->machine_bytes, 0u);
    EXPECT_TRUE(sum->stages_us.empty());
    const auto staged = measure_compile(executor, *subject, true);
    ASSERT_TRUE(staged);
    EXPECT_FALSE(staged->stages_us.empty());
  }
  EXPECT_FALSE(measure_compile("interp", *subject, false));
}

TEST(Programs, HalfOfThemAreAboutObjectsAndNamesAreUnique) {
  std::set<std::string> names;
  size_t gc = 0;
  for (const Program& program : programs()) {
    names.insert(program.name);
    gc += program.family == Family::kGc ? 1 : 0;
    EXPECT_NE(program.tiny.checksum, 0u) << program.name << ": zero hides mistakes";
    EXPECT_EQ(find_program(program.name), &program);
  }
  EXPECT_EQ(names.size(), programs().size());
  EXPECT_GE(names.size(), 20u);
  EXPECT_GE(gc * 2, names.size());
  EXPECT_EQ(find_program("no such program"), nullptr);
}

TEST(Measure, ReportsAWrongChecksumInsteadOfATime) {
  const Planted planted("(module (func (export \"run\") (param i32) (result i32) (i32.const 43)))");
  const auto sample = measure("interp", planted.subject, kOnce);
  ASSERT_FALSE(sample);
  EXPECT_THAT(sample.error().message, HasSubstr("wrong checksum 0x0000002b instead of 0x0000002a at scale 1"));
}

TEST(Measure, ReportsATrapInsteadOfATime) {
  const Planted planted("(module (func (export \"run\") (param i32) (result i32) (unreachable)))");
  const auto sample = measure("interp", planted.subject, kOnce);
  ASSERT_FALSE(sample);
  EXPECT_THAT(sample.error().message, HasSubstr("unreachable"));
}

TEST(Measure, NamesWhatIsWrongWithASpec) {
  const Planted planted("(module (func (export \"run\") (param i32) (result i32) (i32.const 42)))");
  EXPECT_FALSE(measure("no-such-executor", planted.subject, kOnce));
  EXPECT_TRUE(measure("interp", planted.subject, kOnce));
}

TEST(Statistics, MediansSpreadAndGeometricMeans) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(spread(std::vector<double>{2, 1, 3}), 1);
  EXPECT_THAT(geometric_mean(std::vector<double>{1, 4, 16}), DoubleNear(4, 1e-9));
}

TEST(FrontEnd, MeasuresAModuleAndRefusesABadOne) {
  const auto sample = measure_front_end(*assemble(*find_program("sha256")), 1);
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->functions, 4u);
  EXPECT_GT(sample->code_bytes, 0u);
  EXPECT_GT(sample->validate_us, 0);
  EXPECT_FALSE(measure_front_end({0, 'a', 's', 'm', 1, 0, 0, 0, 99}, 1));
}

// --- Peers that are shell scripts -----------------------------------------------------------------------------------

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "parallax-bench-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }
  void put(const char* name, const std::string& content) const {
    const fs::path file = fs::path(path_) / name;
    std::ofstream(file) << content;
    fs::permissions(file, fs::perms::owner_all);
  }

 private:
  std::string path_;
};

// The peer of that name when only `folder` is searched.
std::optional<Peer> only_peer(const Folder& folder, std::string_view name, std::vector<std::string>* notes = nullptr) {
  for (Peer& peer : find_peers({folder.path()}, notes)) {
    if (peer.row->name == name) return peer;
  }
  return std::nullopt;
}

// Knows its version, and WasmGC when asked by `-e`.
constexpr const char* kVersion =
    "#!/bin/sh\n[ \"$1\" = --version ] && { echo v27.5.0; exit 0; }\n[ \"$1\" = -e ] && exit 0\n";

TEST(Peers, AreFoundWithTheirVersionsAndAllTheirTiers) {
  const Folder folder;
  folder.put("node", kVersion);
  const std::vector<Peer> found = find_peers({"/no/such/folder", folder.path()});
  ASSERT_EQ(found.size(), 3u);  // rows of peers.def with this program
  for (const Peer& peer : found) EXPECT_EQ(peer.version, "27.5.0");
  EXPECT_STREQ(found[1].row->name, "v8:liftoff");
}

TEST(Peers, ThatDoNotStartAreNoted) {
  const Folder folder;
  folder.put("bun", "#!/bin/sh\nexit 9\n");
  std::vector<std::string> notes;
  EXPECT_FALSE(only_peer(folder, "jsc", &notes));
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("does not answer --version"));
}

TEST(Peers, ScriptEnginesWithoutGcAreNoted) {
  const Folder folder;
  folder.put("node", "#!/bin/sh\n[ \"$1\" = --version ] && { echo v7.5.0; exit 0; }\nexit 1\n");
  std::vector<std::string> notes;
  EXPECT_FALSE(only_peer(folder, "v8", &notes));
  ASSERT_FALSE(notes.empty());
  EXPECT_THAT(notes[0], HasSubstr("has no WebAssembly GC"));
}

TEST(Peers, AScriptEnginesTimesAreRead) {
  const Folder folder;
  folder.put("node", std::string(kVersion) +
                         "echo parallax startup_us 10\necho parallax first_us 2.5\n"
                         "echo parallax steady_us 1e3\necho parallax calls 7\n");
  const Planted planted("(module (func (export \"run\") (param i32) (result i32) (i32.const 42)))");
  const auto sample = measure(*only_peer(folder, "v8"), "driver.js", planted.subject, kOnce);
  ASSERT_TRUE(sample) << sample.error().message;
  EXPECT_EQ(sample->startup_us, 10);
  EXPECT_EQ(sample->first_us, 2.5);
  EXPECT_EQ(sample->steady_us, 1000);
  EXPECT_EQ(sample->calls, 7u);
}

TEST(Peers, AWrongChecksumOfAScriptEngineIsReported) {
  const Folder folder;
  folder.put("node", std::string(kVersion) + "echo parallax startup_us 10\necho parallax wrong 43\n");
  const Planted planted("(module (func (export \"run\") (param i32) (result i32) (i32.const 42)))");
  const auto sample = measure(*only_peer(folder, "v8"), "driver.js", planted.subject, kOnce);
  ASSERT_FALSE(sample);
  EXPECT_THAT(sample.error().message, HasSubstr("wrong checksum 0x0000002b"));
}

TEST(Peers, SilenceAndDeathAreReasonsNotTimes) {
  const Planted planted("(module (func (export \"run\") (param i32) (result i32) (i32.const 42)))");
  const Folder silent, dead;
  silent.put("node", std::string(kVersion) + "exit 0\n");
  dead.put("node", std::string(kVersion) + "echo 'CompileError: unknown type' >&2\nexit 1\n");
  const auto nothing = measure(*only_peer(silent, "v8"), "driver.js", planted.subject, kOnce);
  ASSERT_FALSE(nothing);
  EXPECT_THAT(nothing.error().message, HasSubstr("gave no time"));
  const auto died = measure(*only_peer(dead, "v8"), "driver.js", planted.subject, kOnce);
  ASSERT_FALSE(died);
  EXPECT_THAT(died.error().message, HasSubstr("exit code 1: CompileError: unknown type"));
}

TEST(Peers, AReactorsResultIsJudgedAndItsOwnTimeTaken) {
  const Planted planted("(module (func (export \"run\") (param i32) (result i32) (i32.const 42)))");
  const Folder right, wrong;
  const std::string time = "echo '[info]  Wasm instructions execution time: 5000 ns'\n";
  right.put("wasmedge", std::string(kVersion) + time + "echo 42\n");
  wrong.put("wasmedge", std::string(kVersion) + time + "echo -42\n");
  const auto sample = measure(*only_peer(right, "wasmedge"), "", planted.subject, kOnce);
  ASSERT_TRUE(sample) << sample.error().message;
  EXPECT_EQ(sample->steady_us, 5);
  const auto lie = measure(*only_peer(wrong, "wasmedge"), "", planted.subject, kOnce);
  ASSERT_FALSE(lie);
  EXPECT_THAT(lie.error().message, HasSubstr("wrong checksum 0xffffffd6"));
}

TEST(Peers, ACommandIsTimedAsAProcess) {
  const Planted planted("(module (func (export \"run\") (param i32) (result i32) (i32.const 42)))");
  const Folder right, wrong;
  right.put("wasmtime", std::string(kVersion) + "echo 42\n");
  wrong.put("wasmtime", std::string(kVersion) + "echo 41\n");
  const auto sample = measure(*only_peer(right, "wasmtime"), "", planted.subject, kOnce);
  ASSERT_TRUE(sample) << sample.error().message;
  EXPECT_GT(sample->steady_us, 0);
  EXPECT_FALSE(measure(*only_peer(wrong, "wasmtime"), "", planted.subject, kOnce));
}

// --- Reports --------------------------------------------------------------------------------------------------------

Results two_sides() {
  Results results;
  results.rounds = 2;
  results.programs = {find_program("fib"), find_program("binary_trees")};
  const auto cell = [](double a, double b) { return Cell{{{1.0, 2.0, a, 1}, {1.0, 2.0, b, 1}}, {}}; };
  results.sides = {{.name = "interp", .version = "", .ours = true, .cells = {cell(1000, 3000), cell(4000, 4000)}},
                   {.name = "v8", .version = "9", .ours = false, .cells = {cell(4000, 4000), cell(2000, 2000)}}};
  return results;
}

TEST(Results, RatiosAreOfMediansAndMeansAreGeometric) {
  const Results results = two_sides();
  EXPECT_EQ(ratio(results, 1, 0, Metric::kSteady), 2.0);
  EXPECT_EQ(ratio(results, 1, 1, Metric::kSteady), 0.5);
  EXPECT_THAT(mean_ratio(results, 1, std::nullopt, Metric::kSteady)->ratio, DoubleNear(1.0, 1e-9));
  EXPECT_THAT(mean_ratio(results, 1, Family::kGc, Metric::kSteady)->ratio, DoubleNear(0.5, 1e-9));
  EXPECT_EQ(largest_spread(results.sides[0]), 1.0);
  EXPECT_FALSE(failed(results));
}

TEST(Results, OnlyProgramsThatBothSidesRanEnterAMean) {
  Results results = two_sides();
  results.sides[1].cells[0] = {{}, Error{ErrorCode::kUnsupported, 0, "cannot"}};
  EXPECT_EQ(mean_ratio(results, 1, std::nullopt, Metric::kSteady)->programs, 1u);
  EXPECT_FALSE(mean_ratio(results, 1, Family::kScalar, Metric::kSteady));
  EXPECT_FALSE(failed(results)) << "a peer's limits are no failure";
  EXPECT_THAT(remarks(results), testing::ElementsAre("fib on v8: cannot"));
  EXPECT_THAT(print_table(results), HasSubstr("-"));
}

TEST(Results, AWrongChecksumOfAPeerAndAnyErrorOfOursFail) {
  Results lie = two_sides();
  lie.sides[1].cells[0].error = wrong_checksum(1, {1, 2});
  EXPECT_TRUE(failed(lie));
  Results ours = two_sides();
  ours.sides[0].cells[0].error = Error{ErrorCode::kUnsupported, 0, "cannot"};
  EXPECT_TRUE(failed(ours));
}

TEST(Results, ArePrintedAsTableMarkdownAndPicture) {
  const Results results = two_sides();
  EXPECT_THAT(print_table(results), HasSubstr("binary_trees"));
  EXPECT_THAT(print_markdown(results), HasSubstr("| fib | 2.00 | 4.00 (2.00x) |"));
  const std::string svg = plot_svg(results);
  EXPECT_THAT(svg, HasSubstr("<svg"));
  EXPECT_THAT(svg, HasSubstr("v8 2.00x"));
  EXPECT_THAT(svg, HasSubstr("geometric mean"));
}

}  // namespace
}  // namespace parallax::bench
