// SPDX-License-Identifier: MIT
/// A dropout where its probability is above 0, else nothing, at no cost.
#pragma once

#include <remat/model/parallel.hpp>
#include <remat/nn/dropout.hpp>
#include <remat/nn/real.hpp>

namespace remat::models::detail {

template <nn::real Probability>
struct dropout_or_nothing {
  using type = nn::dropout<Probability>;
};
template <nn::real Probability>
  requires(Probability.value <= 0)
struct dropout_or_nothing<Probability> {
  using type = identity;
};

template <nn::real Probability>
using optional_dropout = typename dropout_or_nothing<Probability>::type;

}  // namespace remat::models::detail
