// SPDX-License-Identifier: MIT
/// Where the memory of a process goes: what a model holds, line by line, against the resident set.
///
/// The rest is everything that is no model's: the program and its libraries, data sets, oneDNN's compiled kernels, and
/// other models.
#pragma once

#include <remat/plan/report_text.hpp>

#include <cstddef>
#include <fstream>
#include <ostream>
#include <string>
#include <string_view>

#include <unistd.h>

namespace remat {

/// Bytes.
struct memory_report {
  std::size_t weights = 0;    ///< values of parameters, aligned
  std::size_t gradients = 0;  ///< of those that are trained, one for each place of a shared one; 0 where none are kept
  std::size_t states = 0;     ///< what modules remember
  std::size_t optimizer = 0;  ///< what the optimizers that were named keep
  std::size_t activations = 0;            ///< the arena's first region, for the largest batch met
  std::size_t transient_gradients = 0;    ///< what those need in addition to activations, each until its update
  std::size_t packed = 0;                 ///< the arena's packed weights, as many as are there at once
  std::size_t scratch = 0;                ///< the arena's kernel scratch, as far as it needs more than these
  std::size_t tables = 0;                 ///< of kernels, outside of the arena; models with the same ones share them
  std::size_t results = 0;                ///< outputs and gradients of inputs, as the user sees them
  std::size_t resident = 0;               ///< of the process; 0 where the system does not tell
  std::string gradients_needed_for = {};  ///< what keeps `gradients`; empty where nothing does

  std::size_t explained() const {
    return weights + gradients + states + optimizer + activations + transient_gradients + packed + scratch + tables +
           results;
  }
  std::size_t rest() const { return resident > explained() ? resident - explained() : 0; }
};

/// The resident set of this process in bytes, from Linux's /proc; 0 elsewhere.
inline std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  if (!(file >> all >> resident)) return 0;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

inline std::ostream& operator<<(std::ostream& out, const memory_report& r) {
  const auto line = [&](std::string_view name, std::size_t bytes, const std::string& why = "") {
    const std::string text = detail::megabytes(bytes);
    out << "  " << detail::column(std::string(name), 22) << std::string(text.size() < 12 ? 12 - text.size() : 0, ' ')
        << text << (why.empty() ? "" : "  for " + why) << "\n";
  };
  out << "Memory of the model and its process\n";
  line("weights", r.weights);
  line("gradients", r.gradients, r.gradients_needed_for);
  line("states", r.states);
  line("optimizer", r.optimizer);
  line("activations", r.activations);
  line("transient gradients", r.transient_gradients);
  line("packed weights", r.packed);
  line("kernel scratch", r.scratch);
  if (r.tables > 0) line("tables", r.tables);
  line("results", r.results);
  if (r.resident == 0) return out;
  line("rest", r.rest());
  line("resident set", r.resident);
  return out;
}

}  // namespace remat
