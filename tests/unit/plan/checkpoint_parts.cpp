// SPDX-License-Identifier: MIT
#include "random_tree.hpp"
#include "segment_ranges.hpp"

#include <remat/plan/divided_checkpoints.hpp>
#include <remat/plan/segments.hpp>

#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

namespace checkpoint_parts_tests {

using remat::strategy::contiguous, remat::strategy::each, remat::strategy::group;

template <class Strategy, class Policy = remat::recompute_all>
constexpr remat::checkpoint_setting setting = remat::setting_of<Policy, Strategy>;

std::string split(const remat::program& p) {
  std::string text;
  for (const auto& s : remat::split_checkpoints(p)) text += remat::split_checkpoint_text(p, s) + "\n";
  return text;
}

std::string ignored(const remat::program& p) {
  std::string text;
  for (const auto& i : remat::ignored_checkpoints(p)) text += remat::path_of(p, i.node) + "\n";
  return text;
}

/// a (0); b of six blocks with two operations each (1 to 12); c (13).
remat::program blocks(const remat::checkpoint_setting& outer, tree::checkpoints around_b = {},
                      bool blocks_are_sequential = true) {
  tree t;
  t.open("", true, {outer}).layer("a").open("b", true, around_b);
  for (int i = 0; i < 6; ++i) t.open("", blocks_are_sequential).layers({"k", "l"}).close();
  return t.close().layer("c").close().program();
}

TEST_CASE("a child that is a sequential is checkpointed in parts, each of which counts as a child on its stage") {
  const std::vector<int> cuts{5};
  CHECK(ranges_of(cut(blocks(setting<each>), cuts)) == std::vector<operation_range>{{0, 1}, {1, 5}, {5, 13}, {13, 14}});
  CHECK(ranges_of(cut(blocks(setting<contiguous>), cuts)) == std::vector<operation_range>{{0, 5}, {5, 14}});
  CHECK(ranges_of(cut(blocks(setting<group<2>>), cuts)) == std::vector<operation_range>{{0, 5}, {5, 14}});
  CHECK(ranges_of(cut(blocks(setting<group<1>>), cuts)) == ranges_of(cut(blocks(setting<each>), cuts)));
  CHECK(split(cut(blocks(setting<each>), cuts)) ==
        "checkpointing 'b' in parts: b.0 to b.1 on stage 0, b.2 to b.5 on stage 1\n");
  CHECK(ignored(cut(blocks(setting<each>), cuts)).empty());
  CHECK(split(cut(blocks(setting<each>), {1, 13})).empty());  // between children
  CHECK(split(cut(blocks(setting<each>), {3, 5, 13})) ==
        "checkpointing 'b' in parts: b.0 on stage 0, b.1 on stage 1, b.2 to b.5 on stage 2\n");
}

TEST_CASE("parts go on into grandchildren that are sequentials") {
  const remat::program p = cut(blocks(setting<each>), {6});
  CHECK(ranges_of(p) == std::vector<operation_range>{{0, 1}, {1, 6}, {6, 13}, {13, 14}});
  CHECK(split(p) == "checkpointing 'b' in parts: b.0 to b.2.k on stage 0, b.2.l to b.5 on stage 1\n");
}

TEST_CASE("a grandchild that is no sequential is ignored, and the parts around it stay") {
  const remat::program whole = blocks(setting<each>, {}, false);
  const remat::program p = cut(whole, {6});
  CHECK(ranges_of(p) == std::vector<operation_range>{{0, 1}, {1, 5}, {7, 13}, {13, 14}});
  CHECK(split(p) == "checkpointing 'b' in parts: b.0 to b.1 on stage 0, b.3 to b.5 on stage 1\n");
  CHECK(ignored(p) == "b.2\n");
  // Stage 1 begins and ends in a block.
  const remat::program twice = cut(whole, {6, 8});
  CHECK(ranges_of(twice) == std::vector<operation_range>{{0, 1}, {1, 5}, {9, 13}, {13, 14}});
  CHECK(ignored(twice) == "b.2\nb.3\n");
}

TEST_CASE("checkpoints inside a part nest in it, and the last group of a chain in one is left out") {
  const auto nested = blocks(setting<contiguous>, {setting<each>});
  CHECK(ranges_of(cut(nested, {5})) ==
        std::vector<operation_range>{{0, 5}, {1, 3}, {3, 5}, {5, 14}, {5, 7}, {7, 9}, {9, 11}, {11, 13}});
  CHECK(ranges_of(cut(nested, {6})) ==
        std::vector<operation_range>{{0, 6}, {1, 3}, {3, 5}, {5, 6}, {6, 14}, {6, 7}, {7, 9}, {9, 11}, {11, 13}});
  const auto chain = blocks(setting<contiguous>, {setting<contiguous, remat::every<2>>});
  CHECK(ranges_of(cut(chain, {7})) == std::vector<operation_range>{{0, 7}, {1, 5}, {7, 14}, {7, 11}});
  // The chain itself: a, b's part, then b's part, c.
  CHECK(ranges_of(cut(blocks(setting<contiguous, remat::every<1>>), {7})) ==
        std::vector<operation_range>{{0, 1}, {1, 7}, {7, 13}});
}

TEST_CASE("checkpoints inside what is ignored still count, on both stages") {
  const auto c = remat::setting_of<remat::recompute_all>;
  tree t;
  t.open("", true, {setting<each>}).open("b").open("block", false, {c}).layer("x", {c}, 2).layer("y", {c}, 2);
  t.open("inner", true, {setting<group<2>>}).layers({"k", "l", "m"}).close().close().layer("z").close().layer("end");
  const remat::program p = t.close().program();
  CHECK(ranges_of(p) == std::vector<operation_range>{{0, 8}, {0, 7}, {0, 2}, {2, 4}, {4, 6}, {6, 7}, {8, 9}});
  CHECK(ranges_of(cut(p, {2})) == std::vector<operation_range>{{0, 2}, {2, 4}, {4, 6}, {6, 7}, {7, 8}, {8, 9}});
  CHECK(ignored(cut(p, {3})) == "b.block\nb.block.y\n");
  CHECK(ranges_of(cut(p, {3})) == std::vector<operation_range>{{0, 2}, {4, 6}, {6, 7}, {7, 8}, {8, 9}});
  CHECK(split(cut(p, {3})) == "checkpointing 'b' in parts: b.z on stage 1\n");
  CHECK(ranges_of(cut(p, {5})) == std::vector<operation_range>{{0, 2}, {2, 4}, {4, 5}, {5, 7}, {7, 8}, {8, 9}});
}

TEST_CASE("stages change nothing but what is on two of them") {
  require_law(400, [] {  // what is checkpointed stays so, on one stage, except for what is ignored
    remat::program p =
        random_tree({setting<each>, setting<contiguous>, setting<group<2>>, setting<group<3>>}).program();
    const int operations = p.operations.count();
    std::vector<bool> was(static_cast<std::size_t>(operations)), is = was, may_be_lost = was;
    for (const remat::segment& s : remat::segments_of(p, {}))
      for (int i = s.first; i < s.last; ++i) was[static_cast<std::size_t>(i)] = true;
    for (int i = 1; i < operations; ++i) p.operations[i].stage = p.operations[i - 1].stage + (draw(0, 4) == 0 ? 1 : 0);
    const auto segments = remat::segments_of(p, {});
    int first = 0;
    for (const remat::segment& s : segments) {
      RC_ASSERT(p.operations[s.first].stage == p.operations[s.last - 1].stage);
      for (int i = s.first; i < s.last; ++i) is[static_cast<std::size_t>(i)] = true;
      if (s.parent == remat::core::none) {  // siblings follow each other
        RC_ASSERT(s.first >= first);
        first = s.last;
      } else {
        RC_ASSERT(segments[s.parent].first <= s.first);
        RC_ASSERT(segments[s.parent].last >= s.last);
      }
    }
    for (const remat::ignored_checkpoint& each : remat::ignored_checkpoints(p)) {
      const remat::module_node& n = p.nodes[each.node];
      RC_ASSERT(!n.is_sequential);
      RC_ASSERT(p.operations[n.first].stage < p.operations[n.last - 1].stage);
      for (int i = n.first; i < n.last; ++i) may_be_lost[static_cast<std::size_t>(i)] = true;
    }
    for (std::size_t i = 0; i < was.size(); ++i) {
      RC_ASSERT(was[i] || !is[i]);
      RC_ASSERT(is[i] || !was[i] || may_be_lost[i]);
    }
    // Each stage alone has its segments of the whole.
    int at = 0;
    for (int stage = 0; stage <= p.operations.back().stage; ++stage)
      for (const remat::segment& s : remat::segments_of(p, {.covered = remat::slice_of_stage(p, stage)})) {
        RC_ASSERT(s.first == segments[at].first);
        RC_ASSERT(s.last == segments[at++].last);
      }
    RC_ASSERT(at == segments.count());
  });
  require_law(400, [] {  // the parts of what is split, and what is ignored in it, are all of it
    remat::program p =
        random_tree({setting<each>, setting<contiguous>, setting<group<2>>, setting<contiguous, remat::every<2>>})
            .program();
    for (int i = 1; i < p.operations.count(); ++i)
      p.operations[i].stage = p.operations[i - 1].stage + (draw(0, 4) == 0 ? 1 : 0);
    const auto ignored = remat::ignored_checkpoints(p);
    for (const remat::split_checkpoint& split : remat::split_checkpoints(p)) {
      const remat::module_node& n = p.nodes[split.node];
      RC_ASSERT(n.is_sequential);
      RC_ASSERT(!remat::stages_of(p, split.node).is_one());
      int at = n.first;
      const auto skip_ignored = [&](int to) {
        for (; at < to; ++at) {
          bool found = false;
          for (const remat::ignored_checkpoint& each : ignored)
            found = found || (p.nodes[each.node].first <= at && at < p.nodes[each.node].last);
          RC_ASSERT(found);
        }
      };
      for (const remat::checkpoint_part& part : split.parts) {
        skip_ignored(part.first);
        RC_ASSERT(part.first < part.last);
        RC_ASSERT(p.operations[part.first].stage == part.stage);
        RC_ASSERT(p.operations[part.last - 1].stage == part.stage);
        at = part.last;
        const std::string text = remat::part_text(p, split.node, part);  // names modules of the part
        const int named = remat::find_node(p, text.substr(0, text.find(' ')));
        RC_ASSERT(named != remat::core::none);
        RC_ASSERT(p.nodes[named].first == part.first);
      }
      skip_ignored(n.last);
    }
  });
}

static_assert([] {
  remat::program p;
  remat::module_node root, child, leaf[2];
  root.is_sequential = child.is_sequential = true;
  root.checkpoints.push_back(remat::setting_of<remat::recompute_all, each>);
  root.end = child.end = 4, child.parent = 0;
  root.last = child.last = 2;
  for (int i = 0; i < 2; ++i) {
    leaf[i].parent = 1, leaf[i].end = 3 + i, leaf[i].first = i, leaf[i].last = i + 1;
    p.operations.push_back({});
    p.operations.back().stage = i;
  }
  for (const remat::module_node& n : {root, child, leaf[0], leaf[1]}) p.nodes.push_back(n);
  return remat::segments_of(p, {}).size() == 2 && remat::split_checkpoints(p)[0].parts.size() == 2;
}());

}  // namespace checkpoint_parts_tests
