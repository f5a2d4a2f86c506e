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
        in_(e_, {pass.input(0).data(), e_.is_fused ? nullptr : pass.input(1).data(),
                 e_.is_fused ? nullptr : pass.input(2).data()}),
        out_{pass.output().data(), e_.heads * e_.width, e_.queries, e_.width},
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
  void run_task(std::size_t sample, std::size_t head, std::size_t begin, std::size_t worker) const {
    const std::size_t d = e_.width, end = std::min(begin + state_.task_queries, e_.queries);
    std::byte* const own = scratch_ + worker * (state_.forward.bytes + aligned(state_.products.scratch_bytes()));
    std::byte* const of_products = own + state_.forward.bytes;
    const auto at = [own](std::size_t bytes) { return reinterpret_cast<float*>(own + bytes); };
    float *const q = at(state_.forward.q), *const o = at(state_.forward.o), *const k = at(state_.forward.k),
                 *const v = at(state_.forward.v), *const scores = at(state_.forward.scores),
                 *const largest = at(state_.forward.largest), *const sums = at(state_.forward.sums);
    gather_rows(in_.q.at(sample, begin, head), in_.q.step, q, end - begin, d, 1, nullptr);
    const std::size_t row = (sample * e_.heads + head) * e_.queries, of_keys = head / e_.group();
    for (std::size_t key = 0; key < (e_.causal ? end : e_.keys); key += e_.key_tile) {
      const bool is_first = key == 0;
      masked_keys masked;
      mask_.read(sample, key, e_.keys_at(key, begin, end - begin), masked);
      if (masked.is_empty() && !is_first) continue;
      gather_rows(in_.k.at(sample, key, of_keys), in_.k.step, k, masked.count, d, 1, masked.bias);
      gather_rows(in_.v.at(sample, key, of_keys), in_.v.step, v, masked.count, d, 1, masked.bias);
      for (std::size_t query = begin; query < end; query += e_.query_tile) {
        const std::size_t rows = e_.queries_at(query), columns = e_.keys_at(key, query, rows), r = query - begin;
        if (columns == 0) continue;
        state_.products.execute(tile_product::by_rows, rows, columns, d, q + r * d, k, scores, of_products, worker);
        probabilities_of_queries({scores, rows, columns, e_.causal ? query - key + 1 : columns, e_.causal, masked.bias,
                                  masked.first, e_.scale, largest + r, sums + r, o + r * d, d, is_first});
        if (drops_) drop_of_queries(dropout_, scores, rows, columns, row + query, key);
        state_.products.execute(is_first ? tile_product::plain : tile_product::added, rows, d, columns, scores, v,
                                o + r * d, of_products, worker);
      }
    }
    finish_queries(o, largest, sums, out_.at(sample, begin, head), out_.step,
                   largest_ == nullptr ? nullptr : largest_ + row + begin,
                   shares_ == nullptr ? nullptr : shares_ + row + begin, end - begin, d);
  }

  const prepared_attention& state_;
  const attention_extents& e_;
  query_key_value<const float> in_;
  heads_view<float> out_;
  float *largest_, *shares_;
  attention_mask mask_;
  attention_dropout dropout_;
  bool drops_;
  std::byte* scratch_;
};

}  // namespace remat::nn::detail
