// SPDX-License-Identifier: MIT
/// How a plan's report is printed.
#pragma once

#include <remat/plan/certificate_text.hpp>
#include <remat/plan/report.hpp>

#include <cstddef>
#include <ostream>
#include <string>

namespace remat {

namespace detail {

inline std::string megaflops(double flops) {
  const auto tenths = static_cast<std::size_t>(flops / 1e5 + 0.5);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MFLOP";
}

inline std::string column(std::string text, std::size_t width) {
  text.append(text.size() + 2 > width ? 2 : width - text.size(), ' ');
  return text;
}

inline void print_kernel_memory(std::ostream& out, std::size_t packed, std::size_t kept, std::size_t scratch) {
  if (packed + scratch == 0) return;
  out << "  packed weights  " << megabytes(packed);
  if (packed > 0)
    out << (kept > 0 ? "  (of which " + megabytes(kept) + " are kept for another use)" : "  (packed before each use)");
  out << "\n  kernel scratch  " << megabytes(scratch) << "\n";
}

}  // namespace detail

/// Prints a report; megabytes are 10^6 bytes.
inline std::ostream& operator<<(std::ostream& out, const plan_report& r) {
  using detail::column, detail::megabytes;
  out << (r.is_training ? "Training" : "Inference") << " plan for batch " << r.batch << "\n";
  out << "  activations     " << megabytes(r.activation_bytes) << "  (" << r.activation_bytes
      << " bytes; alive at once: " << r.live_bytes << ")\n";
  if (r.gradient_bytes > 0 && r.needs_gradient_block)
    out << "  gradients       " << megabytes(r.gradient_bytes) << " in a block, since a step may fail before its end\n";
  else if (r.gradient_bytes > 0)
    out << "  gradients       " << megabytes(r.gradient_bytes) << " in a block, or "
        << megabytes(r.transient_gradient_bytes) << " in one micro-batch that updates the parameters\n";
  detail::print_kernel_memory(out, r.packed_bytes, r.kept_packed_bytes, r.scratch_bytes);
  out << "  kernel calls    " << r.forward << " forward, " << r.recompute << " recomputed, " << r.backward
      << " backward\n";
  if (!r.is_training) return out;
  out << "  recomputation   " << static_cast<int>(100 * r.recompute_share + 0.5) << " % of the forward pass's FLOPs\n";
  if (r.certificate) out << *r.certificate;
  out << "  kept between forward and backward: " << megabytes(r.kept_bytes);
  if (r.outside_bytes > 0)
    out << ", and " << megabytes(r.outside_bytes) << " out of the arena, in " << r.writes << " writes and " << r.reads
        << " reads";
  out << "\n";
  for (const kept_tensor& k : r.kept)
    out << "    " << column(k.path, 24) << column(k.shape, 28) << column(megabytes(k.bytes + k.outside_bytes), 12)
        << "read by " << k.readers << (k.flops > 0 ? "; costs " + detail::megaflops(k.flops) + " to recompute" : "")
        << "\n";
  for (const std::string& path : r.recomputed) out << "    recomputed: " << path << "\n";
  for (const std::string& path : r.plain)
    out << "    plain: the checkpoint at " << path << " would keep more than none\n";
  for (const std::string& part : r.split) out << "    checkpointed in parts: of " << part << "\n";
  for (const std::string& path : r.ignored)
    out << "    not checkpointed: " << quoted_path(path) << " is on another stage, too, and cannot be divided\n";
  return out;
}

}  // namespace remat
