// SPDX-License-Identifier: MIT
// fuzz [--seed S] [--first I] [--shapes N] [--layer NAME]
//
// Layers of random sizes against naive sums, on memory between guards. Without a seed the time is one; it is printed,
// and a case can be tried again by its seed and its number. The environment variable DNNL_MAX_CPU_ISA chooses among
// oneDNN's implementations.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "layers/attention.hpp"
#include "layers/convolutions.hpp"
#include "layers/cross_entropy.hpp"
#include "layers/embedding.hpp"
#include "layers/functions.hpp"
#include "layers/linear.hpp"
#include "layers/linear_cross_entropy.hpp"
#include "layers/max_pool2d.hpp"
#include "layers/normalisations.hpp"
#include "layers/positions.hpp"
#include "layers/resampling.hpp"
#include "layers/sequence_rows.hpp"
#include "layers/softmaxes.hpp"
#include "search.hpp"

namespace {

constexpr fuzz::layer_kind kinds[] = {
    {"conv2d", 40, &fuzz::conv2d},
    {"conv_transpose2d", 12, &fuzz::conv_transpose2d},
    {"linear", 12, &fuzz::linear},
    {"linear_cross_entropy", 4, &fuzz::linear_cross_entropy},
    {"attention", 4, &fuzz::attention},
    {"max_pool2d", 8, &fuzz::max_pool2d},
    {"log_softmax", 3, &fuzz::log_softmax},
    {"tanh", 2, &fuzz::tanh},
    {"sigmoid", 2, &fuzz::sigmoid},
    {"gelu_tanh", 2, &fuzz::gelu_tanh},
    {"silu", 2, &fuzz::silu},
    {"flatten", 3, &fuzz::flatten},
    // Loops of remat's own.
    {"relu", 1, &fuzz::relu},
    {"gelu", 1, &fuzz::gelu},
    {"softmax", 1, &fuzz::softmax},
    {"swiglu", 1, &fuzz::swiglu},
    {"multiply", 1, &fuzz::multiply},
    {"concat", 1, &fuzz::concat},
    {"layer_norm", 2, &fuzz::layer_norm},
    {"rms_norm", 2, &fuzz::rms_norm},
    {"rotary_embedding", 1, &fuzz::rotary_embedding},
    {"positional_embedding", 1, &fuzz::positional_embedding},
    {"class_token", 1, &fuzz::class_token},
    {"select_row", 1, &fuzz::select_row},
    {"image_to_sequence", 1, &fuzz::image_to_sequence},
    {"batch_norm2d", 2, &fuzz::batch_norm2d},
    {"cross_entropy", 1, &fuzz::cross_entropy},
    {"embedding", 1, &fuzz::embedding},
    {"avg_pool2d", 1, &fuzz::avg_pool2d},
    {"adaptive_avg_pool2d", 1, &fuzz::adaptive_avg_pool2d},
    {"upsample", 1, &fuzz::upsample},
};

}  // namespace

int main(int count, char** arguments) {
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  std::uint64_t seed = static_cast<std::uint64_t>(now) / 1000 % 1000000, first = 0, shapes = 300;
  std::string_view only;
  bool is_understood = count % 2 == 1;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = arguments[i];
    const std::uint64_t number = std::strtoull(arguments[i + 1], nullptr, 10);
    if (name == "--seed")
      seed = number;
    else if (name == "--first")
      first = number;
    else if (name == "--shapes")
      shapes = number;
    else if (name == "--layer")
      only = arguments[i + 1];
    else
      is_understood = false;
  }
  if (!is_understood) {
    std::fprintf(stderr, "fuzz [--seed S] [--first I] [--shapes N] [--layer NAME]\n");
    return 2;
  }
  const char* const chosen = std::getenv("DNNL_MAX_CPU_ISA");
  std::printf("seed %llu, instruction set %s\n", static_cast<unsigned long long>(seed),
              chosen != nullptr ? chosen : "the processor's");
  return fuzz::search(kinds, seed, only).run(first, shapes) == 0 ? 0 : 1;
}
