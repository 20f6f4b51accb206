// Translations of callees, kept in a small table.
#include "engine/jit/callees.h"

namespace parallax::jit {

void TranslatedCallees::start(Translator& translator, const wasm::Module& module, const TranslateOptions& options) {
  translator_ = &translator;
  module_ = &module;
  options_ = options;
  used_ = next_ = 0;
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

}  // namespace parallax::jit
