// SPDX-License-Identifier: MIT
/// remat's side of the comparison with PyTorch (benchmarks/run): one network, kept warm, that answers commands.
///
///     step_time NETWORK THREADS DTYPE
///
///     time K       one step untimed, then K steps: the mean milliseconds of a step, and the loss of the last
///     apart K      the same, with the optimizer's step after each step and not within it
///     peak         the planned bytes of activations, all that the arena reserves but for gradients of parameters, and
///                  what it reserves for these
///     products K   of equal linear layers, K times in turn: the median milliseconds of forward and backward, and of
///                  their matrix products alone
///
/// A step is forward, loss, backward and plain SGD on one batch of random numbers, which updates each parameter when
/// its gradient is final. DTYPE is float32 or bfloat16. A network is added to networks.hpp, and as a line of
/// peer_step_time.py.
#include "matrix_products.hpp"
#include "median.hpp"
#include "networks.hpp"

#include <remat/remat.hpp>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using benchmarks::milliseconds;
using benchmarks::network;

template <class Number, class Distribution>
std::vector<Number> random_numbers(std::size_t size, Distribution distribution) {
  std::mt19937 random(1);
  std::vector<Number> numbers(size);
  for (Number& each : numbers) each = distribution(random);
  return numbers;
}

/// One network on one batch.
class training {
 public:
  training(const network& chosen, int threads, remat::element compute)
      : batch_(chosen.batch), model_(chosen.lower(), {.seed = 1, .threads = threads, .compute = compute}) {
    if (chosen.initialise != nullptr) chosen.initialise(model_.parameters());
    const auto& tensors = model_.lowered().tensors;
    const auto below = [&](std::size_t count, std::size_t size) {
      return random_numbers<std::int32_t>(size, std::uniform_int_distribution(0, static_cast<int>(count) - 1));
    };
    if (chosen.tokens > 0) {
      tokens_ = below(chosen.tokens, tensors[0].elements(batch_));
      classes_ = below(chosen.tokens, tensors[1].elements(batch_));
      return;
    }
    inputs_ = random_numbers<float>(tensors[0].elements(batch_), std::normal_distribution<float>());
    if (tensors[1].type == remat::element::float32)
      values_ = random_numbers<float>(tensors[1].elements(batch_), std::normal_distribution<float>());
    else
      classes_ = below(model_.output_shape().channels(), tensors[1].elements(batch_));
  }

  float forward_and_backward() {
    if (!tokens_.empty()) return model_.train_step(tokens_, classes_);
    return values_.empty() ? model_.train_step(inputs_, classes_) : model_.train_step(inputs_, values_);
  }
  float step() {
    if (!tokens_.empty()) return model_.train_step(tokens_, classes_, optimizer_);
    return values_.empty() ? model_.train_step(inputs_, classes_, optimizer_)
                           : model_.train_step(inputs_, values_, optimizer_);
  }
  float step_apart() {
    const float loss = forward_and_backward();
    optimizer_.step(model_);
    return loss;
  }

  void time(int steps, float (training::*step)()) {
    float loss = (this->*step)();
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < steps; ++i) loss = (this->*step)();
    const milliseconds spent = std::chrono::steady_clock::now() - begin;
    std::printf("%.6f %.6f\n", spent.count() / steps, static_cast<double>(loss));
  }

  void peak() {
    const std::size_t planned = model_.plan(batch_).activation_bytes;
    const remat::regions& reserved = model_.reserved();
    std::printf("%zu %zu %zu\n", planned, reserved.total() - reserved.gradients, reserved.gradients);
  }

  void products(int rounds) {
    std::vector<std::span<float>> weights;
    const std::vector<std::size_t>& shape = model_.parameters()[0].shape;
    for (const remat::parameter_view& p : model_.parameters())
      if (p.shape == shape) weights.push_back(p.values);
    if (shape.size() != 2 || shape[0] != shape[1]) throw remat::error("products are those of equal linear layers");
    const remat::thread_scope scope(model_.threads());
    benchmarks::matrix_products products(weights, batch_, shape[0]);
    std::vector<double> whole, alone;
    for (int i = 0; i < rounds; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      forward_and_backward();
      whole.push_back(milliseconds(std::chrono::steady_clock::now() - begin).count());
      alone.push_back(products.time());
    }
    std::printf("%.6f %.6f\n", benchmarks::median(whole), benchmarks::median(alone));
  }

 private:
  std::size_t batch_;
  remat::network model_;
  remat::sgd optimizer_{{.learning_rate = 1e-4f}};
  std::vector<float> inputs_, values_;
  std::vector<std::int32_t> tokens_, classes_;
};

/// Answers until the input ends.
void serve(const network& chosen, int threads, remat::element compute) {
  training subject(chosen, threads, compute);
  std::string command;
  while (std::cin >> command) {
    if (int count = 0; command == "time" && std::cin >> count && count > 0)
      subject.time(count, &training::step);
    else if (command == "apart" && std::cin >> count && count > 0)
      subject.time(count, &training::step_apart);
    else if (command == "products" && std::cin >> count && count > 0)
      subject.products(count);
    else if (command == "peak")
      subject.peak();
    else
      throw remat::error("step_time answers 'time K', 'apart K', 'products K', K at least 1, and 'peak'; not '" +
                         command + "'");
    std::fflush(stdout);
  }
}

int main(int argc, char** argv) {
  const std::string_view name = argc == 4 ? argv[1] : "", count = argc == 4 ? argv[2] : "",
                         dtype = argc == 4 ? argv[3] : "";
  const bool is_rounded = dtype == name_of(remat::element::bfloat16);
  int threads = 0;
  std::from_chars(count.data(), count.data() + count.size(), threads);
  try {
    for (const network& each : benchmarks::networks)
      if (each.name == name && threads > 0 && (is_rounded || dtype == "float32"))
        return serve(each, threads, is_rounded ? remat::element::bfloat16 : remat::element::float32), 0;
  } catch (const remat::error& e) {
    std::cerr << "step_time " << name << ": " << e.what() << "\n";
    return 1;
  }
  std::cerr << "usage: step_time NETWORK THREADS float32|bfloat16; networks:";
  for (const network& each : benchmarks::networks) std::cerr << " " << each.name;
  std::cerr << "\n";
  return 2;
}
