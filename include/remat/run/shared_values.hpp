// SPDX-License-Identifier: MIT
/// The values of parameters and states, by path and shape, apart from any program: what several models may share.
///
/// Each model has a view of them of its own (parameter_places.hpp), which knows the places of its program; gradients
/// are the view's. Values live as long as a model that uses them does.
#pragma once

#include <remat/core/error.hpp>
#include <remat/model/program.hpp>
#include <remat/run/held_slots.hpp>
#include <remat/run/memory_block.hpp>
#include <remat/run/parameter_view.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace remat {

class shared_values {
 public:
  /// Initial values, which depend on the seed and each parameter's place in the program alone.
  shared_values(const program& p, std::uint64_t seed, const held_slots& held) {
    parameter_block_ = make(parameters_, p, p.parameters, held.parameters, seed, initial_values);
    state_block_ = make(states_, p, p.states, held.states, seed, initial_states);
  }
  /// A deep copy: equal values, of another identity, which no optimizer knows.
  shared_values(const shared_values& other) : parameters_(other.parameters_), states_(other.states_) {
    parameter_block_ = copy(parameters_, other.parameter_block_);
    state_block_ = copy(states_, other.state_block_);
  }
  shared_values& operator=(const shared_values&) = delete;

  /// A number that no other values of this process have or had.
  std::uint64_t identity() const { return identity_; }
  std::span<const state_view> parameters() const { return parameters_; }
  std::span<const state_view> states() const { return states_; }
  std::span<std::byte> parameter_block() const { return parameter_block_.bytes(); }
  std::span<std::byte> state_block() const { return state_block_.bytes(); }

 private:
  // Names of the random streams of initial values.
  static constexpr std::uint32_t initial_values = 0x696e6974, initial_states = 0x73746174;

  static memory_block make(std::vector<state_view>& views, const program& p, const core::list<parameter_slot>& slots,
                           const std::vector<bool>& held, std::uint64_t seed, std::uint32_t stream) {
    const std::vector<std::size_t> first = detail::first_places(slots, held);
    std::vector<std::span<float>> spans;
    memory_block block = detail::carve(spans, slots, [&](std::size_t i) { return first[i] == i; });
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (first[i] != i) continue;
      const parameter_slot& owner = slots[slots[i].owner];
      const parameter& declared = owner.declared;
      views.push_back({parameter_path(p, owner), {declared.extents, declared.extents + declared.rank}, spans[i]});
      declared.start.fill(spans[i], random_stream(seed, stream, static_cast<std::uint32_t>(owner.owner)));
    }
    return block;
  }
  static memory_block copy(std::vector<state_view>& views, const memory_block& from) {
    memory_block block(from.size());
    std::ranges::copy(from.bytes(), block.data());
    for (state_view& view : views) {
      const std::ptrdiff_t at = reinterpret_cast<const std::byte*>(view.values.data()) - from.data();
      view.values = {reinterpret_cast<float*>(block.data() + at), view.values.size()};
    }
    return block;
  }
  static std::uint64_t next_identity() {
    static std::atomic<std::uint64_t> last = 0;
    return ++last;
  }

  std::uint64_t identity_ = next_identity();
  memory_block parameter_block_, state_block_;
  std::vector<state_view> parameters_, states_;
};

namespace detail {

/// Which of some values each parameter (or state) of a model is: by path and shape. A model has all of them, in any
/// order, and no others.
class value_matching {
 public:
  value_matching(const char* kind, std::span<const state_view> values)
      : kind_(kind), values_(values), is_used_(values.size()) {}

  /// Throws `error` where there is none of this path and shape.
  std::size_t find(const std::string& path, std::span<const std::size_t> shape) {
    // Nearly always in the same order.
    std::size_t at = next_;
    if (at >= values_.size() || values_[at].name != path)
      at = static_cast<std::size_t>(std::ranges::find(values_, path, &state_view::name) - values_.begin());
    if (at == values_.size())
      throw error(std::string(law) + "this one has the " + kind_ + " '" + path + "', which the other does not have");
    if (!std::ranges::equal(values_[at].shape, shape))
      throw error(std::string(law) + "the " + kind_ + " '" + path + "' is (" + text_of(shape) + ") here and (" +
                  text_of(values_[at].shape) + ") in the other");
    is_used_[at] = true;
    next_ = at + 1;
    return at;
  }
  /// Throws `error` where the model does not have all of them.
  void require_all() const {
    for (std::size_t i = 0; i < values_.size(); ++i)
      if (!is_used_[i])
        throw error(std::string(law) + "the other has the " + kind_ + " '" + values_[i].name +
                    "', which this one does not have");
  }

 private:
  static constexpr const char* law = "two models that share parameters must have the same ones, and ";

  static std::string text_of(std::span<const std::size_t> shape) {
    std::string text;
    for (const std::size_t extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
    return text;
  }

  const char* kind_;
  std::span<const state_view> values_;
  std::vector<bool> is_used_;
  std::size_t next_ = 0;
};

}  // namespace detail
}  // namespace remat
