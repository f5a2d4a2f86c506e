// SPDX-License-Identifier: MIT
/// How fast a disk takes what leaves the arena, and gives it back: measured once for each directory in a process.
#pragma once

#include <remat/core/storage_setting.hpp>
#include <remat/model/program.hpp>
#include <remat/run/file_space.hpp>
#include <remat/run/memory_block.hpp>
#include <remat/run/unlinked_file.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace remat {

namespace detail {

/// Writes and reads 128 MiB in tensors of 8, two of which are under way, twice: the first time takes room on the disk.
inline transfer_rate measure_transfer_rate(storage_space& space) {
  constexpr std::size_t piece = std::size_t{8} << 20, pieces = 16;
  const memory_block memory(2 * piece);  // in large pages, as an arena is: small ones take twice as long
  for (std::size_t i = 0; i < memory.size(); ++i) memory.data()[i] = static_cast<std::byte>(i * 2654435761u >> 13);
  space.reserve(piece * pieces, 4);
  transfer_rate best;
  for (int pass = 0; pass < 2; ++pass)
    for (const bool writes : {true, false}) {
      const auto begin = std::chrono::steady_clock::now();
      std::uint64_t before = 0;
      for (std::size_t k = 0; k < pieces; ++k) {
        const std::span<std::byte> here = memory.bytes().subspan(k % 2 * piece, piece);
        const std::uint64_t now = writes ? space.begin_write(k * piece, here) : space.begin_read(k * piece, here);
        if (before != 0) space.finish(before);
        before = now;
      }
      space.finish(before);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      double& rate = writes ? best.write : best.read;
      rate = std::max(rate, static_cast<double>(piece * pieces) / took.count());
    }
  return best;
}

/// Measured once in a process, of a type of storages (null: a file) and a directory.
inline transfer_rate known_transfer_rate(const int* type, const std::string& directory, const auto& open) {
  static std::mutex mutex;
  static std::map<std::pair<const int*, std::string>, transfer_rate> known;
  const std::lock_guard lock(mutex);
  const auto found = known.find({type, directory});
  if (found != known.end()) return found->second;
  return known.emplace(std::pair(type, directory), measure_transfer_rate(*open())).first->second;
}

}  // namespace detail

/// Of the disk of a directory; empty: TMPDIR, or /tmp. The first call writes and reads 256 MiB there and takes as long
/// as that takes. Throws `offload_error` where that is not possible.
inline transfer_rate measured_transfer_rate(std::string_view directory = {}) {
  const std::string where = directory.empty() ? temporary_directory() : std::string(directory);
  return detail::known_transfer_rate(nullptr, where, [&] { return std::make_unique<file_space>(where); });
}

/// Of a storage that takes tensors out of the arena: what it states, or what is measured where it has them.
/// `directory`: what its model says to storages that name none.
inline transfer_rate transfer_rate_of(const storage_form& form, std::string_view directory) {
  if (form.rate.is_known()) return form.rate;
  const std::string where(form.place(directory));
  return detail::known_transfer_rate(form.type(), where.empty() ? temporary_directory() : where,
                                     [&] { return form.open(directory); });
}

/// Throws `error` where the budgets of a program may use a storage that states no rate: each of several ranks would
/// measure another, and plan for it.
inline void require_stated_rates(const program& p) {
  for (const module_node& n : p.nodes)
    for (const checkpoint_setting& each : n.checkpoints) {
      const storage_form* const form = each.storage.form();
      if (!each.policy.has_budget() || form == nullptr || !form->is_outside || form->rate.is_known()) continue;
      throw error("on several ranks a budget that may use " + std::string(form->name) +
                  " is planned for a rate that is the same on all; state it, in bytes a second: .rate = {2e9, 3e9}");
    }
}

/// The lowest of those that the budgets of a program have to know and that are not stated; none, where they need none.
inline transfer_rate rate_for_budgets(const program& p, std::string_view directory) {
  transfer_rate lowest;
  for (const module_node& n : p.nodes)
    for (const checkpoint_setting& each : n.checkpoints) {
      const storage_form* const form = each.storage.form();
      if (!each.policy.has_budget() || form == nullptr || !form->is_outside || form->rate.is_known()) continue;
      const transfer_rate here = transfer_rate_of(*form, directory);
      lowest = lowest.is_known() ? transfer_rate{std::min(lowest.write, here.write), std::min(lowest.read, here.read)}
                                 : here;
    }
  return lowest;
}

}  // namespace remat
