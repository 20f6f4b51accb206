// Handlers of everything that computes from operands alone: one per row of numerics.def, made by the compiler from the
// row's type. Integer instructions of two operands also exist with a constant on the right; comparisons also as branches.
#include <array>
#include <tuple>
#include <type_traits>

#include "interp/handler.h"

namespace parallax::interp {

namespace {

using wasm::Checked;
using wasm::LaneIndex;
using wasm::LaneIndices;
using wasm::Numeric;
using wasm::Opcode;

template <class T>
struct Shape;
template <class R, class... A>
struct Shape<R (*)(A...)> {
  using Result = R;
  using Args = std::tuple<A...>;
  static constexpr size_t kArgs = sizeof...(A);
};
template <Opcode op>
using ShapeOf = Shape<decltype(&Numeric<op>::apply)>;

template <class T>
inline constexpr bool kIsChecked = false;
template <class T>
inline constexpr bool kIsChecked<Checked<T>> = true;

// Operand number i of an instruction: slot b, c or d, the constant for the last one of an imm form, or a lane immediate.
template <class T, size_t i, bool imm>
inline T operand(const Ins* ip, const uint64_t* fp) {
  if constexpr (std::is_same_v<T, LaneIndex>) {
    return {static_cast<uint8_t>(ip->imm)};
  } else if constexpr (std::is_same_v<T, LaneIndices>) {
    return *ip->template pointer<const LaneIndices>();
  } else if constexpr (imm && i == 1) {
    return read<T>(&ip->imm);
  } else {
    return read<T>(fp + (i == 0 ? ip->b : i == 1 ? ip->c : static_cast<uint32_t>(ip->d)));
  }
}

template <Opcode op, bool imm>
inline auto compute(const Ins* ip, const uint64_t* fp) {
  return [&]<size_t... i>(std::index_sequence<i...>) {
    return Numeric<op>::apply(operand<std::tuple_element_t<i, typename ShapeOf<op>::Args>, i, imm>(ip, fp)...);
  }(std::make_index_sequence<ShapeOf<op>::kArgs>());
}

template <Opcode op, bool imm>
INTERP_HANDLER(numeric) {
  const auto result = compute<op, imm>(ip, fp);
  if constexpr (kIsChecked<std::remove_cvref_t<decltype(result)>>) {
    if (!result.has_value()) [[unlikely]] {
      m->exit.trap = result.error();
      [[clang::musttail]] return op_trapped(ip, fp, m);
    }
    write(fp + ip->a, *result);
  } else {
    write(fp + ip->a, result);
  }
  INTERP_NEXT();
}

template <Opcode op, bool imm, bool when, bool to_loop>
INTERP_HANDLER(branch) {
  if ((compute<op, imm>(ip, fp) != 0) == when) INTERP_JUMP(branch_target<to_loop>(ip, m));
  INTERP_NEXT();
}
template <Opcode op, bool imm>
constexpr BranchHandlers kBranches = {
    .when = branch<op, imm, true, false>,
    .unless = branch<op, imm, false, false>,
    .when_loop = branch<op, imm, true, true>,
    .unless_loop = branch<op, imm, false, true>,
};

// ORDER: relies on opcodes.def listing the comparisons of a type together, eqz first.
constexpr bool is_comparison(Opcode op) { return op >= Opcode::I32Eqz && op <= Opcode::F64Ge; }

template <Opcode op>
constexpr OpHandlers handlers_of() {
  using Args = typename ShapeOf<op>::Args;
  OpHandlers handlers{.plain = numeric<op, false>};
  constexpr bool kTwoIntegers = [] {
    if constexpr (std::tuple_size_v<Args> == 2) {
      return std::is_integral_v<std::tuple_element_t<0, Args>> && std::is_integral_v<std::tuple_element_t<1, Args>>;
    }
    return false;
  }();
  if constexpr (kTwoIntegers) handlers.imm = numeric<op, true>;
  if constexpr (is_comparison(op)) {
    handlers.branch = kBranches<op, false>;
    if constexpr (kTwoIntegers) handlers.branch_imm = kBranches<op, true>;
  }
  return handlers;
}

constexpr auto kHandlers = [] {
  std::array<OpHandlers, wasm::kOpcodeCount> handlers{};
#define NUMERIC(id, result, params, ...) handlers[static_cast<size_t>(Opcode::id)] = handlers_of<Opcode::id>();
#include "engine/wasm/numerics.def"
#undef NUMERIC
  return handlers;
}();

}  // namespace

const OpHandlers& numeric_handlers(Opcode op) { return kHandlers[static_cast<size_t>(op)]; }

}  // namespace parallax::interp
