// SPDX-License-Identifier: MIT
/// Schedules of the learning rate: what it is multiplied with at each step, counted from 0.
///
///     namespace rate = remat::learning_rate;
///     const rate::sequence schedule{rate::linear{.steps = 500}, rate::cosine{.steps = 9500, .to = 0.01}};
///     optimizer.step(model, schedule(optimizer.steps()));
///
/// | schedule     | factor at step t                                             | PyTorch             |
/// |--------------|--------------------------------------------------------------|---------------------|
/// | constant     | factor                                                       | ConstantLR, whose   |
/// |              |                                                              | factor ends by 1    |
/// | linear       | from + (to - from) t / steps; by default the warm-up, 0 to 1 | LinearLR            |
/// | cosine       | to + (from - to) (1 + cos(pi t / steps)) / 2                 | CosineAnnealingLR   |
/// | polynomial   | to + (from - to) (1 - t / steps)^power                       | PolynomialLR        |
/// | step_decay   | factor^floor(t / every)                                      | StepLR              |
/// | sequence     | each part for its steps, from its own step 0                 | SequentialLR        |
///
/// After its last step a schedule stays where it ended; PyTorch's CosineAnnealingLR rises again, and its ConstantLR is
/// sequence{constant{.steps = 5, .factor = 1.0 / 3}, constant{}}. The factor multiplies the learning rate of every
/// group of parameters. Steps may as well be epochs, if that is what is passed. Any function of the step will do in
/// their place.
#pragma once

#include <remat/core/error.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <string>
#include <tuple>
#include <utility>

namespace remat::learning_rate {

/// The length of a schedule that does not end.
inline constexpr std::size_t endless = std::numeric_limits<std::size_t>::max();

namespace detail {

/// Where step t is between the first, 0, and the last, 1.
inline double part_done(const char* who, std::size_t t, std::size_t steps) {
  if (steps == 0)
    throw error(std::string("learning_rate::") + who + " needs its number of steps, at least 1: {.steps = 1000}");
  return t >= steps ? 1 : static_cast<double>(t) / static_cast<double>(steps);
}

}  // namespace detail

struct constant {
  std::size_t steps = endless;  ///< how long it lasts in a sequence
  double factor = 1;

  double operator()(std::size_t) const { return factor; }
};

/// A warm-up, unless told otherwise.
struct linear {
  std::size_t steps = 0;
  double from = 0, to = 1;

  double operator()(std::size_t t) const {
    const double done = detail::part_done("linear", t, steps);
    return done == 1 ? to : from + (to - from) * done;
  }
};

struct cosine {
  std::size_t steps = 0;
  double from = 1, to = 0;

  double operator()(std::size_t t) const {
    const double done = detail::part_done("cosine", t, steps);
    return done == 1 ? to : to + (from - to) * (1 + std::cos(std::numbers::pi * done)) / 2;
  }
};

/// A linear decay, unless told otherwise.
struct polynomial {
  std::size_t steps = 0;
  double power = 1;
  double from = 1, to = 0;

  double operator()(std::size_t t) const {
    const double done = detail::part_done("polynomial", t, steps);
    return done == 1 ? to : to + (from - to) * std::pow(1 - done, power);
  }
};

struct step_decay {
  std::size_t every = 1;
  double factor = 0.1;
  std::size_t steps = endless;  ///< how long it lasts in a sequence

  double operator()(std::size_t t) const {
    if (every == 0) throw error("learning_rate::step_decay decays every 1 or more steps, not every 0");
    return std::pow(factor, static_cast<double>(t / every));
  }
};

/// One after the other; every part but the last has `steps`. A part of 0 steps before the last is left out.
template <class... Parts>
class sequence {
  static_assert(sizeof...(Parts) > 0, "remat: a sequence of schedules has at least one part");

 public:
  constexpr explicit sequence(Parts... parts) : parts_(std::move(parts)...) {}

  double operator()(std::size_t t) const { return at<0>(t); }

 private:
  template <std::size_t I>
  double at(std::size_t t) const {
    const auto& part = std::get<I>(parts_);
    if constexpr (I + 1 < sizeof...(Parts)) {
      constexpr bool has_length = requires { part.steps; };
      static_assert(has_length, "remat: every part of a sequence but the last has `steps`, its length");
      if constexpr (has_length)
        if (t >= part.steps) return at<I + 1>(t - part.steps);
    }
    return static_cast<double>(part(t));
  }

  std::tuple<Parts...> parts_;
};

}  // namespace remat::learning_rate
