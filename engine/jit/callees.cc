// Translations of callees, kept in a small table; contents of tables.
#include "engine/jit/callees.h"

namespace parallax::jit {

void TranslatedCallees::start(Translator& translator, const wasm::Module& module, const TranslateOptions& options,
                              const runtime::Instance* instance, ModuleFacts* facts) {
  const uint64_t serial = facts != nullptr ? facts->serial() : 0;
  if (serial == 0 || serial != serial_ || options.poll_at_budget != options_.poll_at_budget ||
      options.features.bits != options_.features.bits) {
    used_ = next_ = 0;
  }
  serial_ = serial;
  translator_ = &translator;
  module_ = &module;
  instance_ = instance;
  options_ = options;
  facts_ = facts;
  own_facts_.reset();
}

ModuleFacts& TranslatedCallees::facts() {
  if (facts_ != nullptr) return *facts_;
  if (own_facts_ == nullptr) own_facts_ = std::make_unique<ModuleFacts>(*module_);
  return *own_facts_;
}

const ir::Func* TranslatedCallees::body(wasm::FuncIndex func) {
  for (size_t n = 0; n < used_; ++n) {
    if (kept_[n].func == func) return kept_[n].translated ? kept_[n].body.get() : nullptr;
  }
  size_t place = used_;
  if (used_ == kMostKept) {
    place = next_;
    next_ = (next_ + 1) % kMostKept;
  } else if (++used_ > kept_.size()) {
    kept_.push_back({.body = std::make_unique<ir::Func>()});
  }
  Kept& kept = kept_[place];
  kept.func = func;
  kept.translated = translator_->translate(*module_, func, options_, *kept.body).has_value();
  return kept.translated ? kept.body.get() : nullptr;
}

std::optional<size_t> TranslatedCallees::size(wasm::FuncIndex func) {
  uint32_t& known = facts().ir_size(func);
  if (known == 0) {
    const ir::Func* found = body(func);
    known = found != nullptr ? static_cast<uint32_t>(found->inst_count()) : ModuleFacts::kNoBody;
  }
  return known == ModuleFacts::kNoBody ? std::nullopt : std::optional<size_t>(known);
}

const ir::Func* TranslatedCallees::at_hand(wasm::FuncIndex func) const {
  for (size_t n = 0; n < used_; ++n) {
    if (kept_[n].func == func) return kept_[n].translated ? kept_[n].body.get() : nullptr;
  }
  return nullptr;
}

std::span<const wasm::FuncIndex> TranslatedCallees::named(wasm::TypeId type, size_t most) {
  return facts().named(type, most);
}

// Instantiation is over when code of the instance runs, so what the table holds now is what it will hold.
std::span<const opt::Callees::Element> TranslatedCallees::constant_table(wasm::TableIndex index) {
  elements_.clear();
  if (instance_ == nullptr) return {};
  const runtime::Table& table = instance_->table(index.raw);
  if (!table.is_func() || table.size > kMostElements || !facts().is_constant(index)) return {};
  for (uint64_t n = 0; n < table.size; ++n) elements_.push_back(element(table.get(n)));
  return elements_;
}

opt::Callees::Element TranslatedCallees::element(uint64_t id) const {
  if (id == 0) return {Element::kNull};
  const runtime::StoreContext& store = *instance_->ctx.store;
  const uint64_t at = id & 0xffffffffu;
  if (at >= store.func_count || store.funcs[at].id != id) return {Element::kForeign};
  const runtime::FuncEntry& entry = store.funcs[at];
  const bool own = entry.host == nullptr && entry.ctx == &instance_->ctx;
  return {own ? entry.func_index : Element::kForeign};
}

}  // namespace parallax::jit
