// SPDX-License-Identifier: MIT
/// How tensors are laid out in memory, as oneDNN 2.6 describes it. The only file that includes its header.
#pragma once

#include <remat/core/element.hpp>
#include <remat/core/error.hpp>
#include <remat/nn/onednn_request.hpp>

#include <oneapi/dnnl/dnnl.h>

#include <cstddef>
#include <initializer_list>
#include <string>

namespace remat::onednn {

inline void check(dnnl_status_t status, const char* what) {
  if (status != dnnl_success)
    throw error(std::string("oneDNN cannot ") + what + " (status " + std::to_string(static_cast<int>(status)) +
                (status == dnnl_unimplemented ? ", not implemented for these shapes)" : ")"));
}

/// How a tensor is laid out in memory: of float32, unless `of` says otherwise.
class layout {
 public:
  layout() = default;
  explicit layout(const dnnl_memory_desc_t& description) : description_(description) {}

  /// Any of oneDNN's choice.
  static layout chosen(std::initializer_list<std::size_t> extents) { return tagged(extents, dnnl_format_tag_any); }
  static layout row_major(std::initializer_list<std::size_t> extents) {
    static constexpr dnnl_format_tag_t tags[] = {dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde};
    return tagged(extents, tags[extents.size() - 1]);
  }
  /// (rows, columns) stored as (columns, rows).
  static layout transposed(std::size_t rows, std::size_t columns) { return tagged({rows, columns}, dnnl_ba); }
  /// A row-major matrix as columns / width matrices next to one another, which are multiplied one after another.
  static layout side_by_side(std::size_t rows, std::size_t columns, std::size_t width) {
    return tagged({1, columns / width, rows, width}, dnnl_acbd);
  }
  /// The same of a matrix that is stored as (columns, rows).
  static layout side_by_side_transposed(std::size_t rows, std::size_t columns, std::size_t width) {
    return tagged({1, columns / width, rows, width}, dnnl_abdc);
  }
  /// A matrix by which each of those that are side by side is multiplied.
  static layout shared_by_all(std::size_t rows, std::size_t columns, bool is_transposed) {
    return tagged({1, 1, rows, columns}, is_transposed ? dnnl_abdc : dnnl_abcd);
  }
  /// (N, C, H, W) stored as (N, H, W, C).
  static layout channels_last(std::initializer_list<std::size_t> extents) { return tagged(extents, dnnl_acdb); }

  /// A convolution's weights (outputs, inputs, KH, KW) stored as (inputs, outputs, KH, KW), in each of `groups`.
  static layout transposed_weights(std::size_t groups, std::size_t outputs, std::size_t inputs, const nn::extents& k) {
    return groups == 1 ? tagged({outputs, inputs, k.height, k.width}, dnnl_bacd)
                       : tagged({groups, outputs, inputs, k.height, k.width}, dnnl_acbde);
  }

  /// The second factor (rows, columns) of a product of this type, in panels of 64 columns (packed_columns.hpp).
  static layout panels(std::size_t rows, std::size_t columns, element type) {
    return tagged({rows, columns}, type == element::bfloat16 ? dnnl_BA16a64b2a : dnnl_BA16a64b, type);
  }

  /// The same of elements of another type.
  layout of(element type) const {
    layout made = *this;
    made.description_.data_type = native(type);
    return made;
  }

  element type() const { return description_.data_type == dnnl_bf16 ? element::bfloat16 : element::float32; }
  std::size_t bytes() const { return dnnl_memory_desc_get_size(&description_); }
  const dnnl_memory_desc_t* get() const { return &description_; }

  friend bool operator==(const layout& a, const layout& b) {
    return dnnl_memory_desc_equal(&a.description_, &b.description_) != 0;
  }

 private:
  static dnnl_data_type_t native(element type) { return type == element::bfloat16 ? dnnl_bf16 : dnnl_f32; }
  static layout tagged(std::initializer_list<std::size_t> extents, dnnl_format_tag_t tag,
                       element type = element::float32) {
    dnnl_dims_t dims = {};
    int rank = 0;
    for (std::size_t e : extents) dims[rank++] = static_cast<extent>(e);
    layout made;
    check(dnnl_memory_desc_init_by_tag(&made.description_, rank, dims, native(type), tag), "describe a tensor");
    return made;
  }

  dnnl_memory_desc_t description_ = {};
};

}  // namespace remat::onednn
