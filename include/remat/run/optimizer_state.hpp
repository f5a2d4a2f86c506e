// SPDX-License-Identifier: MIT
/// What optimizers share: numbers of their own for each parameter of a model, and the loop over parameters.
#pragma once

#include <remat/core/error.hpp>
#include <remat/run/network.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace remat {

/// Calls f(index of a parameter, the parameter, begin, end) on pieces of all parameters of a model, on its threads.
template <class F>
void update_parameters(network& model, const F& f) {
  const thread_scope scope(model.threads());
  std::size_t index = 0;
  for (const parameter_view& p : model.parameters()) {
    if (p.gradient.empty()) {  // frozen
      ++index;
      continue;
    }
    parallel_for(p.values.size(), 16384, [&](std::size_t begin, std::size_t end) { f(index, p, begin, end); });
    ++index;
  }
}

/// One or more numbers for each parameter of a model, zero at the start.
class optimizer_state {
 public:
  /// Allocates `rows` numbers per parameter where there are fewer, and says whether it did. A later call with another
  /// model is an `error`.
  bool attach(const network& model, std::size_t rows) {
    if (model_ != 0 && model_ != model.identity())
      throw error("an optimizer serves the model of its first step; make one for each model");
    model_ = model.identity();
    parameters_ = model.parameters().size();
    const std::size_t wanted = rows * parameters_;
    if (rows_.size() >= wanted) return false;
    std::vector<std::vector<float>> grown = rows_;
    while (grown.size() < wanted) grown.emplace_back(model.parameters()[grown.size() % parameters_].values.size());
    rows_ = std::move(grown);
    return true;
  }
  float* of(std::size_t row, std::size_t parameter) { return rows_[row * parameters_ + parameter].data(); }

 private:
  std::uint64_t model_ = 0;
  std::size_t parameters_ = 0;
  std::vector<std::vector<float>> rows_;
};

}  // namespace remat
