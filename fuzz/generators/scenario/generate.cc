// Choices to scenarios: each action is drawn, mostly sensible and now and then not, and the model says how it must end.
#include <algorithm>
#include <string_view>

#include "engine/base/text.h"
#include "fuzz/generators/scenario/model.h"

namespace parallax::fuzz {

using scenario::Func;
using scenario::Handle;
using scenario::Instance;
using scenario::Kind;
using scenario::Model;
using scenario::Refusal;

namespace {

constexpr uint32_t kMostActions = 70;
constexpr uint32_t kMostStores = 4;
constexpr uint32_t kMostDepth = 3;

using End = Expected::End;

Expected refused(parallax_error_t error) { return {.end = End::kRefused, .error = error}; }
Expected trapped(const char* text) { return {.end = End::kTrapped, .trap = text}; }
Expected fine(Seen value = {}) { return {.value = value}; }
Seen number(int64_t n) { return {Seen::Kind::kNumber, n}; }

class Author {
 public:
  explicit Author(ChoiceStream& choices) : choices_(choices) {}

  Scenario write() {
    Scenario scenario;
    scenario.level = static_cast<uint8_t>(choices_.below(3));
    scenario.collector = static_cast<parallax_collector_t>(choices_.below(4));
    scenario.zeal = choices_.chance(1, 3) ? 1 : choices_.chance(1, 3) ? 2 + choices_.below(20) : 0;
    scenario.armed = choices_.chance(1, 4);
    if (scenario.collector == PARALLAX_NEVER) scenario.zeal = 0;
    setting_up_ = true;
    const uint32_t stores = 1 + choices_.below(2);
    for (uint32_t i = 0; i < stores; ++i) set_up_store(scenario.actions);
    setting_up_ = false;
    const uint32_t count = 4 + choices_.below(40);
    for (uint32_t i = 0; i < count && written_ < kMostActions; ++i) scenario.actions.push_back(act(0));
    return scenario;
  }

 private:
  // --- Drawing -----------------------------------------------------------------------------------------------------

  // A handle of this kind, mostly a usable one of `store`; sometimes any handle at all, or null.
  HandleNo draw(Kind kind, std::optional<uint32_t> store = {}) {
    if (!setting_up_ && choices_.chance(1, 12)) {
      if (choices_.chance(1, 8) || model_.handles.empty()) return kNoHandle;
      return choices_.below(static_cast<uint32_t>(model_.handles.size()));
    }
    std::vector<HandleNo> good, fair;
    for (HandleNo no = 0; no < model_.handles.size(); ++no) {
      const Handle& handle = model_.handles[no];
      if (handle.kind != kind) continue;
      fair.push_back(no);
      if (!handle.deleted && model_.alive(handle.store) && (!store || handle.store == *store)) good.push_back(no);
    }
    if (!good.empty() && (setting_up_ || choices_.chance(19, 20))) return recent(good);
    return fair.empty() ? kNoHandle : recent(fair);
  }
  // Half of the time one of the latest.
  HandleNo recent(const std::vector<HandleNo>& from) {
    const auto size = static_cast<uint32_t>(from.size());
    const uint32_t window = choices_.chance(1, 2) ? std::min<uint32_t>(size, 6) : size;
    return from[size - 1 - choices_.below(window)];
  }
  // A reference that fits the letter, mostly.
  HandleNo draw_ref(char letter, uint32_t store) {
    if (choices_.chance(1, 10)) return kNoHandle;
    switch (letter) {
      case 'f': return draw(Kind::kFunc, store);
      case 'x': return draw(choices_.chance(1, 2) ? Kind::kForeign : Kind::kRef, store);
      default: break;
    }
    std::vector<HandleNo> pairs;
    for (HandleNo no = 0; no < model_.handles.size(); ++no) {
      const Handle& handle = model_.handles[no];
      if (handle.kind == Kind::kRef && !handle.deleted && handle.store == store &&
          handle.value.kind == Seen::Kind::kObject)
        pairs.push_back(no);
    }
    if (!pairs.empty() && choices_.chance(9, 10)) return recent(pairs);
    return draw(Kind::kRef, store);
  }
  int32_t draw_number() {
    static constexpr int32_t kNumbers[] = {0, 1, 2, 3, 4, 5, 7, 11, -1, 100, INT32_MAX, INT32_MIN};
    return choices_.pick(kNumbers);
  }
  uint32_t store_of(HandleNo no) const { return no == kNoHandle ? 0 : model_.handles[no].store; }

  // What can be checked of a reference besides its kind: its number, another handle of the same object, one of another.
  void complete(Expected& expected, uint32_t store) const {
    if (expected.value.kind == Seen::Kind::kObject) {
      expected.content = model_.objects[static_cast<size_t>(expected.value.number)].number;
    }
    for (HandleNo no = 0; no < model_.handles.size(); ++no) {
      const Handle& handle = model_.handles[no];
      if (handle.deleted || handle.store != store || !model_.alive(store)) continue;
      if (handle.kind != Kind::kRef && handle.kind != Kind::kForeign && handle.kind != Kind::kFunc) continue;
      (model_.value_of(no) == expected.value ? expected.twin : expected.stranger) = no;
    }
  }

  // --- Making handles ------------------------------------------------------------------------------------------------

  void makes(Action& action, HandleNo no) {
    if (no == kNoHandle) return;
    if (action.makes_count == 0) action.makes = no;
    ++action.makes_count;
  }
  void refuse(Action& action, parallax_error_t error) { action.expected = refused(error); }
  // Refuses if there is a reason; whether it did.
  bool refused_by(Action& action, const Refusal& reason) {
    if (reason) refuse(action, *reason);
    return reason.has_value();
  }

  // A store with everything that makes it interesting.
  void set_up_store(std::vector<Action>& out) {
    out.push_back(new_store());
    const uint32_t store = static_cast<uint32_t>(model_.stores.size() - 1);
    out.push_back(new_module(model_.stores[store].handle, ModuleText::kLibrary));
    const HandleNo module = out.back().makes;
    out.push_back(new_host(model_.stores[store].handle));
    const HandleNo host = out.back().makes;
    out.push_back(instantiate(model_.stores[store].handle, module, {host}));
    if (out.back().makes_count != 0) out.push_back(exports(out.back().makes));
  }

  Action new_store() {
    Action action{.act = Act::kNewStore};
    ++written_;
    scenario::Store store;
    const auto number = static_cast<uint32_t>(model_.stores.size());
    store.handle = model_.add({.kind = Kind::kStore, .store = number});
    makes(action, store.handle);
    store.pair_type = model_.add({.kind = Kind::kType, .store = number});
    makes(action, store.pair_type);
    model_.stores.push_back(store);
    return action;
  }

  Action new_module(HandleNo store, ModuleText text) {
    Action action{.act = Act::kNewModule, .subject = store, .text = text};
    if (refused_by(action, model_.use_store(store))) return action;
    if (text == ModuleText::kInvalid) {
      refuse(action, PARALLAX_ERROR_REJECTED);
      return action;
    }
    model_.modules.push_back({store_of(store), text});
    makes(action, model_.add({.kind = Kind::kModule,
                              .store = store_of(store),
                              .thing = static_cast<uint32_t>(model_.modules.size() - 1)}));
    return action;
  }

  Action new_host(HandleNo store) {
    Action action{.act = Act::kNewHost, .subject = store};
    if (refused_by(action, model_.use_store(store))) return action;
    model_.funcs.push_back({.store = store_of(store), .is_host = true});
    makes(action, model_.add({.kind = Kind::kFunc,
                              .store = store_of(store),
                              .thing = static_cast<uint32_t>(model_.funcs.size() - 1)}));
    return action;
  }

  // --- Linking -------------------------------------------------------------------------------------------------------

  bool is_extern(HandleNo no) const {
    const Kind kind = model_.handles[no].kind;
    return kind == Kind::kFunc || kind == Kind::kGlobal || kind == Kind::kTable || kind == Kind::kTag;
  }

  Refusal import_refusal(HandleNo no, uint32_t store) const {
    if (no == kNoHandle) return PARALLAX_ERROR_NULL_HANDLE;
    if (model_.handles[no].deleted) return PARALLAX_ERROR_DELETED;
    if (!is_extern(no)) return PARALLAX_ERROR_WRONG_KIND;
    return model_.same_store(no, store);
  }

  // Whether a function has the type of the imports' first: the host's (i32 externref) -> externref, or make's.
  bool func_fits(HandleNo no, ModuleText text) const {
    if (model_.handles[no].kind != Kind::kFunc) return false;
    const Func& func = model_.funcs[model_.handles[no].thing];
    if (text == ModuleText::kClient) return !func.is_host && func.name == ExportName::kMake;
    return func.is_host || func.name == ExportName::kAsk || func.name == ExportName::kAskCatch;
  }

  Action instantiate(HandleNo store_handle, HandleNo module_handle, std::vector<HandleNo> imports) {
    Action action{.act = Act::kInstantiate, .subject = store_handle, .refs = {module_handle}};
    action.refs.insert(action.refs.end(), imports.begin(), imports.end());
    if (refused_by(action, model_.use_store(store_handle))) return action;
    if (refused_by(action, model_.live(module_handle, Kind::kModule))) return action;
    const uint32_t store = store_of(store_handle);
    if (refused_by(action, model_.same_store(module_handle, store))) return action;
    const ModuleText text = model_.modules[model_.handles[module_handle].thing].text;
    if (imports.size() != (text == ModuleText::kLibrary ? 1 : 4)) {
      refuse(action, PARALLAX_ERROR_ARITY);
      return action;
    }
    for (const HandleNo import : imports) {
      if (refused_by(action, import_refusal(import, store))) return action;
    }
    static constexpr Kind kWanted[] = {Kind::kFunc, Kind::kTable, Kind::kGlobal, Kind::kTag};
    for (size_t i = 0; i < imports.size(); ++i) {
      if (model_.handles[imports[i]].kind == kWanted[i] && (i != 0 || func_fits(imports[0], text))) continue;
      refuse(action, PARALLAX_ERROR_UNLINKABLE);
      return action;
    }
    link(action, store, text, imports);
    return action;
  }

  void link(Action& action, uint32_t store, ModuleText text, const std::vector<HandleNo>& imports) {
    Instance instance{.store = store, .text = text};
    const auto number = static_cast<uint32_t>(model_.instances.size());
    if (text == ModuleText::kLibrary) {
      model_.globals.push_back({.store = store});
      model_.tables.push_back({.store = store});
      model_.tags.push_back(store);
      instance.global = static_cast<uint32_t>(model_.globals.size() - 1);
      instance.table = static_cast<uint32_t>(model_.tables.size() - 1);
      instance.tag = static_cast<uint32_t>(model_.tags.size() - 1);
      instance.imported = model_.handles[imports[0]].thing;
    } else {
      instance.imported = model_.handles[imports[0]].thing;
      instance.table = model_.handles[imports[1]].thing;
      instance.global = model_.handles[imports[2]].thing;
      instance.tag = model_.handles[imports[3]].thing;
    }
    const auto first = static_cast<uint32_t>(text == ModuleText::kLibrary ? ExportName::kMake : ExportName::kPoke);
    const uint32_t count = text == ModuleText::kLibrary ? kLibraryFuncs : 3;
    for (uint32_t i = 0; i < count; ++i) {
      instance.funcs.push_back(static_cast<uint32_t>(model_.funcs.size()));
      model_.funcs.push_back({.store = store, .name = static_cast<ExportName>(first + i), .instance = number});
    }
    model_.instances.push_back(instance);
    makes(action, model_.add({.kind = Kind::kInstance, .store = store, .thing = number}));
  }

  Action exports(HandleNo instance_handle) {
    Action action{.act = Act::kExports, .subject = instance_handle};
    if (refused_by(action, model_.use(instance_handle, Kind::kInstance))) return action;
    const Instance instance = model_.instances[model_.handles[instance_handle].thing];
    if (instance.text == ModuleText::kLibrary) {
      makes(action, model_.add({.kind = Kind::kTable, .store = instance.store, .thing = instance.table}));
      makes(action, model_.add({.kind = Kind::kGlobal, .store = instance.store, .thing = instance.global}));
      makes(action, model_.add({.kind = Kind::kTag, .store = instance.store, .thing = instance.tag}));
    }
    for (const uint32_t func : instance.funcs) {
      makes(action, model_.add({.kind = Kind::kFunc, .store = instance.store, .thing = func}));
    }
    return action;
  }

  // --- Calls -----------------------------------------------------------------------------------------------------------

  Action call(HandleNo func_handle, uint32_t depth) {
    Action action{.act = Act::kCall, .subject = func_handle};
    const bool is_func = func_handle != kNoHandle && model_.handles[func_handle].kind == Kind::kFunc;
    const Func func = is_func ? model_.funcs[model_.handles[func_handle].thing] : Func{};
    action.signature = func.is_host ? "ix" : row(func.name).params;
    for (const char letter : action.signature) {
      if (letter == 'i') {
        action.numbers.push_back(draw_number());
      } else {
        action.refs.push_back(draw_ref(letter, store_of(func_handle)));
      }
    }
    // A loop that counts down must not start at the end.
    if (is_func && !func.is_host && func.name == ExportName::kChurn) {
      action.numbers[0] = static_cast<int32_t>(choices_.below(40));
    }
    if (refused_by(action, model_.use(func_handle, Kind::kFunc))) return action;
    std::vector<Seen> args;
    size_t numbers = 0, refs = 0;
    for (const char letter : action.signature) {
      if (letter == 'i') {
        args.push_back(number(action.numbers[numbers++]));
        continue;
      }
      const HandleNo ref = action.refs[refs++];
      if (refused_by(action, model_.give_ref(ref, func.store))) return action;
      args.push_back(model_.value_of(ref));
    }
    for (size_t i = 0; i < args.size(); ++i) {
      if (Model::matches(args[i], action.signature[i])) continue;
      refuse(action, PARALLAX_ERROR_MISMATCH);
      return action;
    }
    action.expected = run(action, func, args, depth);
    if (!model_.alive(func.store)) refuse(action, PARALLAX_ERROR_STORE_GONE);
    complete(action.expected, func.store);
    if (action.expected.end == End::kFine) makes(action, model_.add_ref(func.store, action.expected.value));
    return action;
  }

  // What the function does. Arguments match their types.
  Expected run(Action& action, const Func& func, const std::vector<Seen>& args, uint32_t depth) {
    if (func.is_host) return ask(action, args, func.store, depth);
    const Instance instance = model_.instances[func.instance];
    const auto object = [&](size_t i) -> scenario::Object* {
      return args[i].kind == Seen::Kind::kObject ? &model_.objects[static_cast<size_t>(args[i].number)] : nullptr;
    };
    auto& elements = model_.tables[instance.table].elements;
    const auto index = [&] { return static_cast<uint32_t>(args[0].number); };
    constexpr const char* kNullPair = "null structure reference";
    constexpr const char* kNoElement = "out of bounds table access";
    switch (func.name) {
      case ExportName::kMake: return fine(new_object(func.store, static_cast<int32_t>(args[0].number)));
      case ExportName::kValue: return object(0) == nullptr ? trapped(kNullPair) : fine(number(object(0)->number));
      case ExportName::kSet:
        if (object(0) == nullptr) return trapped(kNullPair);
        object(0)->number = static_cast<int32_t>(args[1].number);
        return fine();
      case ExportName::kLink:
        if (object(0) == nullptr) return trapped(kNullPair);
        object(0)->next = args[1];
        return fine();
      case ExportName::kNext: return object(0) == nullptr ? trapped(kNullPair) : fine(object(0)->next);
      case ExportName::kKeep:
        if (index() >= elements.size()) return trapped(kNoElement);
        elements[index()] = args[1];
        return fine();
      case ExportName::kGive:
      case ExportName::kSteal: return index() < elements.size() ? fine(elements[index()]) : trapped(kNoElement);
      case ExportName::kDiv: return divide(args[0].number, args[1].number);
      case ExportName::kRaise: return thrown(args[0].number, args[1]);
      case ExportName::kToss: return thrown(args[0].number, {Seen::Kind::kNull, 0});
      case ExportName::kChurn: return fine(args[0]);
      case ExportName::kAsk: return call_import(action, instance, args, depth);
      case ExportName::kAskCatch: {
        Expected got = call_import(action, instance, args, depth);
        if (got.end != End::kThrew || thrown_tag_ != instance.tag) return got;
        return model_.alive(func.store) ? fine(got.value) : got;
      }
      case ExportName::kPick: return fine({Seen::Kind::kFunc, instance.funcs[static_cast<size_t>(ExportName::kDiv)]});
      case ExportName::kCallIt: {
        if (args[0].kind != Seen::Kind::kFunc) return trapped("cast failure");
        const Func& callee = model_.funcs[static_cast<size_t>(args[0].number)];
        if (callee.is_host || callee.name != ExportName::kDiv) return trapped("cast failure");
        return divide(args[1].number, args[2].number);
      }
      case ExportName::kPoke:
        model_.globals[instance.global].value = new_object(func.store, static_cast<int32_t>(args[0].number));
        return fine();
    }
    return fine();
  }

  // The library's import may be the host's function or another library's.
  Expected call_import(Action& action, const Instance& instance, const std::vector<Seen>& args, uint32_t depth) {
    const Func callee = model_.funcs[instance.imported];
    return run(action, callee, args, depth);
  }

  static Expected divide(int64_t a, int64_t b) {
    if (b == 0) return trapped("integer divide by zero");
    if (a == INT32_MIN && b == -1) return trapped("integer overflow");
    return fine(number(a / b));
  }
  Expected thrown(int64_t n, const Seen& payload) {
    return {.end = End::kThrew, .value = payload, .number = static_cast<int32_t>(n)};
  }
  Seen new_object(uint32_t store, int32_t n) {
    model_.objects.push_back({.store = store, .number = n});
    return {Seen::Kind::kObject, static_cast<int64_t>(model_.objects.size() - 1)};
  }

  // The host function runs: acts, then ends.
  Expected ask(Action& action, const std::vector<Seen>& args, uint32_t store, uint32_t depth) {
    action.asks = true;
    action.argument = {.value = args[1], .number = static_cast<int32_t>(args[0].number)};
    complete(action.argument, store);
    if (depth < kMostDepth) {
      const uint32_t count = choices_.below(4);
      for (uint32_t i = 0; i < count && written_ < kMostActions; ++i) action.inside.push_back(act(depth + 1));
    }
    if (!model_.alive(store)) {
      action.end = HostEnd::kReturnNull;
      return refused(PARALLAX_ERROR_STORE_GONE);
    }
    action.end = choices_.chance(1, 2) ? HostEnd::kReturnArgument : static_cast<HostEnd>(choices_.below(5));
    switch (action.end) {
      case HostEnd::kReturnArgument: return fine(args[1]);
      case HostEnd::kReturnNull: return fine({Seen::Kind::kNull, 0});
      case HostEnd::kReturnHandle: {
        action.end_ref = draw_ref('x', store);
        if (const Refusal refusal = model_.give_ref(action.end_ref, store)) return refused(*refusal);
        const Seen value = model_.value_of(action.end_ref);
        return Model::matches(value, 'x') ? fine(value) : refused(PARALLAX_ERROR_MISMATCH);
      }
      case HostEnd::kTrap: action.end_tag = model_.stores[store].handle; return {.end = End::kHostTrapped};
      case HostEnd::kThrow: return throw_from_host(action, store);
    }
    return fine();
  }

  // The exception is made with the tag's own store, so that it may be of another store than the function.
  Expected throw_from_host(Action& action, uint32_t store) {
    action.end_tag = usable_tag();
    if (action.end_tag == kNoHandle) {
      action.end = HostEnd::kReturnNull;
      return fine({Seen::Kind::kNull, 0});
    }
    const uint32_t of = store_of(action.end_tag);
    std::vector<HandleNo> payloads = {kNoHandle};
    for (HandleNo no = 0; no < model_.handles.size(); ++no) {
      if (!model_.give_ref(no, of) && Model::matches(model_.value_of(no), 'x')) payloads.push_back(no);
    }
    action.end_ref = payloads[choices_.below(static_cast<uint32_t>(payloads.size()))];
    if (of != store) return refused(PARALLAX_ERROR_OTHER_STORE);
    thrown_tag_ = model_.handles[action.end_tag].thing;
    return thrown(kThrownByHost, model_.value_of(action.end_ref));
  }
  static constexpr int32_t kThrownByHost = 1234;

  HandleNo usable_tag() {
    std::vector<HandleNo> tags;
    for (HandleNo no = 0; no < model_.handles.size(); ++no) {
      if (!model_.use(no, Kind::kTag)) tags.push_back(no);
    }
    return tags.empty() ? kNoHandle : recent(tags);
  }

  // --- Everything else -------------------------------------------------------------------------------------------------

  Action act(uint32_t depth) {
    ++written_;
    static constexpr Act kWeighted[] = {
        Act::kCall,      Act::kCall,        Act::kCall,      Act::kCall,        Act::kCall,       Act::kCall,
        Act::kCall,      Act::kCall,        Act::kCall,      Act::kCall,        Act::kDelete,     Act::kDelete,
        Act::kCopy,      Act::kSame,        Act::kSame,      Act::kForeign,     Act::kForeign,    Act::kNewPair,
        Act::kNewPair,   Act::kI31,         Act::kGetField,  Act::kGetField,    Act::kSetField,   Act::kSetField,
        Act::kGlobalGet, Act::kGlobalSet,   Act::kTableGet,  Act::kTableSet,    Act::kCollect,    Act::kCollect,
        Act::kNewStore,  Act::kDeleteStore, Act::kNewModule, Act::kShare,       Act::kObtain,     Act::kNewHost,
        Act::kExports,   Act::kInstantiate, Act::kOpenScope, Act::kInstantiate, Act::kCloseScope, Act::kExports,
    };
    Act kind = choices_.pick(kWeighted);
    if (kind == Act::kNewStore && model_.stores.size() >= kMostStores) kind = Act::kCall;
    switch (kind) {
      case Act::kNewStore: --written_; return new_store();
      case Act::kDeleteStore: return delete_store(draw(Kind::kStore));
      case Act::kNewModule: return new_module(draw(Kind::kStore), static_cast<ModuleText>(choices_.below(3)));
      case Act::kShare: return share(draw(Kind::kModule));
      case Act::kObtain: return obtain(draw(Kind::kStore), draw(Kind::kShared));
      case Act::kNewHost: return new_host(draw(Kind::kStore));
      case Act::kInstantiate: return draw_instantiate();
      case Act::kExports: return exports(draw(Kind::kInstance));
      case Act::kCall: return call(draw(Kind::kFunc), depth);
      case Act::kCopy: return copy();
      case Act::kDelete: return remove();
      case Act::kSame: return same();
      case Act::kForeign: return foreign(draw(Kind::kStore));
      case Act::kNewPair: return new_pair(draw(Kind::kStore));
      case Act::kI31: return small(draw(Kind::kStore));
      case Act::kGetField: return get_field();
      case Act::kSetField: return set_field();
      case Act::kGlobalGet: return global_get(draw(Kind::kGlobal));
      case Act::kGlobalSet: return global_set(draw(Kind::kGlobal));
      case Act::kTableGet: return table_get(draw(Kind::kTable));
      case Act::kTableSet: return table_set(draw(Kind::kTable));
      case Act::kCollect: return collect(draw(Kind::kStore));
      case Act::kOpenScope: return open_scope(draw(Kind::kStore));
      case Act::kCloseScope: return close_scope(draw(Kind::kScope));
    }
    return {};
  }

  Action delete_store(HandleNo no) {
    Action action{.act = Act::kDeleteStore, .subject = no};
    if (no == kNoHandle || refused_by(action, model_.use_store(no))) return action;
    model_.remove(no);
    model_.stores[store_of(no)].alive = false;
    return action;
  }

  Action share(HandleNo no) {
    Action action{.act = Act::kShare, .subject = no};
    if (refused_by(action, model_.live(no, Kind::kModule))) return action;
    makes(action, model_.add({.kind = Kind::kShared, .store = store_of(no), .thing = model_.handles[no].thing}));
    return action;
  }

  Action obtain(HandleNo store, HandleNo shared) {
    Action action{.act = Act::kObtain, .subject = store, .refs = {shared}};
    if (refused_by(action, model_.use_store(store))) return action;
    if (refused_by(action, model_.live(shared, Kind::kShared))) return action;
    model_.modules.push_back({store_of(store), model_.modules[model_.handles[shared].thing].text});
    makes(action, model_.add({.kind = Kind::kModule,
                              .store = store_of(store),
                              .thing = static_cast<uint32_t>(model_.modules.size() - 1)}));
    return action;
  }

  Action draw_instantiate() {
    const HandleNo store = draw(Kind::kStore);
    const HandleNo module = draw(Kind::kModule, store_of(store));
    std::vector<HandleNo> imports;
    const bool client = module != kNoHandle && model_.handles[module].kind == Kind::kModule &&
                        model_.modules[model_.handles[module].thing].text == ModuleText::kClient;
    if (!client) {
      imports.push_back(draw_func(store_of(store), ModuleText::kLibrary));
    } else {
      imports = {draw_func(store_of(store), ModuleText::kClient), draw(Kind::kTable, store_of(store)),
                 draw(Kind::kGlobal, store_of(store)), draw(Kind::kTag, store_of(store))};
    }
    if (choices_.chance(1, 20)) imports.pop_back();
    return instantiate(store, module, std::move(imports));
  }
  // A function that fits as import, mostly.
  HandleNo draw_func(uint32_t store, ModuleText text) {
    std::vector<HandleNo> fitting;
    for (HandleNo no = 0; no < model_.handles.size(); ++no) {
      if (!model_.use(no, Kind::kFunc) && store_of(no) == store && func_fits(no, text)) fitting.push_back(no);
    }
    return !fitting.empty() && choices_.chance(9, 10) ? recent(fitting) : draw(Kind::kFunc, store);
  }

  HandleNo draw_any() {
    if (model_.handles.empty()) return kNoHandle;
    return choices_.below(static_cast<uint32_t>(model_.handles.size()));
  }

  // Stores, scopes, instances and the like have other ways to end or cannot be copied.
  static bool copies(Kind kind) {
    return kind != Kind::kStore && kind != Kind::kScope && kind != Kind::kShared && kind != Kind::kTag;
  }

  Action copy() {
    HandleNo no = draw_any();
    if (no != kNoHandle && !copies(model_.handles[no].kind)) no = draw(Kind::kFunc);
    if (no != kNoHandle && !copies(model_.handles[no].kind)) no = kNoHandle;
    Action action{.act = Act::kCopy, .subject = no};
    if (no == kNoHandle) return action;
    if (model_.handles[no].deleted) {
      refuse(action, PARALLAX_ERROR_DELETED);
      return action;
    }
    const Handle handle = model_.handles[no];
    makes(action, model_.add(handle));
    return action;
  }

  Action remove() {
    HandleNo no = draw_any();
    if (no != kNoHandle && (model_.handles[no].kind == Kind::kStore || model_.handles[no].kind == Kind::kScope)) {
      no = draw(Kind::kRef);
      if (no != kNoHandle && (model_.handles[no].kind == Kind::kStore || model_.handles[no].kind == Kind::kScope)) {
        no = kNoHandle;
      }
    }
    Action action{.act = Act::kDelete, .subject = no};
    if (no == kNoHandle) return action;
    if (model_.handles[no].deleted) refuse(action, PARALLAX_ERROR_DELETED);
    model_.remove(no);
    return action;
  }

  // References only; of stores that are gone nobody can tell, so those are not asked.
  Action same() {
    const auto draw_one = [&](std::optional<uint32_t> store) {
      static constexpr Kind kKinds[] = {Kind::kRef, Kind::kRef, Kind::kForeign, Kind::kFunc};
      const HandleNo no = draw(choices_.pick(kKinds), store);
      if (no == kNoHandle) return no;
      const Handle& handle = model_.handles[no];
      const bool is_ref = handle.kind == Kind::kRef || handle.kind == Kind::kForeign || handle.kind == Kind::kFunc;
      return is_ref && (handle.deleted || model_.alive(handle.store)) ? no : kNoHandle;
    };
    const HandleNo a = draw_one({});
    const HandleNo b = draw_one(a == kNoHandle ? std::nullopt : std::optional(store_of(a)));
    Action action{.act = Act::kSame, .refs = {a, b}};
    if (a == kNoHandle || b == kNoHandle) {
      action.expected = fine(number(a == b));
      return action;
    }
    for (const HandleNo no : {a, b}) {
      if (!model_.handles[no].deleted) continue;
      refuse(action, PARALLAX_ERROR_DELETED);
      return action;
    }
    action.expected = fine(number(store_of(a) == store_of(b) && model_.value_of(a) == model_.value_of(b)));
    return action;
  }

  Action foreign(HandleNo store) {
    Action action{.act = Act::kForeign, .subject = store};
    if (refused_by(action, model_.use_store(store))) return action;
    const Seen value{Seen::Kind::kForeign, static_cast<int64_t>(model_.foreigns.size())};
    model_.foreigns.push_back(store_of(store));
    action.expected = fine(value);
    complete(action.expected, store_of(store));
    makes(action, model_.add_ref(store_of(store), value));
    return action;
  }

  Action new_pair(HandleNo store) {
    Action action{.act = Act::kNewPair, .subject = store, .numbers = {draw_number()}};
    // The type: mostly that of the store.
    const uint32_t of =
        choices_.chance(9, 10) ? store_of(store) : choices_.below(static_cast<uint32_t>(model_.stores.size()));
    const HandleNo type = model_.stores[of].pair_type;
    const HandleNo next = draw_ref('p', store_of(store));
    action.refs = {type, next};
    if (refused_by(action, model_.use_store(store))) return action;
    if (refused_by(action, model_.live(type, Kind::kType))) return action;
    if (refused_by(action, model_.same_store(type, store_of(store)))) return action;
    if (refused_by(action, model_.give_ref(next, store_of(store)))) return action;
    const Seen next_value = model_.value_of(next);
    if (!Model::matches(next_value, 'p')) {
      refuse(action, PARALLAX_ERROR_MISMATCH);
      return action;
    }
    const Seen made = new_object(store_of(store), action.numbers[0]);
    model_.objects.back().next = next_value;
    action.expected = fine(made);
    complete(action.expected, store_of(store));
    makes(action, model_.add_ref(store_of(store), made));
    return action;
  }

  Action small(HandleNo store) {
    Action action{.act = Act::kI31, .subject = store, .numbers = {draw_number()}};
    if (refused_by(action, model_.use_store(store))) return action;
    const int32_t kept = static_cast<int32_t>(static_cast<uint32_t>(action.numbers[0]) << 1) >> 1;
    const Seen value{Seen::Kind::kI31, kept};
    action.expected = fine(value);
    complete(action.expected, store_of(store));
    makes(action, model_.add_ref(store_of(store), value));
    return action;
  }

  // A reference whose object is looked at: live, a reference, its store there.
  Refusal see(HandleNo no) const {
    if (no == kNoHandle) return PARALLAX_ERROR_NULL_HANDLE;
    const Handle& handle = model_.handles[no];
    if (handle.deleted) return PARALLAX_ERROR_DELETED;
    if (handle.kind != Kind::kRef && handle.kind != Kind::kForeign && handle.kind != Kind::kFunc) {
      return PARALLAX_ERROR_WRONG_KIND;
    }
    if (!model_.alive(handle.store)) return PARALLAX_ERROR_STORE_GONE;
    return std::nullopt;
  }

  Action get_field() {
    Action action{
        .act = Act::kGetField, .refs = {draw(Kind::kRef)}, .numbers = {static_cast<int32_t>(choices_.below(3))}};
    const HandleNo no = action.refs[0];
    if (refused_by(action, see(no))) return action;
    const Seen value = model_.value_of(no);
    const int32_t index = action.numbers[0];
    if (value.kind != Seen::Kind::kObject || index >= 2) {
      refuse(action, PARALLAX_ERROR_BOUNDS);
      return action;
    }
    const scenario::Object& object = model_.objects[static_cast<size_t>(value.number)];
    action.expected = fine(index == 0 ? number(object.number) : object.next);
    complete(action.expected, store_of(no));
    makes(action, model_.add_ref(store_of(no), action.expected.value));
    return action;
  }

  Action set_field() {
    const HandleNo no = draw(Kind::kRef);
    Action action{.act = Act::kSetField,
                  .refs = {no, draw_ref('p', store_of(no))},
                  .numbers = {static_cast<int32_t>(choices_.below(3)), draw_number()}};
    if (refused_by(action, see(no))) return action;
    const Seen value = model_.value_of(no);
    const int32_t index = action.numbers[0];
    if (value.kind != Seen::Kind::kObject) {
      refuse(action, PARALLAX_ERROR_WRONG_KIND);
      return action;
    }
    if (index >= 2) {
      refuse(action, PARALLAX_ERROR_BOUNDS);
      return action;
    }
    scenario::Object& object = model_.objects[static_cast<size_t>(value.number)];
    if (index == 0) {
      object.number = action.numbers[1];
      return action;
    }
    if (refused_by(action, model_.give_ref(action.refs[1], store_of(no)))) return action;
    const Seen next = model_.value_of(action.refs[1]);
    if (!Model::matches(next, 'p')) {
      refuse(action, PARALLAX_ERROR_MISMATCH);
      return action;
    }
    object.next = next;
    return action;
  }

  Action global_get(HandleNo no) {
    Action action{.act = Act::kGlobalGet, .subject = no};
    if (refused_by(action, model_.use(no, Kind::kGlobal))) return action;
    action.expected = fine(model_.globals[model_.handles[no].thing].value);
    complete(action.expected, store_of(no));
    makes(action, model_.add_ref(store_of(no), action.expected.value));
    return action;
  }

  Action global_set(HandleNo no) {
    Action action{.act = Act::kGlobalSet, .subject = no, .refs = {draw_ref('p', store_of(no))}};
    if (refused_by(action, model_.use(no, Kind::kGlobal))) return action;
    if (refused_by(action, model_.give_ref(action.refs[0], store_of(no)))) return action;
    const Seen value = model_.value_of(action.refs[0]);
    if (!Model::matches(value, 'p')) {
      refuse(action, PARALLAX_ERROR_MISMATCH);
      return action;
    }
    model_.globals[model_.handles[no].thing].value = value;
    return action;
  }

  Action table_get(HandleNo no) {
    Action action{
        .act = Act::kTableGet, .subject = no, .numbers = {static_cast<int32_t>(choices_.below(kTableSize + 1))}};
    if (refused_by(action, model_.use(no, Kind::kTable))) return action;
    const auto index = static_cast<uint32_t>(action.numbers[0]);
    if (index >= kTableSize) {
      refuse(action, PARALLAX_ERROR_BOUNDS);
      return action;
    }
    action.expected = fine(model_.tables[model_.handles[no].thing].elements[index]);
    complete(action.expected, store_of(no));
    makes(action, model_.add_ref(store_of(no), action.expected.value));
    return action;
  }

  Action table_set(HandleNo no) {
    Action action{.act = Act::kTableSet,
                  .subject = no,
                  .refs = {draw_ref('x', store_of(no))},
                  .numbers = {static_cast<int32_t>(choices_.below(kTableSize + 1))}};
    if (refused_by(action, model_.use(no, Kind::kTable))) return action;
    if (refused_by(action, model_.give_ref(action.refs[0], store_of(no)))) return action;
    const Seen value = model_.value_of(action.refs[0]);
    const auto index = static_cast<uint32_t>(action.numbers[0]);
    // Whether the index or the type is looked at first is not said.
    if (index >= kTableSize && !Model::matches(value, 'x')) action.refs[0] = kNoHandle;
    if (index >= kTableSize) {
      refuse(action, PARALLAX_ERROR_BOUNDS);
    } else if (!Model::matches(value, 'x')) {
      refuse(action, PARALLAX_ERROR_MISMATCH);
    } else {
      model_.tables[model_.handles[no].thing].elements[index] = value;
    }
    return action;
  }

  Action collect(HandleNo store) {
    Action action{.act = Act::kCollect, .subject = store};
    refused_by(action, model_.use_store(store));
    return action;
  }

  Action open_scope(HandleNo store) {
    Action action{.act = Act::kOpenScope, .subject = store};
    if (refused_by(action, model_.use_store(store))) return action;
    scenario::Store& of = model_.stores[store_of(store)];
    const HandleNo scope = model_.add({.kind = Kind::kScope, .store = store_of(store)});
    of.scopes.emplace_back();
    of.scope_handles.push_back(scope);
    makes(action, scope);
    return action;
  }

  Action close_scope(HandleNo no) {
    Action action{.act = Act::kCloseScope, .subject = no};
    if (no == kNoHandle || refused_by(action, model_.live(no, Kind::kScope))) return action;
    scenario::Store& of = model_.stores[store_of(no)];
    const auto at = std::find(of.scope_handles.begin(), of.scope_handles.end(), no) - of.scope_handles.begin();
    for (const HandleNo ref : of.scopes[static_cast<size_t>(at)]) model_.remove(ref);
    of.scopes.erase(of.scopes.begin() + at);
    of.scope_handles.erase(of.scope_handles.begin() + at);
    model_.remove(no);
    return action;
  }

  ChoiceStream& choices_;
  Model model_;
  bool setting_up_ = false;
  uint32_t written_ = 0;
  uint32_t thrown_tag_ = ~0u;  // of the exception on its way
};

}  // namespace

Scenario make_scenario(ChoiceStream& choices) { return Author(choices).write(); }

Scenario scenario_at(uint64_t seed, uint64_t index) {
  ChoiceStream choices(seed * 0x9e3779b97f4a7c15ull ^ (index + 1) * 0xbf58476d1ce4e5b9ull);
  return make_scenario(choices);
}

// --- Text ---------------------------------------------------------------------------------------------------------------

namespace {

std::string handle_text(HandleNo no) { return no == kNoHandle ? "null" : text::format("h{}", no); }

std::string value_text(const Seen& value) {
  static constexpr const char* kKinds[] = {"nothing", "number", "null", "pair", "foreign", "i31", "function"};
  const char* const kind = kKinds[static_cast<size_t>(value.kind)];
  const bool bare = value.kind == Seen::Kind::kNothing || value.kind == Seen::Kind::kNull;
  return bare ? kind : text::format("{} {}", kind, value.number);
}

std::string expected_text(const Expected& expected) {
  switch (expected.end) {
    case End::kFine: return value_text(expected.value);
    case End::kRefused: return text::format("refused: {}", parallax_error_text(expected.error));
    case End::kTrapped: return text::format("trap: {}", expected.trap);
    case End::kHostTrapped: return "the host's trap";
    case End::kThrew: return text::format("exception ({}, {})", expected.number, value_text(expected.value));
  }
  return "?";
}

void describe(const Action& action, const std::string& indent, std::string& out) {
  static constexpr const char* kActs[] = {
#define ACTION(id, name, summary) name,
#include "fuzz/generators/scenario/actions.def"
#undef ACTION
  };
  out += indent + kActs[static_cast<size_t>(action.act)];
  if (action.subject != kNoHandle) out += " " + handle_text(action.subject);
  for (const HandleNo ref : action.refs) out += " " + handle_text(ref);
  for (const int32_t n : action.numbers) out += text::format(" {}", n);
  if (action.makes_count != 0) out += text::format(" -> h{}", action.makes);
  if (action.makes_count > 1) out += text::format("..h{}", action.makes + action.makes_count - 1);
  out += text::format("   ({})\n", expected_text(action.expected));
  if (!action.asks) return;
  for (const Action& inner : action.inside) describe(inner, indent + "    ", out);
  static constexpr const char* kEnds[] = {"its argument", "null", "a handle", "a trap", "an exception"};
  out += indent + text::format("    host function gives {} {}\n", kEnds[static_cast<size_t>(action.end)],
                               action.end_ref == kNoHandle ? "" : handle_text(action.end_ref));
}

}  // namespace

std::string describe(const Scenario& scenario) {
  std::string out = text::format("level {}, collector {}, zeal {}, {}\n", scenario.level, scenario.collector,
                                 scenario.zeal, scenario.armed ? "armed" : "plain");
  for (const Action& action : scenario.actions) describe(action, "", out);
  return out;
}

}  // namespace parallax::fuzz
