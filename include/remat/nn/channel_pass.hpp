// SPDX-License-Identifier: MIT
/// A pass over a batch of channels-last images with numbers that belong to the channels: the loops of channel_loops.hpp
/// on all threads, with their sums and coefficients in a kernel's scratch.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/kernel.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/channel_loops.hpp>
#include <remat/nn/floats.hpp>
#include <remat/nn/vectorised.hpp>

#include <array>
#include <cstddef>
#include <numeric>

namespace remat::nn::detail {

/// How the rows of a batch are cut: into pieces whose sums are joined in order, and where channels are few, into groups
/// of rows that are one long row to the loops. Neither depends on the number of threads.
struct channel_geometry {
  std::size_t channels = 0, rows = 0;
  std::size_t group = 1;                 ///< rows in a long row
  std::size_t width = 0, long_rows = 0;  ///< numbers in a long row; how many are full
  std::size_t pieces = 1;

  channel_geometry() = default;
  channel_geometry(std::size_t c, std::size_t r) : channels(c), rows(r) {
    constexpr std::size_t shortest = 64, most_pieces = 32, least_of_a_piece = 16384;
    if (channels < shortest) {
      const std::size_t step = lanes / std::gcd(channels, lanes);
      while (group * channels < shortest || group % step != 0) ++group;
    }
    width = group * channels;
    long_rows = rows / group;
    pieces = rows * channels / least_of_a_piece;
    if (pieces > most_pieces) pieces = most_pieces;
    if (pieces > long_rows) pieces = long_rows;
    if (pieces == 0) pieces = 1;
  }

  static constexpr std::size_t coefficients = 5;
  std::size_t coefficient_bytes() const { return aligned(width * sizeof(float)); }
  std::size_t sums_at() const { return coefficients * coefficient_bytes(); }
  std::size_t scratch_bytes() const { return sums_at() + (pieces + 1) * 2 * channels * sizeof(double); }
  std::size_t rows_left() const { return rows - long_rows * group; }
  std::size_t first_long_row(std::size_t piece) const { return long_rows * piece / pieces; }
  std::size_t first_row(std::size_t piece) const { return piece == pieces ? rows : first_long_row(piece) * group; }
};

/// The coefficients of a loop.
enum class coefficient { mean, scale, shift, average, slope };

class channel_pass {
 public:
  /// `x` or `dy` may be nothing, where the loops do not read it.
  channel_pass(const channel_geometry& g, std::byte* scratch, const const_numbers& x, const const_numbers& dy,
               bool acts)
      : geometry_(g), scratch_(scratch), x_(x), dy_(dy) {
    loop_.columns = loop_.stride = g.width;
    loop_.acts = acts;
    loop_.mean = at(coefficient::mean);
    loop_.scale = at(coefficient::scale);
    loop_.shift = at(coefficient::shift);
    loop_.average = at(coefficient::average);
    loop_.slope = at(coefficient::slope);
  }

  /// Numbers of the channels, as the loops want them: repeated for every row of a long row.
  template <class F>
  void set(coefficient which, const F& of_channel) {
    float* const to = at(which);
    for (std::size_t c = 0; c < geometry_.channels; ++c) to[c] = of_channel(c);
    for (std::size_t k = geometry_.channels; k < geometry_.width; ++k) to[k] = to[k - geometry_.channels];
  }

  /// The sums of every channel, for `sum(0)` and `sum(1)`.
  void sum_up(channel_loop which) {
    const std::size_t size = geometry_.channels;
    parallel_for(geometry_.pieces, 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t piece = begin; piece < end; ++piece) sum_up(which, piece);
    });
    double* const total = part(geometry_.pieces);
    for (std::size_t c = 0; c < 2 * size; ++c) total[c] = part(0)[c];
    for (std::size_t piece = 1; piece < geometry_.pieces; ++piece)
      join_sums(which, size, total, total + size, geometry_.first_row(piece), part(piece), part(piece) + size,
                geometry_.first_row(piece + 1) - geometry_.first_row(piece));
  }
  const double* sum(int which) const {
    return part(geometry_.pieces) + static_cast<std::size_t>(which) * geometry_.channels;
  }

  void run(channel_loop which, const numbers& to) {
    loop_.adds = to.accumulates;
    const std::size_t width = geometry_.width, whole = geometry_.long_rows * width,
                      all = geometry_.rows * geometry_.channels;
    parallel_for(geometry_.long_rows, grain_of_rows(width),
                 [&](std::size_t begin, std::size_t end) { run_rows(which, to, begin * width, end * width, width); });
    if (whole < all) run_rows(which, to, whole, all, all - whole);
  }

 private:
  float* at(coefficient which) const {
    return reinterpret_cast<float*>(scratch_ + static_cast<std::size_t>(which) * geometry_.coefficient_bytes());
  }
  double* part(std::size_t piece) const {
    return reinterpret_cast<double*>(scratch_ + geometry_.sums_at()) + piece * 2 * geometry_.channels;
  }
  /// Elements [begin, end), rows of `columns`; of rows that are longer than a part, one part after another.
  void run_rows(channel_loop which, const numbers& to, std::size_t begin, std::size_t end, std::size_t columns) const {
    if (columns <= longest_part) return run_columns(which, to, begin, end, columns, 0);
    for (std::size_t row = begin; row < end; row += columns)
      for (std::size_t c = 0; c < columns; c += longest_part) {
        const std::size_t size = columns - c < longest_part ? columns - c : longest_part;
        run_columns(which, to, row + c, row + c + size, size, c);
      }
  }
  /// Rows of `columns`, of which the first is the channel `from_column`, or its like.
  void run_columns(channel_loop which, const numbers& to, std::size_t begin, std::size_t end, std::size_t columns,
                   std::size_t from_column) const {
    channel_rows<> loop = loop_;
    for (const float** each : {&loop.mean, &loop.scale, &loop.shift, &loop.average, &loop.slope}) *each += from_column;
    in_parts_of(std::array{x_, dy_}, to, begin, end, columns,
                [&](const auto& from, float* written, std::size_t, std::size_t count) {
                  channel_rows<> rows = loop;
                  rows.rows = count / columns;
                  rows.columns = rows.stride = columns;
                  rows.x = from[0];
                  rows.dy = from[1];
                  rows.to = written;
                  run_channel_loop(which, rows);
                });
  }

  void sum_up(channel_loop which, std::size_t piece) const {
    const bool rounded_x = x_.type == element::bfloat16;
    if (dy_.type == element::bfloat16)
      rounded_x ? sum_up<bfloat16, bfloat16>(which, piece) : sum_up<float, bfloat16>(which, piece);
    else
      rounded_x ? sum_up<bfloat16, float>(which, piece) : sum_up<float, float>(which, piece);
  }
  template <class X, class Dy>
  void sum_up(channel_loop which, std::size_t piece) const {
    channel_rows<X, Dy> all;
    all.stride = geometry_.width;
    all.x = reinterpret_cast<const X*>(x_.data);
    all.dy = reinterpret_cast<const Dy*>(dy_.data);
    all.mean = loop_.mean;
    all.scale = loop_.scale;
    all.shift = loop_.shift;
    all.acts = loop_.acts;
    constexpr std::size_t most = channel_rows<>::most_columns;
    double first[most], second[most];
    double* const sums = part(piece);
    const std::size_t begin = geometry_.first_long_row(piece), rows = geometry_.first_long_row(piece + 1) - begin;
    for (std::size_t c = 0; c < 2 * geometry_.channels; ++c) sums[c] = 0;
    for (std::size_t at = 0; rows > 0 && at < geometry_.width; at += most) {
      channel_rows<X, Dy> loop = all.at(begin, rows);
      loop.columns = geometry_.width - at < most ? geometry_.width - at : most;
      loop.x += at;
      if (loop.dy != nullptr) loop.dy += at;
      loop.mean += at;
      loop.scale += at;
      loop.shift += at;
      loop.first = first;
      loop.second = second;
      sum_channels(which, loop);
      join_groups(which, sums + at, 0, loop, rows);
    }
    if (piece + 1 < geometry_.pieces || geometry_.rows_left() == 0) return;
    channel_rows<X, Dy> left = all.at(geometry_.long_rows, 1);  // the rows after the last long row, as a shorter one
    left.columns = geometry_.rows_left() * geometry_.channels;
    left.first = first;
    left.second = second;
    sum_channels(which, left);
    join_groups(which, sums, rows * geometry_.group, left, 1);
  }
  /// The sums of a long row's columns become sums of channels.
  template <class X, class Dy>
  void join_groups(channel_loop which, double* sums, std::size_t rows_before, const channel_rows<X, Dy>& from,
                   std::size_t rows) const {
    const std::size_t size = from.columns < geometry_.channels ? from.columns : geometry_.channels;
    for (std::size_t at = 0; at < from.columns; at += size, rows_before += rows)
      join_sums(which, size, sums, sums + geometry_.channels, rows_before, from.first + at, from.second + at, rows);
  }

  const channel_geometry& geometry_;
  std::byte* scratch_;
  const_numbers x_, dy_;
  channel_rows<> loop_;  // what is the same of all rows
};

}  // namespace remat::nn::detail
