#include "engine/runtime/wasi.h"

#include <algorithm>
#include <cstring>

namespace parallax::runtime {

using wasm::Extern;
using wasm::Outcome;
using wasm::Value;

struct WasiRow {
  const char* name;
  const char* params;
  Wasi::Errno (Wasi::*handler)(Wasi::Args);

  static const WasiRow* find(std::string_view name);
};

namespace {

constexpr uint64_t kTick = 1000;  // nanoseconds
constexpr uint32_t kCharacterDevice = 2;

uint32_t low(const Value& value) { return static_cast<uint32_t>(value.low); }

}  // namespace

const WasiRow* WasiRow::find(std::string_view name) {
  static constexpr WasiRow kRows[] = {
#define WASI(function, params, handler) {#function, params, &Wasi::handler},
#include "engine/runtime/wasi.def"
#undef WASI
  };
  for (const WasiRow& row : kRows) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

Wasi::Wasi(wasm::Embedding& store, wasm::TypeStore& types, WasiOptions options)
    : store_(store), types_(types), options_(std::move(options)), random_(options_.random_seed) {}

std::optional<Extern> Wasi::import(std::string_view module, std::string_view name) {
  if (module != "wasi_snapshot_preview1" && module != "wasi_unstable") return {};
  const WasiRow* const row = WasiRow::find(name);
  if (row == nullptr) return {};
  const bool ends = row->handler == &Wasi::proc_exit;
  std::vector<wasm::ValType> params;
  for (const char* letter = row->params; *letter != 0; ++letter)
    params.push_back(*letter == 'l' ? wasm::kI64 : wasm::kI32);
  const wasm::TypeId type = types_.intern_func(params, ends ? std::vector<wasm::ValType>{} : std::vector{wasm::kI32});
  return store_.make_func(type, [this, row, ends](wasm::Embedding&, Args args) {
    const Errno error = (this->*row->handler)(args);
    if (ends) return Outcome::trapped(wasm::TrapKind::kHostTrap);
    return Outcome::ok({Value::i32(error)});
  });
}

void Wasi::bind(wasm::InstanceId instance) {
  const auto found = store_.find_export(instance, "memory");
  if (found && found->kind == wasm::ExternKind::kMemory) memory_ = *found;
}

// --- The program's memory ------------------------------------------------------------------------------------------

std::optional<std::span<uint8_t>> Wasi::bytes(uint64_t address, uint64_t size) {
  if (!memory_) return {};
  const auto memory = store_.memory(*memory_);
  if (!memory || size > memory->size() || address > memory->size() - size) return {};
  return memory->subspan(address, size);
}

bool Wasi::put(uint64_t address, uint64_t value, uint32_t size) {
  const auto target = bytes(address, size);
  if (target) std::memcpy(target->data(), &value, size);
  return target.has_value();
}

template <class Visit>
bool Wasi::for_each_buffer(uint64_t address, uint64_t count, Visit&& visit) {
  for (uint64_t i = 0; i < count; ++i) {
    const auto entry = bytes(address + 8 * i, 8);
    if (!entry) return false;
    uint32_t words[2];
    std::memcpy(words, entry->data(), sizeof(words));
    const auto buffer = bytes(words[0], words[1]);
    if (!buffer) return false;
    if (!visit(*buffer)) break;
  }
  return true;
}

// --- Strings, clock, random numbers --------------------------------------------------------------------------------

Wasi::Errno Wasi::put_strings(const std::vector<std::string>& strings, Args args) {
  uint64_t pointer = low(args[0]);
  uint64_t text = low(args[1]);
  for (const std::string& string : strings) {
    const auto target = bytes(text, string.size() + 1);
    if (!target || !put(pointer, text, 4)) return kFault;
    std::memcpy(target->data(), string.c_str(), string.size() + 1);
    pointer += 4;
    text += string.size() + 1;
  }
  return kSuccess;
}

Wasi::Errno Wasi::put_sizes(const std::vector<std::string>& strings, Args args) {
  uint64_t size = 0;
  for (const std::string& string : strings) size += string.size() + 1;
  return put(low(args[0]), strings.size(), 4) && put(low(args[1]), size, 4) ? kSuccess : kFault;
}

Wasi::Errno Wasi::clock_res_get(Args args) { return put(low(args[1]), kTick, 8) ? kSuccess : kFault; }

Wasi::Errno Wasi::clock_time_get(Args args) {
  const uint64_t now = options_.now ? options_.now() : ticks_ += kTick;
  return put(low(args[2]), now, 8) ? kSuccess : kFault;
}

Wasi::Errno Wasi::random_get(Args args) {
  const auto target = bytes(low(args[0]), low(args[1]));
  if (!target) return kFault;
  for (uint8_t& byte : *target) byte = random_.byte();
  return kSuccess;
}

Wasi::Errno Wasi::proc_exit(Args args) {
  exit_code_ = low(args[0]);
  return kSuccess;
}

// --- Standard streams ----------------------------------------------------------------------------------------------

Wasi::Errno Wasi::fd_fdstat_get(Args args) {
  constexpr uint64_t kAllRights = 0x1fff'ffff;
  if (!is_stream(args)) return kBadf;
  const uint64_t at = low(args[1]);
  const bool ok = put(at, kCharacterDevice, 8) && put(at + 8, kAllRights, 8) && put(at + 16, 0, 8);
  return ok ? kSuccess : kFault;
}

Wasi::Errno Wasi::fd_filestat_get(Args args) {
  constexpr uint32_t kStatBytes = 64;
  constexpr uint32_t kTypeOffset = 16;
  if (!is_stream(args)) return kBadf;
  const auto target = bytes(low(args[1]), kStatBytes);
  if (!target) return kFault;
  std::memset(target->data(), 0, kStatBytes);
  (*target)[kTypeOffset] = kCharacterDevice;
  return kSuccess;
}

Wasi::Errno Wasi::fd_read(Args args) {
  if (low(args[0]) != 0) return kBadf;
  uint64_t total = 0;
  const bool inside = for_each_buffer(low(args[1]), low(args[2]), [&](std::span<uint8_t> buffer) {
    const size_t got = options_.read ? std::min(options_.read(buffer), buffer.size()) : 0;
    total += got;
    return got == buffer.size();
  });
  return inside && put(low(args[3]), total, 4) ? kSuccess : kFault;
}

Wasi::Errno Wasi::fd_write(Args args) {
  const uint32_t descriptor = low(args[0]);
  if (descriptor != 1 && descriptor != 2) return kBadf;
  uint64_t total = 0;
  const bool inside = for_each_buffer(low(args[1]), low(args[2]), [&](std::span<uint8_t> buffer) {
    write_out(descriptor, {reinterpret_cast<const char*>(buffer.data()), buffer.size()});
    total += buffer.size();
    return true;
  });
  return inside && put(low(args[3]), total, 4) ? kSuccess : kFault;
}

void Wasi::write_out(uint32_t descriptor, std::string_view text) {
  if (options_.write) return options_.write(descriptor, text);
  collected_[descriptor == 2 ? 1 : 0] += text;
}

}  // namespace parallax::runtime
