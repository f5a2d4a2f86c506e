// SPDX-License-Identifier: MIT
/// A program that was started by the launcher of another MPI than its own: every process believes to be the only rank,
/// and all of them would do the same work. The launcher's variables give it away.
#pragma once

#include <remat/core/language.hpp>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

namespace remat::mpi {

/// Who started this process as one of several.
struct launcher {
  std::string name, variable;
  int ranks = 1, rank = 0;
};

namespace detail {

inline std::optional<int> number_in_environment(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  int number = 0;
  const char* const end = text + std::strlen(text);
  const auto [stop, failure] = std::from_chars(text, end, number);
  if (failure != std::errc() || stop != end) return std::nullopt;
  return number;
}

}  // namespace detail

/// Of a process whose MPI knows of one rank alone: the launcher that has started several, if there is one.
inline std::optional<launcher> foreign_launcher() {
  struct known {
    const char *name, *ranks, *rank;
  };
  constexpr known launchers[] = {{"the mpiexec of Open MPI", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                                 {"srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
                                 {"the mpiexec of MPICH, or of an MPI made from it", "PMI_SIZE", "PMI_RANK"}};
  for (const known& each : launchers)
    if (const int ranks = detail::number_in_environment(each.ranks).value_or(1); ranks > 1)
      return launcher{each.name, each.ranks, ranks, detail::number_in_environment(each.rank).value_or(0)};
  return std::nullopt;
}

}  // namespace remat::mpi
