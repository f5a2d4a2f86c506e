// SPDX-License-Identifier: MIT
/// Loops over the cores. How many threads they have is set by a `thread_scope`.
///
/// A loop is cut into pieces, and no result depends on how: each element, or each column of a sum, is computed by one
/// thread in one order. Nor does it depend on the user's -march: g++ would otherwise round `a * b + c` once where the
/// machine can, and twice elsewhere (clang does so with -ffp-contract=fast alone). Without OpenMP remat's loops run on
/// one thread and give the same bits; oneDNN's primitives run on the model's threads all the same.
#pragma once

#include <remat/core/language.hpp>

#ifdef __FAST_MATH__
#error "remat: -ffast-math lets the compiler reorder sums, so that equal plans give unequal bits; compile without it"
#endif

#include <remat/core/first_exception.hpp>
#include <remat/core/thread_scope.hpp>

#ifdef _OPENMP
#include <omp.h>
#endif

#include <cstddef>

namespace remat {

#if !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#endif

/// Calls f(begin, end) on disjoint pieces that cover [0, size). A piece starts at a multiple of `grain`, and a loop of
/// one grain or less runs on the calling thread. What f throws is thrown when all pieces have ended, the first of it.
template <class F>
void parallel_for(std::size_t size, [[maybe_unused]] std::size_t grain, const F& f) {
  if (size == 0) return;
#ifdef _OPENMP
  const std::size_t grains = (size + grain - 1) / grain;
  const std::size_t threads = static_cast<std::size_t>(omp_get_max_threads());
  const std::size_t pieces = grains < threads ? grains : threads;
  if (pieces > 1) {
    detail::first_exception thrown;
#pragma omp parallel num_threads(static_cast <int>(pieces))
    {
      // A team may be smaller than asked for: every thread takes each `team`-th piece.
      const std::size_t team = static_cast<std::size_t>(omp_get_num_threads());
      for (std::size_t piece = static_cast<std::size_t>(omp_get_thread_num()); piece < pieces; piece += team) {
        const std::size_t begin = grains * piece / pieces * grain;
        const std::size_t end = grains * (piece + 1) / pieces * grain;
        try {
          f(begin, end < size ? end : size);
        } catch (...) {
          thrown.keep();
        }
      }
    }
    return thrown.rethrow();
  }
#endif
  f(std::size_t{0}, size);
}

/// Calls f(i) for every i in [begin, end), in any order, many at once in the lanes of this core; calls must not depend
/// on each other.
template <class F>
void in_lanes(std::size_t begin, std::size_t end, const F& f) {
#if defined(_OPENMP) && !defined(__clang__)  // clang warns the user where f has no form in lanes
#pragma omp simd
#endif
  for (std::size_t i = begin; i < end; ++i) f(i);
}

/// Numbers below which starting a second thread costs more than it saves.
inline constexpr std::size_t grain_of_numbers = 8192;
/// The grain of `parallel_for` for rows of `length` numbers.
constexpr std::size_t grain_of_rows(std::size_t length) { return 1 + grain_of_numbers / length; }

/// Calls f(i) for every i in [0, size), in any order, many at once in the lanes of a core, and on all cores where there
/// is enough to do; calls must not depend on each other.
template <class F>
void elementwise(std::size_t size, const F& f) {
  parallel_for(size, grain_of_numbers, [&](std::size_t begin, std::size_t end) { in_lanes(begin, end, f); });
}

#if !defined(__clang__)
#pragma GCC pop_options
#endif

}  // namespace remat
