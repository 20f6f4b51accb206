// Definition of walk_func, walk_const_expr and scan_instrs for sinks: include it in the .cc that has the sink.
//
// Only the glue depends on the sink; the walk is WalkCore, instantiated once (func_walk.cc).
#pragma once

#include "engine/wasm/func_walk.h"
#include "engine/wasm/instr_reader.h"
#include "engine/wasm/walk_core.h"

namespace parallax::wasm {
namespace detail {

// Requires a core that has begun.
template <class Sink>
Result<> drive(WalkCore<Sink::kWantsEvents>& core, Sink& sink) {
  if constexpr (!Sink::kWantsEvents) {
    core.run();
    return core.finish();
  } else {
    TRY(sink.on_begin(core));
    while (!core.done()) {
      if (!core.step()) return core.finish();
      TRY(sink.on_instr(core.instr(), core.types(), core));
    }
    TRY(core.finish());
    return sink.on_finish(core);
  }
}

}  // namespace detail

template <class Sink>
Result<> walk_func(const Module& module, FuncIndex func, const Features& features, Sink& sink) {
  LeasedWalk<Sink::kWantsEvents> core(module, features);
  if (!core->begin_func(func)) return core->finish();
  return detail::drive(*core, sink);
}

template <class Sink>
Result<> walk_const_expr(const Module& module, ConstExpr expr, ValType expected, uint32_t visible_globals,
                         const Features& features, Sink& sink) {
  LeasedWalk<Sink::kWantsEvents> core(module, features);
  if (!core->begin_const_expr(expr, expected, visible_globals)) return core->finish();
  return detail::drive(*core, sink);
}

template <class Visit>
Result<> scan_instrs(const Module& module, Range code, const Features& features, Visit&& visit) {
  InstrReader reader(module, code, features);
  return scan_instrs(reader, visit);
}

template <class Visit>
Result<> scan_instrs(InstrReader& reader, Visit&& visit) {
  Instr instr;
  while (!reader.in().at_end()) {
    reader.read(instr);
    if (!reader.in().ok()) return reader.in().result();
    TRY(visit(static_cast<const Instr&>(instr)));
  }
  return {};
}

}  // namespace parallax::wasm
