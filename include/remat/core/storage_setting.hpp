// SPDX-License-Identifier: MIT
/// A storage (core/storage.hpp) as a value: what it does, under one type for all of them.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/shared_constant.hpp>
#include <remat/core/storage.hpp>
#include <remat/core/storage_space.hpp>
#include <remat/core/tensor.hpp>

#include <concepts>
#include <cstddef>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

namespace remat {

/// What a storage does, as a value.
struct storage_form {
  std::string_view name;
  bool is_lossless, is_outside;
  transfer_window window = {};  ///< of one that is outside of the arena
  transfer_rate rate = {};      ///< as its user states it

  constexpr storage_form(std::string_view storage_name, bool lossless, bool outside)
      : name(storage_name), is_lossless(lossless), is_outside(outside) {}
  storage_form(const storage_form&) = default;
  storage_form& operator=(const storage_form&) = delete;
  constexpr virtual ~storage_form() = default;
  /// Whether it stores tensors of this shape.
  constexpr virtual bool takes(const tensor_shape&) const = 0;
  /// Of a stored one in the arena.
  constexpr virtual std::size_t bytes(const tensor_shape&, std::size_t batch) const = 0;
  virtual void store(const stored_tensor&, const std::byte* from, std::byte* to) const = 0;
  virtual void restore(const stored_tensor&, const std::byte* from, std::byte* to) const = 0;
  /// Of one that is outside: what a model's plans use together.
  virtual std::unique_ptr<storage_space> open(std::string_view directory) const = 0;
  /// The directory that it uses where a model names this one.
  virtual std::string_view place(std::string_view directory) const = 0;
  /// Whether a tensor stored by one may be given back by the other.
  constexpr virtual bool is_same_as(const storage_form&) const = 0;
  constexpr virtual const int* type() const = 0;  ///< one for each type of storages
};

namespace detail {

template <class S>
inline constexpr int storage_type = 0;

template <class S>
struct held_storage final : storage_form {
  constexpr explicit held_storage(S storage)
      : storage_form(S::storage_name, S::is_lossless, OutsideStorage<S>), object(std::move(storage)) {
    if constexpr (requires { transfer_window(object.window); }) window = object.window;
    if constexpr (requires { transfer_rate(object.rate); }) rate = object.rate;
    constexpr double most = std::numeric_limits<double>::max();
    if (!(rate.write >= 0 && rate.read >= 0) || (rate.write > 0) != (rate.read > 0) || rate.write > most ||
        rate.read > most)
      throw error(
          "a storage's rate is of bytes a second that are written and read, both above 0 and finite; give both, or "
          "none");
    if (window.read_ahead < 0 || window.write_behind < 0 || window.tasks_ahead < 0)
      throw error(
          "a storage's read_ahead, write_behind and tasks_ahead are 0 or more; give its window such numbers");
  }
  constexpr ~held_storage() override {}  // NOLINT(modernize-use-equals-default): g++ 12 wants it for constants

  constexpr bool takes(const tensor_shape& shape) const override {
    if constexpr (requires { object.takes(shape); })
      return object.takes(shape);
    else
      return true;
  }
  constexpr std::size_t bytes([[maybe_unused]] const tensor_shape& shape,
                              [[maybe_unused]] std::size_t batch) const override {
    if constexpr (ConvertingStorage<S>)
      return object.bytes(shape, batch);
    else
      return 0;
  }
  void store([[maybe_unused]] const stored_tensor& t, [[maybe_unused]] const std::byte* from,
             [[maybe_unused]] std::byte* to) const override {
    if constexpr (ConvertingStorage<S>) object.store(t, from, to);
  }
  void restore([[maybe_unused]] const stored_tensor& t, [[maybe_unused]] const std::byte* from,
               [[maybe_unused]] std::byte* to) const override {
    if constexpr (ConvertingStorage<S>) object.restore(t, from, to);
  }
  std::unique_ptr<storage_space> open([[maybe_unused]] std::string_view directory) const override {
    if constexpr (OutsideStorage<S>)
      return object.open(directory);
    else
      return nullptr;
  }
  std::string_view place(std::string_view directory) const override {
    if constexpr (requires { std::string_view(object.path.view()); })
      return object.path.view().empty() ? directory : object.path.view();
    else
      return directory;
  }
  constexpr bool is_same_as(const storage_form& other) const override {
    if (&other == this) return true;
    if constexpr (std::equality_comparable<S>)
      return other.type() == type() && static_cast<const held_storage&>(other).object == object;
    else
      return false;
  }
  constexpr const int* type() const override { return &storage_type<S>; }

  S object;
};

}  // namespace detail

/// Any storage, as a value.
class storage_setting {
 public:
  /// `keep`.
  constexpr storage_setting() = default;
  /// Keeps the object.
  template <Storage S>
  constexpr storage_setting(S storage) {  // NOLINT(google-explicit-constructor): it is one
    if constexpr (moves<S>) form_ = held::template of<detail::held_storage>(std::move(storage));
  }
  /// What a tag says.
  template <Storage S>
  static constexpr storage_setting of_type() {
    storage_setting made;
    if constexpr (moves<S>) made.form_ = held::template of_type<detail::held_storage, S>();
    return made;
  }

  /// Null: tensors stay as they are. It lives as long as some copy of this.
  constexpr const storage_form* form() const { return form_.get(); }

 private:
  using held = shared_constant<storage_form>;
  template <class S>
  static constexpr bool moves = ConvertingStorage<S> || OutsideStorage<S>;

  held form_;
};

}  // namespace remat
