// SPDX-License-Identifier: MIT
/// The list of named tensors: everything that a model remembers from one step to the next, and what files of weights
/// and the optimizer's rows are written from and read into, in one process and on many ranks alike.
///
///     remat::tensor_list all = model.tensors(optimizer);   // on every rank: the same tensors in the same order
///     for (const remat::named_tensor& t : all)             // name, shape, element type, who holds it
///       if (t.is_there) file.write(all.gather(t, 0, room));  // whole on rank 0
///
/// It views the memory of the model and of the optimizers that it was made of, which must outlive it, stay where they
/// are and take no step meanwhile.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/weight_names.hpp>
#include <remat/run/named_tensor.hpp>
#include <remat/run/tensor_ranks.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remat {

/// A block whose weights files call otherwise.
struct weight_scope {
  std::string path = {};  ///< what names inside of it begin with, a dot at its end, or nothing
  const weight_names* names = nullptr;
};

class tensor_list {
 public:
  /// `ranks` must outlive it.
  explicit tensor_list(const tensor_ranks& ranks) : ranks_(&ranks) {}

  const tensor_ranks& ranks() const { return *ranks_; }
  std::size_t size() const { return tensors_.size(); }
  named_tensor& operator[](std::size_t i) { return tensors_[i]; }
  const named_tensor& operator[](std::size_t i) const { return tensors_[i]; }
  auto begin() { return tensors_.begin(); }
  auto end() { return tensors_.end(); }
  auto begin() const { return tensors_.begin(); }
  auto end() const { return tensors_.end(); }
  /// Null for a name that it does not have.
  named_tensor* find(std::string_view name) {
    const auto found = number_of_.find(name);
    return found == number_of_.end() ? nullptr : &tensors_[found->second];
  }

  /// Throws `error` where it has a tensor of this name.
  void add(named_tensor t) {
    if (!number_of_.emplace(t.name, tensors_.size()).second)
      throw error("two tensors that a model remembers are named '" + t.name + "'; give one of them another name");
    tensors_.push_back(std::move(t));
  }
  /// Adds a number of the user's, such as the batch that comes next; every rank has it, and all have it alike.
  template <std::unsigned_integral Number>
    requires(sizeof(Number) == 4 || sizeof(Number) == 8)
  void add_counter(std::string name, Number& number) {
    add({.name = std::move(name),
         .role = tensor_role::counter,
         .type = sizeof(Number) == 4 ? element::uint32 : element::uint64,
         .holders = ranks_->all_holders(1),
         .here = std::as_writable_bytes(std::span(&number, 1))});
  }

  void add_scope(weight_scope scope) { scopes_.push_back(std::move(scope)); }
  std::span<const weight_scope> weight_scopes() const { return scopes_; }

  /// Collective. The whole of a tensor on rank `to`: as it is in memory where that rank is the one to ask for all of
  /// it, else in `room`, which holds at least `room_to_gather(to)` bytes there. Nothing on other ranks.
  std::span<const std::byte> gather(const named_tensor& t, int to, std::span<std::byte> room) const {
    if (is_gathered_in_place(t, to)) return ranks_->rank() == to ? t.here : std::span<std::byte>();
    for_each_part(t, [&](int rank, std::size_t first, std::size_t last) {
      if (ranks_->rank() == rank && rank == to)
        std::ranges::copy(bytes_here(t, first, last), part_of(t, room, first, last).begin());
      if (ranks_->rank() == rank && rank != to) ranks_->send(bytes_here(t, first, last), to);
      if (ranks_->rank() == to && rank != to) ranks_->receive(part_of(t, room, first, last), rank);
    });
    return ranks_->rank() == to ? room.first(t.bytes()) : std::span<std::byte>();
  }
  std::size_t room_to_gather(int to) const {
    return most([&](const named_tensor& t) { return !is_gathered_in_place(t, to); });
  }

  /// Bytes of the largest tensor that is there.
  std::size_t largest() const {
    return most([](const named_tensor&) { return true; });
  }
  /// Collective. Gives the whole of a tensor, which rank `from` has, to all that hold elements of it and are among
  /// those to be given some: `is_given(rank)`, which is the same on all ranks.
  void scatter(
      const named_tensor& t, int from, std::span<const std::byte> whole,
      const std::function<bool(int)>& is_given = [](int) { return true; }) const {
    for (const held_elements& each : t.holders) {
      if (!is_given(each.rank)) continue;
      const bool is_mine = ranks_->rank() == each.rank;
      if (ranks_->rank() == from) {
        const std::span<const std::byte> part = part_of(t, whole, each.first, each.last);
        if (!is_mine)
          ranks_->send(part, each.rank);
        else if (part.data() != t.here.data())
          std::ranges::copy(part, t.here.begin());
      } else if (is_mine) {
        ranks_->receive(t.here, from);
      }
    }
  }

 private:
  /// f(rank, first, last) of the elements that each rank is asked for; together they are all, in order.
  template <class F>
  static void for_each_part(const named_tensor& t, const F& f) {
    std::size_t next = 0;
    for (const held_elements& each : t.holders)
      if (each.first <= next && next < each.last) {
        f(each.rank, next, each.last);
        next = each.last;
      }
  }
  static bool is_gathered_in_place(const named_tensor& t, int to) {
    return !t.holders.empty() && t.holders.front().rank == to && t.holders.front().size() == t.elements();
  }

  template <class Byte>
  static std::span<Byte> part_of(const named_tensor& t, std::span<Byte> whole, std::size_t first, std::size_t last) {
    return whole.subspan(first * size_of(t.type), (last - first) * size_of(t.type));
  }
  static std::span<std::byte> bytes_here(const named_tensor& t, std::size_t first, std::size_t last) {
    return part_of(t, t.here, first - t.first, last - t.first);
  }

  template <class Counts>
  std::size_t most(const Counts& counts) const {
    std::size_t bytes = 0;
    for (const named_tensor& t : tensors_)
      if (t.is_there && counts(t)) bytes = std::max(bytes, t.bytes());
    return bytes;
  }

  const tensor_ranks* ranks_;
  std::vector<named_tensor> tensors_;
  std::vector<weight_scope> scopes_;
  std::map<std::string, std::size_t, std::less<>> number_of_;
};

}  // namespace remat
