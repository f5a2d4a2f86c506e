// SPDX-License-Identifier: MIT
/// Memory that ends, or begins, at pages that may not be touched: sanitizers do not see what a library generates while
/// the program runs, but the processor does.
///
/// Each buffer has a slot of its own. `placement::before_a_guard`: a tensor ends with its last byte at the guard,
/// although remat rounds its tensors up to 64 bytes, so that reading or writing one element too many is found.
/// Scratch and packed weights begin at multiples of 64, as kernels are promised; between their end and the guard is
/// less than that. `placement::after_a_guard`: the buffer begins at a page. The nearest bytes on the other side hold a
/// pattern that is looked at in the end.
#pragma once

#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

namespace fuzz {

enum class placement { before_a_guard, after_a_guard };

class guarded_memory {
 public:
  static constexpr std::size_t slots = 32, capacity = std::size_t{512} << 20, guard = std::size_t{16} << 20;

  guarded_memory() {
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* const made = mmap(nullptr, slots * (capacity + guard) + guard, PROT_NONE, flags, -1, 0);
    if (made == MAP_FAILED) throw std::runtime_error("no address space for guarded memory");
    base_ = static_cast<std::byte*>(made);
    for (std::size_t i = 0; i < slots; ++i)
      if (mprotect(begin_of(i), capacity, PROT_READ | PROT_WRITE) != 0)
        throw std::runtime_error("no memory between guards");
  }
  guarded_memory(const guarded_memory&) = delete;
  guarded_memory& operator=(const guarded_memory&) = delete;
  ~guarded_memory() { munmap(base_, slots * (capacity + guard) + guard); }

  /// Forgets all buffers.
  void start(placement where) {
    where_ = where;
    used_ = 0;
  }

  std::byte* buffer(const char* name, std::size_t bytes, std::size_t alignment) {
    if (used_ == slots || bytes + margin > capacity) throw std::length_error("guarded memory is too small");
    std::byte* const begin = begin_of(used_);
    slot& made = used_slots_[used_++];
    made.name = name;
    made.bytes = bytes;
    made.begin = where_ == placement::after_a_guard ? begin : begin + (capacity - bytes) / alignment * alignment;
    std::memset(made.begin - before(made), pattern, before(made) + bytes + after(made));
    return made.begin;
  }

  /// The name of a buffer next to which something was written, or null.
  const char* overrun() const {
    for (std::size_t i = 0; i < used_; ++i) {
      const slot& s = used_slots_[i];
      for (std::size_t k = 1; k <= before(s); ++k)
        if (s.begin[-static_cast<std::ptrdiff_t>(k)] != std::byte{pattern}) return s.name;
      for (std::size_t k = 0; k < after(s); ++k)
        if (s.begin[s.bytes + k] != std::byte{pattern}) return s.name;
    }
    return nullptr;
  }

  /// The buffer whose guard an address belongs to, and how far it is away.
  std::string whereabouts(std::uintptr_t address) const {
    for (std::size_t i = 0; i < used_; ++i) {
      const slot& s = used_slots_[i];
      const auto first = reinterpret_cast<std::uintptr_t>(s.begin), end = first + s.bytes;
      if (address >= end && address < reinterpret_cast<std::uintptr_t>(begin_of(i)) + capacity + guard)
        return std::to_string(address - end) + " bytes after " + s.name + " of " + std::to_string(s.bytes);
      if (address < first && address >= reinterpret_cast<std::uintptr_t>(begin_of(i)) - guard)
        return std::to_string(first - address) + " bytes before " + s.name + " of " + std::to_string(s.bytes);
    }
    return "far from every buffer";
  }

 private:
  static constexpr int pattern = 0xa5;
  static constexpr std::size_t margin = 256;

  struct slot {
    const char* name = nullptr;
    std::byte* begin = nullptr;
    std::size_t bytes = 0;
  };

  std::byte* begin_of(std::size_t i) const { return base_ + guard + i * (capacity + guard); }
  std::size_t before(const slot& s) const { return where_ == placement::after_a_guard || s.bytes == 0 ? 0 : margin; }
  /// Up to the guard where it is near.
  std::size_t after(const slot& s) const {
    const std::size_t end = static_cast<std::size_t>(s.begin + s.bytes - begin_of(0));
    const std::size_t left = capacity - end % (capacity + guard);
    return left < margin ? left : margin;
  }

  std::byte* base_ = nullptr;
  placement where_ = placement::before_a_guard;
  std::array<slot, slots> used_slots_;
  std::size_t used_ = 0;
};

}  // namespace fuzz
