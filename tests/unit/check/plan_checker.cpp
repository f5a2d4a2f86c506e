// SPDX-License-Identifier: MIT
// The checker of plans accepts what the planner makes, and rejects plans into which a fault was put: of bytes, of
// order, of what is computed again, of cost.
#include "plan/random_chains.hpp"
#include "plan/uniform_chain.hpp"

#include <remat/check/plan_checker.hpp>
#include <remat/plan/certify.hpp>
#include <remat/plan/fuse.hpp>
#include <remat/remat.hpp>

#include <networks/networks.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace plan_checker_tests {

using remat::action, remat::action_kind, remat::buffer, remat::plan, remat::program;
using remat::core::none;

/// A plan under a budget with what it claims, into which faults are put.
struct claimed {
  const program* of;
  plan made;
  remat::certificate certified;

  remat::plan_check check() const {
    return remat::check_plan(*of, made, {.limit = certified.limit, .certified = &certified});
  }
};

class chance {
 public:
  explicit chance(unsigned seed) : random_(seed) {}
  /// One of those that fit; none where there is none.
  std::optional<int> pick(int all, const std::function<bool(int)>& fits) {
    std::vector<int> found;
    for (int i = 0; i < all; ++i)
      if (fits(i)) found.push_back(i);
    if (found.empty()) return std::nullopt;
    return found[random_() % found.size()];
  }

 private:
  std::mt19937 random_;
};

bool mentions(const action& a, int b) {
  for (const auto* some : {&a.inputs, &a.outputs, &a.saved, &a.input_gradients, &a.output_gradients})
    for (const int each : *some)
      if (each == b) return true;
  return false;
}
bool reads(const action& a, int b) {
  for (const auto* some : {&a.inputs, &a.output_gradients})
    for (const int each : *some)
      if (each == b) return true;
  return false;
}
bool computes(const action& a) { return a.kind == action_kind::forward || a.kind == action_kind::recompute; }
bool goes_back(const action& a) {
  return a.kind == action_kind::backward || a.kind == action_kind::backward_input ||
         a.kind == action_kind::backward_parameters;
}

bool transfers(const action& a) {
  return a.kind == action_kind::begin_write || a.kind == action_kind::finish_write ||
         a.kind == action_kind::begin_read || a.kind == action_kind::finish_read;
}

/// Leaves an action out; everything after it happens one action sooner.
void drop(plan& made, int dropped) {
  remat::core::list<action> rest;
  for (int i = 0; i < made.steps.actions.count(); ++i)
    if (i != dropped) rest.push_back(made.steps.actions[i]);
  made.steps.actions = rest;
  for (buffer& b : made.steps.buffers)
    for (int* at : {&b.first, &b.last})
      if (*at > dropped || *at == rest.count()) --*at;
  for (remat::section& s : made.steps.sections)
    for (int* at : {&s.first, &s.last})
      if (*at > dropped) --*at;
}

/// Faults, each of which puts one into the plan where it has a place for it.
using fault = bool (*)(claimed&, chance&);
struct named_fault {
  const char* name;
  fault put;
};
const named_fault faults[] = {
    {"a region that is too small",
     [](claimed& c, chance&) {
       c.made.regions[0].bytes -= remat::alignment;
       c.made.activation_bytes -= remat::alignment;
       c.certified.plan_bytes -= remat::alignment;
       return true;
     }},
    {"a limit that is passed",
     [](claimed& c, chance&) {
       c.certified.limit = c.certified.plan_bytes - 1;
       return true;
     }},
    {"a buffer that is too small",
     [](claimed& c, chance& random) {
       const auto b =
           random.pick(c.made.steps.buffers.count(), [&](int k) { return c.made.steps.buffers[k].bytes > 4; });
       c.made.steps.buffers[*b].bytes -= 4;
       return true;
     }},
    {"two buffers in one place",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.buffers;
       const auto is_root = [&](int k) { return all[k].allocation == k && all[k].bytes > 0; };
       const auto meets = [&](int a, int b) {
         return a != b && all[a].first <= all[b].last && all[b].first <= all[a].last;
       };
       const auto one = random.pick(all.count(), [&](int a) {
         return is_root(a) && random.pick(all.count(), [&](int b) { return is_root(b) && meets(a, b); });
       });
       if (!one) return false;
       const auto other = random.pick(all.count(), [&](int b) { return is_root(b) && meets(*one, b); });
       const std::size_t place = all[*other].offset;
       for (buffer& b : all)
         if (b.allocation == *one) b.offset = place;
       return true;
     }},
    {"a life that ends before the last read",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.buffers;
       const auto b = random.pick(all.count(), [&](int k) {
         return all[k].first < all[k].last && mentions(c.made.steps.actions[all[k].last], k);
       });
       if (!b) return false;
       --all[*b].last;
       return true;
     }},
    {"an action before the one whose result it reads",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.actions;
       const auto i = random.pick(all.count() - 1, [&](int k) {
         if (!computes(all[k])) return false;
         for (const int b : all[k].outputs)
           if (reads(all[k + 1], b)) return true;
         return false;
       });
       if (!i) return false;
       std::swap(all[*i], all[*i + 1]);
       return true;
     }},
    {"operations out of order",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.actions;
       const auto i = random.pick(all.count() - 1, [&](int k) {
         return all[k].kind == action_kind::forward && all[k + 1].kind == action_kind::forward;
       });
       if (!i) return false;
       std::swap(all[*i], all[*i + 1]);
       return true;
     }},
    {"a recomputation that is left out",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.actions;
       const auto i = random.pick(all.count(), [&](int k) { return all[k].kind == action_kind::recompute; });
       if (!i) return false;
       drop(c.made, *i);
       return true;
     }},
    {"a half of backward that is left out",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.actions;
       const auto i = random.pick(all.count(), [&](int k) { return goes_back(all[k]); });
       drop(c.made, *i);
       return true;
     }},
    {"an operation that is differentiated twice",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.actions;
       const auto i = random.pick(all.count() - 1, [&](int k) { return goes_back(all[k]) && goes_back(all[k + 1]); });
       if (!i) return false;
       all[*i + 1] = all[*i];
       return true;
     }},
    {"a read of another tensor",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.actions;
       const auto i = random.pick(all.count(), [&](int k) { return computes(all[k]) && all[k].inputs.size > 0; });
       const int before = all[*i].inputs.values[0];
       const auto b = random.pick(c.made.steps.buffers.count(), [&](int k) {
         const buffer& each = c.made.steps.buffers[k];
         return !each.is_gradient && each.tensor != c.made.steps.buffers[before].tensor && each.bytes > 0;
       });
       all[*i].inputs.values[0] = *b;
       return true;
     }},
    {"a recomputation from what is gone",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.actions;
       const auto i = random.pick(all.count(), [&](int k) {
         return all[k].kind == action_kind::recompute && c.made.steps.buffers[all[k].inputs.values[0]].first > 0;
       });
       if (!i) return false;
       int& read = all[*i].inputs.values[0];
       const auto b = random.pick(c.made.steps.buffers.count(), [&](int k) {
         const buffer& each = c.made.steps.buffers[k];
         return !each.is_gradient && each.tensor == c.made.steps.buffers[read].tensor && each.last < *i;
       });
       if (!b) return false;
       read = *b;
       return true;
     }},
    {"a contribution that replaces the others",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.actions;
       const auto i = random.pick(all.count(), [&](int k) { return goes_back(all[k]) && all[k].accumulates[0]; });
       if (!i) return false;
       all[*i].accumulates[0] = false;
       return true;
     }},
    {"contributions in another order",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.actions;
       const auto first = [&](int k, int b) {
         for (int n = 0; n < all[k].input_gradients.size; ++n)
           if (all[k].input_gradients.values[n] == b) return n;
         return none;
       };
       for (int tries = 0; tries < 20; ++tries) {
         const auto later = random.pick(all.count(), [&](int k) { return goes_back(all[k]) && all[k].accumulates[0]; });
         if (!later) return false;
         const int b = all[*later].input_gradients.values[0];
         for (int sooner = *later - 1; sooner >= 0; --sooner) {
           const int n = goes_back(all[sooner]) ? first(sooner, b) : none;
           if (n == none || all[sooner].operation == all[*later].operation) continue;
           std::swap(all[sooner], all[*later]);
           std::swap(all[sooner].accumulates[0], all[*later].accumulates[n]);
           return true;
         }
       }
       return false;
     }},
    {"a transfer that is left out",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.actions;
       const auto i = random.pick(all.count(), [&](int k) { return transfers(all[k]); });
       if (!i) return false;
       drop(c.made, *i);
       return true;
     }},
    {"a transfer that ends before it begins",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.actions;
       const auto i = random.pick(all.count(), [&](int k) {
         return all[k].kind == action_kind::begin_write || all[k].kind == action_kind::begin_read;
       });
       if (!i) return false;
       for (int k = *i + 1; k < all.count(); ++k)
         if (transfers(all[k]) && all[k].outputs[0] == all[*i].outputs[0]) {
           std::swap(all[*i], all[k]);
           return true;
         }
       return false;
     }},
    {"a tensor that is read back once more, and never arrives",
     [](claimed& c, chance& random) {
       auto& all = c.made.steps.actions;
       const auto ends = random.pick(all.count(), [&](int k) { return all[k].kind == action_kind::finish_read; });
       if (!ends) return false;
       const auto begins = random.pick(*ends, [&](int k) {
         return all[k].kind == action_kind::begin_read && all[k].outputs[0] == all[*ends].outputs[0];
       });
       if (!begins) return false;
       all[*ends] = all[*begins];
       return true;
     }},
    {"a time of recomputation that is too small",
     [](claimed& c, chance&) {
       if (c.certified.time.recomputed == 0) return false;
       c.certified.time.recomputed *= 0.999;
       return true;
     }},
    {"a time of the backward pass that is too small",
     [](claimed& c, chance&) {
       c.certified.time.backward *= 0.99;
       return true;
     }},
    {"a bound above the plan",
     [](claimed& c, chance&) {
       c.certified.least_recomputed = c.certified.time.recomputed + 1;
       c.certified.least_on_disk = c.certified.time.sum() * 1.01;
       return true;
     }},
    {"other bytes than the plan takes", [](claimed& c, chance&) {
       c.certified.plan_bytes -= remat::alignment;
       return true;
     }}};

program with_budget(program p, double share) {
  for (remat::module_node& n : p.nodes) n.checkpoints.clear();
  p.nodes[0].checkpoints.push_back({remat::budget{remat::share_of_save_all(share)}});
  return p;
}
std::optional<claimed> plan_of(const program& p) {
  try {
    plan made = remat::plan_training(p, 2);
    const auto certified = remat::certify(p, {.batch = 2}, made);
    return claimed{&p, std::move(made), *certified};
  } catch (const remat::error&) {
    return std::nullopt;  // too small
  }
}

TEST_CASE(
    "plans under budgets are sound, within their bytes, and cost what they say; with a fault in them they are "
    "rejected") {
  std::vector<program> programs;
  for (unsigned seed = 0; seed < 12; ++seed)
    for (const double share : {0.5, 0.8})
      programs.push_back(with_budget(random_chains::maker(seed).chain(8 + static_cast<int>(seed), true), share));
  for (const char* name : {"gpt", "resnet", "unet", "several"})
    for (const double share : {0.4, 0.7})
      programs.push_back(with_budget(remat::fuse(networks::named(name).lower()), share));
  const program link = remat::fuse(remat::lower<remat::repeat<1, remat::nn::linear<8, 8>>, remat::tensor<float, 8>>());
  for (const int links : {14, 15, 20, 30, 45, 60}) {  // with a disk
    programs.push_back(uniform_chain::repeated(link, links, {remat::budget{remat::share_of_save_all(0.4)}}));
    const double rate = remat::counted_flops_per_second;
    programs.back().nodes[0].checkpoints[0].storage =
        remat::offload<remat::file>{.window = {.least_bytes = 1}, .rate = {rate, rate}};
  }
  std::size_t rejected = 0;
  std::vector<std::size_t> of_kind(std::size(faults));
  unsigned seed = 0;
  for (const program& p : programs) {
    const std::optional<claimed> sound = plan_of(p);
    if (!sound) continue;
    CHECK(sound->check().fault == "");
    for (std::size_t k = 0; k < std::size(faults); ++k) {
      claimed broken = *sound;
      chance random(++seed);
      if (!faults[k].put(broken, random)) continue;
      INFO(faults[k].name << ", seed " << seed);
      CHECK_FALSE(broken.check().holds());
      ++rejected, ++of_kind[k];
    }
  }
  CHECK(rejected >= 200);
  for (std::size_t k = 0; k < of_kind.size(); ++k) {
    INFO(faults[k].name);
    CHECK(of_kind[k] >= 5);
  }
}

TEST_CASE("a state that is updated in the backward pass is a fault") {
  const program p = remat::fuse(networks::named("resnet").lower());
  plan made = remat::plan_training(p, 2);
  CHECK(remat::check_plan(p, made).holds());
  auto& sections = made.steps.sections;
  for (int i = sections[remat::forward_section].last; i-- > 0;) {
    if (made.steps.actions[i].kind != action_kind::update_state) continue;
    sections[remat::forward_section].last = sections[remat::backward_section].first = i;
    break;
  }
  CHECK_THAT(remat::check_plan(p, made).fault, Catch::Contains("after the forward pass"));
}

TEST_CASE("a message in another section, and a write over what is sent, are faults of a stage's plan") {
  program p = remat::fuse(networks::named("resnet").lower());
  for (int i = p.operations.count() / 2; i < p.operations.count(); ++i) p.operations[i].stage = 1;
  const plan sound = remat::plan_training(p, 2, remat::slice_of_stage(p, 0, 2, true));
  REQUIRE(remat::check_plan(p, sound).fault == "");
  const auto sends = [&](int i) { return sound.steps.actions[i].kind == action_kind::send; };
  int sent = 0;
  while (!sends(sent)) ++sent;

  plan late = sound;
  late.steps.sections[remat::forward_section].last = late.steps.sections[remat::backward_section].first = sent;
  CHECK_THAT(remat::check_plan(p, late).fault, Catch::Contains("a message in another section"));

  plan over = sound;
  const buffer& held = sound.steps.buffers[sound.steps.actions[sent].inputs[0]];
  int moved = none;
  for (int b = 0; b < sound.steps.buffers.count(); ++b) {
    const buffer& each = sound.steps.buffers[b];
    if (each.first > held.last && each.bytes == held.bytes && each.allocation == b && each.port == none) moved = b;
  }
  REQUIRE(moved != none);
  const int place = held.allocation;
  for (buffer& each : over.steps.buffers)
    if (each.allocation == moved) {
      each.allocation = place;
      each.region = held.region;
      each.offset = held.offset;
      over.steps.buffers[place].last = std::max(over.steps.buffers[place].last, each.last);
    }
  CHECK_THAT(remat::check_plan(p, over).fault, Catch::Contains("which is sent"));
}

TEST_CASE("a transfer that is begun and not ended is a fault") {
  const program link = remat::fuse(remat::lower<remat::repeat<1, remat::nn::linear<8, 8>>, remat::tensor<float, 8>>());
  const program p = uniform_chain::repeated(
      link, 20, {remat::save_all{}, {}, remat::offload<remat::file>{.window = {.least_bytes = 1}}});
  plan made = remat::plan_training(p, 2);
  REQUIRE(remat::check_plan(p, made).fault == "");
  auto& steps = made.steps;
  int begins = 0;
  while (steps.actions[begins].kind != action_kind::begin_read) ++begins;
  // The tensor is read back once more, when all is done.
  const int end = steps.actions.count(), again = steps.buffers.count();
  action more = steps.actions[begins];
  steps.buffers[more.inputs[0]].last = end;
  buffer to = steps.buffers[more.outputs[0]];
  to.first = to.last = end;
  to.allocation = again;
  more.outputs.values[0] = again;
  steps.buffers.push_back(to);
  steps.actions.push_back(more);
  steps.sections.back().last = end + 1;
  CHECK_THAT(remat::check_plan(p, made).fault, Catch::Contains("is never ended"));
}

}  // namespace plan_checker_tests
