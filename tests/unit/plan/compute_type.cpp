// SPDX-License-Identifier: MIT
// What a model computes with: which tensors and gradients are of bfloat16, and what is rounded.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace compute_type_tests {

namespace nn = remat::nn;
using Catch::Contains;
using remat::bfloat16, remat::computed_as, remat::element, remat::program, remat::residual, remat::sequential;

constexpr std::size_t width = 32;
using mlp =
    residual<sequential<nn::layer_norm<width>, nn::linear<width, 2 * width>, nn::gelu, nn::linear<2 * width, width>>>;
using net = sequential<nn::linear<8, width>, remat::repeat<2, mlp>, nn::linear<width, 4>>;
using input = remat::tensor<float, 8>;
using loss = nn::cross_entropy;

static_assert(remat::peak_activation_bytes<computed_as<bfloat16, net>, input, loss>(64) * 10 <
              remat::peak_activation_bytes<net, input, loss>(64) * 7);

/// What computes, what it reads, what it writes, and its output's gradient: "linear bf->b b".
std::vector<std::string> lines(const program& p) {
  const auto letter = [](element type) {
    return type == element::bfloat16 ? "b" : type == element::float32 ? "f" : "i";
  };
  std::vector<std::string> all;
  for (const remat::operation& o : p.operations) {
    std::string line = std::string(o.kind) + " ";
    for (const int t : o.inputs) line += letter(p.tensors[t].type);
    line += "->";
    for (const int t : o.outputs) line += letter(p.tensors[t].type);
    line += " ";
    for (const int t : o.outputs) line += letter(p.gradient_type(t));
    all.push_back(line);
  }
  return all;
}
template <class Net>
program fused() {
  return remat::fuse(remat::lower<Net, input, loss>());
}

TEST_CASE("products take and give bfloat16; the residual stream, outputs and the loss are float32") {
  CHECK(lines(fused<computed_as<bfloat16, net>>()) ==
        std::vector<std::string>{"rounded f->b b", "linear b->f f", "layer_norm f->b b", "linear b->b b", "gelu b->b b",
                                 "linear b->b b", "add bf->f f", "layer_norm f->b b", "linear b->b b", "gelu b->b b",
                                 "linear b->b b", "add bf->f f", "rounded f->b b", "linear b->f f",
                                 "cross_entropy fi->f f"});
}

TEST_CASE("the innermost type counts, and an option replaces all") {
  using mixed = computed_as<bfloat16, sequential<nn::linear<8, width>, computed_as<float, mlp>, nn::linear<width, 4>>>;
  const std::vector<std::string> expected{
      "rounded f->b b", "linear b->f f", "layer_norm f->f f", "linear f->f f", "gelu f->f f",
      "linear f->f f",  "add ff->f f",   "rounded f->b b",    "linear b->f f", "cross_entropy fi->f f"};
  CHECK(lines(fused<mixed>()) == expected);
  const remat::model<mixed, input, loss> as_float{{.compute = element::float32}}, all{{.compute = element::bfloat16}};
  CHECK(lines(as_float.lowered()).size() == expected.size() - 2);
  CHECK(lines(all.lowered())[3] == "linear b->b b");
  CHECK_THROWS_WITH((remat::model<mixed, input, loss>{{.compute = element::int32}}),
                    Contains("a model computes with float32 or bfloat16, and its options say int32"));
}

TEST_CASE("gradients to which several readers add are float32, and a factor is rounded once") {
  using three = remat::parallel<nn::concat, nn::linear<width, 1>, nn::linear<width, 2>, nn::linear<width, 1>>;
  const auto of_norm =
      lines(fused<computed_as<bfloat16, sequential<nn::linear<8, width>, nn::layer_norm<width>, three>>>());
  CHECK(of_norm[2] == "layer_norm b->b f");
  CHECK(of_norm[3] == "linear b->b b");
  using heads = sequential<nn::linear<8, width>, nn::relu, computed_as<float, nn::tanh>, three>;
  CHECK(lines(fused<computed_as<bfloat16, heads>>()) ==
        std::vector<std::string>{"rounded f->b b", "linear b->f f", "tanh f->f f", "rounded f->b f", "linear b->b b",
                                 "linear b->b b", "linear b->b b", "concat bbb->f f", "cross_entropy fi->f f"});
}

TEST_CASE("images are of bfloat16 from the first convolution to the last layer") {
  using up = sequential<nn::max_pool2d<2>, nn::upsample_nearest<2>>;
  using pictures =
      computed_as<bfloat16,
                  sequential<nn::conv2d<3, 4, 3, nn::window{.padding = 1}>, nn::relu,
                             remat::parallel<nn::concat, remat::identity, up>, nn::softmax, nn::upsample_bilinear<2>,
                             nn::avg_pool2d<2>, nn::adaptive_avg_pool2d<1>, nn::flatten, nn::linear<8, 4>>>;
  CHECK(lines(remat::fuse(remat::lower<pictures, remat::image<float, 3, 8, 8>, loss>())) ==
        std::vector<std::string>{"rounded f->b b", "conv2d b->b f", "max_pool2d b->b b", "upsample_nearest b->b b",
                                 "concat bb->b b", "softmax b->b b", "upsample_bilinear b->b b", "avg_pool2d b->b b",
                                 "adaptive_avg_pool2d b->b b", "flatten b->b b", "linear b->f f",
                                 "cross_entropy fi->f f"});
}

TEST_CASE("operations of one module stay one range of its node") {
  const program p = fused<computed_as<bfloat16, net>>();
  for (const remat::module_node& n : p.nodes) {
    for (int i = n.first; i < n.last; ++i) {
      int at = p.operations[i].node;
      while (at > &n - p.nodes.data()) at = p.nodes[at].parent;
      CHECK(at == &n - p.nodes.data());
    }
  }
  for (int t = p.inputs; t < p.tensors.count(); ++t) {
    const remat::operation& maker = p.operations[p.producers[t]];
    bool found = false;
    for (const auto* made : {&maker.outputs, &maker.saved})
      for (const int each : *made) found = found || each == t;
    if (!found) CHECK(maker.activation_after != remat::activation::none);  // what a fusion has left
  }
}

TEST_CASE("a model of bfloat16 learns as one of float32 does") {
  std::vector<float> x(64 * 8);
  std::vector<int> t(64);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>((i * 37 + i / 8 * 11) % 17) / 8 - 1;
  for (std::size_t i = 0; i < t.size(); ++i) t[i] = x[8 * i] + x[8 * i + 3] > 0 ? 1 : 0;
  const auto trained = [&](element compute) {
    remat::model<net, input, loss> m{{.seed = 2, .compute = compute}};
    remat::adam optimizer{{.learning_rate = 2e-3f}};
    float last = 0;
    for (int step = 0; step < 60; ++step) last = m.train_step(x, t, optimizer);
    return last;
  };
  const float exact = trained(element::float32), rounded = trained(element::bfloat16);
  INFO(exact << " " << rounded);
  CHECK(exact < 0.1f);
  CHECK(rounded < 0.12f);
}

}  // namespace compute_type_tests
