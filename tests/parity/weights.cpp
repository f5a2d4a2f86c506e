// SPDX-License-Identifier: MIT
/// weights IN INPUTS OUT OUTPUTS
///
/// Loads weights that PyTorch wrote to the safetensors file IN, predicts on INPUTS (float32), writes the outputs, and
/// saves the weights to OUT, for weights.py to compare.
#include <remat/remat.hpp>
#include <remat/weights.hpp>

#include <cstddef>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <vector>

namespace {

namespace nn = remat::nn;
using net = remat::sequential<remat::named<"conv1", nn::conv2d<1, 8, 3>>, nn::relu,
                              remat::named<"block", remat::sequential<nn::conv2d<8, 16, 3>, nn::relu>>,
                              nn::max_pool2d<2>, nn::flatten, remat::named<"fc1", nn::linear<576, 32>>, nn::relu,
                              nn::linear<32, 10>, nn::log_softmax>;

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 5) throw remat::error("weights takes IN, INPUTS, OUT and OUTPUTS");
  std::vector<float> inputs(std::filesystem::file_size(argv[2]) / sizeof(float));
  std::ifstream in(argv[2], std::ios::binary);
  in.read(reinterpret_cast<char*>(inputs.data()), static_cast<std::streamsize>(inputs.size() * sizeof(float)));

  remat::model<net, remat::image<float, 1, 16, 16>> model{{.seed = 1}};
  remat::load_weights(model, argv[1]);
  remat::save_weights(model, argv[3]);
  const std::span<const float> outputs = model.predict(inputs);
  std::ofstream out(argv[4], std::ios::binary);
  out.write(reinterpret_cast<const char*>(outputs.data()), static_cast<std::streamsize>(outputs.size_bytes()));
  return in && out.flush() ? 0 : 1;
} catch (const std::exception& failed) {
  std::cerr << failed.what() << '\n';
  return 1;
}
