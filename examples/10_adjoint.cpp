// SPDX-License-Identifier: MIT
/// The adjoint of a simulation under a memory budget: recovers the initial pressure of sound, in a medium whose
/// velocity varies, from what receivers on a ring have recorded.
///
///     10_adjoint --steps 1000 --bytes 2000000 --iterations 12 --output FOLDER
///     10_adjoint --steps 10000 --bytes 2000000 --disk /scratch
///
/// One step in time is a module of the program's own (acoustic_wave.hpp), and a simulation is `repeat<10'000, step>`.
/// Its gradient with respect to the initial pressure, and to the medium, takes as much memory as the budget says,
/// whatever the number of steps. The pressure is found by conjugate gradients, since the recording depends on it
/// linearly; the gradient with respect to the medium is compared with finite differences. With --disk, states may wait
/// in a file, too, where that is predicted to be faster from the measured times of a step and of the disk; the gradient
/// is compared with one that uses no disk. FOLDER gets before.pgm (the first guess, by time reversal), after.pgm and
/// true.pgm.
#include "acoustic_wave.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

namespace wave = acoustic_wave;
using field = std::vector<float>;

struct choices {
  std::size_t steps = 250, bytes = 2'000'000, iterations = 12, slots = 0;
  std::string policy = "budget", output = ".", disk;
  double rate = 0;
};

double dot(const field& a, const field& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }
/// a + factor b.
field sum_of(const field& a, double factor, const field& b) {
  field sum = a;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<float>(factor) * b[i];
  return sum;
}

/// A grey picture of a field: 0 is the middle grey.
void write_picture(const std::string& name, const wave::grid& g, const field& shown, float largest) {
  std::ofstream file(name, std::ios::binary);
  file << "P5\n" << g.width << " " << g.height << "\n255\n";
  for (const float each : shown)
    file.put(static_cast<char>(std::clamp(128 + static_cast<int>(127 * each / largest), 0, 255)));
  if (!file.flush()) throw remat::error("cannot write '" + name + "'");
}

/// Two sources of pressure, and a medium with a slow body in faster ground, in units of dx / dt.
field true_pressure(const wave::grid& g) {
  field p(g.size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double y = static_cast<double>(i / g.width) / static_cast<double>(g.height),
                 x = static_cast<double>(i % g.width) / static_cast<double>(g.width);
    p[i] = static_cast<float>(std::exp(-900 * ((x - 0.4) * (x - 0.4) + (y - 0.35) * (y - 0.35))) -
                              0.7 * std::exp(-400 * ((x - 0.62) * (x - 0.62) + (y - 0.6) * (y - 0.6))));
  }
  return p;
}
field true_medium(const wave::grid& g) {
  field c(g.size());
  for (std::size_t i = 0; i < c.size(); ++i) {
    const double y = static_cast<double>(i / g.width) / static_cast<double>(g.height),
                 x = static_cast<double>(i % g.width) / static_cast<double>(g.width);
    c[i] = static_cast<float>(0.45 + 0.15 * y - 0.12 * std::exp(-40 * ((x - 0.5) * (x - 0.5) + (y - 0.7) * (y - 0.7))));
  }
  return c;
}

struct misfit {
  double value = 0;
  field of_pressure, of_medium;  ///< gradients
};

template <class Model>
misfit differentiate(Model& model, const field& pressure, const field& medium) {
  field fields = pressure;
  fields.insert(fields.end(), pressure.begin(), pressure.end());  // at rest
  const auto sums = model.forward(fields, field(3), medium);
  misfit found{static_cast<double>(sums[0]) + static_cast<double>(sums[1]), field(pressure.size()), {}};
  model.backward(field{1, 0, 0});
  const auto of_fields = model.input_gradient(0), of_medium = model.input_gradient(2);
  for (std::size_t i = 0; i < pressure.size(); ++i)
    found.of_pressure[i] = of_fields[i] + of_fields[pressure.size() + i];
  found.of_medium.assign(of_medium.begin(), of_medium.end());
  return found;
}

/// The order at which the remainder of the Taylor series falls with the size of a change of the medium: 2 for a right
/// gradient.
template <class Model>
double taylor_slope(Model& model, const field& pressure, const field& medium, const field& change) {
  const misfit here = differentiate(model, pressure, medium);
  const auto rest = [&](double size) {
    const field there = sum_of(medium, size, change);
    return std::abs(differentiate(model, pressure, there).value - here.value -
                    dot(here.of_medium, sum_of(there, -1, medium)));
  };
  const double large = 1.0 / 8, small = 1.0 / 32;
  return std::log(rest(large) / rest(small)) / std::log(large / small);
}

/// How long the steps of a model take here, in seconds: forward as in a plain loop, and twice that backward.
template <class Model>
remat::operation_costs costs_of(const Model& model, double seconds) {
  remat::operation_costs costs = remat::no_costs(model.lowered(), 1);
  for (remat::operation_cost& each : costs.operations)
    if (each.kind == wave::step<8, 8>::kind) each.forward = seconds, each.backward_input = 2 * seconds;
  return costs;
}

bool have_same_bits(const field& a, const field& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Throws where the gradient of a budget with a disk has other bits than that of a budget without one.
template <class Model>
void compare(Model& model, const remat::checkpoints& in_memory, const field& pressure, const field& medium) {
  Model other{{.checkpoints = in_memory, .input_gradients = true}};
  const misfit with = differentiate(model, pressure, medium), without = differentiate(other, pressure, medium);
  if (with.value != without.value || !have_same_bits(with.of_pressure, without.of_pressure) ||
      !have_same_bits(with.of_medium, without.of_medium))
    throw remat::error("the gradient differs from that without a disk");
  std::printf("bits: the gradient is that of %zu bytes without a disk, which runs %zu steps forward\n",
              other.plan(1).activation_bytes, other.plan(1).forward + other.plan(1).recompute);
}

template <std::size_t Steps, std::size_t Size>
void invert(const choices& chosen) {
  using model_type = wave::model<Steps, Size, Size>;
  using clock = std::chrono::steady_clock;
  const wave::grid g{Size, Size};
  const field truth = true_pressure(g), medium = true_medium(g);
  wave::measured.receivers = wave::ring(g, 4, 2);
  const auto before_steps = clock::now();
  wave::measured.recorded = wave::record(g, truth, medium, wave::measured.receivers, Steps);
  const double seconds_a_step = std::chrono::duration<double>(clock::now() - before_steps).count() / Steps;

  const remat::checkpoints in_memory{remat::checkpoint_at("steps", remat::budget{chosen.bytes})};
  remat::model_options options{.checkpoints = in_memory, .input_gradients = true};
  if (chosen.policy == "revolve") options.checkpoints = {remat::checkpoint_at("steps", remat::revolve{chosen.slots})};
  if (!chosen.disk.empty()) {
    const remat::offload<remat::file> disk{
        .path = chosen.disk, .window = {.least_bytes = 4096}, .rate = {chosen.rate, chosen.rate}};
    options.checkpoints = {remat::checkpoint_at("steps", remat::budget{chosen.bytes}, disk)};
    options.costs = costs_of(model_type{{.input_gradients = true}}, seconds_a_step);
  }
  model_type model{options};
  const remat::plan_report planned = model.plan(1);
  // A step takes 4 states itself: what it makes, two gradients, the medium and its gradient.
  const std::size_t state = 2 * g.size() * sizeof(float), fitting = planned.activation_bytes / state,
                    slots = chosen.policy == "revolve" ? chosen.slots
                            : fitting > 5              ? fitting - 4
                                                       : 1;
  std::printf("%zu steps of %zu x %zu cells, %zu receivers\n", Steps, Size, Size, wave::measured.receivers.size());
  std::printf("memory: %.3f MB planned; all states are %.1f MB\n", static_cast<double>(planned.activation_bytes) / 1e6,
              static_cast<double>(Steps * state) / 1e6);
  std::printf("steps forward: %zu of a gradient; the binomial schedule of %zu states runs %zu\n",
              planned.forward + planned.recompute, slots,
              remat::binomial_forward_steps(Steps, slots) - (Steps - 1));  // a step has no last pass
  field pressure(g.size());
  if (!chosen.disk.empty()) {
    std::printf("disk: %zu states in %s, %.1f MB written and as many read in a gradient\n", planned.writes,
                chosen.disk.c_str(), static_cast<double>(planned.outside_bytes) / 1e6);
    const std::size_t enough = std::max(chosen.bytes, 24 * state);
    compare(model, {remat::checkpoint_at("steps", remat::budget{enough})}, truth, sum_of(medium, 0.01, medium));
  }

  misfit here = differentiate(model, pressure, medium);
  const double first = here.value;
  const field reversed = sum_of(field(g.size()), -1, here.of_pressure);
  const auto largest = [](const field& shown) {
    return std::max(1e-9f, std::abs(*std::ranges::max_element(shown, {}, [](float each) { return std::abs(each); })));
  };
  write_picture(chosen.output + "/true.pgm", g, truth, largest(truth));
  write_picture(chosen.output + "/before.pgm", g, reversed, largest(reversed));

  const auto begin = clock::now();
  field rest = reversed, direction = rest;  // the rest of H pressure = -gradient at 0
  double square = dot(rest, rest);
  for (std::size_t k = 0; k < chosen.iterations; ++k) {
    const misfit there = differentiate(model, sum_of(pressure, 1, direction), medium);
    const field curved = sum_of(there.of_pressure, -1, here.of_pressure);
    const double length = square / dot(direction, curved);
    pressure = sum_of(pressure, length, direction);
    here = differentiate(model, pressure, medium);
    rest = sum_of(field(g.size()), -1, here.of_pressure);
    const double next = dot(rest, rest);
    direction = sum_of(rest, next / square, direction);
    square = next;
    if ((k + 1) % 4 == 0) std::printf("  %2zu iterations: misfit %.3e\n", k + 1, here.value);
  }
  const double seconds = std::chrono::duration<double>(clock::now() - begin).count();
  write_picture(chosen.output + "/after.pgm", g, pressure, largest(truth));

  field change(g.size());  // of the arrival times, by about as much whatever the number of steps
  for (std::size_t i = 0; i < change.size(); ++i)
    if (g.is_inside(i)) change[i] = 2 * medium[i * 7919 % change.size()] / static_cast<float>(Steps);
  const double slope = taylor_slope(model, truth, sum_of(medium, 0.5, change), change);
  const field difference = sum_of(pressure, -1, truth);
  std::printf("result: steps=%zu bytes=%zu runs=%zu misfit=%.3e of %.3e error=%.3f slope=%.3f seconds=%.2f\n", Steps,
              planned.activation_bytes, planned.forward + planned.recompute, here.value, first,
              std::sqrt(dot(difference, difference) / dot(truth, truth)), slope,
              seconds / static_cast<double>(2 * std::max<std::size_t>(1, chosen.iterations)));
}

int main(int argc, char** argv) {
  choices chosen;
  std::size_t size = 64;
  CLI::App app{"Recovers a source of sound from what receivers have recorded"};
  app.add_option("--steps", chosen.steps, "Steps in time")
      ->check(CLI::IsMember({250, 1'000, 10'000}))
      ->capture_default_str();
  app.add_option("--size", size, "Rows and columns of the grid")
      ->check(CLI::IsMember({64, 128}))
      ->capture_default_str();
  app.add_option("--bytes", chosen.bytes, "Bytes that activations may take")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--policy", chosen.policy, "Policy: budget, or revolve with --slots")
      ->check(CLI::IsMember({"budget", "revolve"}))
      ->capture_default_str();
  const CLI::Option* const slots =
      app.add_option("--slots", chosen.slots, "States that revolve keeps, at least 1")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--iterations", chosen.iterations, "Iterations of conjugate gradients")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--disk", chosen.disk, "Folder of a file where states may wait, too; without it, all wait in memory");
  app.add_option("--rate", chosen.rate, "Bytes a second that the disk writes and reads; 0: measured")
      ->capture_default_str();
  app.add_option("--output", chosen.output, "Folder of the pictures")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (slots->count() > 0 && chosen.policy != "revolve") {
    std::cerr << "error: --slots are of the policy revolve; leave them out, or give --policy revolve\n";
    return 1;
  }
  if (!chosen.disk.empty() && chosen.policy != "budget") {
    std::cerr << "error: --disk needs the policy budget; leave out --policy, or --disk\n";
    return 1;
  }
  try {
    if (size == 64)
      chosen.steps == 250     ? invert<250, 64>(chosen)
      : chosen.steps == 1'000 ? invert<1'000, 64>(chosen)
                              : invert<10'000, 64>(chosen);
    else
      chosen.steps == 250     ? invert<250, 128>(chosen)
      : chosen.steps == 1'000 ? invert<1'000, 128>(chosen)
                              : invert<10'000, 128>(chosen);
  } catch (const remat::error& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
