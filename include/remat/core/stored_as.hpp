// SPDX-License-Identifier: MIT
/// A storage (storage.hpp) in which what waits for the backward pass is rounded to numbers of fewer bytes.
#pragma once

#include <remat/core/bfloat16.hpp>
#include <remat/core/parallel.hpp>
#include <remat/core/storage.hpp>

#include <cstddef>
#include <string_view>

namespace remat {

/// Stored in the arena as numbers of another type, half as many bytes of floats as bfloat16. It is lossy: backward
/// reads what was rounded. Tensors of integers stay as they are.
template <class T>
struct stored_as;

template <>
struct stored_as<bfloat16> {
  static constexpr std::string_view storage_name = "stored_as<bfloat16>";
  static constexpr bool is_lossless = false;

  static constexpr bool takes(const tensor_shape& shape) { return shape.type == element::float32; }
  static constexpr std::size_t bytes(const tensor_shape& shape, std::size_t batch) {
    return shape.elements(batch) * sizeof(bfloat16);
  }
  static void store(const stored_tensor& t, const std::byte* from, std::byte* to) {
    elementwise(t.elements(), [x = reinterpret_cast<const float*>(from),
                               y = reinterpret_cast<bfloat16*>(to)](std::size_t i) { y[i] = bfloat16(x[i]); });
  }
  static void restore(const stored_tensor& t, const std::byte* from, std::byte* to) {
    elementwise(t.elements(), [x = reinterpret_cast<const bfloat16*>(from),
                               y = reinterpret_cast<float*>(to)](std::size_t i) { y[i] = static_cast<float>(x[i]); });
  }
};

}  // namespace remat
