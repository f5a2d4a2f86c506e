// SPDX-License-Identifier: MIT
/// A pass over a batch of channels-last images with numbers that belong to the channels: the loops of channel_rows.hpp
/// on all threads, with their sums and coefficients in a kernel's scratch.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/kernel.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/channel_loops.hpp>
#include <remat/nn/channel_rows.hpp>
#include <remat/nn/channel_sums.hpp>
#include <remat/nn/vectorised.hpp>

#include <cstddef>
#include <numeric>

namespace remat::nn::detail {

/// How the rows of a batch are cut: into pieces whose sums are joined in order, and where channels are few or do not fill
/// vectors, into groups of rows that are one long row to the loops. Neither depends on the number of threads.
struct channel_geometry {
  std::size_t channels = 0, rows = 0;
  std::size_t group = 1;                 ///< rows in a long row
  std::size_t width = 0, long_rows = 0;  ///< numbers in a long row; how many are full
  std::size_t pieces = 1;

  channel_geometry() = default;
  channel_geometry(std::size_t c, std::size_t r) : channels(c), rows(r) {
    constexpr std::size_t shortest = 64, longest = channel_rows::most_columns, most_pieces = 32,
                          least_of_a_piece = 16384;
    const std::size_t step = lanes / std::gcd(channels, lanes);  // rows that fill whole vectors
    if (step * channels <= longest) {
      group = step;
      while (group * channels < shortest) group += step;
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
      : geometry_(g), scratch_(scratch) {
    loop_.rows = g.long_rows;
    loop_.columns = loop_.stride = g.width;
    loop_.x = x;
    loop_.dy = dy;
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
    channel_rows all = loop_;
    all.to = to;
    const std::size_t left = geometry_.rows_left() * geometry_.channels;
    parallel_for(geometry_.long_rows, grain_of_rows(geometry_.width), [&](std::size_t begin, std::size_t end) {
      run_channel_loop(which, all.at(begin, end - begin, 0, geometry_.width));
    });
    if (left > 0) run_channel_loop(which, all.at(geometry_.long_rows, 1, 0, left));
  }

 private:
  float* at(coefficient which) const {
    return reinterpret_cast<float*>(scratch_ + static_cast<std::size_t>(which) * geometry_.coefficient_bytes());
  }
  double* part(std::size_t piece) const {
    return reinterpret_cast<double*>(scratch_ + geometry_.sums_at()) + piece * 2 * geometry_.channels;
  }
  void sum_up(channel_loop which, std::size_t piece) const {
    constexpr std::size_t most = channel_rows::most_columns;
    double first[most], second[most];
    double* const sums = part(piece);
    const std::size_t begin = geometry_.first_long_row(piece), rows = geometry_.first_long_row(piece + 1) - begin;
    const auto add = [&](channel_rows loop, std::size_t rows_before, double* to) {
      loop.first = first;
      loop.second = second;
      sum_channels(which, loop);
      join_groups(which, to, rows_before, loop);
    };
    for (std::size_t c = 0; c < 2 * geometry_.channels; ++c) sums[c] = 0;
    for (std::size_t at = 0; rows > 0 && at < geometry_.width; at += most)
      add(loop_.at(begin, rows, at, geometry_.width - at < most ? geometry_.width - at : most), 0, sums + at);
    if (piece + 1 < geometry_.pieces || geometry_.rows_left() == 0) return;
    // The rows after the last long row are a shorter one.
    add(loop_.at(geometry_.long_rows, 1, 0, geometry_.rows_left() * geometry_.channels), rows * geometry_.group, sums);
  }
  /// The sums of a long row's columns become sums of channels.
  void join_groups(channel_loop which, double* sums, std::size_t rows_before, const channel_rows& from) const {
    const std::size_t size = from.columns < geometry_.channels ? from.columns : geometry_.channels;
    for (std::size_t at = 0; at < from.columns; at += size, rows_before += from.rows)
      join_sums(which, size, sums, sums + geometry_.channels, rows_before, from.first + at, from.second + at,
                from.rows);
  }

  const channel_geometry& geometry_;
  std::byte* scratch_;
  channel_rows loop_;  // all long rows
};

}  // namespace remat::nn::detail
