// SPDX-License-Identifier: MIT
/// What attention prepares: its products, and where its temporaries are in scratch.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/error.hpp>
#include <remat/core/thread_scope.hpp>
#include <remat/nn/attention_extents.hpp>
#include <remat/nn/tile_products.hpp>

#include <algorithm>
#include <cstddef>
#include <string>

namespace remat::nn::detail {

/// Numbers in scratch, one array after another.
class scratch_plan {
 public:
  std::size_t floats(std::size_t count, element type = element::float32) {
    const std::size_t at = bytes_;
    bytes_ += aligned(count * size_of(type));
    return at;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

/// Forward is cut into tasks of a head's `task_queries`, backward of some tiles of the keys of a key and value head: of
/// all, where there are enough heads, whatever the number of threads. Of a few heads backward has up to four parts, as
/// each after the first needs memory for gradients of the queries.
struct prepared_attention : prepared {
  attention_extents e;
  std::size_t workers = 1, task_queries = 0, parts = 1;
  element factors = element::float32;  ///< of products
  tile_products products;

  struct {
    std::size_t q, o, k, v, scores, rounded, largest, sums, bytes;
  } forward;
  struct {
    std::size_t k, v, dk, dv, q, dout, dq, scores, gradients, kept, rounded, rounded_gradients, bytes;
  } backward;
  /// Of all threads, before theirs: the dots of the rows of dO and O, (batch, heads, queries); queries' gradients of
  /// the parts after the first, (batch, queries, heads, d) each; gradients that are to be added to others, or rounded.
  std::size_t dots_at = 0, partial_at = 0, gradients_at[3] = {}, shared_bytes = 0;

  explicit prepared_attention(const preparation& p)
      : e(p.attributes<attention_attributes>(), p.inputs, p.outputs[0], p.batch) {
    constexpr std::size_t many = 8;  // heads, all samples' together
    constexpr std::size_t most_parts = 4;
    task_queries = std::min<std::size_t>(e.batch * e.heads >= many ? 512 : 128, e.queries);
    parts = std::min({(many - 1) / (e.batch * e.key_value_heads) + 1, most_parts, e.key_tiles()});
    const std::size_t most_tasks = std::max(e.batch * e.heads * tasks_of_head(), e.batch * e.key_value_heads * parts);
    workers = std::min(static_cast<std::size_t>(primitive_threads()), most_tasks);
    factors = p.compute;
    products = tile_products(workers, factors);
    const bool drops = p.training && p.attributes<attention_attributes>().dropped > 0;

    if (drops) require_numbers();

    e.for_each_tile([&](std::size_t queries, std::size_t keys) {
      products.want(tile_product::by_rows, queries, keys, e.width);
      products.want(tile_product::plain, queries, e.width, keys);
      products.want(tile_product::added, queries, e.width, keys);
    });
    scratch_plan own;
    forward.q = own.floats(task_queries * e.width, factors);
    forward.o = own.floats(task_queries * e.width);
    forward.k = own.floats(e.key_tile * e.width, factors);
    forward.v = own.floats(e.key_tile * e.width, factors);
    forward.scores = own.floats(e.query_tile * e.key_tile);
    forward.rounded = own.floats(is_rounded() ? e.query_tile * e.key_tile : 0, factors);
    forward.largest = own.floats(task_queries);
    forward.sums = own.floats(task_queries);
    forward.bytes = own.bytes();
    if (p.backward_input) prepare_backward(p, drops);
    need_scratch(passes::forward, workers * (forward.bytes + aligned(products.scratch_bytes())));
    if (p.backward_input)
      need_scratch(passes::backward_input,
                   shared_bytes + workers * (backward.bytes + aligned(products.scratch_bytes())));
  }

  /// Whether a gradient grows from tile to tile, in float32, before it is rounded to its own type.
  bool rounds_at_end(element type) const {
    return type == element::bfloat16 && (e.key_tiles() > 1 || parts > 1);
  }
  bool is_rounded() const { return factors == element::bfloat16; }
  std::size_t tasks_of_head() const { return (e.queries + task_queries - 1) / task_queries; }
  /// The first key of a part.
  std::size_t part_begin(std::size_t part) const { return std::min(e.key_tiles() * part / parts * e.key_tile, e.keys); }
  /// The first query that the keys of a part meet.
  std::size_t first_query(std::size_t part) const {
    return e.causal ? part_begin(part) / e.query_tile * e.query_tile : 0;
  }

 private:
  /// Of a stream of random numbers, each block is one of 2^32.
  void require_numbers() const {
    constexpr std::size_t of_stream = std::size_t{1} << 32, words = 4;
    const std::size_t rows = e.batch * e.heads * e.queries, of_row = (e.keys + words - 1) / words;
    if (rows <= of_stream / of_row) return;
    throw error("attention: dropout of " + std::to_string(rows) + " rows of " + std::to_string(e.keys) +
                " probabilities takes more than the 2^34 random numbers that a micro-batch has; train in smaller "
                "micro-batches: {.microbatches = 2}");
  }
  void prepare_backward(const preparation& p, bool drops) {
    e.for_each_tile([&](std::size_t queries, std::size_t keys) {
      products.want(tile_product::by_rows, keys, queries, e.width);
      products.want(tile_product::plain, keys, e.width, queries);
      products.want(tile_product::added, keys, e.width, queries);
      products.want(tile_product::of_transposed, queries, e.width, keys);
    });
    scratch_plan own, shared;
    for (std::size_t* each : {&backward.k, &backward.v}) *each = own.floats(e.key_tile * e.width, factors);
    for (std::size_t* each : {&backward.dk, &backward.dv}) *each = own.floats(e.key_tile * e.width);
    for (std::size_t* each : {&backward.q, &backward.dout}) *each = own.floats(e.query_tile * e.width, factors);
    backward.dq = own.floats(e.query_tile * e.width);
    backward.scores = own.floats(e.query_tile * e.key_tile);
    backward.gradients = own.floats(e.query_tile * e.key_tile);
    backward.kept = own.floats(drops ? e.query_tile * e.key_tile : 0);
    for (std::size_t* each : {&backward.rounded, &backward.rounded_gradients})
      *each = own.floats(is_rounded() ? e.query_tile * e.key_tile : 0, factors);
    backward.bytes = own.bytes();
    dots_at = shared.floats(e.batch * e.heads * e.queries);
    partial_at = shared.floats((parts - 1) * e.batch * e.queries * e.heads * e.width);
    for (std::size_t i = 0; i < (e.is_fused ? 1u : 3u); ++i)
      if (p.accumulates_input || rounds_at_end(p.input_gradient_type(i)))
        gradients_at[i] = shared.floats(p.inputs[i].elements(p.batch));
    shared_bytes = shared.bytes();
  }
};

}  // namespace remat::nn::detail
