#include "tests/ir/golden.h"

#include <charconv>
#include <memory>
#include <utility>

#include "engine/base/text.h"
#include "engine/ir/text.h"
#include "engine/ir/verify.h"
#include "engine/jit/callees.h"
#include "engine/jit/translate.h"
#include "engine/opt/pipeline.h"
#include "engine/wasm/text/parse.h"

namespace parallax {

namespace {

constexpr std::string_view kBefore = ";; before\n";
constexpr std::string_view kAfter = ";; after\n";
constexpr std::string_view kError = "error: ";

std::vector<std::string> words(std::string_view line) {
  std::vector<std::string> out;
  while (true) {
    const size_t begin = line.find_first_not_of(" ,");
    if (begin == std::string_view::npos) return out;
    const size_t end = std::min(line.find_first_of(" ,", begin), line.size());
    out.emplace_back(line.substr(begin, end - begin));
    line.remove_prefix(end);
  }
}

Result<> head_line(std::string_view line, Golden& out, size_t number) {
  const auto value_of = [&](std::string_view key) -> std::string_view {
    return line.starts_with(key) ? line.substr(key.size()) : std::string_view{};
  };
  if (const auto passes = value_of(";; passes:"); !passes.empty()) {
    out.passes = words(passes);
  } else if (const auto fault = value_of(";; fault:"); !fault.empty()) {
    for (std::string& name : words(fault)) out.faults.push_back(std::move(name));
  } else if (const auto func = value_of(";; func: "); !func.empty()) {
    const auto [end, problem] = std::from_chars(func.data(), func.data() + func.size(), out.func);
    if (problem != std::errc{} || out.func < 0) return fail(ErrorCode::kSyntax, number, "expected a function index");
  }
  return {};
}

// The level that a word like "O1" names, or -1.
int level_of(std::string_view word) {
  return word.size() == 2 && word[0] == 'O' && word[1] >= '0' && word[1] <= '2' ? word[1] - '0' : -1;
}

Result<> run_passes(const Golden& golden, ir::Func& func) {
  opt::Pipeline pipeline;
  jit::Translator translator;
  jit::TranslatedCallees callees;
  callees.start(translator, func.module(), {.features = {.bits = ~0u}});
  opt::PipelineOptions options{.level = opt::Level::kO2, .verify = true, .callees = &callees};
  if (const int level = golden.passes.size() == 1 ? level_of(golden.passes[0]) : -1; level >= 0) {
    options.level = static_cast<opt::Level>(level);
    return pipeline.run(func, options);
  }
  std::vector<opt::PassId> passes;
  for (const std::string& name : golden.passes) passes.push_back(opt::find_pass(name));
  return pipeline.run_only(func, passes, options);
}

Result<> input(const Golden& golden, const wasm::Module& module, ir::Func& func) {
  if (golden.func < 0) return ir::parse(golden.before, module, func);
  const auto index = static_cast<size_t>(golden.func);
  if (index < module.imported_funcs || index >= module.funcs.size())
    return fail(ErrorCode::kUsage, 0, "the module does not define that function");
  jit::Translator translator;
  return translator.translate(module, wasm::FuncIndex(index), {.features = {.bits = ~0u}}, func);
}

}  // namespace

Result<Golden> parse_golden(std::string_view text) {
  Golden out;
  const size_t before = text.find(kBefore);
  const size_t after = text.find(kAfter);
  if (before == std::string_view::npos || after == std::string_view::npos || after < before)
    return fail(ErrorCode::kSyntax, 0, "expected the lines ';; before' and ';; after'");
  out.head = text.substr(0, before);
  out.before = text.substr(before + kBefore.size(), after - before - kBefore.size());
  out.after = text.substr(after + kAfter.size());
  size_t number = 0;
  std::string_view head = out.head;
  while (!head.empty()) {
    ++number;
    const size_t end = std::min(head.find('\n'), head.size() - 1);
    const std::string_view line = head.substr(0, end);
    if (!line.starts_with(";;")) {
      out.module = head;
      break;
    }
    TRY(head_line(line, out, number));
    head.remove_prefix(end + 1);
  }
  if (out.module.empty()) return fail(ErrorCode::kSyntax, number, "expected a module");
  if (out.passes.empty()) return fail(ErrorCode::kSyntax, 0, "expected a line ';; passes: ...'");
  for (const std::string& name : out.passes) {
    const bool level = out.passes.size() == 1 && level_of(name) >= 0;
    if (!level && static_cast<uint32_t>(opt::find_pass(name)) >= opt::kPassCount)
      return fail(ErrorCode::kSyntax, 0, text::format("no pass is called '{}'", name));
  }
  return out;
}

std::string print_golden(const Golden& golden) {
  return text::format("{}{}{}{}{}", golden.head, kBefore, golden.before, kAfter, golden.after);
}

Result<GoldenResult> run_golden(const Golden& golden) {
  const auto bytes = TRY(wasm::text::parse_module(golden.module));
  const wasm::Module module = TRY(wasm::load(bytes, std::make_shared<wasm::TypeStore>()));
  ir::Func func;
  TRY(input(golden, module, func));
  GoldenResult result{.before = ir::print(func)};
  const auto done = run_passes(golden, func);
  result.after = done ? ir::print(func) : text::format("{}{}\n", kError, done.error().message);
  return result;
}

bool agrees(const Golden& golden, const GoldenResult& got) {
  if (got.before != golden.before) return false;
  if (!golden.after.starts_with(kError)) return got.after == golden.after;
  std::string_view part = golden.after;
  part = part.substr(kError.size());
  if (part.ends_with('\n')) part.remove_suffix(1);
  return !part.empty() && got.after.starts_with(kError) && got.after.find(part) != std::string::npos;
}

}  // namespace parallax
