#include "engine/jit/regalloc/random_func.h"

#include <algorithm>

namespace parallax::jit {
namespace {

class Maker {
 public:
  Maker(ChoiceStream& choices, const RandomFuncLimits& limits, MFunc& out) : c_(choices), limits_(limits), out_(out) {}

  void run() {
    out_.reset();
    plan_control_flow();
    find_dominators();
    for (uint32_t b = 0; b < plan_.size(); ++b) out_.add_block();
    for (uint32_t n = 0; n < 4; ++n)
      consts_.push_back(out_.add_const(n % 2 != 0 ? RegClass::kXmm : RegClass::kGpr, n * 77));
    for (uint32_t b = 0; b < plan_.size(); ++b) fill_block(b);
  }

 private:
  struct Plan {
    std::vector<uint32_t> targets;
    uint32_t landing = 0;  // of a call at this block's end; 0 is none
    bool is_landing = false;
    uint64_t dominators = 0;
    std::vector<VReg> defined;      // here
    std::vector<VReg> before_call;  // of those, what the landing block sees
    std::vector<VReg> params;
  };

  // Every block gets an earlier predecessor, so that dominators have smaller numbers; then more edges at will.
  void plan_control_flow() {
    const uint32_t n = 2 + c_.below(limits_.blocks);
    plan_.resize(n);
    for (uint32_t b = 1; b < n; ++b) {
      const uint32_t parent = c_.below(b);
      if (plan_[parent].landing == 0 && c_.chance(1, 6)) {
        plan_[parent].landing = b;
        plan_[b].is_landing = true;
      } else {
        plan_[parent].targets.push_back(b);
      }
    }
    for (uint32_t b = 0; b < n; ++b) {
      for (uint32_t more = c_.below(3); more > 0; --more) {
        const uint32_t to = 1 + c_.below(n - 1);
        if (!plan_[to].is_landing) plan_[b].targets.push_back(to);
      }
    }
  }

  void find_dominators() {
    for (Plan& p : plan_) p.dominators = ~uint64_t{0};
    plan_[0].dominators = 1;
    for (bool again = true; again;) {
      again = false;
      std::vector<uint64_t> meet(plan_.size(), ~uint64_t{0});
      for (const Plan& p : plan_) {
        for (const uint32_t t : p.targets) meet[t] &= p.dominators;
        if (p.landing != 0) meet[p.landing] &= p.dominators;
      }
      for (uint32_t b = 1; b < plan_.size(); ++b) {
        const uint64_t now = meet[b] | uint64_t{1} << b;
        again |= now != plan_[b].dominators;
        plan_[b].dominators = now;
      }
    }
  }

  void gather_available(uint32_t b) {
    available_ = consts_;
    for (uint32_t d = 0; d < b; ++d) {
      if ((plan_[b].dominators >> d & 1) == 0) continue;
      // Some path may come through the exceptional edge of d, where the call's results are not there.
      const auto& values = plan_[d].landing != 0 ? plan_[d].before_call : plan_[d].defined;
      available_.insert(available_.end(), values.begin(), values.end());
    }
  }

  VReg value(RegClass cls) {
    for (uint32_t tries = 0; tries < 16; ++tries) {
      // Recent ones more often, as in real code.
      const auto size = static_cast<uint32_t>(available_.size());
      const uint32_t back = c_.chance(1, 2) ? c_.below(std::min(size, 8u)) : c_.below(size);
      const VReg v = available_[size - 1 - back];
      if (out_.vreg(v).cls == cls) return v;
    }
    return consts_[cls == RegClass::kXmm ? 1 : 0];
  }
  RegClass any_class() { return c_.chance(1, 3) ? RegClass::kXmm : RegClass::kGpr; }
  VReg fresh(RegClass cls) {
    pending_.push_back(out_.add_vreg(cls));
    return pending_.back();
  }
  void finish(const MInst& inst, Plan& plan) {
    out_.append(inst);
    for (const VReg v : pending_) {
      available_.push_back(v);
      plan.defined.push_back(v);
    }
    pending_.clear();
  }

  void plain(Plan& plan) {
    MInst inst{.op = MOp::Select};
    const RegClass cls = any_class();
    if (c_.chance(3, 4)) c_.chance(1, 4) ? out_.def_early(fresh(cls)) : out_.def(fresh(cls));
    for (uint32_t n = c_.below(4); n > 0; --n)
      out_.use(value(any_class()), c_.chance(1, 4) ? Where::kAny : Where::kReg);
    if (c_.chance(1, 4)) out_.temp(any_class());
    finish(inst, plan);
  }
  void two_address(Plan& plan) {
    const RegClass cls = any_class();
    out_.def(fresh(cls), Where::kSame);
    out_.use(value(cls));
    const bool commutes = c_.chance(1, 2);
    out_.use(value(cls), c_.chance(1, 2) ? Where::kAny : Where::kReg);
    finish({.op = commutes ? MOp::Alu : MOp::Sub}, plan);
  }
  void shift(Plan& plan) {
    out_.def(fresh(RegClass::kGpr), Where::kSame);
    out_.use(value(RegClass::kGpr));
    out_.use_fixed(value(RegClass::kGpr), kRcx);
    finish({.op = MOp::Shift}, plan);
  }
  void divide(Plan& plan) {
    out_.def_fixed(fresh(RegClass::kGpr), c_.chance(1, 2) ? kRax : kRdx);
    out_.use_fixed(value(RegClass::kGpr), kRax);
    out_.use(value(RegClass::kGpr));
    finish({.op = MOp::Divide, .clobbers = bit(kRax) | bit(kRdx)}, plan);
  }
  void call(Plan& plan, MBlockId landing) {
    ArgAssigner results;
    for (uint32_t n = c_.below(4); n > 0; --n) {
      const RegClass cls = any_class();
      out_.def_fixed(fresh(cls), results.next(cls).reg);
    }
    ArgAssigner args;
    for (uint32_t n = c_.below(9); n > 0; --n) {
      const RegClass cls = any_class();
      out_.use_fixed(value(cls), args.next(cls).reg);
    }
    plan.before_call = plan.defined;
    finish({.op = MOp::CallFunc, .aux = out_.add_call({.landing = landing}).raw}, plan);
  }

  void fill_block(uint32_t b) {
    Plan& plan = plan_[b];
    const MBlockId id(b);
    gather_available(b);
    out_.edit(id).landing = plan.is_landing;
    // Parameters were made when the first edge needed them, or now.
    for (const VReg p : params_of(b)) {
      available_.push_back(p);
      plan.defined.push_back(p);
    }
    out_.begin_block(id);
    for (uint32_t n = c_.below(limits_.insts_per_block); n > 0; --n) {
      switch (c_.below(8)) {
        case 0: shift(plan); break;
        case 1: divide(plan); break;
        case 2: call(plan, {}); break;
        case 3:
        case 4: two_address(plan); break;
        default: plain(plan); break;
      }
    }
    if (plan.landing != 0) {
      out_.edit(id).exception_target = MBlockId(plan.landing);
      call(plan, MBlockId(plan.landing));
    }
    terminator(b);
    out_.end_block(id);
  }

  const std::vector<VReg>& params_of(uint32_t b) {
    Plan& plan = plan_[b];
    if (plan.params.empty() && b != 0 && !plan.is_landing && !asked_[b]) {
      for (uint32_t n = c_.below(limits_.params_per_block + 1); n > 0; --n) {
        plan.params.push_back(out_.add_vreg(any_class()));
        out_.add_param(MBlockId(b), plan.params.back());
      }
    }
    asked_[b] = true;
    return plan.params;
  }

  void terminator(uint32_t b) {
    const Plan& plan = plan_[b];
    if (plan.targets.empty()) {
      out_.use(value(RegClass::kGpr));
      out_.append({.op = MOp::Ret});
      return;
    }
    if (plan.targets.size() > 1) out_.use(value(RegClass::kGpr), c_.chance(1, 2) ? Where::kAny : Where::kReg);
    if (plan.targets.size() > 2) out_.temp(RegClass::kGpr);
    out_.append({.op = plan.targets.size() > 2 ? MOp::Switch : plan.targets.size() > 1 ? MOp::BranchIf : MOp::Jump});
    for (const uint32_t to : plan.targets) {
      std::vector<VReg> args;
      for (const VReg p : params_of(to)) args.push_back(value(out_.vreg(p).cls));
      out_.add_edge(MBlockId(b), MBlockId(to), args);
    }
  }

  ChoiceStream& c_;
  const RandomFuncLimits& limits_;
  MFunc& out_;
  std::vector<Plan> plan_;
  std::vector<VReg> consts_;
  std::vector<VReg> available_;
  std::vector<VReg> pending_;
  bool asked_[64] = {};
};

}  // namespace

void make_random_func(ChoiceStream& choices, const RandomFuncLimits& limits, MFunc& out) {
  RandomFuncLimits capped = limits;
  capped.blocks = std::min(capped.blocks, 60u);
  Maker(choices, capped, out).run();
}

}  // namespace parallax::jit
