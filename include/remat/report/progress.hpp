// SPDX-License-Identifier: MIT
/// A progress bar for a training loop: loss, samples per second and remaining time, on one line of a terminal. Where
/// the output is no terminal it prints a line at every tenth.
#pragma once

#include <remat/core/language.hpp>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>

namespace remat {

class progress {
 public:
  /// `total` steps will be reported; `title` comes before the bar, and samples are called `samples`.
  progress(std::string title, std::size_t total, std::string samples = "images")
      : title_(std::move(title)),
        samples_name_(std::move(samples)),
        total_(total),
        is_terminal_(isatty(fileno(stdout)) != 0) {}

  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  /// Ends the line of a bar that has not come to its end.
  ~progress() {
    if (is_terminal_ && done_ > 0 && done_ < total_) std::printf("\n");
  }

  /// One step on `samples` samples is done.
  void step(double loss, std::size_t samples) {
    ++done_;
    if (done_ > total_) total_ = done_;
    samples_ += samples;
    // One that is no number, as of a batch of which nothing counts, is shown until the next.
    smoothed_ = done_ == 1 || !std::isfinite(smoothed_) ? loss : 0.95 * smoothed_ + 0.05 * loss;
    const auto now = clock::now();
    const bool is_last = done_ == total_;
    if (is_terminal_ ? now - printed_ < std::chrono::milliseconds(100) && !is_last
                     : done_ * 10 / total_ == (done_ - 1) * 10 / total_)
      return;
    printed_ = now;
    print(std::chrono::duration<double>(now - begun_).count(), is_last);
  }

 private:
  using clock = std::chrono::steady_clock;

  void print(double seconds, bool is_last) const {
    constexpr std::size_t width = 30;
    const std::size_t filled = width * done_ / total_;
    const std::string bar = std::string(filled, '#') + std::string(width - filled, '.');
    const double left = seconds / static_cast<double>(done_) * static_cast<double>(total_ - done_);
    std::printf("%s%s [%s] %zu/%zu  loss %.4f  %.0f %s/s  %.0f s %s%s", is_terminal_ ? "\r" : "", title_.c_str(),
                bar.c_str(), done_, total_, smoothed_, static_cast<double>(samples_) / std::max(seconds, 1e-9),
                samples_name_.c_str(), is_last ? seconds : left, is_last ? "in all" : "left  ",
                is_terminal_ && !is_last ? "" : "\n");
    std::fflush(stdout);
  }

  std::string title_, samples_name_;
  std::size_t total_, done_ = 0, samples_ = 0;
  bool is_terminal_;
  double smoothed_ = 0;
  clock::time_point begun_ = clock::now(), printed_ = begun_ - std::chrono::seconds(1);
};

}  // namespace remat
