// SPDX-License-Identifier: MIT
/// A profile that all ranks of a job have alike, as a partition by measured costs needs it:
///
///     remat::model<net, input, loss> one{{.threads = 1}};                   // as many as a rank will have
///     const remat::operation_costs costs = remat::profile(mpi, one, 16);    // on every rank
///     remat::distributed_model<net, input, loss> m{mpi, {.partition = remat::partition::balanced(costs)}};
///
/// The ranks measure at once, as they will compute, and of each cost the slowest rank's counts: a pipeline waits for
/// it.
#pragma once

#include <remat/check/profile.hpp>
#include <remat/distributed/blueprint_hashes.hpp>
#include <remat/distributed/call_agreement.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

namespace remat {

/// Collective. Times each operation of a model, which every rank has as a whole, at a (micro-)batch, in seconds. Throws
/// `collective_error` where a rank cannot, or where model, batch or options are not the same on all of them.
inline operation_costs profile(const mpi::session& session, network& model, std::size_t batch,
                               const profile_options& options = {}) {
  const call_agreement calls(session, session.count_model(), session.how_to_wait());
  calls.meet(call_kind::profile);
  fingerprint asked;
  asked.add(detail::hash_of_program(model.lowered()));
  asked.add(detail::hash_of_frozen(model.lowered()));
  for (const std::size_t each : {batch, options.runs, options.warm_up, std::size_t{options.accumulates}})
    asked.add(std::uint64_t{each});
  calls.all().require_same("", asked.value(),
                           "the model, batch and options of a profile must be the same on all ranks");
  operation_costs costs;
  std::string complaint;
  try {
    costs = profile(model, batch, options);
  } catch (const std::exception& e) {
    complaint = e.what();
  }
  calls.all().require_none(complaint);

  std::vector<double*> numbers;
  for (operation_cost& each : costs.operations)
    for (const cost_field& field : cost_fields) numbers.push_back(&(each.*field.member));
  for (double& each : costs.per_byte) numbers.push_back(&each);
  std::vector<std::uint64_t> bits(numbers.size());  // of numbers that are not negative, ordered as they are
  std::ranges::transform(numbers, bits.begin(), [](const double* each) { return std::bit_cast<std::uint64_t>(*each); });
  calls.all().wait(session.meeting().largest(bits));
  for (std::size_t i = 0; i < numbers.size(); ++i) *numbers[i] = std::bit_cast<double>(bits[i]);
  return costs;
}

}  // namespace remat
