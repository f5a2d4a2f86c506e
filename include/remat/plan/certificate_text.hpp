// SPDX-License-Identifier: MIT
/// A certificate in words, as `plan(...)` prints it.
#pragma once

#include <remat/plan/certificate.hpp>

#include <cmath>
#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>

namespace remat {

namespace detail {

inline std::string megabytes(std::size_t bytes) {
  const std::string hundredths = std::to_string(bytes / 10'000 + (bytes % 10'000 >= 5'000 ? 1 : 0));
  const std::string padded = std::string(hundredths.size() < 3 ? 3 - hundredths.size() : 0, '0') + hundredths;
  return padded.substr(0, padded.size() - 2) + "." + padded.substr(padded.size() - 2) + " MB";
}

/// Three digits or more, in the largest of the units that is not above it.
inline std::string amount(double value, bool is_seconds) {
  static constexpr std::string_view of_seconds[] = {"us", "ms", "s"}, of_flops[] = {"MFLOP", "GFLOP", "TFLOP"};
  value *= is_seconds ? 1e6 : 1e-6;
  int unit = 0;
  for (; unit < 2 && value >= 1'000; ++unit) value /= 1'000;
  const double thousandths = std::round(value * 1'000);
  std::string text = std::to_string(static_cast<long long>(thousandths));
  text.insert(0, text.size() < 4 ? 4 - text.size() : 0, '0');
  text.insert(text.size() - 3, 1, '.');
  return text + " " + std::string((is_seconds ? of_seconds : of_flops)[unit]);
}
inline std::string percent(double share) {
  if (!(share < 1e12)) return "unbounded";
  const auto hundredths = static_cast<std::size_t>(share * 10'000 + 0.5);
  const std::string rest = std::to_string(hundredths % 100);
  return std::to_string(hundredths / 100) + "." + (rest.size() < 2 ? "0" : "") + rest + " %";
}

}  // namespace detail

/// Prints a certificate; megabytes are 10^6 bytes.
inline std::ostream& operator<<(std::ostream& out, const certificate& c) {
  using detail::amount, detail::megabytes, detail::percent;
  const auto shown = [&](double value) { return amount(value, c.is_measured); };
  out << "  budget          " << megabytes(c.limit) << "  (" << c.limit << " bytes; the plan takes " << c.plan_bytes
      << ")\n";
  out << "  predicted time  " << shown(c.time.sum()) << "  (" << shown(c.time.forward) << " forward, "
      << shown(c.time.backward) << " backward, " << shown(c.time.recomputed) << " computed again";
  if (c.may_use_disk) out << ", " << shown(c.time.waiting) << " waiting for transfers";
  out << ")\n  lower bound     " << shown(c.lower_bound()) << "  of any persistent schedule within these bytes";
  if (c.may_use_disk)
    out << " without a disk\n  on disk, too    " << shown(c.least_on_disk)
        << "  of any that may use it; transfers take " << shown(c.transferring);
  out << "; the gap is " << percent(c.gap()) << "\n";
  out << "  fragmentation   " << megabytes(c.memory.lost_bytes()) << "  of " << c.memory.placed_bytes
      << " placed bytes; alive at once: " << c.memory.live_bytes << " (" << c.memory.at_fullest << ", action "
      << c.memory.fullest << ")";
  if (c.memory.lost_bytes() > 0)
    out << ", but " << c.memory.live_at_highest << " where the end is first used (" << c.memory.at_highest
        << ", action " << c.memory.highest << ")";
  out << "\n";
  if (c.lost_to_placement > 0)
    out << "  lost to gaps    " << shown(c.lost_to_placement) << "  of a choice that fits but for them\n";
  return out;
}

}  // namespace remat
