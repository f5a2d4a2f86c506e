// SPDX-License-Identifier: MIT
/// remat's side of `benchmarks/run --policies`: what a training step takes, in bytes and in seconds, under several
/// policies and under budgets; and the picture of both sides.
///
///     policies NETWORK THREADS ROUNDS [BYTES]... prints a row "series,policy,bytes,seconds" for each policy; budgets are also
///                                                of these bytes
///     policies draw NETWORK CSV SVG              draws rows of both sides, and prints, for each of PyTorch's checkpoints, the
///                                                fastest budget of at most its bytes
///     policies memory NETWORK SHARE CSV SVG      memory over time: of save_all, and of a budget of a share of its bytes, or of
///                                                the next larger one that there is a plan for
///
/// Budgets are of shares of what `save_all` takes, planned from costs that are profiled in the same run. Bytes are all
/// that the arena reserves without gradients of parameters: activations, packed weights, scratch. Times are medians of
/// steps that all policies take in turn. On stderr, for each budget: the time of a step as predicted by the time
/// measured, and how much more it takes than under `save_all`, as measured, as predicted, and at least, by the lower
/// bound of its certificate.
#include "networks.hpp"

#include <remat/check/profile.hpp>
#include <remat/core/text_file.hpp>
#include <remat/report/memory_over_time.hpp>
#include <remat/report/pareto.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr std::string_view budgets = "remat budgets";

const benchmarks::network& named(std::string_view name) {
  for (const benchmarks::network& each : benchmarks::networks)
    if (each.name == name) return each;
  throw remat::error("there is no network '" + std::string(name) + "'");
}

/// The path of the sequential that strategies are about.
std::string chain_of(const benchmarks::network& chosen) {
  const bool has_head = chosen.name == "mlp" || chosen.name == "chain" || chosen.name == "unequal";
  return chosen.name == "gpt" ? "h" : has_head ? "0" : "";
}

remat::network make(const benchmarks::network& chosen, int threads, remat::checkpoints checkpoints,
                    std::optional<remat::operation_costs> costs = {}) {
  remat::program p = chosen.lower();
  for (remat::module_node& each : p.nodes) each.checkpoints.clear();
  remat::network model(
      std::move(p), {.seed = 1, .threads = threads, .checkpoints = std::move(checkpoints), .costs = std::move(costs)});
  if (chosen.initialise != nullptr) chosen.initialise(model.parameters());
  return model;
}

struct measured {
  remat::policy_point point;
  remat::network model;
  std::optional<remat::certificate> certificate = {};
  std::vector<double> seconds = {};
};

/// Shares of what `save_all` takes.
std::vector<double> shares() {
  std::vector<double> all = {1.0 / 3};
  for (int percent = 95; percent > 0; percent -= 5) all.push_back(percent / 100.0);
  std::ranges::sort(all, std::greater{});
  return all;
}

std::string percent_of(double share) {
  char text[16];
  std::snprintf(text, sizeof text, "%.3g %%", 100 * share);
  return text;
}

/// The first of them is of `save_all`.
void print_predictions(std::string_view network, const std::vector<measured>& all, double predicted_of_save_all) {
  const double save_all = all[0].point.seconds;
  std::fprintf(stderr, "%-10s %-26s %12s %20s %10s %10s\n", std::string(network).c_str(), "", "predicted",
               "more than save_all:", "", "at least");
  std::fprintf(stderr, "%-10s %-26s %12s %20s %10s %10s\n", "", "", "by measured", "measured", "predicted", "");
  std::fprintf(stderr, "%-10s %-26s %12.3f\n", "", "save_all", predicted_of_save_all / save_all);
  const auto more = [](double one, double other) { return 100 * (one / other - 1); };
  for (const measured& each : all) {
    if (!each.certificate.has_value()) continue;
    const remat::certificate& c = *each.certificate;
    std::fprintf(stderr, "%-10s %-26s %12.3f %18.1f %% %8.1f %% %8.1f %%\n", "", each.point.policy.c_str(),
                 c.time.sum() / each.point.seconds, more(each.point.seconds, save_all),
                 more(c.time.sum(), predicted_of_save_all), more(c.lower_bound(), predicted_of_save_all));
  }
}

void measure(const benchmarks::network& chosen, int threads, int rounds, const std::vector<std::size_t>& bytes) {
  using remat::checkpoint_at, remat::strategy::contiguous, remat::strategy::each;
  remat::network plain = make(chosen, threads, {});
  const remat::detail::random_inputs inputs(plain.lowered(), chosen.batch);
  const remat::operation_costs costs = remat::profile(plain, chosen.batch, {.runs = 5});
  const std::string chain = chain_of(chosen);
  std::vector<measured> all;
  const auto add = [&](std::string_view series, std::string policy, remat::checkpoints checkpoints) {
    remat::network model = make(chosen, threads, std::move(checkpoints), costs);
    std::optional<remat::certificate> certificate;
    try {
      certificate = model.plan(chosen.batch).certificate;
    } catch (const remat::budget_error&) {
      return;  // a budget that is too small
    }
    all.push_back({{std::string(series), std::move(policy)}, std::move(model), std::move(certificate)});
  };
  add("remat policies", "save_all", {});
  add("remat policies", "each", {checkpoint_at(chain, each{})});
  add("remat policies", "square_root", {checkpoint_at(chain, contiguous{}, remat::square_root{})});
  add("remat policies", "recompute_all", {checkpoint_at(chain)});
  for (const double share : shares())
    add(budgets, "budget of " + percent_of(share), {checkpoint_at("", remat::budget{remat::share_of_save_all(share)})});
  for (const std::size_t each : bytes)
    add(budgets, "budget of " + std::to_string(each) + " bytes", {checkpoint_at("", remat::budget{each})});
  for (int round = 0; round <= rounds; ++round)
    for (measured& each : all) {
      const auto begin = std::chrono::steady_clock::now();
      each.model.train_on(inputs.sources());
      const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
      if (round > 0) each.seconds.push_back(spent.count());  // plans are made in the first
    }
  std::vector<remat::policy_point> points;
  for (measured& each : all) {
    std::ranges::sort(each.seconds);
    each.point.seconds = each.seconds[each.seconds.size() / 2];
    each.point.bytes = each.model.reserved().total() - each.model.reserved().gradients;
    points.push_back(each.point);
    if (each.point.policy == "save_all")
      points.push_back({std::string(budgets), "save_all", each.point.bytes, each.point.seconds});
  }
  std::cout << remat::pareto_csv(points);
  print_predictions(chosen.name, all,
                    remat::predicted_cost(remat::plan_training(plain.lowered(), chosen.batch), costs));
}

/// remat's time by PyTorch's, at the bytes of each point that is not remat's.
void print_ratios(std::string_view network, const std::vector<remat::policy_point>& points) {
  for (const remat::policy_point& theirs : points) {
    if (theirs.series.starts_with("remat")) continue;
    const remat::policy_point* best = nullptr;
    for (const remat::policy_point& ours : points)
      if (ours.series == budgets && ours.bytes <= theirs.bytes && (best == nullptr || ours.seconds < best->seconds))
        best = &ours;
    std::printf("%-10s %s, %s: %.1f MB in %.1f ms", std::string(network).c_str(), theirs.series.c_str(),
                theirs.policy.c_str(), static_cast<double>(theirs.bytes) / 1e6, theirs.seconds * 1e3);
    if (best == nullptr)
      std::printf("; no budget takes as little\n");
    else
      std::printf("; %s: %.1f MB in %.1f ms, ratio %.2f\n", best->policy.c_str(),
                  static_cast<double>(best->bytes) / 1e6, best->seconds * 1e3, best->seconds / theirs.seconds);
  }
}

void draw(std::string_view network, const std::string& csv, const std::string& svg) {
  std::vector<remat::policy_point> points;
  std::istringstream lines(remat::read_text_file(csv));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream cells(line);
    std::string series, policy, bytes, seconds;
    std::getline(cells, series, ',') && std::getline(cells, policy, ',') && std::getline(cells, bytes, ',') &&
        std::getline(cells, seconds, ',');
    if (series != "series" && !seconds.empty())
      points.push_back({series, policy, std::stoul(bytes), std::stod(seconds)});
  }
  print_ratios(network, points);
  remat::write_chart(svg, remat::pareto_chart("A training step of " + std::string(network), points, budgets));
}

void draw_memory(const benchmarks::network& chosen, double share, const std::string& csv, const std::string& svg) {
  const remat::plan_report plain = make(chosen, 1, {}).plan(chosen.batch);
  const auto within = [&](double of_save_all) {
    return make(chosen, 1, {remat::checkpoint_at("", remat::budget{remat::share_of_save_all(of_save_all)})})
        .plan(chosen.batch);
  };
  remat::plan_report planned;
  for (;; share += 0.05) {
    try {
      planned = within(std::min(share, 1.0));
      break;
    } catch (const remat::budget_error&) {
      if (share >= 1) throw;
    }
  }
  std::cout << planned.certificate.value();
  remat::write_text_file(csv, remat::memory_csv(planned));
  remat::write_chart(svg, remat::memory_over_time({{"save_all", plain}, {"budget", planned}},
                                                  "Memory of a step of " + std::string(chosen.name)));
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 4 && arguments[0] == "draw")
      draw(arguments[1], arguments[2], arguments[3]);
    else if (arguments.size() == 5 && arguments[0] == "memory")
      draw_memory(named(arguments[1]), std::stod(arguments[2]), arguments[3], arguments[4]);
    else if (arguments.size() >= 3) {
      std::vector<std::size_t> bytes;
      for (std::size_t i = 3; i < arguments.size(); ++i) bytes.push_back(std::stoul(arguments[i]));
      measure(named(arguments[0]), std::stoi(arguments[1]), std::stoi(arguments[2]), bytes);
    } else
      throw remat::error(
          "usage: policies NETWORK THREADS ROUNDS [BYTES]... | draw NETWORK CSV SVG | memory NETWORK SHARE CSV SVG");
  } catch (const std::exception& e) {
    std::cerr << "policies: " << e.what() << "\n";
    return 1;
  }
}
