// SPDX-License-Identifier: MIT
// Random programs, built as values: their plans are sound, and run with kernels that hash what they read, they give the
// bits of the plan without checkpoints.
#include <remat/plan/plan.hpp>
#include <remat/run/arena.hpp>
#include <remat/run/executor.hpp>

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include "exact_placement.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace {

using remat::action, remat::action_kind, remat::buffer, remat::none, remat::operation, remat::plan, remat::program;

// --- kernels that hash everything they may read
// ------------------------------------------------------------------------

std::uint32_t mixed(std::uint32_t h, std::uint32_t v) { return (h ^ v) * 0x9e3779b1u + (h >> 15); }
template <class T>
std::uint32_t mixed(std::uint32_t h, std::span<const T> values) {
  for (const T& v : values) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &v, sizeof v);
    h = mixed(h, bits);
  }
  return h;
}
float number(std::uint32_t h, std::size_t i) {
  return static_cast<float>(mixed(h, static_cast<std::uint32_t>(i)) >> 8) * 0x1p-23f - 1;
}

/// What a kernel knows of its operation: the attributes.
struct traits {
  std::uint32_t name = 0;
  int inputs = 0, outputs = 0, saved = 0;
  remat::reads input_reads = {}, parameter_reads = {};
};

struct hashing {
  static void forward(const remat::forward_pass& pass) {
    const auto& t = pass.attributes<traits>();
    std::uint32_t h = mixed(t.name, pass.random().block(0)[0]);
    for (int i = 0; i < t.inputs; ++i) h = mixed(h, pass.input(i));
    for (int i = 0; i < t.outputs; ++i) {
      h = mixed(h, 1);
      for (std::size_t k = 0; k < pass.output(i).size(); ++k) pass.output(i)[k] = number(h, k);
    }
    for (int i = 0; i < t.saved; ++i) {
      h = mixed(h, 2);
      for (std::size_t k = 0; k < pass.saved(i).size(); ++k) pass.saved(i)[k] = number(h, k);
    }
  }
  static std::uint32_t read(const remat::backward_pass& pass, const traits& t, remat::reads r) {
    std::uint32_t h = mixed(t.name, pass.random().block(1)[0]);
    for (int i = 0; i < t.inputs; ++i)
      if (r.reads_input(i)) h = mixed(h, pass.input(i));
    for (int i = 0; i < t.outputs; ++i)
      if (r.reads_output(i)) h = mixed(h, pass.output(i));
    for (int i = 0; i < t.saved; ++i)
      if (r.reads_saved(i)) h = mixed(h, pass.saved(i));
    for (int i = 0; i < t.outputs; ++i)
      if (pass.has_output_gradient(i)) h = mixed(h, pass.output_gradient(i));
    return h;
  }
  static void backward_input(const remat::backward_pass& pass) {
    const auto& t = pass.attributes<traits>();
    std::uint32_t h = read(pass, t, t.input_reads);
    for (int i = 0; i < t.inputs; ++i) {
      h = mixed(h, 3);
      if (pass.wants_input_gradient(i)) pass.input_gradient(i).assign([=](std::size_t k) { return number(h, k); });
    }
  }
  static void backward_parameters(const remat::backward_pass& pass) {
    const auto& t = pass.attributes<traits>();
    const std::uint32_t h = read(pass, t, t.parameter_reads);
    pass.parameter_gradient(0).assign([=](std::size_t k) { return number(h, k); });
  }
};

// --- random programs
// --------------------------------------------------------------------------------------------------

struct random_program {
  program value;
  std::vector<std::unique_ptr<traits>> attributes;
};

int pick(int low, int high) { return *rc::gen::inRange(low, high); }
bool chance(int percent) { return pick(0, 100) < percent; }

remat::tensor_shape random_shape() {
  return {remat::element::float32, true, 1, {static_cast<std::size_t>(pick(1, 90))}};
}

/// Operations [first, last) as a node with random children.
void add_nodes(program& p, int parent, int position, int first, int last) {
  remat::node n;
  n.parent = parent;
  n.position = position;
  n.first = first;
  n.last = last;
  n.kind = "sequential";
  n.is_sequential = last - first > 1 && chance(85);
  const int mine = p.nodes.count();
  p.nodes.push_back(n);
  if (last - first > 1)
    for (int begin = first, child = 0; begin < last; ++child) {
      const int size = std::max(1, std::min(last - begin, pick(1, std::max(2, (last - first) * 2 / 3 + 1))));
      add_nodes(p, mine, child, begin, begin + std::min(size, last - first - 1));
      begin += std::min(size, last - first - 1);
    }
  else
    p.operations[first].node = mine;
  p.nodes[mine].end = p.nodes.count();
}

random_program make_program(int operations) {
  static constexpr auto kernels = remat::kernel_table_of<hashing>;
  random_program made;
  program& p = made.value;
  p.inputs = pick(1, 3);
  for (int i = 0; i < p.inputs; ++i) p.add_tensor(random_shape(), none);
  std::vector<int> unread;
  for (int i = 0; i < operations; ++i) {
    const bool is_last = i + 1 == operations;
    operation o;
    o.kind = chance(50) ? "even" : "odd";
    o.kernels = &kernels;
    o.occurrence = i;
    // Mostly a chain; sometimes back to an older tensor. The last operation is the loss and reads what nobody has read.
    if (is_last) {
      for (int t : unread)
        if (o.inputs.size < 6) o.inputs.push_back(t);
    }
    const int reads = o.inputs.size > 0 ? 0 : 1 + (chance(30) ? 1 : 0);
    for (int k = 0; k < reads; ++k) {
      const int t = chance(70) ? p.tensors.count() - 1 : pick(0, p.tensors.count());
      bool is_new =
          p.tensors[t].per_sample &&
          !(p.producers[t] != none && remat::few<int, 8>(p.operations[p.producers[t]].saved).size > 0 &&
            std::ranges::find(p.operations[p.producers[t]].saved, t) != p.operations[p.producers[t]].saved.end());
      for (int other : o.inputs) is_new = is_new && other != t;
      if (is_new) o.inputs.push_back(t);
    }
    if (o.inputs.size == 0) o.inputs.push_back(0);
    for (int t : o.inputs) std::erase(unread, t);
    const int outputs = is_last ? 1 : 1 + (chance(10) ? 1 : 0);
    for (int k = 0; k < outputs; ++k) {
      const bool keeps_shape = o.inputs.size == 1 && outputs == 1 && chance(60);
      remat::tensor_shape shape = keeps_shape ? p.tensors[o.inputs[0]] : random_shape();
      if (is_last) shape = {remat::element::float32, false, 0, {}};
      o.outputs.push_back(p.add_tensor(shape, i));
      unread.push_back(o.outputs[k]);
    }
    if (chance(25)) o.saved.push_back(p.add_tensor(random_shape(), i));
    o.in_place = o.inputs.size == 1 && outputs == 1 && p.tensors[o.inputs[0]] == p.tensors[o.outputs[0]] && chance(50);
    o.overwrites_input = chance(30);
    const auto random_reads = [&] {
      const auto bits = [](int percent) { return static_cast<std::uint8_t>(chance(percent) ? 0xff : 0); };
      return remat::reads{bits(40), bits(30), bits(70)};
    };
    o.backward_input_reads = random_reads();
    o.backward_parameters_reads = random_reads();
    if (!is_last && outputs == 1 && chance(15)) o.gradient_through = remat::activation::relu;
    if (!is_last && (i == 0 || chance(40))) {
      o.parameters = 1;
      o.first_parameter = p.parameters.count();
      p.parameters.push_back(
          {remat::parameter("w", {static_cast<std::size_t>(pick(1, 9))}, remat::initial::constant(0)), i,
           o.first_parameter});
    }
    made.attributes.push_back(
        std::make_unique<traits>(traits{static_cast<std::uint32_t>(i), o.inputs.size, o.outputs.size, o.saved.size,
                                        o.backward_input_reads, o.backward_parameters_reads}));
    o.attributes = made.attributes.back().get();
    p.operations.push_back(o);
  }
  p.loss = p.operations.back().outputs[0];
  add_nodes(p, none, 0, 0, operations - 1);
  remat::node loss;
  loss.first = operations - 1;
  loss.last = operations;
  loss.name = "loss";
  loss.end = p.nodes.count() + 1;
  p.operations.back().node = p.nodes.count();
  p.nodes.push_back(loss);
  return made;
}

struct keep_even {
  static constexpr remat::decision decide(const remat::operation_view& o) {
    return o.kind == "even" ? remat::decision::keep : remat::decision::recompute;
  }
};

void add_checkpoints(program& p) {
  const remat::checkpoint_setting policies[] = {remat::setting_of<remat::recompute_all>,
                                                remat::setting_of<remat::recompute_all>,
                                                remat::setting_of<remat::save_all>, remat::setting_of<keep_even>};
  for (remat::node& n : p.nodes) {
    if (n.name == "loss" || !chance(35)) continue;
    for (int around = chance(20) ? 2 : 1; around > 0; --around) {
      remat::checkpoint_setting setting = policies[pick(0, 4)];
      if (n.is_sequential && chance(60)) setting.children = static_cast<std::size_t>(pick(1, 4));
      n.checkpoints.push_back(setting);
    }
  }
}

// --- what must hold
// ---------------------------------------------------------------------------------------------------

/// Every read finds its buffer defined and alive, no two storages that live at once overlap, nothing is recomputed that
/// nobody reads.
void check_soundness(const plan& made) {
  const auto& buffers = made.steps.buffers;
  std::vector<bool> is_read(buffers.size());
  for (int now = 0; now < made.steps.actions.count(); ++now) {
    const action& a = made.steps.actions[now];
    const bool computes = a.kind == action_kind::forward || a.kind == action_kind::recompute;
    const auto read = [&](int b) {
      if (b == none) return;
      RC_ASSERT(buffers[b].first < now || a.kind == action_kind::differentiate);
      RC_ASSERT(buffers[buffers[b].storage].last >= now);
      RC_ASSERT(buffers[b].last >= now);
      is_read[static_cast<std::size_t>(b)] = true;
    };
    for (int b : a.inputs) read(b);
    if (!computes && a.kind != action_kind::load && a.kind != action_kind::seed) {
      for (int b : a.outputs) read(b);
      for (int b : a.saved) read(b);
    }
    for (int b : a.output_gradients) read(b);
  }
  for (int now = 0; now < made.steps.actions.count(); ++now) {
    const action& a = made.steps.actions[now];
    if (a.kind != action_kind::recompute) continue;
    bool somebody_reads = false;
    for (int b : a.outputs) somebody_reads = somebody_reads || is_read[static_cast<std::size_t>(b)];
    for (int b : a.saved) somebody_reads = somebody_reads || is_read[static_cast<std::size_t>(b)];
    RC_ASSERT(somebody_reads);
  }
  for (int i = 0; i < buffers.count(); ++i)
    for (int k = 0; k < i; ++k) {
      const buffer &a = buffers[i], &b = buffers[k];
      if (a.storage != i || b.storage != k || a.last < b.first || b.last < a.first) continue;
      RC_ASSERT(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset);
    }
  RC_ASSERT(made.activation_bytes >= made.live_bytes);
}

std::vector<std::byte> run(const program& p, const plan& made) {
  remat::parameter_store store(p, 1);
  remat::executor e(p, made, store);
  remat::arena arena;
  arena.reserve(e.needed());
  arena.bind(e);
  std::vector<std::vector<float>> inputs;
  std::vector<remat::source> sources;
  for (int i = 0; i < p.inputs; ++i) {
    inputs.emplace_back(p.tensors[i].elements(made.batch), static_cast<float>(i) + 0.5f);
    sources.push_back(remat::source_of(inputs.back()));
  }
  float loss = 0;
  const std::span<std::byte> result = std::as_writable_bytes(std::span(&loss, 1));
  e.run({7, 3}, sources, std::span(&result, 1));
  for (auto kind :
       {action_kind::forward, action_kind::recompute, action_kind::backward_input, action_kind::backward_parameters})
    RC_ASSERT(e.executed(kind) == remat::count(made, kind));
  std::vector<std::byte> bytes(sizeof loss);
  std::memcpy(bytes.data(), &loss, sizeof loss);
  for (const auto& view : store.views()) {
    const auto gradient = std::as_bytes(view.gradient);
    bytes.insert(bytes.end(), gradient.begin(), gradient.end());
  }
  return bytes;
}

/// What placement made of a program.
struct placed {
  std::size_t region = 0, live = 0;
  remat::list<remat::detail::storage> storages;

  double ratio() const { return static_cast<double>(region) / static_cast<double>(std::max<std::size_t>(1, live)); }
};

/// A line for each placement over 1.1, and for the worst three, beside the optimum for its size.
std::string beside_the_optimum(const std::vector<placed>& placements) {
  std::ostringstream lines;
  for (std::size_t i = 0; i < placements.size(); ++i) {
    const placed& p = placements[i];
    if (p.region == p.live || (p.ratio() <= 1.1 && i >= 3)) break;
    const exact_placement exact = exact_placement_search(p.storages).run(p.region, 200'000);
    lines << "\n  " << p.storages.size() << " storages, live maximum " << p.live << ": " << p.region << " ("
          << p.ratio() << "), ";
    if (exact.at_least == exact.at_most)
      lines << "the optimum is " << exact.at_most;
    else
      lines << "the optimum is " << exact.at_least << " to " << exact.at_most;
  }
  return lines.str();
}

void check_programs(int programs, int largest) {
  std::vector<placed> placements;
  std::size_t recomputed = 0;
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = programs;
  const auto result = rc::detail::checkTestable(
      [&] {
        random_program random = make_program(pick(2, largest));
        program plain = random.value;
        add_checkpoints(random.value);
        const std::size_t batch = static_cast<std::size_t>(pick(1, 4));
        const plan saved = remat::plan_training(plain, batch), checked = remat::plan_training(random.value, batch);
        check_soundness(saved);
        check_soundness(checked);
        RC_ASSERT(remat::kept_bytes(checked) <= remat::kept_bytes(saved));
        RC_ASSERT(remat::count(saved, action_kind::recompute) == 0u);
        RC_ASSERT(run(plain, saved) == run(random.value, checked));
        placements.push_back({checked.activation_bytes, checked.live_bytes, remat::detail::storages_of(checked.steps)});
        recomputed += remat::count(checked, action_kind::recompute);
      },
      rc::detail::TestMetadata(), params);
  INFO(result);
  REQUIRE(result.template is<rc::detail::SuccessResult>());
  std::ranges::sort(placements, std::greater(), &placed::ratio);
  const double percentile = placements[placements.size() / 100].ratio();
  WARN(placements.size() << " programs, " << recomputed << " recomputations; arena / live maximum: 99th percentile "
                         << percentile << ", largest " << placements.front().ratio() << beside_the_optimum(placements));
  CHECK(percentile <= 1.05);
  CHECK(recomputed > placements.size() / 4);
}

}  // namespace

TEST_CASE("plans of random programs are sound and bit-exact") { check_programs(300, 30); }
TEST_CASE("plans of longer random programs are sound and bit-exact", "[long]") { check_programs(2'000, 120); }
