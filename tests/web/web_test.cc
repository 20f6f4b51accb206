// The dashboard and reports in a real Chromium: no error on the console, nothing loaded from elsewhere, the pictures show
// what the data say, the keyboard works, a phone's width is enough.
//
// The browser is looked for as $PARALLAX_CHROMIUM, chromium, chromium-browser or google-chrome; without one the tests
// skip. Whatever is measured in the page is measured by a script that the test appends to it.
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/text.h"
#include "engine/wasm/text/parse.h"
#include "fuzz/executors/executors.h"
#include "fuzz/oracle/observe.h"
#include "triage/child.h"
#include "triage/dashboard/dashboard.h"
#include "triage/report/page.h"
#include "triage/report/regression.h"
#include "triage/report/report.h"

namespace parallax::triage {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

std::string browser() {
  if (const char* chosen = std::getenv("PARALLAX_CHROMIUM")) return chosen;
  for (const char* folder : {"/usr/bin/", "/usr/local/bin/"}) {
    for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
      if (::access((std::string(folder) + name).c_str(), X_OK) == 0) return std::string(folder) + name;
    }
  }
  return "";
}

class Page : public ::testing::Test {
 protected:
  void SetUp() override {
    if (browser().empty()) GTEST_SKIP() << "no Chromium here (apt-get install chromium, or PARALLAX_CHROMIUM)";
    std::string pattern = (fs::temp_directory_path() / "parallax-web-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }

  struct Seen {
    std::string dom;
    std::string console;  // lines of the browser's console
    json measured;        // what the script wrote
  };

  // Opens the page with `measure` appended: an expression whose value is kept.
  Seen open(std::string html, const std::string& measure, const char* size = "1280,2000") {
    const std::string script = text::format(
        "<script>(() => {{ const out = document.createElement('script'); out.type = 'application/json'; out.id = "
        "'measured';"
        "out.textContent = JSON.stringify({}); document.body.append(out); }})()</script>\n</body>",
        measure);
    const size_t end = html.rfind("</body>");
    EXPECT_NE(end, std::string::npos);
    html.replace(end, 7, script);
    const std::string file = folder_ + "/page.html";
    std::ofstream(file, std::ios::binary) << html;
    const auto ran = run_child(
        {browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
         "--enable-logging=stderr", "--v=0", "--virtual-time-budget=3000", "--user-data-dir=" + folder_ + "/profile",
         std::string("--window-size=") + size, "--dump-dom", "file://" + file},
        {.seconds = 120, .rss_bytes = uint64_t{8} << 30});
    Seen seen;
    if (!ran || !ran->ended_well()) {
      ADD_FAILURE() << "the browser did not end well: " << (ran ? ran->err : ran.error().message);
      return seen;
    }
    seen.dom = ran->out;
    for (size_t at = 0; at < ran->err.size();) {
      const size_t line_end = std::min(ran->err.find('\n', at), ran->err.size());
      const std::string line = ran->err.substr(at, line_end - at);
      if (line.find("CONSOLE") != std::string::npos) seen.console += line + "\n";
      at = line_end + 1;
    }
    const std::string mark = "id=\"measured\">";
    const size_t begin = seen.dom.find(mark);
    if (begin != std::string::npos) {
      const size_t from = begin + mark.size();
      seen.measured = json::parse(seen.dom.substr(from, seen.dom.find("</script>", from) - from), nullptr, false);
    }
    return seen;
  }

  std::string folder_;
};

Dashboard campaign() {
  Dashboard page{.title = "Parallax: a <campaign> & more", .source = "found"};
  page.log.starts.push_back(
      {.unix_seconds = 1'700'000'000, .version = "0.1.0", .generator = "mix", .seed = UINT64_MAX, .jobs = 2});
  for (uint64_t i = 0; i < 37; ++i) {
    Sample sample;
    sample.seconds = static_cast<double>(i) * 10;
    sample.per_second = 300 + 40 * std::sin(static_cast<double>(i) / 4);
    sample.cases = i * 3210;
    sample.agreed = i * 3000;
    sample.inconclusive = i * 150;
    sample.rejected = i * 60;
    sample.findings = i / 4;
    sample.distinct = i / 9;
    sample.corpus_cases = 20 + static_cast<uint64_t>(90 * std::log1p(static_cast<double>(i)));
    sample.coverage = {{"shapes", 500 + 30 * i}, {"rewrites", 40 + i}};
    sample.inconclusive_reasons = {{"native stack", i * 100}, {"unsupported: # in compiled code", i * 50}};
    sample.generators = {{"gc", i * 2400}, {"binaryen", i * 810}};
    sample.workers = 2;
    sample.rss_bytes = (100 + i) << 20;
    page.log.samples.push_back(sample);
  }
  for (uint32_t i = 0; i < 6; ++i) {
    DashboardFinding finding{
        .id = text::format("divergence-{}", i), .bucket = text::format("bucket {}", i / 2), .votes = {0, 1, 0, 2}};
    finding.record.signature = "divergence|</script><b>reference: Null / Object";
    finding.record.difference = text::format("what differs in {}", i);
    finding.record.occurrences = 10 * i + 1;
    finding.page = text::format("findings/divergence-{}.html", i);
    finding.record.kind = i == 5 ? fuzz::FindingClass::kCrash : fuzz::FindingClass::kDivergence;
    page.findings.push_back(finding);
  }
  return page;
}

TEST_F(Page, CurvesGoThroughTheData) {
  const Dashboard page = campaign();
  const Seen seen = open(dashboard_page(page), R"js(
    Object.fromEntries([...document.querySelectorAll('svg.chart')].map(svg => [svg.id, {top: +svg.dataset.top, last: +svg.dataset.last,
      series: Object.fromEntries([...svg.querySelectorAll('path.line')].map(path => [path.dataset.series,
        path.getAttribute('d').slice(1).split('L').map(point => point.split(' ').map(Number))]))}]))
  )js");
  EXPECT_EQ(seen.console, "");
  ASSERT_TRUE(seen.measured.is_object()) << seen.dom.substr(0, 2000);
  const auto check = [&](const char* id, const char* series, auto&& value) {
    ASSERT_TRUE(seen.measured.contains(id)) << id;
    const json& chart = seen.measured[id];
    const json& points = chart["series"][series];
    ASSERT_EQ(points.size(), page.log.samples.size()) << id;
    for (size_t i = 0; i < points.size(); ++i) {
      const double drawn_y = points[i][1], drawn_x = points[i][0], top = chart["top"], last = chart["last"];
      // The frame of the script: 440 x 190 with margins 54, 8, 8, 22.
      EXPECT_NEAR((8 + 160 - drawn_y) / 160 * top, static_cast<double>(value(page.log.samples[i])), top / 160 * 0.02)
          << id << i;
      EXPECT_NEAR((drawn_x - 54) / 378 * last, page.log.samples[i].seconds, last / 378 * 0.02) << id << i;
    }
  };
  check("curve-cases", "cases", [](const Sample& s) { return s.cases; });
  check("curve-cases", "agreed", [](const Sample& s) { return s.agreed; });
  check("curve-speed", "per second", [](const Sample& s) { return s.per_second; });
  check("curve-coverage", "shapes", [](const Sample& s) { return s.coverage.at("shapes"); });
  check("curve-coverage", "rewrites", [](const Sample& s) { return s.coverage.at("rewrites"); });
  check("curve-corpus", "cases kept", [](const Sample& s) { return s.corpus_cases; });
  check("curve-findings", "distinct", [](const Sample& s) { return s.distinct; });
  check("curve-memory", "resident", [](const Sample& s) { return s.rss_bytes >> 20; });
}

TEST_F(Page, BarsAreAsLongAsTheirCounts) {
  const Dashboard page = campaign();
  const Seen seen = open(dashboard_page(page), R"js(
    Object.fromEntries([...document.querySelectorAll('.bars')].map(list => [list.id,
      [...list.querySelectorAll('.track')].map(track => ({name: track.previousSibling.textContent, count: +track.firstChild.dataset.count,
        share: track.firstChild.getBoundingClientRect().width / track.getBoundingClientRect().width}))]))
  )js");
  EXPECT_EQ(seen.console, "");
  ASSERT_TRUE(seen.measured.is_object());
  const auto check = [&](const char* id, const std::map<std::string, uint64_t>& wanted) {
    const json& rows = seen.measured[id];
    ASSERT_EQ(rows.size(), wanted.size()) << id;
    uint64_t most = 0;
    for (const auto& [name, count] : wanted) most = std::max(most, count);
    for (const json& row : rows) {
      const uint64_t count = wanted.at(row["name"]);
      EXPECT_EQ(row["count"], count);
      EXPECT_NEAR(row["share"].get<double>(), static_cast<double>(count) / static_cast<double>(most), 0.02)
          << row["name"];
    }
  };
  const Sample& last = page.log.samples.back();
  check("bars-inconclusive", last.inconclusive_reasons);
  check("bars-generators", last.generators);
  check("bars-verdicts", {{"agreed", last.agreed},
                          {"findings", last.findings},
                          {"inconclusive", last.inconclusive},
                          {"rejected", last.rejected}});
  check("bars-classes", {{"divergence", 5}, {"crash", 1}});
}

TEST_F(Page, FindingsAreBucketedSearchedAndLinked) {
  const Seen seen = open(dashboard_page(campaign()), R"js((() => {
    const cards = () => [...document.querySelectorAll('.bucket')].map(card => ({bucket: card.dataset.bucket,
      links: [...card.querySelectorAll('a')].map(a => a.getAttribute('href')), votes: card.querySelectorAll('.votes i').length,
      other: card.querySelectorAll('.votes i.other').length}));
    const all = cards();
    const search = document.getElementById('search');
    search.value = 'differs 4'; search.dispatchEvent(new Event('input'));
    const found = cards();
    search.value = ''; document.getElementById('class').value = 'crash'; document.getElementById('class').dispatchEvent(new Event('input'));
    return {all, found, crash: cards(), title: document.getElementById('title').textContent, bold: document.querySelectorAll('b b').length};
  })())js");
  EXPECT_EQ(seen.console, "");
  ASSERT_TRUE(seen.measured.is_object());
  ASSERT_EQ(seen.measured["all"].size(), 3u);
  EXPECT_EQ(seen.measured["all"][0]["bucket"], "bucket 2");  // seen most often
  EXPECT_EQ(seen.measured["all"][0]["links"], json({"findings/divergence-5.html", "findings/divergence-4.html"}));
  EXPECT_EQ(seen.measured["all"][0]["votes"], 4);
  EXPECT_EQ(seen.measured["all"][0]["other"], 2);
  ASSERT_EQ(seen.measured["found"].size(), 1u);
  EXPECT_EQ(seen.measured["found"][0]["links"], json({"findings/divergence-4.html"}));
  ASSERT_EQ(seen.measured["crash"].size(), 1u);
  EXPECT_EQ(seen.measured["title"], "Parallax: a <campaign> & more");
  EXPECT_EQ(seen.measured["bold"], 0);
}

TEST_F(Page, CurvesAreReadWithTheKeyboard) {
  const Seen seen = open(dashboard_page(campaign()), R"js((() => {
    const svg = document.getElementById('curve-cases'), read = svg.parentElement.querySelector('.read'), out = [];
    svg.focus();
    for (const key of ['Home', 'ArrowRight', 'End']) {
      svg.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
      out.push(read.textContent);
    }
    return {out, focused: document.activeElement === svg};
  })())js");
  ASSERT_TRUE(seen.measured.is_object());
  EXPECT_EQ(seen.measured["focused"], true);
  EXPECT_THAT(seen.measured["out"][0].get<std::string>(), HasSubstr("after 0 s: cases 0"));
  EXPECT_THAT(seen.measured["out"][1].get<std::string>(), HasSubstr("after 10 s: cases 3210"));
  EXPECT_THAT(seen.measured["out"][2].get<std::string>(), HasSubstr("after 6.0 min: cases 116k"));
}

constexpr const char* kOverflow =
    "({page: document.documentElement.scrollWidth, window: window.innerWidth,"
    " wide: [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > window.innerWidth + "
    "1 &&"
    " !e.closest('.scroll, pre, .thumb, svg')).map(e => e.tagName + '.' + e.className).slice(0, 5)})";

TEST_F(Page, FitsAPhone) {
  const Seen seen = open(dashboard_page(campaign()), kOverflow, "500,900");
  ASSERT_TRUE(seen.measured.is_object());
  EXPECT_LE(seen.measured["page"], seen.measured["window"]) << seen.measured.dump();
  EXPECT_EQ(seen.measured["wide"], json::array());
}

TEST_F(Page, AnEmptyCampaignIsAPageToo) {
  const Seen seen = open(dashboard_page({.title = "nothing yet"}),
                         "({charts: document.querySelectorAll('svg.chart').length,"
                         " shown: document.getElementById('shown').textContent, ready: document.body.dataset.ready})");
  EXPECT_EQ(seen.console, "");
  ASSERT_TRUE(seen.measured.is_object());
  EXPECT_EQ(seen.measured["charts"], 0);
  EXPECT_EQ(seen.measured["shown"], "No findings.");
  EXPECT_EQ(seen.measured["ready"], "yes");
}

// The judge of the console is seen to fail.
TEST_F(Page, AnErrorOfTheScriptIsNoticed) {
  std::string broken = dashboard_page(campaign());
  const size_t at = broken.find("head();\npictures();");
  ASSERT_NE(at, std::string::npos);
  broken.replace(at, 7, "heap();");
  EXPECT_THAT(open(broken, "1").console, HasSubstr("heap is not defined"));
}

Observed side(const char* executor, bool wrong) {
  using fuzz::Tok;
  Observed seen{.executor = executor};
  const auto put = [&](Tok tok, uint32_t aux, uint64_t value, std::string line) {
    seen.tokens.push_back({tok, aux, value});
    seen.lines.push_back(std::move(line));
  };
  put(Tok::kStep, 0, 0, "step 0: instantiate module 0");
  put(Tok::kOutcome, 0, 0, "returned");
  put(Tok::kGlobal, 0, 0, "global \"g\" of instance 0");
  put(Tok::kObject, 2, 0, "object 0 (struct), not met before");
  put(Tok::kContents, 2, 0, "contents of object 0 (struct)");
  put(Tok::kType, 0, 1, "type 1 (sub (struct (field anyref)))");
  put(Tok::kLength, 0, 2, "length 2");
  put(Tok::kField, 0, 0, "field 0");
  put(Tok::kI32, 0, wrong ? 6 : 5, wrong ? "i32 6" : "i32 5");
  put(Tok::kField, 0, 1, "field 1");
  put(wrong ? Tok::kNull : Tok::kSeen, 2, 0, wrong ? "null" : "object 0 (struct), met before");
  return seen;
}

TEST_F(Page, AReportDrawsBothHeapsAndMarksWhatDiffers) {
  Report report{
      .verdict = "one <is> not the other", .left = side("interp", false), .right = side("jit:O2:moving", true)};
  report.commands = {"parallax replay x"};
  report.wasm = {0, 'a', 's', 'm', 1, 0, 0, 0};
  const Seen seen = open(to_html(report), R"js(({
    heaps: [...document.querySelectorAll('svg.heap')].map(svg => ({objects: svg.querySelectorAll('.object').length,
      marked: svg.querySelectorAll('rect.row').length, arrows: svg.querySelectorAll('path:not(.tip)').length})),
    verdict: document.querySelector('h1').textContent,
    download: document.querySelector('a[download]').href})
  )js");
  EXPECT_EQ(seen.console, "");
  ASSERT_TRUE(seen.measured.is_object());
  ASSERT_EQ(seen.measured["heaps"].size(), 2u);
  EXPECT_EQ(seen.measured["heaps"][0], json({{"objects", 1}, {"marked", 2}, {"arrows", 2}}));
  EXPECT_EQ(seen.measured["heaps"][1], json({{"objects", 1}, {"marked", 2}, {"arrows", 1}}));
  EXPECT_EQ(seen.measured["verdict"], "one <is> not the other");
  EXPECT_EQ(seen.measured["download"], "data:application/wasm;base64,AGFzbQEAAAA=");
  const Seen phone = open(to_html(report), kOverflow, "500,900");
  EXPECT_EQ(phone.measured["wide"], json::array()) << phone.measured.dump();
}

// The interpreter's answers, as a test for JavaScript shells, hold in V8.
TEST_F(Page, RegressionTestsInJavaScriptRunInV8) {
  const auto bytes = wasm::text::parse_module(R"((module
    (import "fuzzing-support" "log-i32" (func $log (param i32)))
    (type $t (struct (field i32)))
    (global (export "g") (mut i64) (i64.const -9))
    (func (export "add") (param i32) (result i32) (call $log (i32.const 1)) (i32.add (local.get 0) (i32.const 4)))
    (func (export "pair") (result f64 (ref null $t)) (f64.const nan) (struct.new $t (i32.const 1)))
    (func (export "i31") (result anyref) (ref.i31 (i32.const -5)))
    (func (export "trap") (result i32) (i32.div_s (i32.const 1) (i32.const 0)))
    (func (export "null") (param (ref null $t)) (result anyref) (local.get 0))))");
  ASSERT_TRUE(bytes);
  fuzz::Case subject;
  subject.modules = {*bytes};
  const auto loaded = fuzz::load_case(subject);
  ASSERT_TRUE(loaded);
  auto store = fuzz::make_executor({}, loaded->types);
  fuzz::Observation seen;
  fuzz::observe(*loaded, **store, {}, seen);
  Observed reference{
      .executor = "interp", .tokens = seen.tokens, .lines = std::vector<std::string>(seen.tokens.size())};
  const auto page = [&] {
    const auto tests = regression_tests(subject, reference, fuzz::FindingClass::kDivergence, "about");
    EXPECT_NE(tests[1].text, "") << tests[1].remark;
    return "<!doctype html><body><script>" + tests[1].text + "globalThis.reached = true;</script></body>";
  };
  const Seen good = open(page(), "globalThis.reached === true");
  EXPECT_EQ(good.console, "");
  EXPECT_EQ(good.measured, true);
  for (fuzz::Token& token : reference.tokens) {
    if (token.tok == fuzz::Tok::kI32 && token.value == 4) token.value = 5;
  }
  EXPECT_THAT(open(page(), "1").console, HasSubstr("add: result 0 is 4"));
}

// Pages ask for nothing from elsewhere, whatever the browser would admit.
TEST(Pages, NameNoOtherPlace) {
  for (const std::string& html : {dashboard_page(campaign()), to_html(Report{.verdict = "x"})}) {
    EXPECT_THAT(html, HasSubstr("default-src 'none'"));
    EXPECT_THAT(html, Not(HasSubstr("src=\"http")));
    EXPECT_THAT(html, Not(HasSubstr("@import")));
    EXPECT_THAT(html, Not(HasSubstr("<link rel=\"stylesheet")));
  }
}

}  // namespace
}  // namespace parallax::triage
