// SPDX-License-Identifier: MIT
/// The plan of a rank in words: its stages, what they take from others and give to them, what they keep, and the bytes
/// of it all.
#pragma once

#include <remat/distributed/pipeline.hpp>
#include <remat/plan/report_text.hpp>
#include <remat/schedule/in_flight.hpp>

#include <cstddef>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace remat {

/// A tensor that a stage receives or sends.
struct port_report {
  std::string path;  ///< of the module that makes it, or whose output's gradient it is; "input 0"
  std::string shape;
  bool is_gradient = false;
  int from = core::none;  ///< the stage that it comes from, or `none`
  std::vector<int> to;    ///< the stages that it is sent to
  std::size_t bytes = 0;
  int slots = 0;  ///< how many micro-batches have theirs at once
};

struct stage_report {
  int stage = 0;
  int in_flight = 0;
  std::size_t kept_region = 0;     ///< bytes that wait for backward, for each micro-batch in flight
  std::size_t passing_region = 0;  ///< bytes of what does not, once
  int postponed = 0;  ///< micro-batches that wait for the gradients of parameters at once, of a halved backward
  std::size_t postponed_region = 0;  ///< bytes that wait for these gradients, for each of them
  std::vector<port_report> ports;
  plan_report plan;  ///< of the first micro-batch
};

struct rank_report {
  int partition = 0, partitions = 1;
  std::size_t microbatch = 0, microbatches = 0;
  std::size_t activation_bytes = 0, live_bytes = 0;  ///< of the rank's layout
  std::size_t packed_bytes = 0, scratch_bytes = 0;
  std::size_t kept_packed_bytes = 0;  ///< of packed weights that several micro-batches read
  std::vector<stage_report> stages;
};

/// Explains what a rank does in a step of this pipeline, whose program is `p`.
inline rank_report report(const program& p, const pipeline& line, int partition) {
  rank_report r{.partition = partition,
                .partitions = line.table().ranks(),
                .microbatch = line.microbatch(),
                .microbatches = static_cast<std::size_t>(line.table().microbatches),
                .activation_bytes = line.layout().bytes(),
                .live_bytes = line.layout().live_bytes(),
                .packed_bytes = line.needed().packed,
                .scratch_bytes = line.needed().scratch,
                .kept_packed_bytes = line.kept_packed_bytes(),
                .stages = {}};
  const passes_in_flight in_flight(line.table());
  for (std::size_t local = 0; local < line.stages(); ++local) {
    const plan& made = line.planned(local, 0);
    stage_report s{.stage = line.stage(local),
                   .in_flight = in_flight(line.stage(local), pass_kind::forward, pass_kind::backward_input),
                   .passing_region = made.passing_bytes,
                   .postponed = in_flight(line.stage(local), pass_kind::backward_input, pass_kind::backward_parameters),
                   .ports = {},
                   .plan = report(p, made)};
    for (const plan_region& each : made.regions)
      if (each.port == core::none && !each.is_passing)
        (each.tasks_ahead > 0                      ? s.passing_region
         : each.last_section == parameters_section ? s.postponed_region
                                                   : s.kept_region) += each.bytes;
    for (int k = 0; k < made.ports.count(); ++k) {
      const stage_port& each = made.ports[k];
      const int producer = p.producers[each.tensor];
      s.ports.push_back({.path = producer == core::none ? "input " + std::to_string(each.tensor)
                                                        : detail::name_of_operation(p, p.operations[producer]),
                         .shape = detail::text_of(p.tensors[each.tensor]),
                         .is_gradient = each.is_gradient,
                         .from = each.from,
                         .to = {each.to.begin(), each.to.end()},
                         .bytes = p.bytes_of(each.tensor, each.is_gradient, line.microbatch()),
                         .slots = line.layout().slots(local, k)});
    }
    r.stages.push_back(std::move(s));
  }
  return r;
}

inline std::ostream& operator<<(std::ostream& out, const port_report& r) {
  std::string way = r.from == core::none ? "" : "from stage " + std::to_string(r.from);
  for (std::size_t i = 0; i < r.to.size(); ++i)
    way += (i > 0 ? ", " : way.empty() ? "to stage " : ", to stage ") + std::to_string(r.to[i]);
  return out << detail::column((r.is_gradient ? "gradient of " : "") + r.path, 36) << detail::column(r.shape, 28)
             << detail::column(std::move(way), 26) << r.bytes << " bytes, " << r.slots
             << (r.slots == 1 ? " slot" : " slots");
}

/// Prints a report; megabytes are 10^6 bytes.
inline std::ostream& operator<<(std::ostream& out, const rank_report& r) {
  using detail::megabytes;
  out << "Rank " << r.partition << " of a pipeline of " << r.partitions << ", " << r.microbatches
      << " micro-batches of " << r.microbatch << "\n";
  out << "  activations     " << megabytes(r.activation_bytes) << "  (" << r.activation_bytes
      << " bytes; alive at once: " << r.live_bytes << ")\n";
  detail::print_kernel_memory(out, r.packed_bytes, r.kept_packed_bytes, r.scratch_bytes);
  for (const stage_report& s : r.stages) {
    out << "Stage " << s.stage << ", micro-batches in flight: " << s.in_flight << "\n";
    out << "  regions         " << s.kept_region << " bytes for each micro-batch in flight, " << s.passing_region
        << " for all\n";
    if (s.postponed > 0)
      out << "  postponed       " << s.postponed_region
          << " bytes for each micro-batch that waits for the gradients of "
          << "parameters: " << s.postponed << "\n";
    for (const port_report& each : s.ports) out << "  port            " << each << "\n";
    out << s.plan;
  }
  return out;
}

}  // namespace remat
