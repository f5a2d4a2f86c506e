// SPDX-License-Identifier: MIT
/// A module's gradients and finite differences: `remat::check_gradients<my_layer, remat::tensor<float, 3, 5, 6>>()`.
///
/// The outputs are weighted with random numbers and summed to one value. Each element of each input of float and of
/// each parameter is moved up and down by a small step, and the value's difference is compared with the gradient that
/// backward gives. Float32 limits what can be seen: a right module shows errors of about 1e-3, a wrong one of 0.1 to 1.
/// Where a module has a kink (a relu at 0), an element that is closer to it than the step counts as wrong.
///
/// Gradients are looked at where backward writes them, and once more where it must add to what is there: those of
/// parameters in a second pass, as of a later micro-batch, those of inputs where the input has another reader.
///
/// The module may be a whole model; its random numbers are the same in every pass.
#pragma once

#include <remat/model/parallel.hpp>
#include <remat/plan/report_text.hpp>
#include <remat/run/internals.hpp>
#include <remat/run/network.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace remat {

struct check_options {
  std::size_t batch = 2;
  std::uint64_t seed = 1;
  double step = 1e-3;       ///< by which an element is moved; inputs are uniform in [-1, 1)
  double tolerance = 2e-2;  ///< of the difference's norm, relative to that of the finite differences
  int indices = 2;          ///< inputs of integers are uniform from 0 to this, exclusive
};

/// What was found for one input or parameter.
struct gradient_check {
  std::string name;
  double error = 0;       ///< norm of the difference / norm of the finite differences
  std::size_t worst = 0;  ///< the element that differs most
  double gradient = 0;    ///< what backward gives there
  double finite_difference = 0;
};

struct gradient_report {
  double tolerance = 0;
  std::vector<gradient_check> checks = {};

  bool holds() const {
    return std::ranges::all_of(checks, [&](const gradient_check& c) { return c.error <= tolerance; });
  }
};

inline std::ostream& operator<<(std::ostream& out, const gradient_report& r) {
  for (const gradient_check& c : r.checks)
    out << "  " << detail::column(c.name, 24) << "error " << c.error << (c.error <= r.tolerance ? "" : "  WRONG")
        << "; element " << c.worst << ": gradient " << c.gradient << ", finite difference " << c.finite_difference
        << "\n";
  return out;
}

namespace detail {

/// A program without a loss, its inputs, and the weighted sum of its outputs.
class gradient_checker {
 public:
  gradient_checker(program p, const check_options& o)
      : options_(o), net_(std::move(p), {.seed = o.seed, .input_gradients = true}) {
    if (o.indices < 1) throw error("check_options: inputs of integers are below `indices`, which is at least 1");
    const program& lowered = net_.lowered();
    for (int i = 0; i < lowered.inputs; ++i) {
      const tensor_shape& shape = lowered.tensors[i];
      const std::size_t size = shape.elements(o.batch);
      const random_stream random(o.seed, 0x636865u, static_cast<std::uint32_t>(i));
      floats_.emplace_back(shape.type == element::float32 ? size : 0);
      integers_.emplace_back(shape.type == element::float32 ? 0 : size);
      for (std::size_t k = 0; k < floats_.back().size(); ++k)
        floats_.back()[k] = 2 * random_stream::uniform(random.block(k)[0]) - 1;
      for (std::size_t k = 0; k < integers_.back().size(); ++k)
        integers_.back()[k] = static_cast<std::int32_t>(random.block(k)[0] % static_cast<unsigned>(o.indices));
    }
    for (int i = 0; i < lowered.outputs.size; ++i) {
      const random_stream random(o.seed, 0x776569u, static_cast<std::uint32_t>(i));
      weights_.emplace_back(lowered.tensors[lowered.outputs[i]].elements(o.batch));
      for (std::size_t k = 0; k < weights_.back().size(); ++k)
        weights_.back()[k] = 2 * random_stream::uniform(random.block(k)[0]) - 1;
    }
  }

  /// Differences first: a backward pass ends the step, and the next one has other random numbers.
  gradient_report run() {
    std::vector<std::vector<double>> differences;
    for (auto& values : floats_)
      if (!values.empty()) differences.push_back(differences_of(values));
    for (const parameter_view& p : net_.parameters())
      if (!p.gradient.empty()) differences.push_back(differences_of(p.values));

    value();
    std::vector<tensor_source> given;
    for (const auto& w : weights_) given.push_back(source_of(w));
    net_.backward_on(given);
    gradient_report r{options_.tolerance};
    std::size_t inputs = 0;
    for (std::size_t i = 0; i < floats_.size(); ++i) {
      if (floats_[i].empty()) continue;
      r.checks.push_back(compare("input " + std::to_string(i), differences[inputs], net_.input_gradient(i)));
      ++inputs;
    }
    for (const parameter_view& p : net_.parameters())
      if (!p.gradient.empty()) r.checks.push_back(compare(p.name, differences[r.checks.size()], p.gradient));

    add_up(given);
    for (const parameter_view& p : net_.parameters()) {
      if (p.gradient.empty()) continue;
      std::vector<double>& twice = differences[inputs++];
      for (double& each : twice) each *= 2;
      r.checks.push_back(compare(p.name + ", added up", twice, p.gradient));
    }
    return r;
  }

 private:
  std::vector<tensor_source> sources() const {
    std::vector<tensor_source> made;
    for (std::size_t i = 0; i < floats_.size(); ++i)
      made.push_back(floats_[i].empty() ? source_of(integers_[i]) : source_of(floats_[i]));
    return made;
  }
  /// The step that has just been taken, as that of two micro-batches, which are the same.
  void add_up(std::span<const tensor_source> output_gradients) {
    std::vector<tensor_source> all = sources();
    all.insert(all.end(), output_gradients.begin(), output_gradients.end());
    std::vector<std::vector<float>> results = weights_;
    for (const auto& values : floats_)
      if (!values.empty()) results.push_back(values);
    std::vector<std::span<std::byte>> places;
    for (auto& each : results) places.push_back(std::as_writable_bytes(std::span(each)));
    const thread_scope scope = internals::scope_of_call(net_);
    internals::training(net_, options_.batch, true);  // both are ready before one runs
    for (const bool accumulates : {false, true})
      internals::training(net_, options_.batch, accumulates)
          .run({.seed = net_.seed(), .number = net_.steps() - 1, .packs = !accumulates}, all, places);
    internals::store(net_).sum_shared();
  }

  double value() {
    net_.forward_on(sources());
    double sum = 0;
    for (std::size_t i = 0; i < weights_.size(); ++i)
      for (std::size_t k = 0; k < weights_[i].size(); ++k)
        sum += static_cast<double>(weights_[i][k]) * static_cast<double>(net_.output(i)[k]);
    return sum;
  }

  std::vector<double> differences_of(std::span<float> values) {
    std::vector<double> found;
    const auto value_at = [&](float& element, float moved) {
      const float before = std::exchange(element, moved);
      const double v = value();
      element = before;
      return v;
    };
    for (float& element : values) {
      const float above = element + static_cast<float>(options_.step);
      const float below = element - static_cast<float>(options_.step);
      found.push_back((value_at(element, above) - value_at(element, below)) / (double{above} - double{below}));
    }
    return found;
  }

  static gradient_check compare(const std::string& name, std::span<const double> differences,
                                std::span<const float> gradient) {
    gradient_check c{name};
    double off = 0, norm = 0, largest = -1;
    for (std::size_t k = 0; k < differences.size(); ++k) {
      const double here = std::abs(differences[k] - double{gradient[k]});
      off += here * here;
      norm += differences[k] * differences[k];
      if (here <= largest || largest != largest) continue;  // the first NaN stays
      largest = here;
      c.worst = k;
      c.gradient = double{gradient[k]};
      c.finite_difference = differences[k];
    }
    c.error = off == 0 ? 0 : std::sqrt(off / norm);
    return c;
  }

  check_options options_;
  network net_;
  std::vector<std::vector<float>> floats_;
  std::vector<std::vector<std::int32_t>> integers_;
  std::vector<std::vector<float>> weights_;
};

}  // namespace detail

/// Checks module M after these inputs. Throws `error` where M has no backward.
template <class M, class... Inputs>
gradient_report check_gradients(const check_options& options = {}) {
  gradient_report r = detail::gradient_checker(lower<M, tensors<Inputs...>>(), options).run();
  using outputs = typename detail::lowering<M, tensors<Inputs...>, no_loss>::outputs;
  constexpr bool can_be_outputs = ((shape_of<Inputs>::value.type == element::float32) && ...) &&
                                  sizeof...(Inputs) + detail::count_of(outputs{}) <= kernel_call::max_tensors;
  if constexpr (can_be_outputs) {
    using read_twice = parallel<identity, identity, M>;
    const gradient_report more = detail::gradient_checker(lower<read_twice, tensors<Inputs...>>(), options).run();
    for (std::size_t i = 0; i < sizeof...(Inputs); ++i) {
      r.checks.push_back(more.checks[i]);
      r.checks.back().name += ", added up";
    }
  }
  return r;
}

}  // namespace remat
