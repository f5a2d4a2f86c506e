// SPDX-License-Identifier: MIT
/// The backward pass of attention, with scores as rows of keys, so that four of its five products read rows.
///
///     P^T = exp(scale (K Q^T - M)) R,  dV += P^T dO,  dP^T = V dO^T,  dS^T = P^T (dP^T - D)
///     dK += dS^T Q,  dQ += (dS^T)^T K
///
/// M are the largest scores and R the shares that forward saved. D are the sums of P dP over the rows where one tile
/// has all keys, as softmax has them, and otherwise those of dO O. Where a probability is nearly 1, its dP - D is
/// nearly 0, and noise unless D is rounded as dP is.
///
/// A task is some tiles of the keys of a key and value head. For each it takes the heads of the group, and of each the
/// queries from the last tile to the first, as the last meets all keys of the tile. The gradients of queries grow from
/// tile to tile of the keys; where several tasks have a part of them, each after the first has a part of its own, and
/// these are added in their order.
#pragma once

#include <remat/core/kernel.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/attention_dropout.hpp>
#include <remat/nn/attention_mask.hpp>
#include <remat/nn/attention_rows.hpp>
#include <remat/nn/copy_numbers.hpp>
#include <remat/nn/each_task.hpp>
#include <remat/nn/prepared_attention.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace remat::nn::detail {

class attention_backward {
 public:
  explicit attention_backward(const backward_pass& pass)
      : pass_(pass),
        state_(pass.prepared_as<prepared_attention>()),
        e_(state_.e),
        in_(e_, {rows_of(pass.input_numbers(0)), e_.is_fused ? head_rows{} : rows_of(pass.input_numbers(1)),
                 e_.is_fused ? head_rows{} : rows_of(pass.input_numbers(2))}),
        to_(e_, {gradient(0), e_.is_fused ? head_rows{} : gradient(1), e_.is_fused ? head_rows{} : gradient(2)}),
        out_(of_queries(rows_of(pass.output_numbers()))),
        dout_(of_queries(rows_of(pass.output_gradient_numbers()))),
        largest_(pass.saved(0).data()),
        shares_(pass.saved(1).data()),
        dots_(shared(state_.dots_at)),
        mask_(pass, e_),
        dropout_(pass.random(), pass.attributes<attention_attributes>().dropped,
                 pass.attributes<attention_attributes>().kept_scale, e_.keys) {}

  void run() const {
    if (e_.key_tiles() > 1) make_dots();
    const std::size_t heads = e_.batch * e_.key_value_heads, tasks = heads * state_.parts;
    each_task(tasks, std::min(tasks, state_.workers), [&](std::size_t task, std::size_t worker) {
      const std::size_t head = task % heads;
      run_task(head / e_.key_value_heads, head % e_.key_value_heads, task / heads, worker);
    });
    if (to_.q) add_parts();
    for (int i = 0; i < (e_.is_fused ? 1 : 3); ++i) {
      if (!pass_.wants_input_gradient(i)) continue;
      const numbers to = pass_.input_gradient_numbers(i);
      if (waits_in_scratch(to)) copy_numbers({gradient(i).data, to.size, element::float32}, to);
    }
  }

 private:
  float* shared(std::size_t bytes) const { return reinterpret_cast<float*>(pass_.scratch() + bytes); }

  static head_rows rows_of(const const_numbers& all) { return {const_cast<std::byte*>(all.data), all.type}; }
  head_rows of_queries(const head_rows& all) const {
    return {all.data, all.type, e_.heads * e_.width, e_.queries, e_.width};
  }
  /// What is added to another gradient, or rounded when it is whole.
  bool waits_in_scratch(const numbers& to) const { return to.accumulates || state_.rounds_at_end(to.type); }

  /// Where the gradient of input i is written; null where nobody wants it.
  head_rows gradient(int i) const {
    if (!pass_.wants_input_gradient(i)) return {};
    const numbers to = pass_.input_gradient_numbers(i);
    if (waits_in_scratch(to)) return {pass_.scratch() + state_.gradients_at[i], element::float32};
    return {to.data, to.type};
  }
  /// Where a part of the gradients of queries goes.
  head_rows queries_of_part(std::size_t part) const {
    if (part == 0 || !to_.q) return to_.q;
    const std::size_t size = e_.batch * e_.queries * e_.heads * e_.width;
    return of_queries({pass_.scratch() + state_.partial_at + (part - 1) * size * sizeof(float), element::float32});
  }

  void make_dots() const {
    const std::size_t rows = e_.queries, d = e_.width;
    parallel_for(e_.batch * e_.heads, grain_of_rows(rows * d), [&](std::size_t begin, std::size_t end) {
      for (std::size_t head = begin; head < end; ++head)
        dots_of_rows(out_.at(head / e_.heads, 0, head % e_.heads), dout_.at(head / e_.heads, 0, head % e_.heads),
                     dots_ + head * rows, rows);
    });
  }

  void run_task(std::size_t sample, std::size_t head, std::size_t part, std::size_t worker) const {
    const head_rows dq = queries_of_part(part);
    const std::size_t d = e_.width, begin = state_.part_begin(part), end = state_.part_begin(part + 1);
    std::byte* const own = pass_.scratch() + state_.shared_bytes +
                           worker * (state_.backward.bytes + aligned(state_.products.scratch_bytes()));
    const auto at = [own](std::size_t bytes) { return reinterpret_cast<float*>(own + bytes); };
    std::byte *const k = own + state_.backward.k, *const v = own + state_.backward.v;
    float *const dk = at(state_.backward.dk), *const dv = at(state_.backward.dv);
    bool adds = false;  // to the gradients of queries
    for (std::size_t key = begin; key < end; key += e_.key_tile) {
      masked_keys masked;
      mask_.read(sample, key, e_.keys_at(key), masked);
      if (masked.is_empty()) {
        if (!adds && dq) clear_queries(dq, sample, head, part);
        std::fill(dk, dk + masked.count * d, 0.0f);
        std::fill(dv, dv + masked.count * d, 0.0f);
      } else {
        gather_rows(in_.k.at(sample, key, head), k, state_.factors, masked.count, masked.bias);
        gather_rows(in_.v.at(sample, key, head), v, state_.factors, masked.count, masked.bias);
        for (std::size_t i = 0; i < e_.group(); ++i)
          run_tile(sample, head * e_.group() + i, key, masked, i == 0, own, worker, dq, adds);
      }
      adds = true;
      if (to_.k) give_rows(dk, to_.k.at(sample, key, head), masked.count, e_.scale, false);
      if (to_.v) give_rows(dv, to_.v.at(sample, key, head), masked.count, 1, false);
    }
  }

  /// A tile of keys and all queries of a head.
  void run_tile(std::size_t sample, std::size_t head, std::size_t key, const masked_keys& masked, bool is_first,
                std::byte* own, std::size_t worker, const head_rows& dq, bool adds) const {
    const auto at = [own](std::size_t bytes) { return reinterpret_cast<float*>(own + bytes); };
    std::byte *const k = own + state_.backward.k, *const v = own + state_.backward.v,
                     *const q = own + state_.backward.q, *const dout = own + state_.backward.dout;
    float *const dk = at(state_.backward.dk), *const dv = at(state_.backward.dv), *const of_q = at(state_.backward.dq),
                 *const scores = at(state_.backward.scores), *const gradients = at(state_.backward.gradients);
    const element factors = state_.factors;
    float* const kept = dropout_.dropped > 0 ? at(state_.backward.kept) : nullptr;
    const std::size_t d = e_.width, row = (sample * e_.heads + head) * e_.queries;
    const auto multiply = [&](tile_product which, std::size_t m, std::size_t n, std::size_t terms, const void* a,
                              const void* b, float* c) {
      state_.products.execute(which, m, n, terms, a, b, c, own + state_.backward.bytes, worker);
    };
    for (std::size_t last = e_.queries; last > 0;) {
      const std::size_t query = (last - 1) / e_.query_tile * e_.query_tile, count = last - query;
      const std::size_t rows = e_.keys_at(key, query, count);
      if (rows == 0) break;
      gather_rows(in_.q.at(sample, query, head), q, factors, count, nullptr);
      gather_rows(dout_.at(sample, query, head), dout, factors, count, nullptr);
      if (kept != nullptr) kept_of_keys(dropout_, kept, rows, count, row + query, key);
      multiply(tile_product::by_rows, rows, count, d, k, q, scores);
      multiply(tile_product::by_rows, rows, count, d, v, dout, gradients);
      const scores_of_keys tile{scores,
                                gradients,
                                rows,
                                count,
                                key,
                                query,
                                e_.causal,
                                masked.bias,
                                e_.scale,
                                largest_ + row + query,
                                shares_ + row + query,
                                dots_ + row + query,
                                kept};
      if (e_.key_tiles() == 1)
        probabilities_of_all_keys(tile);
      else
        probabilities_of_keys(tile);
      const tile_product sum = is_first && last == e_.queries ? tile_product::plain : tile_product::added;
      const void *const p = as_factors(scores, own + state_.backward.rounded, factors, rows * count),
                        *const ds =
                            as_factors(gradients, own + state_.backward.rounded_gradients, factors, rows * count);
      multiply(sum, rows, d, count, p, dout, dv);
      multiply(sum, rows, d, count, ds, q, dk);
      if (dq) {
        multiply(tile_product::of_transposed, count, d, rows, ds, k, of_q);
        give_rows(of_q, dq.at(sample, query, head), count, e_.scale, adds);
      }
      last = query;
    }
  }

  /// Where no key of the first tile is attended to, which otherwise writes these.
  void clear_queries(const head_rows& dq, std::size_t sample, std::size_t head, std::size_t part) const {
    for (std::size_t row = state_.first_query(part); row < e_.queries; ++row)
      for (std::size_t i = 0; i < e_.group(); ++i)
        std::memset(dq.at(sample, row, head * e_.group() + i).data, 0, e_.width * size_of(dq.type));
  }

  void add_parts() const {
    const std::size_t size = e_.heads * e_.width, rows = e_.batch * e_.queries;
    if (state_.parts == 1) return;
    parallel_for(rows, grain_of_rows(size), [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row)
        for (std::size_t part = 1; part < state_.parts && state_.first_query(part) <= row % e_.queries; ++part)
          give_floats(queries_of_part(part).at(0, row, 0).as<float>(), to_.q.at(0, row, 0).as<float>(), size, 1, size,
                      1, true);
    });
  }

  const backward_pass& pass_;
  const prepared_attention& state_;
  const attention_extents& e_;
  query_key_value in_, to_;
  head_rows out_, dout_;
  const float *largest_, *shares_;
  float* dots_;
  attention_mask mask_;
  attention_dropout dropout_;
};

}  // namespace remat::nn::detail
