#include "fuzz/oracle/roots.h"

#include <algorithm>
#include <unordered_map>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/jit/compiler.h"
#include "engine/jit/engine.h"
#include "engine/runtime/store.h"
#include "fuzz/oracle/liveness.h"
#include "interp/interp.h"

namespace parallax::fuzz {

namespace {

using interp::HeldKind;
using interp::HeldReference;

// What the interpreter held at one allocation.
using Event = std::vector<interp::FrameRoots>;

// A reference as both sides can name it.
struct Identity {
  HeldKind kind = HeldKind::kNull;
  uint64_t number = 0;
  friend bool operator==(const Identity&, const Identity&) = default;
};

std::string print(const Identity& identity) {
  static constexpr const char* kTexts[] = {"null", "i31", "a host reference", "object"};
  const char* text = kTexts[static_cast<size_t>(identity.kind)];
  if (identity.kind == HeldKind::kNull || identity.kind == HeldKind::kHost) return text;
  return text::format("{} {}", text, identity.number);
}

class Comparison final : public runtime::Store::AllocationObserver {
 public:
  Comparison(const LoadedCase& subject, const RootsOptions& options) : subject_(subject), options_(options) {}

  RootsReport run() {
    if (subject_.modules.size() != 1) return {.refused = "more than one module: functions have no common numbers"};
    if (!run_interpreter()) return std::move(report_);
    run_jit(true);
    if (report_.problem.empty() && report_.refused.empty()) run_jit(false);
    return std::move(report_);
  }

  void before_allocation(const runtime::Store& store) override {
    if (!report_.problem.empty() || next_ >= events_.size()) return;
    const Event& event = events_[next_++];
    ++report_.events;
    size_t frame = 0;
    store.compiler()->describe_frames([&](const Place& place, std::span<const gc::Ref> listed) {
      if (!report_.problem.empty()) return;
      if (frame >= event.size()) return fail(place, "the JIT has a frame that the interpreter has not");
      compare(store, place, listed, event[frame++]);
    });
    if (frame < event.size() && report_.problem.empty())
      fail({event[frame].func.raw, event[frame].offset}, "the interpreter has a frame that the JIT has not");
  }
  void after_allocation(gc::Ref ref) override { serials_[ref.bits] = serial_++; }

 private:
  bool run_interpreter() {
    interp::InterpOptions options;
    options.features.bits = ~0u;
    options.on_roots = [&](std::span<const interp::FrameRoots> frames) {
      if (events_.size() < options_.max_events) events_.emplace_back(frames.begin(), frames.end());
    };
    const auto store = interp::make_interpreter(subject_.types, options);
    Observation seen;
    observe(subject_, *store, {}, seen);
    if (seen.inconclusive) report_.refused = seen.inconclusive_reason;
    return !seen.inconclusive;
  }

  void run_jit(bool baseline) {
    next_ = 0;
    serial_ = 0;
    serials_.clear();
    restart_fault_sites();
    // Never collects, so that a reference is its object for ever; zeal, so that every allocation is seen.
    runtime::EngineOptions options{.level = runtime::OptLevel::kO0, .collector = runtime::GcKind::kNever};
    options.zeal.mode = runtime::ZealMode::kEverySafepoint;
    options.heap_bytes = uint64_t{256} << 20;
    jit::JitCompiler* compiler = nullptr;
    const auto engine = jit::make_engine(subject_.types, options, &compiler);
    compiler->set_baseline(baseline);
    static_cast<runtime::Store&>(*engine).set_observer(this);
    Observation seen;
    observe(subject_, *engine, {}, seen);
    if (seen.inconclusive && report_.problem.empty()) report_.refused = seen.inconclusive_reason;
  }

  Identity identify(const runtime::Store& store, gc::Ref ref) const {
    if (ref.is_null()) return {};
    if (ref.is_i31()) return {HeldKind::kI31, ref.i31_unsigned()};
    if (const auto it = serials_.find(ref.bits); it != serials_.end()) return {HeldKind::kObject, it->second};
    // Not allocated by the program: a host box, or no object at all.
    (void)store;
    return {HeldKind::kHost, 0};
  }

  const LiveSlots& live_at(uint32_t func, uint32_t offset) {
    auto [it, fresh] = liveness_.try_emplace(func);
    if (fresh) {
      if (auto found = live_references(*subject_.modules[0], wasm::FuncIndex(func))) it->second = std::move(*found);
    }
    static const LiveSlots kNone;
    const auto at = it->second.find(offset);
    return at == it->second.end() ? kNone : at->second;
  }

  void compare(const runtime::Store& store, const Place& place, std::span<const gc::Ref> listed,
               const interp::FrameRoots& frame) {
    ++report_.frames;
    if (place.func != frame.func.raw || place.offset != frame.offset) {
      return fail(place, text::format("the interpreter is in function {} at {:#x}", frame.func.raw, frame.offset));
    }
    std::vector<Identity> mapped;
    for (const gc::Ref ref : listed) {
      const Identity identity = identify(store, ref);
      mapped.push_back(identity);
      if (identity.kind == HeldKind::kNull) continue;
      const bool held = std::ranges::any_of(frame.held, [&](const HeldReference& h) {
        return Identity{h.kind, h.number} == identity ||
               (h.kind == HeldKind::kHost && identity.kind == HeldKind::kHost);
      });
      if (!held)
        return fail(place, text::format("the stack map lists {}, which the frame does not hold", print(identity)));
      ++report_.listed;
    }
    for (const uint32_t slot : live_at(place.func, place.offset)) {
      const auto held = std::ranges::find(frame.held, slot, &HeldReference::slot);
      if (held == frame.held.end() || held->kind != HeldKind::kObject) continue;
      if (std::ranges::find(mapped, Identity{held->kind, held->number}) == mapped.end()) {
        return fail(place, text::format("object {} in slot {} of the frame is live and not listed by the stack map",
                                        held->number, slot));
      }
      ++report_.live;
    }
  }

  void fail(const Place& place, const std::string& what) {
    report_.problem =
        text::format("I2: at allocation {}, function {} at {:#x}: {}", next_ - 1, place.func, place.offset, what);
  }

  const LoadedCase& subject_;
  const RootsOptions& options_;
  std::vector<Event> events_;
  size_t next_ = 0;
  std::unordered_map<uint32_t, uint64_t> serials_;
  uint64_t serial_ = 0;
  std::unordered_map<uint32_t, std::map<wasm::WasmOffset, LiveSlots>> liveness_;
  RootsReport report_;
};

}  // namespace

RootsReport compare_roots(const LoadedCase& subject, const RootsOptions& options) {
  return Comparison(subject, options).run();
}

}  // namespace parallax::fuzz
