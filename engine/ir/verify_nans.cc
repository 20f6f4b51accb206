#include "engine/ir/verify_nans.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "engine/base/text.h"

namespace parallax::ir {

namespace {

bool is_float(Rep rep) { return rep == Rep::kF32 || rep == Rep::kF64; }

// "f64.add" -> "add"; empty for what does not work on one scalar float type.
std::string_view float_operation(const Inst& inst) {
  if (inst.op != Op::Compute) return {};
  const std::string_view text = wasm::info(inst.opcode).text;
  return text.starts_with("f32.") || text.starts_with("f64.") ? text.substr(4) : std::string_view();
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

bool is_arithmetic(const Inst& inst) {
  return is_one_of(float_operation(inst), {"add", "sub", "mul", "div", "sqrt", "min", "max", "ceil", "floor", "trunc",
                                           "nearest", "demote_f64", "promote_f32"});
}

bool takes_all_nans_alike(const Inst& inst) {
  if (is_arithmetic(inst) || is_one_of(float_operation(inst), {"eq", "ne", "lt", "gt", "le", "ge"})) return true;
  if (inst.op != Op::Compute) return false;
  const std::string_view text = wasm::info(inst.opcode).text;
  return text.starts_with("i32.trunc_") || text.starts_with("i64.trunc_");
}

class NanJudge {
 public:
  explicit NanJudge(const Func& func) : func_(func) {}

  std::string check(InstId& at) {
    if (!has_any()) return {};
    free_.assign(func_.value_count(), false);
    foreign_.assign(func_.value_count(), false);
    while (grow()) {}
    std::string problem;
    for_each([&](InstId i) {
      if (problem.empty() && !(problem = wrong_with(i)).empty()) at = i;
    });
    return problem;
  }

 private:
  template <class Body>
  void for_each(Body&& body) const {
    for (const BlockId b : func_.order()) {
      if (!func_.block(b).live) continue;
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) body(i);
    }
  }

  // Sense 1 of a division says something else.
  bool is_marked(const Inst& inst) const {
    return inst.op == Op::Compute && inst.sense != 0 && is_float(func_.rep(inst.first_result));
  }
  bool has_any() const {
    bool any = false;
    for_each([&](InstId i) {
      const Inst& inst = func_.inst(i);
      any |= inst.op == Op::CanonicalNan || is_marked(inst);
    });
    return any;
  }

  // One round over everything; false when nothing changed.
  bool grow() {
    bool changed = false;
    const auto raise = [&](std::vector<bool>& set, ValueId v) {
      changed |= !set[v.index()];
      set[v.index()] = true;
    };
    const auto pass_on = [&](ValueId from, ValueId to) {
      if (free_[from.index()]) raise(free_, to);
      if (foreign_[from.index()]) raise(foreign_, to);
    };
    for (const ValueId p : func_.params(Func::kEntry)) raise(foreign_, p);
    for_each([&](InstId i) {
      const Inst& inst = func_.inst(i);
      if (is_marked(inst)) raise(free_, inst.first_result);
      if (inst.op == Op::Jump) {
        const auto params = func_.params(func_.targets(i)[0]);
        for (size_t n = 0; n < params.size(); ++n) pass_on(func_.args(i)[n], params[n]);
      } else if (inst.op == Op::Select) {
        pass_on(func_.args(i)[0], inst.first_result);
        pass_on(func_.args(i)[1], inst.first_result);
      } else if (!is_meant_canonical(inst)) {
        for (uint32_t n = 0; n < inst.results_count; ++n) raise(foreign_, func_.result(i, n));
      }
    });
    return changed;
  }

  bool is_meant_canonical(const Inst& inst) const {
    if (inst.op == Op::CanonicalNan || is_arithmetic(inst)) return true;
    if (float_operation(inst).starts_with("convert_i")) return true;
    if (inst.op != Op::Const) return false;
    const bool single = func_.rep(inst.first_result) == Rep::kF32;
    const uint64_t bits = single ? inst.imm & 0xffffffffu : inst.imm;
    const uint64_t canonical = single ? 0x7fc00000u : 0x7ff8000000000000u;
    const uint64_t exponent = single ? 0x7f800000u : 0x7ff0000000000000u;
    const uint64_t fraction = single ? 0x007fffffu : 0x000fffffffffffffu;
    return bits == canonical || (bits & exponent) != exponent || (bits & fraction) == 0;
  }

  std::string wrong_with(InstId i) const {
    const Inst& inst = func_.inst(i);
    if (is_marked(inst) && !is_arithmetic(inst)) return "free in the bits of NaNs that it has not";
    if (inst.op == Op::Jump || takes_all_nans_alike(inst)) return {};
    if (inst.op == Op::CanonicalNan) {
      const ValueId v = func_.args(i)[0];
      return foreign_[v.index()] ? text::format("v{} may be a NaN of somebody else", v.raw) : std::string();
    }
    for (size_t n = inst.op == Op::Select ? 2 : 0; n < inst.args_count; ++n) {
      const ValueId v = func_.args(i)[n];
      if (is_float(func_.rep(v)) && free_[v.index()])
        return text::format("the bits of v{} are seen, if it is NaN", v.raw);
    }
    return {};
  }

  const Func& func_;
  std::vector<bool> free_;     // by ValueId
  std::vector<bool> foreign_;  // may be a NaN that is not the canonical one
};

}  // namespace

std::string check_nans(const Func& func, InstId& at) { return NanJudge(func).check(at); }

}  // namespace parallax::ir
