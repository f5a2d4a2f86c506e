// SPDX-License-Identifier: MIT
/// An object that never changes, seen through its base, shared by all copies of its handle: what std::shared_ptr does,
/// in constant expressions too.
#pragma once

#include <remat/core/language.hpp>

#include <atomic>
#include <type_traits>
#include <utility>

namespace remat {

namespace detail {

/// Of a type that needs no value, as long as the program runs.
template <template <class> class Held, class T>
inline constexpr Held<T> lasting{T{}};

}  // namespace detail

template <class Base>
class shared_constant {
 public:
  constexpr shared_constant() = default;
  /// Of an object that lives as long as the program runs; nothing is counted.
  constexpr explicit shared_constant(const Base& lasting) : object_(&lasting) {}
  /// Of an object of its own, which the last copy deletes.
  template <class T>
  static constexpr shared_constant own(T object) {
    shared_constant made;
    made.owners_ = new int(1);
    made.object_ = new T(std::move(object));
    return made;
  }
  /// `Held<T>` of what a type alone says.
  template <template <class> class Held, class T>
  static constexpr shared_constant of_type() {
    return shared_constant(detail::lasting<Held, T>);
  }
  /// `Held<T>` of an object; without heap where it has no members.
  template <template <class> class Held, class T>
  static constexpr shared_constant of(T object) {
    if constexpr (std::is_empty_v<T> && std::is_default_constructible_v<T>)
      return of_type<Held, T>();
    else
      return own(Held<T>(std::move(object)));
  }
  constexpr shared_constant(const shared_constant& other) : object_(other.object_), owners_(other.owners_) {
    if (owners_ != nullptr) add(1);
  }
  constexpr shared_constant(shared_constant&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)), owners_(std::exchange(other.owners_, nullptr)) {}
  constexpr shared_constant& operator=(shared_constant other) noexcept {
    std::swap(object_, other.object_);
    std::swap(owners_, other.owners_);
    return *this;
  }
  constexpr ~shared_constant() {
    if (owners_ == nullptr || add(-1) > 0) return;
    delete object_;
    delete owners_;
  }

  constexpr const Base* get() const { return object_; }
  constexpr const Base* operator->() const { return object_; }

 private:
  /// Copies may be made and end in several threads.
  static int add_in_any_thread(int& owners, int n) { return std::atomic_ref<int>(owners).fetch_add(n) + n; }
  constexpr int add(int n) {
    if (std::is_constant_evaluated()) return *owners_ += n;
    return add_in_any_thread(*owners_, n);
  }

  const Base* object_ = nullptr;
  int* owners_ = nullptr;  // how many; null: the object is nobody's
};

}  // namespace remat
