// SPDX-License-Identifier: MIT
/// Where what a checkpoint keeps waits for the backward pass: storages, as tags in a type and as values.
///
/// | storage                 | where it waits                                                        |
/// |-------------------------|-----------------------------------------------------------------------|
/// | `keep`                  | in the arena, as it was computed                                      |
/// | `stored_as<bfloat16>`   | in the arena, rounded to two bytes a number (core/stored_as.hpp)       |
/// | `offload<file>`         | in a file, out of the arena (run/offload.hpp)                          |
/// | a user's own            | in the arena in a form of its own, or out of it                       |
///
/// One of a user's own stores a tensor after its last use in the forward pass, and gives it back before the first use
/// in the backward pass. In the arena:
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
/// One that takes tensors out of the arena has `storage_name`, `is_lossless = true`, perhaps `takes`, and
///
///     std::unique_ptr<remat::storage_space> open(std::string_view directory) const;   // see core/storage_space.hpp
///     remat::transfer_window window = {};                                             // left out: this one
///     remat::transfer_rate rate = {};                                                 // left out: it is measured
///
/// It may have members, and so may one in the arena: `checkpoint_at("h", save_all{}, my_storage{...})` keeps the
/// object.
///
/// Who reads a tensor in the backward pass says how it waits: the innermost checkpoint around the reader that names a
/// storage. Where readers disagree, it stays as it is, and so do outputs of the model, what a stage gets from another
/// or sends to one, unless it leaves the arena, and, unless the storage is lossless, what a layer saves in addition to
/// its output (a row's mean).
#pragma once

#include <remat/core/storage_space.hpp>
#include <remat/core/tensor.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
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

/// A storage that gives tensors another form, in the arena.
template <class T>
concept ConvertingStorage = requires(const T& storage, const tensor_shape& shape, const stored_tensor& t,
                                     const std::byte* from, std::byte* to) {
  { T::is_lossless } -> std::convertible_to<bool>;
  { storage.bytes(shape, std::size_t{}) } -> std::convertible_to<std::size_t>;
  storage.store(t, from, to);
  storage.restore(t, from, to);
};

/// A storage that takes tensors out of the arena.
template <class T>
concept OutsideStorage = requires(const T& storage, std::string_view directory) {
  requires T::is_lossless;
  { storage.open(directory) } -> std::same_as<std::unique_ptr<storage_space>>;
};

/// One that says no more than its name leaves them as they are.
template <class T>
concept Storage = requires {
  std::string_view(T::storage_name);
}
&&(ConvertingStorage<T> || OutsideStorage<T> || !requires { T::is_lossless; });

}  // namespace remat
