// SPDX-License-Identifier: MIT
// The adjoint of a simulation: gradients with respect to the initial state and the medium, under any budget.
#include "same_bits.hpp"

#include <examples/acoustic_wave.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

namespace adjoint_tests {

namespace wave = acoustic_wave;
using field = std::vector<float>;
using remat::budget, remat::checkpoint_at, remat::revolve;

constexpr std::size_t size = 20, steps = 200;
constexpr wave::grid grid{size, size};
constexpr std::size_t state = 2 * size * size * sizeof(float);

field source() {
  field p(grid.size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double y = static_cast<double>(i / size) - 8, x = static_cast<double>(i % size) - 11;
    p[i] = static_cast<float>(std::exp(-0.2 * (x * x + y * y)));
  }
  return p;
}
field medium() {
  field c(grid.size());
  for (std::size_t i = 0; i < c.size(); ++i) c[i] = 0.4f + 0.01f * static_cast<float>(i / size);
  return c;
}
field sum_of(const field& a, double factor, const field& b) {
  field sum = a;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<float>(factor) * b[i];
  return sum;
}
double dot(const field& a, const field& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

struct result {
  double misfit = 0;
  field of_pressure, of_medium;
};
auto model(const remat::checkpoints& how) {
  wave::measured.receivers = wave::ring(grid, 3, 3);
  wave::measured.recorded = wave::record(grid, source(), medium(), wave::measured.receivers, steps);
  return wave::model<steps, size, size>{{.threads = 1, .checkpoints = how, .input_gradients = true}};
}
result differentiate(auto& m, const field& pressure, const field& velocity) {
  field fields = pressure;
  fields.insert(fields.end(), pressure.begin(), pressure.end());
  const auto sums = m.forward(fields, field(3), velocity);
  result found{static_cast<double>(sums[0]) + static_cast<double>(sums[1]), field(grid.size()), {}};
  m.backward(field{1, 0, 0});
  const auto of_fields = m.input_gradient(0), of_medium = m.input_gradient(2);
  for (std::size_t i = 0; i < grid.size(); ++i) found.of_pressure[i] = of_fields[i] + of_fields[grid.size() + i];
  found.of_medium.assign(of_medium.begin(), of_medium.end());
  return found;
}

TEST_CASE("the misfit is that of a plain loop, and the rest of Taylor's series falls with the square of a change") {
  auto m = model({checkpoint_at("steps", budget{24 * state})});
  CHECK(differentiate(m, source(), medium()).misfit == 0);
  const field silence(grid.size());
  double expected = 0;
  for (const float each : wave::measured.recorded)
    expected += static_cast<double>(each) * static_cast<double>(each) / 2;
  CHECK(differentiate(m, silence, medium()).misfit == Approx(expected).epsilon(1e-6));

  // The medium's change moves arrivals by a fraction of a wave's length.
  const field pressure = sum_of(source(), 0.5, medium()), velocity = sum_of(medium(), 0.004, source());
  const result here = differentiate(m, pressure, velocity);
  const auto slope = [&](const auto& rest) { return std::log(rest(1.0 / 8) / rest(1.0 / 32)) / std::log(4.0); };
  const field of_pressure = source();
  CHECK(slope([&](double by) {
          const field there = sum_of(pressure, by, of_pressure);
          return std::abs(differentiate(m, there, velocity).misfit - here.misfit -
                          dot(here.of_pressure, sum_of(there, -1, pressure)));
        }) == Approx(2).margin(0.05));
  const field of_velocity = sum_of(field(grid.size()), 0.02, source());
  CHECK(slope([&](double by) {
          const field there = sum_of(velocity, by, of_velocity);
          return std::abs(differentiate(m, pressure, there).misfit - here.misfit -
                          dot(here.of_medium, sum_of(there, -1, velocity)));
        }) == Approx(2).margin(0.05));
}

TEST_CASE("every budget and number of slots gives the same bits") {
  auto all = model(remat::checkpoints::none());
  const field silence(grid.size());
  const result expected = differentiate(all, silence, medium());
  std::vector<std::pair<std::size_t, remat::checkpoints>> others{{steps, {checkpoint_at("steps", remat::every<7>{})}},
                                                                 {steps + 5, {checkpoint_at("steps")}}};
  for (const std::size_t states : {12u, 60u})
    others.push_back({states, {checkpoint_at("steps", budget{states * state})}});
  for (const std::size_t slots : {3u, 8u, 40u}) others.push_back({slots + 5, {checkpoint_at("steps", revolve{slots})}});
  for (const auto& [states, how] : others) {
    auto m = model(how);
    const result found = differentiate(m, silence, medium());
    CHECK(found.misfit == expected.misfit);
    CHECK(same_bits(found.of_pressure, expected.of_pressure));
    CHECK(same_bits(found.of_medium, expected.of_medium));
    CHECK(m.reserved().activations <= states * state + states * 64);
  }
}

template <std::size_t Steps, std::size_t Size = size>
remat::plan planned(const remat::checkpoints& how) {
  remat::program p = remat::lower<
      wave::simulation<Steps, Size, Size>,
      remat::tensors<remat::tensor<float, 2, Size, Size>, remat::tensor<float, 3>, remat::tensor<float, Size, Size>>>();
  p.input_gradients = true;
  remat::annotate(p, how);
  return remat::plan_training(remat::fuse(p), 1);
}
template <std::size_t Steps>
remat::plan planned(std::size_t bytes) {
  return planned<Steps>({checkpoint_at("steps", budget{bytes})});
}
TEST_CASE("10,000 steps take the memory of 1,000 under one budget", "[once]") {
  const std::size_t bytes = 40 * state;
  const remat::plan some = planned<1'000>(bytes), many = planned<10'000>(bytes);
  CHECK(some.activation_bytes <= bytes);
  CHECK(many.activation_bytes <= bytes);
  CHECK(many.activation_bytes > bytes - 2 * state);
  // A step takes four states itself, and each waits with a misfit. None has a last pass.
  CHECK(static_cast<double>(10'000 + remat::count(many, remat::action_kind::recompute)) <=
        static_cast<double>(remat::binomial_forward_steps(10'000, 35) - 9'999));
}

TEST_CASE("10,000 steps run less again where states may wait on a disk, too", "[once]") {
  constexpr std::size_t of_128 = 2 * 128 * 128 * sizeof(float);  // large enough to be aligned for transfers
  for (const std::size_t bytes : {12 * of_128, 40 * of_128}) {
    // A state is written or read in as long as six steps take.
    const double rate = of_128 * remat::counted_flops_per_second / (6 * 10.0 * 128 * 128);
    const remat::plan kept = planned<10'000, 128>({checkpoint_at("steps", budget{bytes})}),
                      made = planned<10'000, 128>(
                          {checkpoint_at("steps", budget{bytes}, remat::offload<remat::file>{.rate = {rate, rate}})});
    using enum remat::action_kind;
    CHECK(made.activation_bytes <= bytes);
    CHECK(remat::count(made, begin_write) > 0);
    CHECK(remat::count(made, begin_write) == remat::count(made, begin_read));
    CHECK(remat::count(made, recompute) < remat::count(kept, recompute) * 3 / 4);
  }
}

}  // namespace adjoint_tests
