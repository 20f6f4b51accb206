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
    for (uint32_t n = 0; n < 6; ++n) {
      consts_.push_back(n % 3 == 2   ? out_.add_wide_const(n, n * 77)
                        : n % 3 == 1 ? out_.add_const(RegClass::kXmm, n * 77)
                                     : out_.add_const(RegClass::kGpr, n * 77));
    }
    for (uint32_t b = 0; b < plan_.size(); ++b) fill_block(b);
  }

 private:
  // What a value is: class and room.
  struct Kind {
    RegClass cls;
    Room room;
    friend bool operator==(Kind, Kind) = default;
  };
  static constexpr Kind kInteger{RegClass::kGpr, Room::k8};
  Kind kind_of(VReg v) const { return {out_.vreg(v).cls, out_.vreg(v).room}; }

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

  VReg value(Kind kind) {
    for (uint32_t tries = 0; tries < 16; ++tries) {
      // Recent ones more often, as in real code.
      const auto size = static_cast<uint32_t>(available_.size());
      const uint32_t back = c_.chance(1, 2) ? c_.below(std::min(size, 8u)) : c_.below(size);
      const VReg v = available_[size - 1 - back];
      if (kind_of(v) == kind) return v;
    }
    return consts_[kind.room == Room::k16 ? 2 : kind.cls == RegClass::kXmm ? 1 : 0];
  }
  Kind any_kind() {
    if (!c_.chance(1, 3)) return kInteger;
    return {RegClass::kXmm, c_.chance(1, 2) ? Room::k16 : Room::k8};
  }
  VReg fresh(Kind kind) {
    pending_.push_back(out_.add_vreg(kind.cls, kind.room));
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
    if (c_.chance(3, 4)) c_.chance(1, 4) ? out_.def_early(fresh(any_kind())) : out_.def(fresh(any_kind()));
    for (uint32_t n = c_.below(4); n > 0; --n) out_.use(value(any_kind()), c_.chance(1, 4) ? Where::kAny : Where::kReg);
    if (c_.chance(1, 4)) out_.temp(any_kind().cls);
    finish(inst, plan);
  }
  void two_address(Plan& plan) {
    const Kind kind = any_kind();
    out_.def(fresh(kind), Where::kSame);
    out_.use(value(kind));
    const bool commutes = c_.chance(1, 2);
    out_.use(value(kind), c_.chance(1, 2) ? Where::kAny : Where::kReg);
    finish({.op = commutes ? MOp::Alu : MOp::Sub}, plan);
  }
  void shift(Plan& plan) {
    out_.def(fresh(kInteger), Where::kSame);
    out_.use(value(kInteger));
    out_.use_fixed(value(kInteger), kRcx);
    finish({.op = MOp::Shift}, plan);
  }
  void divide(Plan& plan) {
    out_.def_fixed(fresh(kInteger), c_.chance(1, 2) ? kRax : kRdx);
    out_.use_fixed(value(kInteger), kRax);
    out_.use(value(kInteger));
    finish({.op = MOp::Divide, .clobbers = bit(kRax) | bit(kRdx)}, plan);
  }
  void call(Plan& plan, MBlockId landing) {
    ArgAssigner results;
    for (uint32_t n = c_.below(4); n > 0; --n) {
      const Kind kind = any_kind();
      out_.def_fixed(fresh(kind), results.next(kind.cls).reg);
    }
    ArgAssigner args;
    for (uint32_t n = c_.below(9); n > 0; --n) {
      const Kind kind = any_kind();
      out_.use_fixed(value(kind), args.next(kind.cls).reg);
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
        const Kind kind = any_kind();
        plan.params.push_back(out_.add_vreg(kind.cls, kind.room));
        out_.add_param(MBlockId(b), plan.params.back());
      }
    }
    asked_[b] = true;
    return plan.params;
  }

  void terminator(uint32_t b) {
    const Plan& plan = plan_[b];
    if (plan.targets.empty()) {
      out_.use(value(kInteger));
      out_.append({.op = MOp::Ret});
      return;
    }
    if (plan.targets.size() > 1) out_.use(value(kInteger), c_.chance(1, 2) ? Where::kAny : Where::kReg);
    if (plan.targets.size() > 2) out_.temp(RegClass::kGpr);
    out_.append({.op = plan.targets.size() > 2 ? MOp::Switch : plan.targets.size() > 1 ? MOp::BranchIf : MOp::Jump});
    for (const uint32_t to : plan.targets) {
      std::vector<VReg> args;
      for (const VReg p : params_of(to)) args.push_back(value(kind_of(p)));
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
