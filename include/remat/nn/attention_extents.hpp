// SPDX-License-Identifier: MIT
/// The sizes of scaled dot-product attention, and the tiles that its scores (queries, keys) are computed in.
///
/// A tile is 64 queries by 256 keys, or by 128 where heads are wide, so that what is computed from it stays in a core's
/// cache. Under a causal mask a tile ends at the last key that its last query attends to, and those beyond are left
/// out.
#pragma once

#include <remat/core/prepared.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace remat::nn::detail {

struct attention_attributes {
  std::size_t heads, key_value_heads;
  bool causal;
  float dropped;  ///< the probability of dropout, and what is left is scaled by
  float kept_scale;
  double scale;  ///< of the scores; 0 for 1 / sqrt(d)
};

struct attention_extents {
  std::size_t batch = 0, heads = 0, key_value_heads = 0;
  std::size_t width = 0;              ///< of a head, d
  std::size_t queries = 0, keys = 0;  ///< of a sequence
  std::size_t query_tile = 0, key_tile = 0;
  bool causal = false, is_fused = false, has_mask = false;
  float scale = 1;

  attention_extents() = default;
  attention_extents(const attention_attributes& a, tensor_shapes inputs, const tensor_shape& output,
                    std::size_t samples)
      : batch(samples),
        heads(a.heads),
        key_value_heads(a.key_value_heads),
        width(output.extents[1] / a.heads),
        queries(output.extents[0]),
        keys(queries),
        causal(a.causal),
        is_fused(inputs.size() <= 2),
        has_mask(inputs.size() % 2 == 0),
        scale(static_cast<float>(a.scale > 0 ? a.scale : 1 / std::sqrt(static_cast<double>(width)))) {
    if (!is_fused) keys = inputs[1].extents[0];
    query_tile = std::min<std::size_t>(64, queries);
    key_tile = std::min<std::size_t>(width <= 128 ? 256 : 128, keys);
  }

  std::size_t group() const { return heads / key_value_heads; }  ///< query heads of a key and value head
  std::size_t key_tiles() const { return (keys + key_tile - 1) / key_tile; }
  /// Keys of the tile that begins at a key.
  std::size_t keys_at(std::size_t key) const { return std::min(key_tile, keys - key); }
  /// Those of them that some query of the tile at `query` attends to, which has `count` queries.
  std::size_t keys_at(std::size_t key, std::size_t query, std::size_t count) const {
    if (!causal) return keys_at(key);
    return query + count > key ? std::min(keys_at(key), query + count - key) : 0;
  }
  std::size_t queries_at(std::size_t query) const { return std::min(query_tile, queries - query); }

  /// f(queries, keys) of each tile of a head's scores.
  template <class F>
  void for_each_tile(const F& f) const {
    for (std::size_t key = 0; key < keys; key += key_tile)
      for (std::size_t query = 0; query < queries; query += query_tile) {
        const std::size_t rows = queries_at(query), columns = keys_at(key, query, rows);
        if (columns > 0) f(rows, columns);
      }
  }
};

}  // namespace remat::nn::detail
