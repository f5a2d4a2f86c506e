// SPDX-License-Identifier: MIT
/// How a session behaves: options, and the environment variables that override them, so that a job can be started
/// otherwise without compiling.
#pragma once

#include <remat/core/c_locale.hpp>
#include <remat/core/error.hpp>
#include <remat/distributed/message_wait.hpp>

#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>

namespace remat::mpi {

/// What `mpi::session` is made with.
struct session_options {
  /// How ranks wait. `automatic`: those of one host sleep where they have more threads than cores, and otherwise spin
  /// first. REMAT_WAITING=automatic, spin or sleep.
  mpi::wait_mode waiting = mpi::wait_mode::automatic;
  /// After a wait of this length, a rank says on stderr who waits where and for whom; 0: never.
  /// REMAT_WATCHDOG_SECONDS=60.
  double watchdog_seconds = 60;
};

/// The options as the environment changes them. Throws `error` for a value that means nothing.
inline session_options with_environment(session_options options) {
  if (const char* const text = std::getenv("REMAT_WAITING"); text != nullptr && *text != '\0') {
    const std::string_view how = text;
    if (how == "spin")
      options.waiting = wait_mode::spinning;
    else if (how == "sleep")
      options.waiting = wait_mode::sleeping;
    else if (how == "automatic")
      options.waiting = wait_mode::automatic;
    else
      throw error("REMAT_WAITING is automatic, spin or sleep, and not '" + std::string(how) + "'");
  }
  if (const char* const text = std::getenv("REMAT_WATCHDOG_SECONDS"); text != nullptr && *text != '\0') {
    const remat::detail::c_locale with_points;
    char* end = nullptr;
    options.watchdog_seconds = std::strtod(text, &end);
    if (*end != '\0') options.watchdog_seconds = -1;
  }
  if (!(options.watchdog_seconds >= 0) || std::isinf(options.watchdog_seconds))
    throw error("REMAT_WATCHDOG_SECONDS, or .watchdog_seconds of a session, is a number of seconds, or 0 for none");
  return options;
}

}  // namespace remat::mpi
