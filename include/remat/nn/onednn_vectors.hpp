// SPDX-License-Identifier: MIT
/// Where channels are in a layout of weights (a, b, KH, KW) that a primitive chose, if it has vectors of channels of one
/// side, a or b, for each channel of the other side, or of bfloat16 for each pair of them: AcdB64a, AcdB64a2b.
#pragma once

#include <remat/nn/onednn_layout.hpp>

#include <cstddef>

namespace remat::onednn {

struct channel_vectors {
  bool are_of_first = false;  ///< side
  std::size_t block = 0;      ///< channels next to one another; 0 of another layout
  /// Between blocks, between channels or pairs of the other side, and between elements of a window; in floats or pairs.
  std::size_t block_stride = 0, other_stride = 0, row_stride = 0, column_stride = 0;

  channel_vectors() = default;
  explicit channel_vectors(const layout& weights) {
    const dnnl_memory_desc_t& d = *weights.get();
    const dnnl_blocking_desc_t& blocks = d.format_desc.blocking;
    const bool in_pairs = d.data_type == dnnl_bf16;
    if (d.format_kind != dnnl_blocked || d.ndims != 4 || d.offset0 != 0 || d.extra.flags != 0) return;
    for (int i = 0; i < d.ndims; ++i)
      if (d.padded_dims[i] != d.dims[i]) return;
    if (blocks.inner_nblks != (in_pairs ? 2 : 1)) return;
    const dnnl_dim_t side = blocks.inner_idxs[0], other = 1 - side;
    if (side > 1 || (in_pairs && (blocks.inner_idxs[1] != other || blocks.inner_blks[1] != 2))) return;
    are_of_first = side == 0;
    block = static_cast<std::size_t>(blocks.inner_blks[0]);
    const auto stride = [&](dnnl_dim_t of) {
      return static_cast<std::size_t>(blocks.strides[of]) / (in_pairs ? 2 : 1);
    };
    block_stride = stride(side);
    other_stride = stride(other);
    row_stride = stride(2);
    column_stride = stride(3);
  }
};

}  // namespace remat::onednn
