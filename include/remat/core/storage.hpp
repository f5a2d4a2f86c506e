// SPDX-License-Identifier: MIT
/// Where what a checkpoint keeps waits for the backward pass: storages, as tags in a type and as values.
///
/// | storage                 | where it waits                                                        |
/// |-------------------------|-----------------------------------------------------------------------|
/// | `keep`                  | in the arena, as it was computed                                      |
/// | `stored_as<bfloat16>`   | in the arena, rounded to two bytes a number (core/stored_as.hpp)       |
/// | a user's own            | in a form of its own                                                  |
///
/// One of a user's own is an empty type that stores a tensor after its last use in the forward pass, and gives it back
/// before the first use in the backward pass:
///
///     struct my_storage {
///       static constexpr std::string_view storage_name = "my_storage";  // as reports name it
///       static constexpr bool is_lossless = true;                       // what comes back has the bits that it had
///       static constexpr bool takes(const remat::tensor_shape&);        // others stay as they are; left out: it takes all
///       static constexpr std::size_t bytes(const remat::tensor_shape&, std::size_t batch);  // in the arena
///       static void store(const remat::stored_tensor&, const std::byte* from, std::byte* to);
///       static void restore(const remat::stored_tensor&, const std::byte* from, std::byte* to);
///     };
///
/// Who reads a tensor in the backward pass says how it waits: the innermost checkpoint around the reader that names a
/// storage. Where readers disagree, it stays as it is, and so do outputs of the model, what a stage gets from another or
/// sends to one, and, unless the storage is lossless, what a layer saves in addition to its output (a row's mean).
#pragma once

#include <remat/core/tensor.hpp>

#include <concepts>
#include <cstddef>
#include <string_view>

namespace remat {

/// A tensor of a batch that is stored.
struct stored_tensor {
  const tensor_shape& shape;
  std::size_t batch;

  std::size_t elements() const { return shape.elements(batch); }
};

/// In the arena, as it was computed.
struct keep {
  static constexpr std::string_view storage_name = "keep";
};

/// A storage that gives tensors another form.
template <class T>
concept ConvertingStorage = requires(const tensor_shape& shape, const stored_tensor& t, const std::byte* from,
                                     std::byte* to) {
  { T::is_lossless } -> std::convertible_to<bool>;
  { T::bytes(shape, std::size_t{}) } -> std::convertible_to<std::size_t>;
  T::store(t, from, to);
  T::restore(t, from, to);
};

/// One that says no more than its name leaves them as they are.
template <class T>
concept Storage = requires {
  std::string_view(T::storage_name);
}
&&(ConvertingStorage<T> || !requires { T::is_lossless; });

/// What a storage does, as a value: a row of functions, the same one for the same storage.
struct storage_form {
  std::string_view name;
  bool is_lossless;
  bool (*takes)(const tensor_shape&);
  std::size_t (*bytes)(const tensor_shape&, std::size_t batch);
  void (*store)(const stored_tensor&, const std::byte* from, std::byte* to);
  void (*restore)(const stored_tensor&, const std::byte* from, std::byte* to);
};

/// Any storage, as a value.
class storage_setting {
 public:
  /// `keep`.
  constexpr storage_setting() = default;
  template <Storage S>
  constexpr storage_setting(S)  // NOLINT(google-explicit-constructor): it is one
      : storage_setting(of_type<S>()) {}
  /// What a tag says.
  template <Storage S>
  static constexpr storage_setting of_type() {
    storage_setting made;
    if constexpr (ConvertingStorage<S>) made.form_ = &row<S>;
    return made;
  }

  /// Null: tensors stay as they are.
  constexpr const storage_form* form() const { return form_; }

 private:
  template <class S>
  static constexpr bool takes(const tensor_shape& shape) {
    if constexpr (requires { S::takes(shape); })
      return S::takes(shape);
    else
      return true;
  }
  template <class S>
  static constexpr storage_form row{S::storage_name, S::is_lossless, &takes<S>, &S::bytes, &S::store, &S::restore};

  const storage_form* form_ = nullptr;
};

}  // namespace remat
