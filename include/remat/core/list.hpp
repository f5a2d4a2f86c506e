// SPDX-License-Identifier: MIT
/// A growable array for constant expressions.
///
/// The planner runs inside `static_assert`, where clang allows 1,048,576 steps in all. `std::vector` of libstdc++ 12
/// spends tens of steps on each `push_back`, and its sized constructor and `insert` are no constant expressions to
/// clang. `list` does what the planner needs with a handful of steps per element.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>
#include <initializer_list>
#include <utility>

namespace remat::core {

/// A contiguous sequence of default-constructible, copyable values. Indices are not checked.
template <class T>
class list {
 public:
  using value_type = T;

  constexpr list() = default;
  constexpr explicit list(std::size_t size) : data_(new T[size]{}), size_(size), capacity_(size) {}
  constexpr list(std::size_t size, const T& value) : list(size) {
    for (std::size_t i = 0; i < size; ++i) data_[i] = value;
  }
  constexpr list(std::initializer_list<T> values) {
    reserve(values.size());
    for (const T& value : values) push_back(value);
  }
  constexpr list(const list& other) {
    if (other.size_ == 0) return;
    reserve(other.size_);
    for (; size_ < other.size_; ++size_) data_[size_] = other.data_[size_];
  }
  constexpr list(list&& other) noexcept : data_(other.data_), size_(other.size_), capacity_(other.capacity_) {
    other.data_ = nullptr;
    other.size_ = other.capacity_ = 0;
  }
  constexpr list& operator=(list&& other) noexcept {
    if (this == &other) return *this;
    delete[] data_;
    data_ = other.data_;
    size_ = other.size_;
    capacity_ = other.capacity_;
    other.data_ = nullptr;
    other.size_ = other.capacity_ = 0;
    return *this;
  }
  constexpr list& operator=(const list& other) { return *this = list(other); }
  constexpr ~list() { delete[] data_; }

  constexpr void reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    T* grown = new T[capacity];
    for (std::size_t i = 0; i < size_; ++i) grown[i] = std::move(data_[i]);
    delete[] data_;
    data_ = grown;
    capacity_ = capacity;
  }
  constexpr T& push_back(T value) {  // by value: it may be an element of this list
    if (size_ == capacity_) reserve(capacity_ == 0 ? 16 : 2 * capacity_);
    return data_[size_++] = std::move(value);
  }
  /// Values of another list.
  constexpr void append(const T* first, const T* last) {
    const std::size_t size = size_ + static_cast<std::size_t>(last - first);
    if (size > capacity_) reserve(size > 2 * capacity_ ? size : 2 * capacity_);
    for (T* to = data_ + size_; first != last; ++first, ++to) *to = *first;
    size_ = size;
  }
  constexpr void pop_back() { --size_; }
  constexpr void clear() { size_ = 0; }

  constexpr std::size_t size() const { return size_; }
  constexpr int count() const { return static_cast<int>(size_); }
  constexpr bool empty() const { return size_ == 0; }
  constexpr T& operator[](std::size_t i) { return data_[i]; }
  constexpr const T& operator[](std::size_t i) const { return data_[i]; }
  constexpr T& operator[](int i) { return data_[i]; }
  constexpr const T& operator[](int i) const { return data_[i]; }
  /// For hot loops: to clang an expression costs nothing in a constant expression, a call two steps.
  constexpr T* data() { return data_; }
  constexpr const T* data() const { return data_; }
  constexpr T& back() { return data_[size_ - 1]; }
  constexpr const T& back() const { return data_[size_ - 1]; }
  constexpr T* begin() { return data_; }
  constexpr T* end() { return data_ + size_; }
  constexpr const T* begin() const { return data_; }
  constexpr const T* end() const { return data_ + size_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0, capacity_ = 0;
};

/// Whether a sequence has this value.
template <class Sequence, class T>
constexpr bool is_among(const Sequence& some, const T& value) {
  const auto* const end = some.end();  // once: a call costs clang two steps
  for (const auto* each = some.begin(); each != end; ++each)
    if (*each == value) return true;
  return false;
}

}  // namespace remat::core
