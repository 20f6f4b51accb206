#include "engine/jit/stub_cache.h"

#include "engine/base/faults.h"

namespace parallax::jit {

namespace {

// Lets code be appended to the stubs for a while.
class AmongStubs {
 public:
  explicit AmongStubs(CodeSpace& space) : space_(space) { space_.append_to(CodeSpace::Part::kStubs); }
  ~AmongStubs() { space_.append_to(CodeSpace::Part::kCode); }
  AmongStubs(const AmongStubs&) = delete;
  AmongStubs& operator=(const AmongStubs&) = delete;

 private:
  CodeSpace& space_;
};

// Says how many bytes the code that `make` appends takes.
template <class Make>
auto measured(const CodeSpace& space, size_t& bytes, Make&& make) {
  const uint8_t* const begin = space.next_code();
  auto made = make();
  bytes = static_cast<size_t>(space.next_code() - begin);
  return made;
}

template <class Make>
auto among_stubs(CodeSpace& space, size_t& bytes, Make&& make) {
  const AmongStubs among(space);
  return measured(space, bytes, make);
}

}  // namespace

Result<> StubCache::start(x64::Asm& a, CodeSpace& space, x64::UnwindFunction unwind) {
  const bool with_fault = g_fault.active != Fault::kNone;
  const bool worn = with_fault || may_host_fault_ || some_outside_ || unwind != unwind_ ||
                    space.stub_bytes() > CodeSpace::kStubBytes / 2;
  if (shared_.exit != nullptr && !worn) return {};
  signatures_.clear();
  sites_.reset();
  space.forget_stubs();
  shared_ = {};
  may_host_fault_ = with_fault;
  some_outside_ = false;
  unwind_ = unwind;
  const AmongStubs among(space);
  x64::StubTable made;
  TRY(x64::make_shared_stubs(a, space, sites_, unwind, made, leave_threw_));
  shared_ = made;
  shared_end_ = space.next_code();
  return {};
}

StubCache::Signature& StubCache::signature(std::string params, std::string results) {
  auto& known = signatures_[params + ':' + results];
  if (known == nullptr) {
    known = std::make_unique<Signature>();
    known->params = std::move(params);
    known->results = std::move(results);
  }
  return *known;
}

Result<> StubCache::need_entry(x64::Asm& a, CodeSpace& space, Signature& signature) {
  if (signature.entry != nullptr) return {};
  const auto make = [&] { return x64::make_entry(a, space, signature.params, signature.results); };
  auto made = among_stubs(space, signature.entry_bytes, make);
  if (!made && made.error().code == ErrorCode::kLimit) {
    some_outside_ = true;
    made = measured(space, signature.entry_bytes, make);
  }
  signature.entry = TRY(made);
  return {};
}

Result<> StubCache::need_host(x64::Asm& a, CodeSpace& space, Signature& signature, CallSites& own) {
  if (signature.host != nullptr) return {};
  const auto make = [&](CallSites& sites) {
    return x64::make_host_stub(a, space, sites, signature.params, signature.results, shared_);
  };
  auto made = among_stubs(space, signature.host_bytes, [&] { return make(sites_); });
  if (!made && made.error().code == ErrorCode::kLimit) {
    some_outside_ = true;
    made = measured(space, signature.host_bytes, [&] { return make(own); });
  }
  signature.host = TRY(made);
  return {};
}

}  // namespace parallax::jit
