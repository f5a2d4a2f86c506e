// SPDX-License-Identifier: MIT
/// The standard normal distribution in elementwise code, without branches, so that loops over it vectorise.
#pragma once

#include <remat/nn/exponential.hpp>
#include <remat/nn/vectorised.hpp>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

/// exp(-x^2 / 2), and the share of the distribution that is further out than |x|, on one side, by it.
struct normal_tail {
  float exponential, ratio;
};

/// For |x| <= 14, after which both are as for 14; each to about two units in the last place. A NaN stays one.
///
/// The ratio is w q(t) with w = 1 / (|x| + K) and t = 1 - 2 K w, of which t runs from -1 to 0.7: a polynomial of
/// positive terms that hardly cancel, its relative error below 2e-8 (weighted least squares, iterated).
[[gnu::always_inline]] inline normal_tail tail_of(float x) {
  constexpr float furthest = 14.0f, k = 2.5f;
  const float magnitude = x < 0 ? -x : x;
  const float a = magnitude > furthest ? furthest : magnitude;

  // a^2 and what its rounding left out: the exponential of a large number would multiply that.
  const float square = a * a, rest = __builtin_fmaf(a, a, -square);
  const float e = exponential(-0.5f * square);

  const float w = 1.0f / (a + k), t = 1.0f - 2 * k * w;
  float q = -1.5673210146e-4f;
  q = __builtin_fmaf(q, t, -3.0992383836e-4f);
  q = __builtin_fmaf(q, t, 6.8428320810e-4f);
  q = __builtin_fmaf(q, t, 2.5225244462e-3f);
  q = __builtin_fmaf(q, t, -1.6011320986e-3f);
  q = __builtin_fmaf(q, t, -1.6385825351e-2f);
  q = __builtin_fmaf(q, t, 9.2359641567e-3f);
  q = __builtin_fmaf(q, t, 1.3198694587e-1f);
  q = __builtin_fmaf(q, t, -4.3369200826e-1f);
  q = __builtin_fmaf(q, t, 7.0665663481e-1f);
  return {e - 0.5f * rest * e, w * q};
}

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
