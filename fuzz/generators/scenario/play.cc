// Plays a scenario on one executor, and compares what happens with what the model said.
#include <cstring>
#include <deque>
#include <utility>

#include "engine/base/text.h"
#include "fuzz/generators/scenario/scenario.h"

namespace parallax::fuzz {

namespace {

using End = Expected::End;

constexpr const char* kHostMessage = "a trap of the host";
constexpr const char* kPairType = "(rec (type $pair (struct (field (mut i32)) (field (mut (ref null $pair))))))";

std::string text_of(const wasm_trap_t* trap) {
  wasm_message_t message;
  wasm_trap_message(trap, &message);
  std::string out(message.data == nullptr ? "" : message.data);
  wasm_byte_vec_delete(&message);
  return out;
}

// What the host knows of a foreign object.
struct Info {
  int64_t number;
  int finalized = 0;
};
void finalize(void* info) { ++static_cast<Info*>(info)->finalized; }

class Player {
 public:
  Player(const Scenario& scenario, parallax_executor_t executor)
      : scenario_(scenario), handles_before_(parallax_live_handles()) {
    wasm_config_t* const config = wasm_config_new();
    parallax_config_set_executor(config, executor);
    parallax_config_set_level(config, scenario.level);
    parallax_config_set_collector(config, scenario.collector);
    parallax_config_set_zeal(config, scenario.zeal);
    parallax_config_set_armed(config, scenario.armed);
    parallax_config_set_heap_bytes(config, uint64_t{64} << 20);
    engine_ = wasm_engine_new_with_config(config);
  }

  Played run() {
    for (const Action& action : scenario_.actions) perform(action);
    for (wasm_store_t* const store : stores_) verify(store);
    end();
    return std::move(played_);
  }

 private:
  // --- Verdicts ------------------------------------------------------------------------------------------------------

  bool failed() const { return !played_.finding.empty(); }
  void object(std::string_view judge, std::string what) {
    if (!failed()) played_.finding = text::format("{}: action {}: {}", judge, played_.actions, what);
  }

  // The call ended as `error`, or was fine.
  bool check_end(const Expected& expected, bool was_fine) {
    if (!was_fine) ++played_.refusals;
    if (was_fine && expected.end == End::kFine) return true;
    if (was_fine) {
      object("model", text::format("was accepted; expected: {}", parallax_error_text(expected.error)));
      return false;
    }
    if (expected.end != End::kRefused || expected.error != parallax_error()) {
      object("model", text::format("was refused: {} ({}); expected: {}", parallax_error_message(),
                                   parallax_error_text(parallax_error()),
                                   expected.end == End::kFine ? "success" : parallax_error_text(expected.error)));
    }
    return false;
  }

  // A reference against what it must be. Does not take it.
  void check_ref(const Expected& expected, const wasm_ref_t* ref, const char* what) {
    const Seen& seen = expected.value;
    const parallax_refkind_t kind = parallax_ref_kind(ref);
    static constexpr parallax_refkind_t kKinds[] = {PARALLAX_REF_NULL,   PARALLAX_REF_NULL,    PARALLAX_REF_NULL,
                                                    PARALLAX_REF_STRUCT, PARALLAX_REF_FOREIGN, PARALLAX_REF_I31,
                                                    PARALLAX_REF_FUNC};  // ORDER: Seen::Kind
    const parallax_refkind_t wanted = kKinds[static_cast<size_t>(seen.kind)];
    log(text::format("{} kind {}", what, kind));
    if (kind != wanted) return object("model", text::format("{} has kind {}, expected {}", what, kind, wanted));
    if (seen.kind == Seen::Kind::kI31) check_number(parallax_i31_get(ref), seen.number, what);
    if (seen.kind == Seen::Kind::kForeign) {
      const auto* const info = static_cast<const Info*>(wasm_ref_get_host_info(ref));
      if (info == nullptr) return object("model", "a foreign object has lost its host info");
      check_number(info->number, seen.number, what);
      if (info->finalized != 0) object("end", "a foreign object was finalized while it could be reached");
    }
    if (seen.kind == Seen::Kind::kObject) {
      wasm_val_t number;
      if (!parallax_ref_get(ref, 0, &number)) return object("model", parallax_error_message());
      check_number(number.of.i32, expected.content, what);
    }
    if (ref == nullptr) return;
    if (expected.twin != kNoHandle && !wasm_ref_same(ref, at<wasm_ref_t>(expected.twin))) {
      object("model", text::format("{} is not the same as h{}", what, expected.twin));
    }
    if (expected.stranger != kNoHandle && wasm_ref_same(ref, at<wasm_ref_t>(expected.stranger))) {
      object("model", text::format("{} is the same as h{}", what, expected.stranger));
    }
  }
  void check_number(int64_t got, int64_t wanted, const char* what) {
    log(text::format("{} {}", what, got));
    if (got != wanted) object("model", text::format("{} is {}, expected {}", what, got, wanted));
  }

  void log(std::string line) { played_.log.push_back(std::move(line)); }

  void verify(wasm_store_t* store) {
    if (failed() || store == nullptr) return;
    if (!parallax_store_verify(store)) object("store", parallax_error_message());
  }

  // --- Handles -------------------------------------------------------------------------------------------------------

  template <class T>
  T* at(HandleNo no) const {
    return no == kNoHandle || no >= handles_.size() ? nullptr : static_cast<T*>(handles_[no].pointer);
  }
  // What deletes and copies handles of this type.
  struct Ops {
    void (*remove)(void*);
    void* (*copy)(void*);
  };
  template <class T, void (*kDelete)(T*), T* (*kCopy)(const T*)>
  static constexpr Ops kOps = {[](void* p) { kDelete(static_cast<T*>(p)); },
                               [](void* p) -> void* { return kCopy(static_cast<const T*>(p)); }};
  template <class T, void (*kDelete)(T*)>
  static constexpr Ops kOnlyDelete = {[](void* p) { kDelete(static_cast<T*>(p)); }, nullptr};
  static constexpr Ops kStoreOps = kOnlyDelete<wasm_store_t, wasm_store_delete>;
  static constexpr Ops kScopeOps = kOnlyDelete<parallax_scope_t, parallax_scope_delete>;
  static constexpr Ops kTagOps = kOnlyDelete<parallax_tag_t, parallax_tag_delete>;
  static constexpr Ops kSharedOps = kOnlyDelete<wasm_shared_module_t, wasm_shared_module_delete>;
  static constexpr Ops kTypeOps = kOps<parallax_type_t, parallax_type_delete, parallax_type_copy>;
  static constexpr Ops kModuleOps = kOps<wasm_module_t, wasm_module_delete, wasm_module_copy>;
  static constexpr Ops kInstanceOps = kOps<wasm_instance_t, wasm_instance_delete, wasm_instance_copy>;
  static constexpr Ops kExternOps = kOps<wasm_extern_t, wasm_extern_delete, wasm_extern_copy>;
  static constexpr Ops kRefOps = kOps<wasm_ref_t, wasm_ref_delete, wasm_ref_copy>;

  struct Held {
    void* pointer;
    const Ops* ops;
    bool deleted = false;
  };

  void add(const Action& action, void* pointer, const Ops& ops) {
    if (pointer == nullptr) return;
    if (handles_.size() < action.makes || handles_.size() >= action.makes + action.makes_count) {
      object("model", "a handle was made that the model does not know");
    }
    handles_.push_back({pointer, &ops});
  }

  // --- Actions -------------------------------------------------------------------------------------------------------

  void perform(const Action& action) {
    if (failed()) return;
    ++played_.actions;
    log(text::format("{}", static_cast<int>(action.act)));
    parallax_error_clear();
    do_action(action);
    log(parallax_error_text(parallax_error()));
  }

  // Things that are made: null is a refusal.
  template <class T>
  void made(const Action& action, T* pointer, const Ops& ops) {
    if (check_end(action.expected, pointer != nullptr)) return add(action, pointer, ops);
    if (pointer != nullptr) ops.remove(pointer);
  }
  // References that are got: null may be the null reference.
  void got_ref(const Action& action, wasm_ref_t* ref) {
    const bool fine = parallax_error() == PARALLAX_ERROR_NONE;
    if (!check_end(action.expected, fine)) return wasm_ref_delete(ref);
    check_ref(action.expected, ref, "reference");
    add(action, ref, kRefOps);
  }
  void done(const Action& action) { check_end(action.expected, parallax_error() == PARALLAX_ERROR_NONE); }

  void do_action(const Action& action) {
    auto* const store = at<wasm_store_t>(action.subject);
    const auto ref = [&](size_t i) { return at<wasm_ref_t>(action.refs[i]); };
    switch (action.act) {
      case Act::kNewStore: return new_store(action);
      case Act::kDeleteStore: return delete_store(action, store);
      case Act::kNewModule: {
        const std::vector<char>& bytes = module_bytes(action.text);
        const wasm_byte_vec_t binary = {bytes.size(), const_cast<char*>(bytes.data())};
        return made(action, wasm_module_new(store, &binary), kModuleOps);
      }
      case Act::kShare: return made(action, wasm_module_share(at<wasm_module_t>(action.subject)), kSharedOps);
      case Act::kObtain:
        return made(action, wasm_module_obtain(store, at<wasm_shared_module_t>(action.refs[0])), kModuleOps);
      case Act::kNewHost: return new_host(action, store);
      case Act::kInstantiate: return instantiate(action, store);
      case Act::kExports: return exports(action);
      case Act::kCall: return call(action);
      case Act::kCopy: return copy(action);
      case Act::kDelete: return remove(action);
      case Act::kSame: {
        const bool same = wasm_ref_same(ref(0), ref(1));
        done(action);
        if (action.expected.end == End::kFine) check_number(same, action.expected.value.number, "same");
        return;
      }
      case Act::kForeign: return foreign(action, store);
      case Act::kNewPair: return new_pair(action, store);
      case Act::kI31: return got_ref(action, parallax_i31_new(store, action.numbers[0]));
      case Act::kGetField: return get_field(action);
      case Act::kSetField: return set_field(action);
      case Act::kGlobalGet: {
        wasm_val_t value;
        wasm_global_get(at<wasm_global_t>(action.subject), &value);
        return got_ref(action, value.of.ref);
      }
      case Act::kGlobalSet: {
        const wasm_val_t value = WASM_REF_VAL(ref(0));
        wasm_global_set(at<wasm_global_t>(action.subject), &value);
        return done(action);
      }
      case Act::kTableGet:
        return got_ref(action,
                       wasm_table_get(at<wasm_table_t>(action.subject), static_cast<uint32_t>(action.numbers[0])));
      case Act::kTableSet: {
        const bool set =
            wasm_table_set(at<wasm_table_t>(action.subject), static_cast<uint32_t>(action.numbers[0]), ref(0));
        return void(check_end(action.expected, set));
      }
      case Act::kCollect:
        parallax_store_collect(store);
        done(action);
        if (parallax_error() == PARALLAX_ERROR_NONE) verify(store);
        return;
      case Act::kOpenScope: return made(action, parallax_scope_new(store), kScopeOps);
      case Act::kCloseScope: parallax_scope_delete(at<parallax_scope_t>(action.subject)); return done(action);
    }
  }

  void new_store(const Action& action) {
    wasm_store_t* const store = wasm_store_new(engine_);
    made(action, store, kStoreOps);
    stores_.push_back(store);
    parallax_type_t* type = nullptr;
    parallax_types_new(store, kPairType, &type, 1);
    made(action, type, kTypeOps);
  }

  void delete_store(const Action& action, wasm_store_t* store) {
    wasm_store_delete(store);
    done(action);
    for (wasm_store_t*& known : stores_) {
      if (known == store) known = nullptr;
    }
  }

  void new_host(const Action& action, wasm_store_t* store) {
    wasm_functype_t* const type =
        wasm_functype_new_2_1(wasm_valtype_new_i32(), wasm_valtype_new_externref(), wasm_valtype_new_externref());
    ++host_functions_;
    wasm_func_t* const func = wasm_func_new_with_env(
        store, type, host, this, [](void* player) { ++static_cast<Player*>(player)->host_functions_ended_; });
    if (func == nullptr) --host_functions_;
    wasm_functype_delete(type);
    made(action, wasm_func_as_extern(func), kExternOps);
  }

  void instantiate(const Action& action, wasm_store_t* store) {
    std::vector<wasm_extern_t*> items;
    for (size_t i = 1; i < action.refs.size(); ++i) items.push_back(at<wasm_extern_t>(action.refs[i]));
    const wasm_extern_vec_t imports = {items.size(), items.data()};
    wasm_trap_t* trap = nullptr;
    wasm_instance_t* const instance = wasm_instance_new(store, at<wasm_module_t>(action.refs[0]), &imports, &trap);
    if (trap != nullptr && parallax_trap_error(trap) != parallax_error()) {
      object("model", "the trap and the kept reason differ");
    }
    wasm_trap_delete(trap);
    made(action, instance, kInstanceOps);
  }

  void exports(const Action& action) {
    wasm_extern_vec_t exports;
    wasm_instance_exports(at<wasm_instance_t>(action.subject), &exports);
    if (check_end(action.expected, exports.size != 0)) {
      if (exports.size != action.makes_count) object("model", text::format("{} exports", exports.size));
      for (size_t i = 0; i < exports.size; ++i) {
        const bool tag = wasm_extern_kind(exports.data[i]) == PARALLAX_EXTERN_TAG;
        add(action, exports.data[i], tag ? kTagOps : kExternOps);
        exports.data[i] = nullptr;
      }
    }
    wasm_extern_vec_delete(&exports);
  }

  void copy(const Action& action) {
    if (action.subject == kNoHandle) return;
    const Held held = handles_[action.subject];
    made(action, held.ops->copy(held.pointer), *held.ops);
  }

  void remove(const Action& action) {
    if (action.subject == kNoHandle) return;
    const Held held = handles_[action.subject];
    held.ops->remove(held.pointer);
    done(action);
  }

  void foreign(const Action& action, wasm_store_t* store) {
    wasm_foreign_t* const made_one = wasm_foreign_new(store);
    if (made_one != nullptr) {
      infos_.push_back({action.expected.value.number});
      wasm_foreign_set_host_info_with_finalizer(made_one, &infos_.back(), finalize);
    }
    if (check_end(action.expected, made_one != nullptr)) {
      check_ref(action.expected, wasm_foreign_as_ref(made_one), "foreign");
      add(action, made_one, kRefOps);
    } else {
      wasm_foreign_delete(made_one);
    }
  }

  void new_pair(const Action& action, wasm_store_t* store) {
    wasm_val_t fields[] = {WASM_I32_VAL(action.numbers[0]), WASM_REF_VAL(at<wasm_ref_t>(action.refs[1]))};
    const wasm_val_vec_t vec = WASM_ARRAY_VEC(fields);
    wasm_trap_t* trap = nullptr;
    wasm_ref_t* const pair = parallax_struct_new(store, at<parallax_type_t>(action.refs[0]), &vec, &trap);
    wasm_trap_delete(trap);
    got_ref(action, pair);
  }

  void get_field(const Action& action) {
    wasm_val_t value;
    parallax_ref_get(at<wasm_ref_t>(action.refs[0]), static_cast<size_t>(action.numbers[0]), &value);
    if (action.expected.value.kind != Seen::Kind::kNumber) return got_ref(action, value.of.ref);
    done(action);
    check_number(value.of.i32, action.expected.value.number, "field");
  }

  void set_field(const Action& action) {
    wasm_val_t number = WASM_I32_VAL(action.numbers[1]);
    wasm_val_t reference = WASM_REF_VAL(at<wasm_ref_t>(action.refs[1]));
    const bool set = parallax_ref_set(at<wasm_ref_t>(action.refs[0]), static_cast<size_t>(action.numbers[0]),
                                      action.numbers[0] == 0 ? &number : &reference);
    check_end(action.expected, set);
  }

  // --- Calls ---------------------------------------------------------------------------------------------------------

  void call(const Action& action) {
    std::vector<wasm_val_t> args;
    size_t numbers = 0, refs = 0;
    for (const char letter : action.signature) {
      wasm_val_t value;
      std::memset(&value, 0, sizeof(value));
      value.kind = letter == 'i' ? WASM_I32 : letter == 'f' ? WASM_FUNCREF : WASM_EXTERNREF;
      if (letter == 'i') {
        value.of.i32 = action.numbers[numbers++];
      } else {
        value.of.ref = at<wasm_ref_t>(action.refs[refs++]);
      }
      args.push_back(value);
    }
    const wasm_val_vec_t given = {args.size(), args.data()};
    wasm_val_t result[1] = {WASM_INIT_VAL};
    wasm_val_vec_t results = WASM_ARRAY_VEC(result);

    const Action* const outer = std::exchange(current_, &action);
    wasm_trap_t* const trap = wasm_func_call(at<wasm_func_t>(action.subject), &given, &results);
    current_ = outer;

    if (failed()) return drop(trap, result[0]);
    if (trap != nullptr) {
      check_trap(action.expected, trap);
    } else if (action.expected.end != End::kFine) {
      object("model", text::format("the call returned; expected: {}", action.expected.end == End::kRefused
                                                                          ? parallax_error_text(action.expected.error)
                                                                          : action.expected.trap));
    } else if (action.expected.value.kind == Seen::Kind::kNumber) {
      check_number(result[0].of.i32, action.expected.value.number, "result");
    } else if (action.expected.value.kind != Seen::Kind::kNothing) {
      check_ref(action.expected, result[0].of.ref, "result");
      add(action, result[0].of.ref, kRefOps);
      result[0].of.ref = nullptr;
    }
    drop(trap, result[0]);
  }
  static void drop(wasm_trap_t* trap, wasm_val_t& result) {
    wasm_trap_delete(trap);
    if (wasm_valkind_is_ref(result.kind)) wasm_val_delete(&result);
  }

  void check_trap(const Expected& expected, const wasm_trap_t* trap) {
    static constexpr parallax_trapkind_t kKinds[] = {PARALLAX_TRAP_WASM, PARALLAX_TRAP_REFUSED, PARALLAX_TRAP_WASM,
                                                     PARALLAX_TRAP_HOST, PARALLAX_TRAP_EXCEPTION};  // ORDER: End
    const parallax_trapkind_t kind = parallax_trap_kind(trap);
    const std::string message = text_of(trap);
    log(text::format("trap {}", kind));
    if (kind == PARALLAX_TRAP_REFUSED) ++played_.refusals;
    if (expected.end == End::kFine || kind != kKinds[static_cast<size_t>(expected.end)]) {
      return object("model", text::format("unexpected trap: {}", message));
    }
    switch (expected.end) {
      case End::kFine: return;
      case End::kRefused:
        if (parallax_trap_error(trap) == expected.error) return;
        return object("model",
                      text::format("{} ({}); expected: {}", message, parallax_error_text(parallax_trap_error(trap)),
                                   parallax_error_text(expected.error)));
      case End::kTrapped:
      case End::kHostTrapped: {
        const char* const wanted = expected.end == End::kTrapped ? expected.trap : kHostMessage;
        log(message);
        if (message != wanted) object("model", text::format("trap {}; expected: {}", message, wanted));
        return;
      }
      case End::kThrew: {
        wasm_val_vec_t payload;
        if (!parallax_trap_payload(trap, &payload)) return object("model", parallax_error_message());
        if (payload.size == 2) {
          check_number(payload.data[0].of.i32, expected.number, "payload");
          check_ref(expected, payload.data[1].of.ref, "payload");
        } else {
          object("model", "the payload has another size");
        }
        wasm_val_vec_delete(&payload);
      }
    }
  }

  static wasm_trap_t* host(void* env, const wasm_val_vec_t* args, wasm_val_vec_t* results) {
    return static_cast<Player*>(env)->act_as_host(args, results);
  }

  wasm_trap_t* act_as_host(const wasm_val_vec_t* args, wasm_val_vec_t* results) {
    if (failed()) return nullptr;
    if (current_ == nullptr || !current_->asks) {
      object("model", "a host function was called unexpectedly");
      return nullptr;
    }
    const Action& action = *current_;
    check_number(args->data[0].of.i32, action.argument.number, "argument");
    check_ref(action.argument, args->data[1].of.ref, "argument");
    for (const Action& inner : action.inside) perform(inner);
    current_ = &action;
    if (failed()) return nullptr;
    switch (action.end) {
      case HostEnd::kReturnArgument: wasm_val_copy(&results->data[0], &args->data[1]); return nullptr;
      case HostEnd::kReturnNull: return nullptr;
      case HostEnd::kReturnHandle: return return_handle(action, results);
      case HostEnd::kTrap: {
        wasm_message_t message;
        wasm_name_new_from_string_nt(&message, kHostMessage);
        wasm_trap_t* const trap = wasm_trap_new(at<wasm_store_t>(action.end_tag), &message);
        wasm_name_delete(&message);
        return trap;
      }
      case HostEnd::kThrow: return throw_exception(action);
    }
    return nullptr;
  }

  // What a host function returns is taken over. A live reference is copied, so that the scenario keeps its own; anything
  // else is given as it is.
  wasm_trap_t* return_handle(const Action& action, wasm_val_vec_t* results) {
    auto* const ref = at<wasm_ref_t>(action.end_ref);
    wasm_ref_t* const copied = wasm_ref_copy(ref);
    results->data[0].of.ref = copied != nullptr ? copied : ref;
    return nullptr;
  }

  wasm_trap_t* throw_exception(const Action& action) {
    auto* const tag = at<parallax_tag_t>(action.end_tag);
    wasm_val_t payload[] = {WASM_I32_VAL(1234), WASM_REF_VAL(at<wasm_ref_t>(action.end_ref))};
    const wasm_val_vec_t values = WASM_ARRAY_VEC(payload);
    for (wasm_store_t* const store : stores_) {
      if (store == nullptr) continue;
      if (wasm_trap_t* const exception = parallax_exception_new(store, tag, &values)) {
        parallax_error_clear();
        return exception;
      }
    }
    object("model", text::format("no exception can be made: {}", parallax_error_message()));
    return nullptr;
  }

  // --- The end -------------------------------------------------------------------------------------------------------

  // In one of two orders: stores first, or last.
  void end() {
    const bool stores_first = scenario_.actions.size() % 2 == 0;
    if (stores_first) delete_stores();
    for (size_t i = handles_.size(); i-- != 0;) {
      if (handles_[i].ops != &kStoreOps) handles_[i].ops->remove(handles_[i].pointer);
    }
    if (!stores_first) delete_stores();
    wasm_engine_delete(engine_);
    for (const Info& info : infos_) {
      if (info.finalized != 1) {
        object("end", text::format("foreign object {} was finalized {} times", info.number, info.finalized));
      }
    }
    if (host_functions_ended_ != host_functions_) {
      object("end", text::format("{} of {} host functions ended", host_functions_ended_, host_functions_));
    }
    const size_t left = parallax_live_handles();
    if (left != handles_before_) { object("end", text::format("{} handles before, {} after", handles_before_, left)); }
    parallax_error_clear();
  }
  void delete_stores() {
    for (wasm_store_t*& store : stores_) wasm_store_delete(std::exchange(store, nullptr));
  }

  const Scenario& scenario_;
  Played played_;
  size_t handles_before_;
  wasm_engine_t* engine_;
  std::vector<Held> handles_;
  std::vector<wasm_store_t*> stores_;  // null once deleted
  std::deque<Info> infos_;
  const Action* current_ = nullptr;
  int host_functions_ = 0, host_functions_ended_ = 0;
};

}  // namespace

Played play(const Scenario& scenario, parallax_executor_t executor) { return Player(scenario, executor).run(); }

ScenarioVerdict judge_plays(const Played& jit, const Played& interp) {
  ScenarioVerdict verdict{.actions = jit.actions + interp.actions, .refusals = jit.refusals + interp.refusals};
  const auto find = [&](const Played& played, const char* executor) {
    if (played.finding.empty() || !verdict.judge.empty()) return;
    verdict.judge = played.finding.substr(0, played.finding.find(':'));
    verdict.text = text::format("{}: {}", executor, played.finding);
  };
  find(interp, "interp");
  find(jit, "jit");
  if (!verdict.judge.empty() || jit.log == interp.log) return verdict;
  size_t at = 0;
  while (at < jit.log.size() && at < interp.log.size() && jit.log[at] == interp.log[at]) ++at;
  const auto line = [&](const Played& played) { return at < played.log.size() ? played.log[at] : "nothing"; };
  verdict.judge = "executors";
  verdict.text =
      text::format("executors: entry {} of the logs: jit says '{}', interp says '{}'", at, line(jit), line(interp));
  return verdict;
}

ScenarioVerdict judge_scenario(const Scenario& scenario) {
  const Played jit = play(scenario, PARALLAX_JIT);
  const Played interp = play(scenario, PARALLAX_INTERPRETER);
  ScenarioVerdict verdict = judge_plays(jit, interp);
  if (!verdict.judge.empty()) verdict.text += "\n" + describe(scenario);
  return verdict;
}

}  // namespace parallax::fuzz
