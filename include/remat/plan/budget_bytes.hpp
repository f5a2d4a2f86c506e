// SPDX-License-Identifier: MIT
/// Bytes of a budget, and what is said of one that is too small for any plan.
///
/// In a constant expression a compiler quotes the sentence, and names the arguments of the function that says it. Where
/// the batch is a template argument, too, `peak_activation_bytes<Net, Input, Loss, Batch>()`, the sentence is a rule's.
#pragma once

#include <remat/core/error.hpp>

#include <cstddef>
#include <limits>
#include <string>

namespace remat {

/// A budget with which no step fits.
class budget_error : public error {
 public:
  budget_error(const std::string& what, std::size_t smallest) : error(what), smallest_(smallest) {}

  /// The fewest bytes with which one does.
  std::size_t smallest() const { return smallest_; }

 private:
  std::size_t smallest_;
};

/// The bytes that a budget has, and the smallest feasible ones: the fewest with which a step fits.
template <std::size_t Bytes>
struct given_bytes {};
template <std::size_t Bytes>
struct smallest_feasible_bytes {};
template <std::size_t Samples>
struct of_batch {};

namespace rules {

template <class Given, class Smallest, class Batch>
struct budget_holds_a_step;
template <std::size_t Given, std::size_t Smallest, std::size_t Batch>
struct budget_holds_a_step<given_bytes<Given>, smallest_feasible_bytes<Smallest>, of_batch<Batch>> {
  static constexpr bool holds = true;
  static_assert(Given >= Smallest,
                "remat: a budget must have at least the smallest number of bytes with which a step fits; give it the "
                "smallest_feasible_bytes of this budget_holds_a_step, or a smaller batch");
};

}  // namespace rules

namespace detail {

/// Nobody has more; sums with it do not wrap.
inline constexpr std::size_t most_bytes = std::numeric_limits<std::size_t>::max() / 4;

struct budget_bytes {
  std::size_t given = 0, smallest = 0;
  bool is_of_rank = false;
};

/// Of a micro-batch, or a batch that is none.
inline std::string samples_text(std::size_t samples) {
  return std::to_string(samples) + (samples == 1 ? " sample" : " samples") + " at a time";
}

/// Throws `budget_error` where the bytes are fewer than the smallest feasible ones; `where` continues the sentence.
constexpr void require_bytes(std::size_t given, std::size_t smallest, std::size_t batch, const char* where = "") {
  if (given < smallest)
    throw budget_error("a budget of " + std::to_string(given) + " bytes is too small for a step of " +
                           samples_text(batch) + where + ": the smallest with which a step fits is " +
                           std::to_string(smallest),
                       smallest);
}
/// Of the whole rank; `fixed` are those of weights, states, gradients and optimizer.
constexpr void require_rank_bytes(std::size_t given, std::size_t smallest, std::size_t batch, std::size_t fixed,
                                  const char* where = "") {
  if (given < smallest)
    throw budget_error("a budget of the whole rank of " + std::to_string(given) + " bytes is too small for a step of " +
                           samples_text(batch) + where + ": the smallest with which a step fits is " +
                           std::to_string(smallest) + ", of which weights, states, gradients and optimizer are " +
                           std::to_string(fixed),
                       smallest);
}

}  // namespace detail
}  // namespace remat
