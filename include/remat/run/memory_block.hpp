// SPDX-License-Identifier: MIT
/// A block of memory, aligned for kernels and zero at the start.
#pragma once

#include <cstddef>
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
    std::memset(data_.get(), 0, bytes);
  }

  std::byte* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  static constexpr std::align_val_t boundary{4096};
  struct release {
    void operator()(std::byte* p) const { ::operator delete(p, boundary); }
  };

  std::unique_ptr<std::byte, release> data_;
  std::size_t size_ = 0;
};

}  // namespace remat
