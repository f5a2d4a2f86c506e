// SPDX-License-Identifier: MIT
/// A block of memory, aligned for kernels and zero at the start.
///
/// Large blocks ask for huge pages: weights and activations are read in strides of a page and more, and the processor
/// then looks up a five-hundredth of the addresses. Memory that no whole huge page covers is left in small ones, so
/// that a block takes no more than its bytes.
#pragma once

#include <remat/core/language.hpp>

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace remat {

class memory_block {
 public:
  memory_block() = default;
  memory_block(memory_block&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  memory_block& operator=(memory_block&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  explicit memory_block(std::size_t bytes) : size_(bytes) {
    if (bytes == 0) return;
    data_.reset(static_cast<std::byte*>(::operator new(bytes, boundary)));
    ask_for_huge_pages();
    std::memset(data_.get(), 0, bytes);
  }

  std::byte* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  static constexpr std::align_val_t boundary{4096};

  /// Where there are none, the block is as good.
  void ask_for_huge_pages() const {
#ifdef MADV_HUGEPAGE
    constexpr std::size_t huge = std::size_t{1} << 21;
    const std::size_t before = (huge - reinterpret_cast<std::uintptr_t>(data()) % huge) % huge;
    if (size_ >= before + huge) madvise(data() + before, (size_ - before) / huge * huge, MADV_HUGEPAGE);
#endif
  }
  struct release {
    void operator()(std::byte* p) const { ::operator delete(p, boundary); }
  };

  std::unique_ptr<std::byte, release> data_;
  std::size_t size_ = 0;
};

}  // namespace remat
