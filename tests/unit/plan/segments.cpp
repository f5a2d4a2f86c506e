// SPDX-License-Identifier: MIT
#include "segment_ranges.hpp"
#include "tree.hpp"

#include <remat/model/lower.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/divided_checkpoints.hpp>
#include <remat/plan/segments.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace segments_tests {

using layer = remat::nn::linear<4, 4>;

template <class Net>
std::vector<operation_range> segments() {
  return ranges_of(remat::lower<Net, remat::tensor<float, 4>>());
}

/// "path: first-last" of each checkpoint that is ignored.
std::vector<std::string> ignored(const remat::program& p) {
  std::vector<std::string> found;
  for (const auto& each : remat::ignored_checkpoints(p))
    found.push_back(remat::path_of(p, each.node) + ": " + std::to_string(each.stages.first) + "-" +
                    std::to_string(each.stages.last));
  return found;
}

template <class Strategy, class Policy = remat::recompute_all>
constexpr remat::checkpoint_setting setting = remat::setting_of<Policy, Strategy>;

/// Six children of one operation, or of two each.
remat::program six(const remat::checkpoint_setting& checkpoint, int operations = 1) {
  tree t;
  t.open("", true, {checkpoint});
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) t.layer(name, {}, operations);
  return t.close().program();
}

template <class Strategy, class... M>
using checked = remat::checkpoint_sequential<remat::sequential<M...>, Strategy>;

TEST_CASE("strategies group the children of a sequential") {
  using remat::strategy::contiguous, remat::strategy::each, remat::strategy::group;
  CHECK(segments<checked<each, layer, layer, layer>>() == std::vector<operation_range>{{0, 1}, {1, 2}, {2, 3}});
  CHECK(segments<checked<contiguous, layer, layer, layer>>() == std::vector<operation_range>{{0, 3}});
  CHECK(segments<checked<group<2>, layer, layer, layer, layer, layer>>() ==
        std::vector<operation_range>{{0, 2}, {2, 4}, {4, 5}});
  CHECK(segments<remat::checkpoint<remat::sequential<layer, layer>>>() == std::vector<operation_range>{{0, 2}});
  CHECK(segments<remat::checkpoint<layer>>() == std::vector<operation_range>{{0, 1}});
}

TEST_CASE("a group never crosses a stage, and grouping starts anew after it") {
  using remat::strategy::contiguous, remat::strategy::group;
  using c = remat::on_stage<1, layer>;
  CHECK(segments<checked<group<3>, layer, layer, c, layer, layer>>() == std::vector<operation_range>{{0, 2}, {2, 5}});
  CHECK(segments<checked<contiguous, layer, layer, c, layer, layer>>() == std::vector<operation_range>{{0, 2}, {2, 5}});
  CHECK(segments<checked<group<2>, layer, layer, layer, c, layer, layer>>() ==
        std::vector<operation_range>{{0, 2}, {2, 3}, {3, 5}, {5, 6}});
}

TEST_CASE("checkpoints nest") {
  using inner = remat::checkpoint<remat::sequential<layer, layer>>;
  const remat::program p = remat::lower<
      remat::checkpoint<remat::sequential<layer, inner, remat::checkpoint<remat::sequential<layer, inner>>>>,
      remat::tensor<float, 4>>();
  const auto found = remat::segments_of(p, {});
  REQUIRE(found.size() == 4);
  CHECK((found[0].first == 0 && found[0].last == 6 && found[0].parent == remat::core::none));
  CHECK((found[1].first == 1 && found[1].last == 3 && found[1].parent == 0));
  CHECK((found[2].first == 3 && found[2].last == 6 && found[2].parent == 0));
  CHECK((found[3].first == 4 && found[3].last == 6 && found[3].parent == 2));
}

TEST_CASE("a checkpoint directly around another nests, too") {
  using grouped =
      remat::checkpoint_sequential<remat::sequential<layer, layer, layer, layer>, remat::strategy::group<2>>;
  CHECK(segments<remat::checkpoint<grouped>>() == std::vector<operation_range>{{0, 4}, {0, 2}, {2, 4}});
  CHECK(segments<remat::checkpoint<remat::named<"a", grouped>>>() ==
        std::vector<operation_range>{{0, 4}, {0, 2}, {2, 4}});
  CHECK(segments<remat::checkpoint<remat::checkpoint<remat::sequential<layer, layer>>, remat::save_all>>() ==
        std::vector<operation_range>{{0, 2}});
}

TEST_CASE("a checkpoint in a checkpoint of the same operations says nothing new") {
  CHECK(segments<remat::checkpoint<remat::named<"a", remat::checkpoint<layer>>>>() ==
        std::vector<operation_range>{{0, 1}});
  CHECK(segments<remat::checkpoint<remat::sequential<remat::checkpoint<layer>>>>() ==
        std::vector<operation_range>{{0, 1}});
}

TEST_CASE("groups at every boundary of a sequential of six") {
  using remat::strategy::group;
  const std::vector<std::pair<remat::checkpoint_setting, std::size_t>> strategies{
      {setting<remat::strategy::each>, 1},
      {setting<group<2>>, 2},
      {setting<group<3>>, 3},
      {setting<group<4>>, 4},
      {setting<group<6>>, 6},
      {setting<remat::strategy::contiguous>, 6}};
  for (const auto& [strategy, most] : strategies)
    for (int boundaries = 0; boundaries < 1 << 5; ++boundaries) {  // a bit for each place between two children
      std::vector<int> cuts;
      std::vector<operation_range> wanted;
      for (int i = 0, first = 0; i < 6; ++i) {
        const bool ends_stage = i == 5 || (boundaries >> i & 1) != 0;
        if (ends_stage && i < 5) cuts.push_back(i + 1);
        if (!ends_stage && static_cast<std::size_t>(i + 1 - first) < most) continue;
        wanted.emplace_back(first, i + 1);
        first = i + 1;
      }
      CAPTURE(most, cuts);
      const remat::program p = cut(six(strategy), cuts);
      CHECK(ranges_of(p) == wanted);
      CHECK(ignored(p).empty());
    }
}

TEST_CASE("a b | c d e in threes gives (a b) (c d e)") {
  const remat::program p =
      tree().open("", true, {setting<remat::strategy::group<3>>}).layers({"a", "b", "c", "d", "e"}).close().program();
  CHECK(ranges_of(cut(p, {2})) == std::vector<operation_range>{{0, 2}, {2, 5}});
}

TEST_CASE("a child that is on two stages is in no group") {
  using remat::strategy::contiguous, remat::strategy::each, remat::strategy::group;
  // Children of two operations each: an odd boundary goes through one.
  for (int child = 0; child < 6; ++child) {
    const int boundary = 2 * child + 1;
    const std::string name(1, static_cast<char>('a' + child));
    std::vector<operation_range> alone, together, pairs;
    for (int c = 0; c < 6; ++c)
      if (c != child) alone.emplace_back(2 * c, 2 * c + 2);
    if (child > 0) together.emplace_back(0, 2 * child);
    if (child < 5) together.emplace_back(2 * child + 2, 12);
    for (const operation_range& side : together)
      for (int first = side.first; first < side.second; first += 4)
        pairs.emplace_back(first, std::min(first + 4, side.second));
    CAPTURE(child);
    for (const auto& [strategy, wanted] : {std::pair{setting<each>, alone}, std::pair{setting<contiguous>, together},
                                           std::pair{setting<group<2>>, pairs}}) {
      const remat::program p = cut(six(strategy, 2), {boundary});
      CHECK(ranges_of(p) == wanted);
      CHECK(ignored(p) == std::vector<std::string>{name + ": 0-1"});
    }
  }
}

TEST_CASE("a straddling checkpoint is skipped, and those inside it and around it stay") {
  const auto c = remat::setting_of<remat::recompute_all>;
  tree t;
  t.open("", true, {setting<remat::strategy::group<2>>});
  t.layers({"a", "b"});
  t.open("block", false, {c});  // operations 2 to 8
  t.layer("x").layer("y", {c}).open("inner", true, {setting<remat::strategy::each>}).layers({"k", "l", "m"}).close();
  t.layer("z");
  t.close();
  t.layers({"d", "e"});
  const remat::program p = t.close().program();
  CHECK(ranges_of(p) == std::vector<operation_range>{{0, 2}, {2, 9}, {2, 8}, {3, 4}, {4, 5}, {5, 6}, {6, 7}, {9, 10}});
  CHECK(ranges_of(cut(p, {5})) == std::vector<operation_range>{{0, 2}, {3, 4}, {4, 5}, {5, 6}, {6, 7}, {8, 10}});
  CHECK(ignored(cut(p, {5})) == std::vector<std::string>{"block: 0-1"});
  CHECK(ignored(cut(p, {5, 6, 7})) == std::vector<std::string>{"block: 0-3"});
  CHECK(ignored(cut(p, {2, 8})).empty());
}

TEST_CASE("a straddling child of a sequential with two checkpoints is left out of both") {
  const remat::program p =
      cut(tree()
              .open("", true, {setting<remat::strategy::contiguous>, setting<remat::strategy::each>})
              .layer("a")
              .layer("b")
              .layer("c", {}, 2)
              .layer("d")
              .layer("e")
              .close()
              .program(),
          {3});
  CHECK(ranges_of(p) == std::vector<operation_range>{{0, 2}, {0, 1}, {1, 2}, {4, 6}, {4, 5}, {5, 6}});
  CHECK(ignored(p) == std::vector<std::string>{"c: 0-1"});
}

TEST_CASE("a chain policy cuts anew on each stage, and leaves out the last group of the last stage alone") {
  using remat::every, remat::square_root, remat::strategy::contiguous;
  const remat::program pairs = six(setting<contiguous, every<2>>);
  CHECK(ranges_of(pairs) == std::vector<operation_range>{{0, 2}, {2, 4}});
  CHECK(ranges_of(cut(pairs, {3})) == std::vector<operation_range>{{0, 2}, {2, 3}, {3, 5}});
  CHECK(ranges_of(cut(pairs, {5})) == std::vector<operation_range>{{0, 2}, {2, 4}, {4, 5}});
  CHECK(ranges_of(cut(six(setting<contiguous, square_root>), {4})) == std::vector<operation_range>{{0, 2}, {2, 4}});
  // The roots of 2 children before, and of 3 after the child that straddles.
  CHECK(ranges_of(cut(six(setting<contiguous, square_root>, 2), {5})) == std::vector<operation_range>{{0, 4}, {6, 10}});
  // The chain ends, and the program goes on: on the same stage, and on another.
  tree t;
  t.open("").open("chain", true, {setting<contiguous, every<2>>}).layers({"a", "b", "c", "d"}).close().layer("e");
  const remat::program followed = t.close().program();
  CHECK(ranges_of(followed) == std::vector<operation_range>{{0, 2}});
  CHECK(ranges_of(cut(followed, {2})) == std::vector<operation_range>{{0, 2}});
  CHECK(ranges_of(cut(followed, {4})) == std::vector<operation_range>{{0, 2}, {2, 4}});
}

TEST_CASE("places that a strategy names begin segments on every stage, in addition to the stages") {
  const auto at = [](std::vector<std::string> paths) {
    return remat::checkpoint_setting{remat::recompute_all{}, remat::strategy::at(std::move(paths))};
  };
  const remat::program p = six(at({"c", "e"}));
  CHECK(ranges_of(p) == std::vector<operation_range>{{0, 2}, {2, 4}, {4, 6}});
  CHECK(ranges_of(cut(p, {2})) == ranges_of(p));
  CHECK(ranges_of(cut(p, {3})) == std::vector<operation_range>{{0, 2}, {2, 3}, {3, 4}, {4, 6}});
  CHECK(ranges_of(cut(p, {1, 5})) == std::vector<operation_range>{{0, 1}, {1, 2}, {2, 4}, {4, 5}, {5, 6}});
  // Inside a child that is a sequential and that a stage divides, too; it has a checkpoint of its own.
  tree t;
  t.open("", true, {at({"b.y", "c"})}).layer("a");
  t.open("b", true, {setting<remat::strategy::contiguous>}).layers({"x", "y", "z"}).close();
  const remat::program inside = t.layer("c").layer("d").close().program();
  CHECK(ranges_of(inside) == std::vector<operation_range>{{0, 2}, {1, 2}, {2, 4}, {4, 6}});
  CHECK(ranges_of(cut(inside, {3})) == std::vector<operation_range>{{0, 2}, {1, 2}, {2, 3}, {3, 4}, {4, 6}});
  CHECK(remat::split_checkpoints(inside).empty());
  CHECK(ignored(cut(inside, {3})).empty());
}

TEST_CASE("a stage may have a policy of its own, and keeps its groups unless the policy brings some") {
  using remat::every, remat::save_all, remat::strategy::group;
  const remat::program cut_once = cut(six(setting<group<2>>), {3});
  const auto with = [&](int stage, const remat::checkpoint_setting& own) {
    remat::program p = cut_once;
    p.stage_policies.push_back({stage, own.policy});
    return p;
  };
  CHECK(ranges_of(cut_once) == std::vector<operation_range>{{0, 2}, {2, 3}, {3, 5}, {5, 6}});
  CHECK(ranges_of(with(0, remat::setting_of<save_all>)) == std::vector<operation_range>{{3, 5}, {5, 6}});
  CHECK(ranges_of(with(1, remat::setting_of<save_all>)) == std::vector<operation_range>{{0, 2}, {2, 3}});
  CHECK(ranges_of(with(2, remat::setting_of<save_all>)) == ranges_of(cut_once));
  CHECK(ranges_of(with(0, remat::setting_of<every<3>>)) == std::vector<operation_range>{{0, 3}, {3, 5}, {5, 6}});
  const remat::program named = with(1, remat::setting_of<remat::save_named<"a">>);
  CHECK(ranges_of(named) == ranges_of(cut_once));
  for (const remat::segment& s : segments_of(named, {}))
    CHECK(s.policy == (s.first < 3 ? "recompute_all" : "save_named"));
  // Nested, and of a module that is no sequential.
  tree t;
  t.open("").open("block", false, {remat::setting_of<remat::recompute_all>}).layer("a").layer("b").close().layer("c");
  const remat::program block = t.close().program();
  remat::program off = cut(block, {2});
  off.stage_policies.push_back({0, save_all{}});
  CHECK(ranges_of(cut(block, {2})) == std::vector<operation_range>{{0, 2}});
  CHECK(ranges_of(off).empty());
}

TEST_CASE("the last group of a chain inside a segment is left out on every stage") {
  const remat::program p = cut(tree()
                                   .open("", true, {setting<remat::strategy::each>})
                                   .open("chain", true, {setting<remat::strategy::contiguous, remat::every<2>>})
                                   .layers({"a", "b", "c", "d"})
                                   .close()
                                   .layer("e")
                                   .close()
                                   .program(),
                               {4});
  CHECK(ranges_of(p) == std::vector<operation_range>{{0, 4}, {0, 2}, {4, 5}});
}

TEST_CASE("a module that is fused away is with the one before it") {
  tree t;
  t.open("", true, {setting<remat::strategy::group<2>>}).layer("a").layer("relu", {}, 0).layer("b").layer("c");
  const remat::program p = t.close().program();
  CHECK(ranges_of(p) == std::vector<operation_range>{{0, 1}, {1, 3}});
  CHECK(ranges_of(cut(p, {1})) == std::vector<operation_range>{{0, 1}, {1, 3}});
  CHECK(ranges_of(cut(p, {2})) == std::vector<operation_range>{{0, 1}, {1, 2}, {2, 3}});
}

static_assert([] {
  remat::program p =
      remat::lower<checked<remat::strategy::group<3>, layer, layer, remat::on_stage<1, layer>, layer, layer>,
                   remat::tensor<float, 4>>();
  return remat::segments_of(p, {}).size() == 2 && remat::ignored_checkpoints(p).empty();
}());

}  // namespace segments_tests
