// SPDX-License-Identifier: MIT
// Weights of classes, label smoothing and another ignored target: the values of PyTorch, of each loss that has them.
#include "kernel_run.hpp"
#include "larger.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace loss_options_tests {

namespace nn = remat::nn;
using remat::tensor;

double wide(float x) { return static_cast<double>(x); }

const floats logits{1, -2, 0.5f, 3, 0, 0.25f, -1, 2, -3, 1, 1, 0.5f, 2, 2, -0.5f, -1, 0.75f, -0.25f, 4, 0};
const std::vector<std::int32_t> targets{0, 3, 255, 2, 1};
const floats weights{0.5f, 2, 0, 1.5f};

/// CrossEntropyLoss(weight, label_smoothing, ignore_index=255) of PyTorch, in float64.
struct expected {
  bool weighted, smooth;
  double loss;
  std::vector<double> gradient;
};
const expected table[] = {{false,
                           false,
                           2.521212528229079,
                           {-0.2223615624095652,
                            0.0013760367818959178,
                            0.01676355978515287,
                            0.20422196584251642,
                            0.024898015346922205,
                            0.03196968453052957,
                            0.009159467972103735,
                            -0.06602716784955551,
                            0.0,
                            0.0,
                            0.0,
                            0.0,
                            0.11726782477748274,
                            0.11726782477748274,
                            -0.24037407076451273,
                            0.0058384212095472215,
                            0.009047944216757196,
                            -0.24667144733778898,
                            0.23334955690196918,
                            0.004273946219062595}},
                          {false,
                           true,
                           2.507540653229079,
                           {-0.1989240624095652,
                            -0.0064364632181040824,
                            0.00895105978515287,
                            0.19640946584251642,
                            0.017085515346922205,
                            0.02415718453052957,
                            0.0013469679721037353,
                            -0.04258966784955551,
                            0.0,
                            0.0,
                            0.0,
                            0.0,
                            0.10945532477748274,
                            0.10945532477748274,
                            -0.21693657076451273,
                            -0.0019740787904527785,
                            0.001235444216757196,
                            -0.22323394733778898,
                            0.22553705690196918,
                            -0.003538553780937405}},
                          {true,
                           false,
                           2.5497456615636485,
                           {-0.1111807812047826,
                            0.0006880183909479589,
                            0.008381779892576435,
                            0.10211098292125821,
                            0.037347023020383306,
                            0.04795452679579436,
                            0.013739201958155603,
                            -0.09904075177433326,
                            0.0,
                            0.0,
                            0.0,
                            0.0,
                            0.0,
                            0.0,
                            0.0,
                            0.0,
                            0.018095888433514392,
                            -0.49334289467557796,
                            0.46669911380393836,
                            0.00854789243812519}},
                          {true,
                           true,
                           2.5549680823968273,
                           {-0.09773462885538042,
                            -0.014850979310183546,
                            0.00942950237914849,
                            0.10315610578641549,
                            0.03188464706120067,
                            0.030331421512636257,
                            0.01316673520989912,
                            -0.07538280378373605,
                            0.0,
                            0.0,
                            0.0,
                            0.0,
                            0.010752228097185342,
                            -0.0009665219028146578,
                            0.0012032411544359092,
                            -0.010988947348806597,
                            0.013058645406419742,
                            -0.4468839637583543,
                            0.43753041919119223,
                            -0.003705100839257634}}};

void check(float loss, const floats& gradient, const expected& wanted) {
  INFO((wanted.weighted ? "weighted" : "not weighted") << (wanted.smooth ? ", smooth" : ""));
  CHECK(wide(loss) == Approx(wanted.loss).epsilon(1e-6));
  for (std::size_t i = 0; i < wanted.gradient.size(); ++i)
    CHECK(wide(gradient[i]) == Approx(wanted.gradient[i]).epsilon(1e-5).margin(1e-8));
}

template <class Loss>
void check_logits(const expected& wanted) {
  kernel_run<Loss, tensor<float, 4>, tensor<std::int32_t>> run(5);
  run.inputs[0] = logits;
  run.integers[1] = targets;
  run.output_gradient = {1};
  if (wanted.weighted) run.states[0] = weights;
  run.forward();
  check(run.outputs[0][0], run.backward()[0], wanted);
  run.forward(1, true);
  floats added = run.backward(1, true, decltype(run)::halves::together, 0.5f)[0];
  for (float& each : added) each -= 0.5f;
  for (std::size_t i = 0; i < added.size(); ++i) CHECK(wide(added[i]) == Approx(wanted.gradient[i]).margin(1e-7));
}

/// Of the identity: the logits are x.
template <class... Options>
void check_linear(const expected& wanted) {
  kernel_run<nn::linear_cross_entropy<4, 4, remat::nn::bias::without, Options...>, tensor<float, 4>,
             tensor<std::int32_t>>
      run(5);
  run.inputs[0] = logits;
  run.integers[1] = targets;
  run.output_gradient = {1};
  run.parameters[0] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
  if (wanted.weighted) run.states[0] = weights;
  run.forward();
  check(run.outputs[0][0], run.backward()[0], wanted);
}

using smooth = nn::label_smoothing<0.125>;
using ignore = nn::ignore_index<255>;
using weighted = nn::class_weights<4>;

template <class... Options>
void check_log_probabilities(const expected& wanted) {
  kernel_run<nn::log_softmax, tensor<float, 4>> first(5);
  kernel_run<nn::nll_loss_with<Options...>, tensor<float, 4>, tensor<std::int32_t>> second(5);
  first.inputs[0] = logits;
  first.forward();
  second.inputs[0] = first.outputs[0];
  second.integers[1] = targets;
  second.output_gradient = {1};
  if (wanted.weighted) second.states[0] = weights;
  second.forward();
  first.output_gradient = second.backward()[0];
  check(second.outputs[0][0], first.backward()[0], wanted);
}

TEST_CASE("options of cross entropy have PyTorch's values and gradients") {
  check_logits<nn::cross_entropy_with<ignore>>(table[0]);
  check_logits<nn::cross_entropy_with<smooth, ignore>>(table[1]);
  check_logits<nn::cross_entropy_with<ignore, weighted>>(table[2]);
  check_logits<nn::cross_entropy_with<weighted, smooth, ignore>>(table[3]);
  check_linear<ignore>(table[0]);
  check_linear<smooth, ignore>(table[1]);
  check_linear<ignore, weighted>(table[2]);
  check_linear<weighted, smooth, ignore>(table[3]);
  check_log_probabilities<ignore>(table[0]);
  check_log_probabilities<weighted, ignore>(table[2]);
}

TEST_CASE("nll_loss of targets that are not ignored and have weights of 0 is NaN, with gradients of NaN at them") {
  kernel_run<nn::nll_loss_with<weighted, ignore>, tensor<float, 4>, tensor<std::int32_t>> run(3);
  run.integers[1] = {2, 255, 2};
  run.output_gradient = {1};
  run.states[0] = weights;
  run.forward();
  CHECK(std::isnan(run.outputs[0][0]));
  const floats gradient = run.backward()[0];
  for (std::size_t i = 0; i < gradient.size(); ++i)
    CHECK((i == 2 || i == 10 ? std::isnan(gradient[i]) : gradient[i] == 0));
}

TEST_CASE("cross entropy without options has the bits of that with options that say nothing") {
  kernel_run<nn::cross_entropy, tensor<float, 37>, tensor<std::int32_t>> plain(9, 37);
  kernel_run<nn::cross_entropy_with<nn::ignore_index<-100>, nn::label_smoothing<0>>, tensor<float, 37>,
             tensor<std::int32_t>>
      with(9, 37);
  plain.forward();
  with.forward();
  CHECK(same_bits(plain.outputs, with.outputs));
  CHECK(same_bits(plain.backward(), with.backward()));
}

TEST_CASE("weights of classes are a state of the loss, and the denominator of the whole batch is theirs") {
  using net = remat::sequential<nn::linear<3, 4>>;
  using loss = nn::cross_entropy_with<weighted, smooth, ignore>;
  using model = remat::model<net, tensor<float, 3>, loss>;
  const floats x{1, 2, 3, -1, 0.5f, 2, 0, 1, -2, 3, 1, 1, 0.5f, 0.25f, -1};
  // The third sample's target has a weight of 0, and smoothing gives it a part in the loss.
  const auto set = [](model& m) {
    REQUIRE(m.states().size() == 1);
    REQUIRE(m.states()[0].name == "loss.weight");
    std::copy(weights.begin(), weights.end(), m.states()[0].values.begin());
  };
  for (const std::vector<std::int32_t>& t :
       {std::vector<std::int32_t>{0, 3, 2, 1, 255}, {255, 255, 2, 2, 1}, {2, 2, 2, 3, 255}}) {
    model whole{{.seed = 1}};
    set(whole);
    const float value = whole.train_step(x, t);
    for (const std::size_t parts : {2u, 3u, 5u}) {
      model split{{.seed = 1, .microbatches = parts}};
      set(split);
      CHECK(wide(split.train_step(x, t)) == Approx(wide(value)).epsilon(1e-6));
      for (std::size_t i = 0; i < 2; ++i)
        for (std::size_t k = 0; k < whole.parameters()[i].gradient.size(); ++k)
          CHECK(wide(split.parameters()[i].gradient[k]) ==
                Approx(wide(whole.parameters()[i].gradient[k])).epsilon(1e-4).margin(1e-6));
    }
  }
  for (const std::size_t parts : {1u, 2u, 5u})
    for (const float wrong : {-1.0f, std::numeric_limits<float>::quiet_NaN()}) {
      model m{{.seed = 1, .microbatches = parts}};
      set(m);
      m.states()[0].values[1] = wrong;
      CHECK_THROWS_WITH(m.train_step(x, std::vector<std::int32_t>{0, 3, 2, 1, 0}),
                        Catch::Matchers::Contains("weight of class 1 is ") &&
                            Catch::Matchers::Contains("weights of classes are 0 or more"));
    }
}

TEST_CASE("options of a linear cross entropy in several chunks are those of the same in two layers") {
  constexpr std::size_t in = 5, classes = 30011, rows = 130;
  using of_classes = nn::class_weights<classes>;
  remat::model<nn::linear<in, classes>, tensor<float, in>, nn::cross_entropy_with<of_classes, smooth, ignore>> apart{
      {.seed = 1}};
  remat::model<remat::identity, tensor<float, in>,
               nn::linear_cross_entropy<in, classes, nn::bias::with, of_classes, smooth, ignore>>
      joint{{.seed = 1}};
  floats x(rows * in);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = number(i, 1);
  std::vector<std::int32_t> t(rows);
  for (std::size_t i = 0; i < rows; ++i) t[i] = i % 5 == 3 ? 255 : static_cast<std::int32_t>(i * 7919 % classes);
  for (std::size_t c = 0; c < classes; ++c)
    apart.states()[0].values[c] = joint.states()[0].values[c] = static_cast<float>(c % 4) / 2;
  for (std::size_t p = 0; p < 2; ++p)
    std::copy(apart.parameters()[p].values.begin(), apart.parameters()[p].values.end(),
              joint.parameters()[p].values.begin());
  CHECK(wide(joint.train_step(x, t)) == Approx(wide(apart.train_step(x, t))).epsilon(1e-6));
  for (std::size_t p = 0; p < 2; ++p) {
    const auto &found = joint.parameters()[p].gradient, &wanted = apart.parameters()[p].gradient;
    REQUIRE(found.size() == wanted.size());
    double largest = 0, error = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      largest = std::max(largest, std::abs(wide(wanted[i])));
      error = larger(error, std::abs(wide(found[i]) - wide(wanted[i])));
    }
    CHECK(largest > 1e-3);
    CHECK(error < 1e-5 * largest);
  }
}

}  // namespace loss_options_tests
