// SPDX-License-Identifier: MIT
/// A layer of your own: what it computes forward and backward, what it keeps, and whether its gradients are right.
///
///     03_own_layer --data FOLDER --steps 200
///
/// The layer scales and shifts each channel of an image, y = x * s + t (a FiLM layer, Perez et al. 2018, without its
/// condition). Its backward reads the input only for the gradient of s, so that a network that does not train s need
/// not keep it. Checkpoints, plans and micro-batches need nothing else from the layer.
#include <remat/remat.hpp>

#include <CLI/CLI.hpp>

#include <array>
#include <cstdio>
#include <iostream>
#include <string>

namespace nn = remat::nn;

struct scale_channels_attributes {
  std::size_t channels;
};

/// The kernels, outside the template: all sizes share them.
struct scale_channels_kernels {
  static void forward(const remat::forward_pass& pass) {
    const std::size_t channels = pass.attributes<scale_channels_attributes>().channels;
    const float *const x = pass.input().data(), *const s = pass.parameter(0).data(),
                       *const t = pass.parameter(1).data();
    float* const y = pass.output().data();  // (N, H, W, C)
    remat::elementwise(pass.output().size(), [=](std::size_t i) { y[i] = x[i] * s[i % channels] + t[i % channels]; });
  }

  static void backward_input(const remat::backward_pass& pass) {
    const std::size_t channels = pass.attributes<scale_channels_attributes>().channels;
    const float *const dy = pass.output_gradient().data(), *const s = pass.parameter(0).data();
    pass.input_gradient().assign([=](std::size_t i) { return dy[i] * s[i % channels]; });
  }

  static void backward_parameters(const remat::backward_pass& pass) {
    const std::size_t channels = pass.attributes<scale_channels_attributes>().channels;
    const auto x = pass.input(), dy = pass.output_gradient();
    // A channel is summed by one thread, in the order of its pixels: the same bits at any number of threads.
    const auto sum = [&](std::size_t c, auto term) {
      double total = 0;
      for (std::size_t i = c; i < dy.size(); i += channels) total += term(i);
      return static_cast<float>(total);
    };
    pass.parameter_gradient(0).assign([&](std::size_t c) {
      return sum(c, [&](std::size_t i) { return static_cast<double>(dy[i]) * static_cast<double>(x[i]); });
    });
    pass.parameter_gradient(1).assign(
        [&](std::size_t c) { return sum(c, [&](std::size_t i) { return static_cast<double>(dy[i]); }); });
  }
};

template <std::size_t C>
struct scale_channels : remat::module {
  static constexpr std::string_view kind = "scale_channels";
  template <std::size_t H, std::size_t W>
  static remat::image<float, C, H, W> output(remat::image<float, C, H, W>);
  static constexpr auto backward_parameters_reads = remat::reads::inputs;
  static constexpr std::array parameters{remat::parameter("scale", {C}, remat::initial::constant(1)),
                                         remat::parameter("shift", {C}, remat::initial::constant(0))};
  static constexpr scale_channels_attributes attributes{C};
  using kernels = scale_channels_kernels;
};

using net =
    remat::sequential<remat::checkpoint<remat::sequential<nn::conv2d<1, 16, 3, nn::window{.stride = 2, .padding = 1}>,
                                                          remat::named<"scale1", scale_channels<16>>, nn::relu,
                                                          nn::conv2d<16, 32, 3, nn::window{.stride = 2, .padding = 1}>,
                                                          remat::named<"scale2", scale_channels<32>>, nn::relu>>,
                      nn::flatten, nn::linear<32 * 7 * 7, 10>, nn::log_softmax>;

int main(int argc, char** argv) {
  std::string folder = "/usr/share/datasets/fashion-mnist";
  int steps = 200;
  CLI::App app{"Trains a network that has a layer of your own"};
  app.add_option("--data", folder, "Folder of train-images-idx3-ubyte[.gz] and its companions")->capture_default_str();
  app.add_option("--steps", steps, "Training steps")->check(CLI::PositiveNumber)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const auto gradients = remat::check_gradients<scale_channels<3>, remat::image<float, 3, 4, 5>>();
    std::cout << "The layer's gradients next to finite differences:\n" << gradients;
    if (!gradients.holds()) return 1;

    const auto data = remat::image_set::load(folder, remat::split::train);
    const auto test = remat::image_set::load(folder, remat::split::test).first(2000);
    remat::model<net, remat::image<float, 1, 28, 28>, nn::nll_loss> model{{.seed = 1}};
    remat::adam optimizer{{.learning_rate = 2e-3f}};
    float loss = 0;
    int step = 0;
    for (const auto& [images, labels] : data.batches(64, {.shuffle_seed = 1})) {
      loss = model.train_step(images, labels);
      optimizer.step(model);
      if (++step == steps) break;
    }
    std::cout << model.plan();
    std::printf("result: steps=%d loss=%.4f test_accuracy=%.3f\n", step, static_cast<double>(loss),
                model.evaluate(test.batches(250), remat::accuracy{}));
  } catch (const remat::error& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
