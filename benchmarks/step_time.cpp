// SPDX-License-Identifier: MIT
/// remat's side of the comparison with PyTorch (benchmarks/run): one network, kept warm, that answers commands.
///
///     step_time NETWORK THREADS
///
///     time K   one step untimed, then K steps: the mean milliseconds of a step, and the loss of the last
///     peak     the planned bytes of activations, and all that the arena reserves
///
/// A step is forward, loss, backward and plain SGD on one batch of random numbers. A network is added as a type and a
/// line of `networks` here, and as a line of peer_step_time.py.
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
#include <utility>
#include <vector>

namespace nn = remat::nn;

using image = remat::tensor<float, 1, 28, 28>;

// Example 01.
using example01 =
    remat::sequential<nn::conv2d<1, 32, 3>, nn::relu, nn::conv2d<32, 64, 3>, nn::relu, nn::max_pool2d<2>, nn::flatten,
                      remat::checkpoint<nn::linear<9216, 128>>, nn::relu, nn::linear<128, 10>, nn::log_softmax>;

// Example 02, checkpointed.
using convolutions = remat::sequential<nn::conv2d<1, 20, 5>, nn::relu, nn::conv2d<20, 64, 5>, nn::relu>;
using example02 =
    remat::sequential<remat::checkpoint_sequential<convolutions, remat::strategy::contiguous>, nn::log_softmax>;

// Many equal layers.
template <std::size_t, class Module>
using copy = Module;
template <class Block, class... Last, std::size_t... Index>
remat::sequential<copy<Index, Block>..., Last...> repeated(std::index_sequence<Index...>);

using block = remat::sequential<nn::linear<1024, 1024>, nn::relu>;
using mlp = decltype(repeated<block, nn::linear<1024, 10>, nn::log_softmax>(std::make_index_sequence<32>()));

struct network {
  std::string_view name;
  std::size_t batch;
  remat::program (*lower)();
};
const network networks[] = {
    {"example01", 64, [] { return remat::lower<example01, image, nn::nll_loss>(); }},
    {"example02", 64, [] { return remat::lower<example02, image, nn::nll_loss>(); }},
    {"mlp", 256, [] { return remat::lower<mlp, remat::tensor<float, 1024>, nn::nll_loss>(); }},
};

template <class Number, class Distribution>
std::vector<Number> random_numbers(std::size_t size, Distribution distribution) {
  std::mt19937 random(1);
  std::vector<Number> numbers(size);
  for (Number& each : numbers) each = distribution(random);
  return numbers;
}

/// Answers until the input ends.
void serve(const network& chosen, int threads) {
  remat::network model(chosen.lower(), {.seed = 1, .threads = threads});
  remat::sgd optimizer{{.learning_rate = 0.01f}};
  const std::size_t input_size = model.lowered().tensors[0].elements(chosen.batch);
  const std::size_t target_size = model.lowered().tensors[1].elements(chosen.batch);
  const int last_class = static_cast<int>(model.output_shape().channels()) - 1;
  const auto inputs = random_numbers<float>(input_size, std::normal_distribution<float>());
  const auto targets = random_numbers<std::int32_t>(target_size, std::uniform_int_distribution(0, last_class));
  const auto step = [&] {
    const float loss = model.train_step(inputs, targets);
    optimizer.step(model);
    return loss;
  };

  std::string command;
  while (std::cin >> command) {
    if (int steps = 0; command == "time" && std::cin >> steps && steps > 0) {
      float loss = step();
      const auto begin = std::chrono::steady_clock::now();
      for (int i = 0; i < steps; ++i) loss = step();
      const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - begin;
      std::printf("%.6f %.6f\n", spent.count() / steps, static_cast<double>(loss));
    } else if (command == "peak") {
      const std::size_t planned = model.plan(chosen.batch).activation_bytes;
      std::printf("%zu %zu\n", planned, model.reserved().total());
    } else {
      throw remat::error("step_time answers 'time K', K at least 1, and 'peak'; not '" + command + "'");
    }
    std::fflush(stdout);
  }
}

int main(int argc, char** argv) {
  const std::string_view name = argc == 3 ? argv[1] : "", count = argc == 3 ? argv[2] : "";
  int threads = 0;
  std::from_chars(count.data(), count.data() + count.size(), threads);
  try {
    for (const network& each : networks)
      if (each.name == name && threads > 0) return serve(each, threads), 0;
  } catch (const remat::error& e) {
    std::cerr << "step_time " << name << ": " << e.what() << "\n";
    return 1;
  }
  std::cerr << "usage: step_time NETWORK THREADS; networks:";
  for (const network& each : networks) std::cerr << " " << each.name;
  std::cerr << "\n";
  return 2;
}
