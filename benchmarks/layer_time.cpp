// SPDX-License-Identifier: MIT
/// remat's side of the comparison of layers with PyTorch (benchmarks/run --layers): one layer at a time that answers
/// commands.
///
///     layer_time THREADS
///
///     use NAME     another layer
///     time K       one step untimed, then K steps: the mean milliseconds of a step's kernels
///
/// A step is the layer's forward pass and its backward pass, with gradients of its inputs and parameters. As within a
/// network, its inputs and its output's gradient have just been written (from a table that stays in the cache), nobody
/// reads its results, and neither of the two is counted.
#include "layers.hpp"

#include <remat/remat.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The time of the actions that run kernels.
class kernel_time : public remat::observer {
 public:
  explicit kernel_time(const remat::tape& steps) : steps_(&steps) {}

  void before(int) override { begin_ = clock::now(); }
  void after(int action) override {
    if (steps_->actions[action].operation != remat::core::none) spent_ += clock::now() - begin_;
  }
  double milliseconds() const { return std::chrono::duration<double, std::milli>(spent_).count(); }

 private:
  using clock = std::chrono::steady_clock;
  const remat::tape* steps_;
  clock::time_point begin_;
  clock::duration spent_{};
};

/// One layer on one batch.
class subject {
 public:
  subject(const benchmarks::layer& chosen, int threads)
      : model_(chosen.lower(), {.seed = 1, .threads = threads, .input_gradients = true}),
        executor_(&remat::internals::training(model_, chosen.batch)) {
    const remat::program& p = model_.lowered();
    for (int t = 0; t < p.inputs; ++t) add(p.tensors[t], chosen.batch, most_index(p));
    if (p.loss == remat::core::none)
      for (const int t : p.outputs) add(p.tensors[t], chosen.batch, 1);
    for (const remat::action& a : executor_->planned().steps.actions)
      if (a.kind == remat::action_kind::fetch) places_.emplace_back();  // no bytes of it
  }

  void time(int steps) {
    executor_->run({.seed = 1}, sources_, places_);
    kernel_time watch(executor_->planned().steps);
    for (int i = 0; i < steps; ++i) executor_->run({.seed = 1, .watching = &watch}, sources_, places_);
    std::printf("%.6f\n", watch.milliseconds() / steps);
  }

 private:
  static constexpr std::size_t table_bytes = 65536;

  /// Integers are classes of a loss, or rows of a table.
  static int most_index(const remat::program& p) {
    if (p.loss == remat::core::none)
      return static_cast<int>(p.parameters.size() > 0 ? p.parameters[0].declared.extents[0] : 1);
    const bool is_linear = p.parameters.size() > 0;
    const remat::tensor_shape& scores = p.tensors[0];
    return static_cast<int>(is_linear           ? p.parameters[0].declared.extents[0]
                            : scores.is_image() ? scores.channels()
                                                : scores.extents[scores.rank - 1]);
  }
  void add(const remat::tensor_shape& shape, std::size_t batch, int most) {
    std::vector<std::byte>& table = tables_.emplace_back(table_bytes);
    if (shape.type == remat::element::float32)
      fill(table, std::normal_distribution<float>());
    else
      fill(table, std::uniform_int_distribution<std::int32_t>(0, most - 1));
    sources_.push_back({table.data(), shape.elements(batch), shape.type, 4, &load_from_table});
  }
  template <class Distribution>
  void fill(std::vector<std::byte>& table, Distribution numbers) {
    for (std::size_t at = 0; at < table.size(); at += 4) {
      const auto number = numbers(random_);
      std::memcpy(&table[at], &number, 4);
    }
  }
  static void load_from_table(const remat::tensor_source& from, const remat::tensor_shape&, std::byte* to) {
    for (std::size_t left = from.size * 4; left > 0;) {
      const std::size_t bytes = std::min(left, table_bytes);
      std::memcpy(to, from.data, bytes);
      to += bytes;
      left -= bytes;
    }
  }

  remat::network model_;
  remat::executor* executor_;
  std::mt19937 random_{1};
  std::vector<std::vector<std::byte>> tables_;
  std::vector<remat::tensor_source> sources_;
  std::vector<std::span<std::byte>> places_;
};

const benchmarks::layer& layer_named(const std::string& name) {
  for (const benchmarks::layer& each : benchmarks::layers)
    if (each.name == name) return each;
  throw remat::error("there is no layer '" + name + "' in layers.hpp");
}

/// Answers until the input ends.
void serve(int threads) {
  const remat::thread_scope scope(threads);
  std::unique_ptr<subject> current;
  std::string command, rest;
  while (std::cin >> command && std::getline(std::cin >> std::ws, rest)) {
    if (command == "use") {
      current.reset();
      current = std::make_unique<subject>(layer_named(rest), threads);
      std::printf("0\n");
    } else if (command == "time" && current != nullptr) {
      current->time(std::max(1, std::stoi(rest)));
    } else {
      throw remat::error("layer_time answers 'use NAME', then 'time K'; not '" + command + "'");
    }
    std::fflush(stdout);
  }
}

int main(int argc, char** argv) {
  const std::string_view count = argc == 2 ? argv[1] : "";
  int threads = 0;
  std::from_chars(count.data(), count.data() + count.size(), threads);
  if (threads <= 0) {
    std::cerr << "usage: layer_time THREADS; layers:\n";
    for (const benchmarks::layer& each : benchmarks::layers) std::cerr << "  " << each.name << "\n";
    return 2;
  }
  try {
    serve(threads);
  } catch (const remat::error& e) {
    std::cerr << "layer_time: " << e.what() << "\n";
    return 1;
  }
}
