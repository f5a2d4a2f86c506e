// SPDX-License-Identifier: MIT
/// What rank 0 has found in files of tensors, and tells all ranks, so that each reads its own tensors itself.
///
/// A rank reads the files where they are for it what they are for rank 0: the same path gives a file of the same
/// identity (size, inode, time of its last change, header). Where it does not, as on a host without the shared disk or
/// with an older copy of its own, the rank is sent its tensors by rank 0, whose files are the ones that count.
#pragma once

#include <remat/core/error.hpp>
#include <remat/io/matched_tensors.hpp>
#include <remat/io/safetensors_file.hpp>
#include <remat/io/tensor_files.hpp>
#include <remat/io/transposed_tensor.hpp>
#include <remat/run/tensor_list.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remat::detail {

/// Collective. Everybody gets what rank 0 has.
template <class Numbers>
void share(const tensor_ranks& ranks, Numbers& numbers) {
  std::uint64_t count = numbers.size();
  ranks.broadcast(std::as_writable_bytes(std::span(&count, 1)), 0);
  numbers.resize(static_cast<std::size_t>(count));
  ranks.broadcast(std::as_writable_bytes(std::span(numbers)), 0);
}

class reading_plan {
 public:
  reading_plan() = default;
  /// Of rank 0. `matched` is in the order of the model's tensors, null for one that is not read. The files must outlive
  /// the plan.
  reading_plan(const tensor_files& files, std::span<const safetensor* const> matched) : files_(&files) {
    for (std::size_t f = 0; f < files.files().size(); ++f) {
      identities_.push_back(files.files()[f].identity());
      paths_ += std::filesystem::absolute(files.paths()[f]).string() + '\0';
    }
    for (const safetensor* const t : matched) {
      file_of_.push_back(t == nullptr ? none : t->file);
      place_of_.push_back(t == nullptr ? 0 : place_in(files.files()[t->file], *t));
    }
  }

  /// Collective.
  void share(const tensor_ranks& ranks) {
    detail::share(ranks, identities_);
    detail::share(ranks, paths_);
    detail::share(ranks, file_of_);
    detail::share(ranks, place_of_);
  }

  bool is_read(std::size_t tensor) const { return file_of_[tensor] != none; }

  /// Opens the files that hold what this rank has of the tensors. False where one of them is not the one of rank 0.
  bool open_own(const tensor_list& tensors) {
    if (files_ != nullptr) return true;
    try {
      for (std::size_t i = 0; i < tensors.size(); ++i)
        if (is_read(i) && has_part_of(tensors[i], tensors.ranks().rank()) && !open(file_of_[i])) return false;
    } catch (const std::exception&) {
      return false;
    }
    return true;
  }

  /// Reads what this rank has of tensor i, from the files that `open_own` opened.
  void read_own(const named_tensor& t, std::size_t i) const {
    if (t.here.empty()) return;
    const std::uint64_t number = file_of_[i];
    const safetensors_file& file = files_ != nullptr ? files_->files()[number] : opened_.at(number);
    read(file, file.tensors()[place_of_[i]], t, t.first, t.here);
  }

  /// Reads elements of what is `wanted`, from `first` on; all of what is transposed. Throws `error` where that fails,
  /// which says how far the model is loaded.
  static void read(const safetensors_file& file, const safetensor& t, const named_tensor& wanted, std::size_t first,
                   std::span<std::byte> to) {
    try {
      if (wanted.is_transposed_in_files)
        read_transposed(file, t, {reinterpret_cast<float*>(to.data()), to.size() / sizeof(float)});
      else
        file.read_part(t, wanted.type, first, to);
    } catch (const data_error& failed) {
      throw error(std::string(failed.what()) + "; the model is loaded in part, up to '" + shown_text(t.name) + "'");
    }
  }

  static bool has_part_of(const named_tensor& t, int rank) {
    return std::ranges::any_of(t.holders, [&](const held_elements& h) { return h.rank == rank; });
  }

 private:
  static constexpr std::uint64_t none = ~std::uint64_t{0};

  static std::uint64_t place_in(const safetensors_file& file, const safetensor& t) {
    const auto found = std::ranges::lower_bound(file.tensors(), std::pair(t.begin, t.end), {},
                                                [](const safetensor& s) { return std::pair(s.begin, s.end); });
    return static_cast<std::uint64_t>(std::ranges::find(found, file.tensors().end(), t.name, &safetensor::name) -
                                      file.tensors().begin());
  }

  bool open(std::uint64_t file) {
    if (opened_.contains(file)) return true;
    std::string_view left = paths_;
    for (std::uint64_t i = 0; i < file; ++i) left.remove_prefix(left.find('\0') + 1);
    safetensors_file here{std::filesystem::path(left.substr(0, left.find('\0')))};
    if (here.identity() != identities_[static_cast<std::size_t>(file)]) return false;
    opened_.emplace(file, std::move(here));
    return true;
  }

  const tensor_files* files_ = nullptr;            // of rank 0
  std::vector<std::uint64_t> identities_;          // of each file
  std::string paths_;                              // of each, and a zero byte
  std::vector<std::uint64_t> file_of_, place_of_;  // of each tensor of the model: its file, and its number there
  std::map<std::uint64_t, safetensors_file> opened_;
};

/// Collective. Of each rank, whether it says so; every rank gets all answers.
inline std::vector<std::byte> answers(const tensor_ranks& ranks, bool mine) {
  std::vector<std::byte> all(ranks.all_holders(1).size());
  const auto me = static_cast<std::size_t>(ranks.rank());
  all[me] = std::byte{mine};
  for (std::size_t r = 1; r < all.size(); ++r) {
    if (r == me) ranks.send(std::span(all).subspan(r, 1), 0);
    if (me == 0) ranks.receive(std::span(all).subspan(r, 1), static_cast<int>(r));
  }
  ranks.broadcast(all, 0);
  return all;
}

}  // namespace remat::detail
