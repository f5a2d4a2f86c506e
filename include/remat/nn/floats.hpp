// SPDX-License-Identifier: MIT
/// Tensors of float32 or bfloat16 as floats, a part at a time: a kernel's loop reads and writes floats, and does not
/// know what its tensors are of.
///
///     in_parts(std::array{x, dy}, dx, grain, [](const auto& from, float* to, std::size_t first, std::size_t count) {...});
///
/// What is of float32 is read and written where it is, as one part for each thread. What is of bfloat16 goes through
/// rooms of a few kilobytes, which stay in the nearest cache: each number is widened when it is read, which changes
/// nothing, and rounded once when it is written. Only float32 is added to.
#pragma once

#include <remat/core/kernel.hpp>
#include <remat/nn/vectorised.hpp>

#include <array>
#include <cstddef>

namespace remat::nn::detail {

/// The longest part that a room has; longer rows have rooms in a kernel's scratch (row_rooms.hpp).
inline constexpr std::size_t longest_part = 8192;
/// As long as parts are where nothing asks for more: three rooms of these are in the nearest cache.
inline constexpr std::size_t usual_part = 2048;

REMAT_BEGIN_VECTOR_CODE

REMAT_VECTORISED inline void widen(const bfloat16* x, float* y, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) y[i] = float_of(x[i]);
}
/// To the nearest, to even where two are as near; a NaN stays one (core/bfloat16.hpp).
REMAT_VECTORISED inline void round(const float* x, bfloat16* y, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) put(x[i], y[i]);
}
REMAT_VECTORISED inline void add_widened(const bfloat16* x, float* y, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) y[i] += float_of(x[i]);
}

REMAT_END_VECTOR_CODE

/// Floats that are read.
class floats_in {
 public:
  floats_in(const const_numbers& from) : from_(from) {}  // NOLINT: a view of them

  bool is_direct() const { return from_.data == nullptr || from_.type == element::float32; }
  /// Those from `begin` on, in `room` unless they are floats in memory. Null where there are none.
  const float* at(std::size_t begin, std::size_t count, float* room) const {
    if (from_.data == nullptr) return nullptr;
    if (is_direct()) return reinterpret_cast<const float*>(from_.data) + begin;
    widen(reinterpret_cast<const bfloat16*>(from_.data) + begin, room, count);
    return room;
  }

 private:
  const_numbers from_;
};

/// Floats that are written.
class floats_out {
 public:
  floats_out(const numbers& to) : to_(to) {}  // NOLINT: a view of them

  bool is_direct() const { return to_.data == nullptr || to_.type == element::float32; }
  /// Where those from `begin` on are to be written: in `room` unless they are floats in memory. Null where nobody wants
  /// them.
  float* at(std::size_t begin, float* room) const {
    if (to_.data == nullptr) return nullptr;
    return is_direct() ? reinterpret_cast<float*>(to_.data) + begin : room;
  }
  /// They have been.
  void finish(std::size_t begin, std::size_t count, const float* room) const {
    if (!is_direct()) round(room, reinterpret_cast<bfloat16*>(to_.data) + begin, count);
  }

 private:
  numbers to_;
};

/// Calls f(x, y), pointers to what they are of: for loops that are written for each type.
template <class F>
void with_types(const const_numbers& x, const numbers& y, const F& f) {
  const auto with_source = [&](const auto* from) {
    if (y.type == element::bfloat16)
      f(from, reinterpret_cast<bfloat16*>(y.data));
    else
      f(from, reinterpret_cast<float*>(y.data));
  };
  if (x.type == element::bfloat16)
    with_source(reinterpret_cast<const bfloat16*>(x.data));
  else
    with_source(reinterpret_cast<const float*>(x.data));
}

/// Calls f(floats of each tensor of `from`, where to write those of `to`, the first element, their number) on parts of
/// [begin, end), whole multiples of `unit` from `begin` on. A unit that is longer than a room, and not of floats, has
/// N + 1 rooms of its own, one after another.
template <std::size_t N, class F>
void in_parts_of(const std::array<const_numbers, N>& from, const numbers& to, std::size_t begin, std::size_t end,
                 std::size_t unit, const F& f, float* rooms_of_unit = nullptr) {
  const floats_out out(to);
  bool is_direct = out.is_direct();
  for (const const_numbers& each : from) is_direct = is_direct && floats_in(each).is_direct();
  const std::size_t part = is_direct ? end - begin : unit >= usual_part ? unit : usual_part / unit * unit;
  alignas(64) float usual_rooms[(N + 1) * longest_part];
  float* const rooms = is_direct || part <= longest_part ? usual_rooms : rooms_of_unit;
  const std::size_t room = rooms == usual_rooms ? longest_part : unit;
  for (std::size_t first = begin; first < end; first += part) {
    const std::size_t count = end - first < part ? end - first : part;
    std::array<const float*, N> floats;
    for (std::size_t k = 0; k < N; ++k) floats[k] = floats_in(from[k]).at(first, count, rooms + k * room);
    float* const written = out.at(first, rooms + N * room);
    f(floats, written, first, count);
    out.finish(first, count, written);
  }
}

/// The same of all elements, on all threads; a piece of a thread is of whole `grain`s, each of whole `unit`s.
template <std::size_t N, class F>
void in_parts(const std::array<const_numbers, N>& from, const numbers& to, std::size_t grain, const F& f,
              std::size_t unit = 1) {
  parallel_for(to.size / unit, grain,
               [&](std::size_t begin, std::size_t end) { in_parts_of(from, to, begin * unit, end * unit, unit, f); });
}

}  // namespace remat::nn::detail
