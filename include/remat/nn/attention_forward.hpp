// SPDX-License-Identifier: MIT
/// The forward pass of attention.
///
/// A task is some queries of a head. For each tile of keys it takes their queries, tile by tile: scores, probabilities
/// relative to the largest score so far, and what they add to the output, which becomes relative to it too.
#pragma once

#include <remat/core/kernel.hpp>
#include <remat/nn/attention_dropout.hpp>
#include <remat/nn/attention_mask.hpp>
#include <remat/nn/attention_rows.hpp>
#include <remat/nn/each_task.hpp>
#include <remat/nn/prepared_attention.hpp>

#include <algorithm>
#include <cstddef>

namespace remat::nn::detail {

class attention_forward {
 public:
  explicit attention_forward(const forward_pass& pass)
      : state_(pass.prepared_as<prepared_attention>()),
        e_(state_.e),
        in_(e_, {rows_of(pass, 0), e_.is_fused ? head_rows{} : rows_of(pass, 1),
                 e_.is_fused ? head_rows{} : rows_of(pass, 2)}),
        out_{pass.output_numbers().data, pass.output_shape().type, e_.heads * e_.width, e_.queries, e_.width},
        largest_(pass.saved(0).data()),
        shares_(pass.saved(1).data()),
        mask_(pass, e_),
        dropout_(pass.random(), pass.attributes<attention_attributes>().dropped,
                 pass.attributes<attention_attributes>().kept_scale, e_.keys),
        drops_(pass.training() && dropout_.dropped > 0),
        scratch_(pass.scratch()) {}

  void run() const {
    const std::size_t heads = e_.batch * e_.heads, of_head = state_.tasks_of_head(), tasks = heads * of_head;
    each_task(tasks, std::min(tasks, state_.workers), [&](std::size_t task, std::size_t worker) {
      const std::size_t head = task % heads,
                        part = of_head - 1 - task / heads;  // under a causal mask the last are longest
      run_task(head / e_.heads, head % e_.heads, part * state_.task_queries, worker);
    });
  }

 private:
  static head_rows rows_of(const forward_pass& pass, int i) {
    return {const_cast<std::byte*>(pass.input_numbers(i).data), pass.input_shape(i).type};
  }

  void run_task(std::size_t sample, std::size_t head, std::size_t begin, std::size_t worker) const {
    const std::size_t d = e_.width, end = std::min(begin + state_.task_queries, e_.queries);
    std::byte* const own = scratch_ + worker * (state_.forward.bytes + aligned(state_.products.scratch_bytes()));
    std::byte* const of_products = own + state_.forward.bytes;
    const auto at = [own](std::size_t bytes) { return reinterpret_cast<float*>(own + bytes); };
    std::byte *const q = own + state_.forward.q, *const k = own + state_.forward.k, *const v = own + state_.forward.v,
                     *const rounded = own + state_.forward.rounded;
    float *const o = at(state_.forward.o), *const scores = at(state_.forward.scores),
                 *const largest = at(state_.forward.largest), *const sums = at(state_.forward.sums);
    const element factors = state_.factors;
    gather_rows(in_.q.at(sample, begin, head), q, factors, end - begin, nullptr);
    const std::size_t row = (sample * e_.heads + head) * e_.queries, of_keys = head / e_.group();
    for (std::size_t key = 0; key < (e_.causal ? end : e_.keys); key += e_.key_tile) {
      const bool is_first = key == 0;
      masked_keys masked;
      mask_.read(sample, key, e_.keys_at(key, begin, end - begin), masked);
      if (masked.is_empty() && !is_first) continue;
      gather_rows(in_.k.at(sample, key, of_keys), k, factors, masked.count, masked.bias);
      gather_rows(in_.v.at(sample, key, of_keys), v, factors, masked.count, masked.bias);
      for (std::size_t query = begin; query < end; query += e_.query_tile) {
        const std::size_t rows = e_.queries_at(query), columns = e_.keys_at(key, query, rows), r = query - begin;
        if (columns == 0) continue;
        state_.products.execute(tile_product::by_rows, rows, columns, d, q + r * d * size_of(factors), k, scores,
                                of_products, worker);
        probabilities_of_queries({scores, rows, columns, e_.causal ? query - key + 1 : columns, e_.causal, masked.bias,
                                  masked.first, e_.scale, largest + r, sums + r, o + r * d, d, is_first});
        if (drops_) drop_of_queries(dropout_, scores, rows, columns, row + query, key);
        state_.products.execute(is_first ? tile_product::plain : tile_product::added, rows, d, columns,
                                as_factors(scores, rounded, factors, rows * columns), v, o + r * d, of_products,
                                worker);
      }
    }
    divide_rows(o, sums, out_.at(sample, begin, head), end - begin);
    if (shares_ != nullptr) finish_rows(largest, sums, largest_ + row + begin, shares_ + row + begin, end - begin);
  }

  const prepared_attention& state_;
  const attention_extents& e_;
  query_key_value in_;
  head_rows out_;
  float *largest_, *shares_;
  attention_mask mask_;
  attention_dropout dropout_;
  bool drops_;
  std::byte* scratch_;
};

}  // namespace remat::nn::detail
