// SPDX-License-Identifier: MIT
/// The same module N times, one after another, each with parameters of its own: `repeat<12, block>`.
///
/// It counts as a sequential of N children (paths `h.0`, `h.1`, ...; strategies; cuts). The module must give what it
/// takes, and is compiled once: 1,000 of it cost the compiler no more than 2.
#pragma once

#include <remat/core/module.hpp>

#include <cstddef>

namespace remat {

namespace detail {

template <std::size_t N>
struct repetitions {
  static constexpr bool holds = true;
  static_assert(N >= 1, "remat: a module is repeated at least once; leave out what is not there");
};

}  // namespace detail

template <std::size_t N, class M>
struct repeat : module {
  static_assert(detail::repetitions<N>::holds);
};

}  // namespace remat
