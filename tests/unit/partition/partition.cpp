// SPDX-License-Identifier: MIT
#include "plan/tree.hpp"
#include "temporary_folder.hpp"

#include <remat/model/lower.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/mse_loss.hpp>
#include <remat/nn/relu.hpp>
#include <remat/nn/tanh.hpp>
#include <remat/partition/partition.hpp>
#include <remat/partition/partition_file.hpp>
#include <remat/partition/stage_log.hpp>
#include <remat/partition/stage_policies.hpp>
#include <remat/plan/fuse.hpp>
#include <remat/schedule/schedule_option.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace partition_tests {

namespace nn = remat::nn;
namespace partition = remat::partition;
using Catch::Matchers::Contains;

constexpr auto whole = remat::setting_of<remat::recompute_all>;
constexpr auto each = remat::setting_of<remat::recompute_all, remat::strategy::each>;

/// features: a b c (operations 0 to 2); classifier: fc1, relu without an operation, fc2 (3 and 4); the loss (5).
remat::program small() {
  return tree()
      .open("")
      .open("features")
      .layers({"a", "b", "c"})
      .close()
      .open("classifier")
      .layer("fc1")
      .layer("relu", {}, 0)
      .layer("fc2")
      .close()
      .close()
      .layer("loss")
      .program();
}

/// The stages of the operations: "0 0 1".
std::string stages(remat::program p, const partition::setting& s, const partition::request& r = {}) {
  remat::assign_stages(p, s, r);
  std::string text;
  for (const remat::operation& o : p.operations) text += (text.empty() ? "" : " ") + std::to_string(o.stage);
  return text;
}

void refuses(const remat::program& p, const partition::setting& s, const partition::request& r,
             const std::string& text) {
  CAPTURE(text);
  CHECK_THROWS_WITH(stages(p, s, r), Contains(text));
  CHECK_THROWS_AS(stages(p, s, r), remat::error);
}

/// Six children of two operations each, of which a checkpoint goes around each, and the loss.
remat::program pairs() {
  tree t;
  t.open("", true, {each});
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) t.layer(name, {}, 2);
  return t.close().layer("loss").program();
}

TEST_CASE("partitions by hand", "[dist][partition]") {
  CHECK(stages(small(), partition::in_type) == "0 0 0 0 0 0");
  CHECK(stages(cut(small(), {1, 4}), partition::in_type) == "0 1 1 1 2 2");
  CHECK(stages(small(), partition::boundaries({})) == "0 0 0 0 0 0");
  CHECK(stages(small(), partition::boundaries({2, 5}), {.stages = 3}) == "0 0 1 1 1 2");
  CHECK(stages(small(), partition::at({"classifier"})) == "0 0 0 1 1 1");
  CHECK(stages(small(), partition::at({"features.b", "classifier.relu", "loss"})) == "0 1 1 1 2 3");
  CHECK(stages(small(), partition::by_path({{"features", 0}, {"classifier", 1}})) == "0 0 0 1 1 1");
  CHECK(stages(small(), partition::by_path({{"classifier", 1}})) == "0 0 0 1 1 1");
  CHECK(stages(small(), partition::by_path({{"loss", 2}, {"features.c", 1}})) == "0 0 1 1 1 2");
  CHECK(stages(small(), partition::by_path({{"", 0}, {"classifier", 1}})) == "0 0 0 1 1 1");
  CHECK(stages(small(), partition::by_path({{"classifier", 1}, {"classifier.fc2", 2}})) == "0 0 0 1 2 2");
  CHECK(stages(small(), partition::by_path({{"features", 0}, {"features.b", 1}, {"features.c", 1}, {"loss", 1}})) ==
        "0 1 1 1 1 1");
  CHECK(stages(small(), partition::by_path({{"classifier.relu", 1}})) == "0 0 0 0 1 1");
}

TEST_CASE("nodes have the stage of their first operation", "[dist][partition]") {
  remat::program p = small();
  CHECK(remat::assign_stages(p, partition::at({"features.c", "classifier.fc2"})).empty());
  std::string text;
  for (const remat::module_node& n : p.nodes) text += std::to_string(n.stage);
  CHECK(text ==
        "0"
        "0001"
        "1112"
        "2");
}

TEST_CASE("a partition by hand that is impossible is refused", "[dist][partition]") {
  refuses(small(), partition::boundaries({0}), {}, "the boundary 0 is not accepted; boundaries rise from 1 to 5");
  refuses(small(), partition::boundaries({6}), {}, "the boundary 6 is not accepted");
  refuses(small(), partition::boundaries({3, 2}), {}, "the boundary 2 is not accepted");
  refuses(small(), partition::boundaries({2, 2}), {}, "the boundary 2 is not accepted");
  refuses(small(), partition::boundaries({2}), {.stages = 3},
          "the partition 'boundaries' has 2 stages, and 3 are needed; give every stage from 0 to 2 a part of the "
          "model, or ask for 2");
  refuses(small(), partition::at({"conv"}), {}, "no module has the path 'conv'");
  refuses(small(), partition::at({"features"}), {}, "the boundary 'features' is the start of the model");
  refuses(small(), partition::at({"classifier", "features.b"}), {},
          "the boundary 'features.b' is not after 'classifier'; name modules in the program's order");
  refuses(small(), partition::at({"classifier.relu", "classifier.fc2"}), {},
          "the boundary 'classifier.fc2' is not after 'classifier.relu'");
  refuses(small(), partition::by_path({{"x", 0}}), {}, "no module has the path 'x'");
  refuses(small(), partition::by_path({{"features", -1}}), {}, "stages are numbered from 0");
  refuses(small(), partition::by_path({{"features", 0}, {"features", 1}}), {}, "'features' is given two stages");
  refuses(small(), partition::by_path({{"features.b", 1}, {"classifier", 0}}), {},
          "stage numbers must not fall along the program, and 'classifier' is given stage 0 after 'features.b' on "
          "stage 1");
  refuses(small(), partition::by_path({{"features", 0}, {"features.b", 1}}), {},
          "'features' is given stage 0 after 'features.b' on stage 1");
  refuses(small(), partition::by_path({{"features.b", 2}}), {},
          "the partition 'by_path' leaves stage 1 empty; every stage from 0 to 2 needs an operation");
  refuses(small(), partition::by_path({{"classifier.relu", 1}, {"classifier.fc2", 2}}), {}, "leaves stage 1 empty");
  refuses(small(), partition::by_path({{"features", 1}}), {}, "leaves stage 0 empty");
  const partition::setting wild{"wild", false, [](const remat::program&, const partition::request&) {
                                  return remat::core::list<int>{0, 1, 0, 1, 1, 1};
                                }};
  refuses(small(), wild, {}, "the partition 'wild' puts 'features.c' on stage 0, after 'features.b' on stage 1");
  const partition::setting brief{"brief", false, [](const remat::program&, const partition::request&) {
                                   return remat::core::list<int>{0, 1};
                                 }};
  refuses(small(), brief, {}, "'brief' gives 2 stages for 6 operations");
}

TEST_CASE("a refused partition leaves the program as it was", "[dist][partition]") {
  remat::program p = pairs();
  CHECK_THROWS(remat::assign_stages(p, partition::boundaries({3})));
  for (const remat::operation& o : p.operations) CHECK(o.stage == 0);
}

TEST_CASE("by hand, a checkpoint is within one stage", "[dist][partition]") {
  for (int boundary = 1; boundary < 13; ++boundary) {
    CAPTURE(boundary);
    if (boundary % 2 == 0)
      CHECK_NOTHROW(stages(pairs(), partition::boundaries({boundary})));
    else
      refuses(pairs(), partition::boundaries({boundary}), {},
              "a child of a checkpointed sequential must be within one stage, and '" +
                  std::string(1, static_cast<char>('a' + boundary / 2)) +
                  "' is on stages 0 and 1; move the boundary to its start or end, or the checkpoint into it");
  }
  const remat::program block =
      tree().open("").open("block", false, {whole}).layers({"a", "b"}).close().close().program();
  const std::string text =
      "a checkpointed module that is no sequential must be within one stage, and 'block' is on stages 0 and 1; move "
      "the "
      "boundary to its start or end, or checkpoint its parts";
  refuses(block, partition::boundaries({1}), {}, text);
  refuses(block, partition::by_path({{"block.b", 1}}), {}, text);
  refuses(cut(block, {1}), partition::in_type, {}, text);
}

TEST_CASE("automatic partitions", "[dist][partition]") {
  CHECK(stages(small(), partition::uniform, {.stages = 2}) == "0 0 0 1 1 1");
  CHECK(stages(small(), partition::uniform, {.stages = 6}) == "0 1 2 3 4 5");
  remat::program p = small();
  p.operations[0].flops = 5;
  p.operations[5].flops = 0;
  CHECK(stages(p, partition::balanced, {.stages = 2}) == "0 1 1 1 1 1");
  CHECK(stages(p, partition::balanced, {.stages = 6}) == "0 1 2 3 4 5");
  remat::operation_costs costs = remat::no_costs(p, 1);
  for (std::size_t i = 0; i < 6; ++i) costs.operations[i].forward = i == 5 ? 9 : 1;
  CHECK(stages(p, partition::balanced(costs), {.stages = 2}) == "0 0 0 0 0 1");  // the loss alone
  CHECK(stages(p, partition::balanced(costs), {.stages = 3}).ends_with("1 2"));
}

TEST_CASE("memory is balanced by the bytes that are given for each stage", "[dist][partition]") {
  // Stage s of 3 holds 3 - s micro-batches.
  const auto bytes = [](int first, int last, int stage) { return static_cast<double>((last - first) * (3 - stage)); };
  remat::program p = tree().open("").layers({"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}).close().program();
  CHECK(stages(p, partition::balanced_memory, {.stages = 3, .bytes = bytes}) == "0 0 1 1 1 2 2 2 2 2 2");
  CHECK(stages(p, partition::balanced_memory(std::numeric_limits<std::size_t>::max()), {.stages = 3, .bytes = bytes}) ==
        "0 0 1 1 1 2 2 2 2 2 2");
  CHECK(stages(p, partition::balanced_memory(3), {.stages = 3, .bytes = bytes}).starts_with("0 0 "));
  CHECK(stages(p, partition::balanced_memory(0), {.stages = 11, .bytes = bytes}) == "0 1 2 3 4 5 6 7 8 9 10");
  // Estimates are of all stages that there may be, and bytes of the chosen ones alone.
  int found = 0, guessed = 0;
  const auto planned = [&](int first, int last, int stage) { return ++found, bytes(first, last, stage); };
  const auto estimated = [&](int first, int last, int stage) { return ++guessed, bytes(first, last, stage); };
  CHECK(stages(p, partition::balanced_memory, {.stages = 3, .bytes = planned, .estimated_bytes = estimated}) ==
        "0 0 1 1 1 2 2 2 2 2 2");
  CHECK(found == 3);
  CHECK(guessed > 30);
  // A budget of 14 is too small for more than 14 layers, which then keep all.
  tree deep;
  deep.open("");
  for (int i = 0; i < 40; ++i) deep.layers({std::to_string(i)});
  const auto kept = [](int first, int last, int) { return last - first > 14 ? 100.0 + last - first : 14.0; };
  const auto allowed = [](int, int, int) { return 14.0; };
  remat::program balanced = deep.close().program();
  remat::assign_stages(balanced, partition::balanced_memory, {.stages = 3, .bytes = kept, .estimated_bytes = allowed});
  int layers[3] = {};
  for (const remat::operation& o : balanced.operations) ++layers[o.stage];
  CHECK(*std::ranges::max_element(layers) <= 14);
  // Four stages on two ranks, of which the first pays twice for stage 0: (1 * 2 + 2) and (2 + 1).
  const auto twice = [](int first, int last, int stage) {
    return static_cast<double>((last - first) * (stage == 0 ? 2 : 1));
  };
  p = small();
  remat::assign_stages(p, partition::balanced_memory, {.stages = 4, .ranks = 2, .bytes = twice});
  double on_rank[2] = {};
  for (const remat::operation& o : p.operations) on_rank[o.stage % 2] += o.stage == 0 ? 2 : 1;
  CHECK(std::max(on_rank[0], on_rank[1]) == 4);
}

TEST_CASE("an automatic partition that is impossible is refused", "[dist][partition]") {
  for (const partition::setting& s :
       std::vector<partition::setting>{partition::uniform, partition::balanced, partition::balanced_memory}) {
    refuses(small(), s, {.stages = 0}, "an automatic partition needs the number of its stages");
    refuses(small(), s, {.stages = 7}, "the model has 6 operations, and 7 stages are asked for; ask for 1 to 6");
    refuses(small(), s, {.stages = 2, .ranks = 3}, "2 stages do not fit on 3 ranks; take 1 to 2 ranks");
  }
  refuses(small(), partition::balanced_memory, {.stages = 2}, "needs the bytes of a stage");
  remat::operation_costs costs = remat::no_costs(small(), 1);
  costs.operations[2].path = "features.d";
  refuses(small(), partition::balanced(costs), {.stages = 2},
          "operation 2 of the costs is 'features.d' (linear), and that of the model is 'features.c' (linear)");
  costs.operations.pop_back();
  refuses(small(), partition::balanced(costs), {.stages = 2}, "the costs are of 5 operations, and the model has 6");
}

TEST_CASE("a checkpoint is cut where balance asks for it", "[dist][partition]") {
  const std::vector<partition::setting> settings{partition::uniform, partition::balanced, partition::balanced_memory};
  // 13 operations, 2 in each child: the largest stage has 13 / count of them, rounded up. Where that is odd, stages
  // begin and end within a child.
  for (const partition::setting& s : settings)
    for (int count = 1; count <= 13; ++count) {
      CAPTURE(s.name, count);
      remat::program p = pairs();
      const auto ignored = remat::assign_stages(
          p, s, {.stages = count, .bytes = [](int first, int last, int) { return double(last - first); }});
      std::vector<int> sizes(static_cast<std::size_t>(count));
      for (const remat::operation& o : p.operations) ++sizes[static_cast<std::size_t>(o.stage)];
      const int most = (13 + count - 1) / count;
      CHECK(*std::max_element(sizes.begin(), sizes.end()) == most);
      CHECK(ignored.empty() == (count <= 4 || count == 6 || count == 7));
      CHECK(remat::segments_of(p, {}).count() == 6 - ignored.count());
    }
}

TEST_CASE("what an automatic partition skips is a warning with a name", "[dist][partition]") {
  remat::program p = tree()
                         .open("")
                         .layer("a")
                         .open("block", false, {whole})
                         .layer("x")
                         .layer("y", {whole}, 2)
                         .close()
                         .close()
                         .program();
  const auto ignored = remat::assign_stages(p, partition::uniform, {.stages = 3});
  std::vector<remat::warning> heard;
  remat::send_warnings_to([&](const remat::warning& w) { heard.push_back(w); });
  remat::warn_of_skipped_checkpoints(p, ignored);
  remat::send_warnings_to({});
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].name == "skipped_checkpoint");
  CHECK(heard[0].text ==
        "Skipping activation checkpointing for module 'block': it is on stages 1 and 2 of the automatic partition, and "
        "it is no sequential, which would be checkpointed in parts; what it holds is kept");
  const auto segments = remat::segments_of(p, {});
  REQUIRE(segments.count() == 1);
  CHECK((segments[0].first == 2 && segments[0].last == 4));  // block.y stays checkpointed
}

TEST_CASE("each stage has a budget for what it runs, whatever is cut through, by hand as well", "[dist][partition]") {
  using budget = remat::budget<1000>;
  constexpr auto limit = remat::setting_of<budget>, of_each = remat::setting_of<budget, remat::strategy::each>;
  const auto ranges = [](remat::program p, const partition::setting& how, int count) {
    CHECK(remat::assign_stages(p, how, {.stages = count}).empty());
    std::vector<std::pair<int, int>> found;
    for (const remat::segment& s : remat::segments_of(p, {})) found.emplace_back(s.first, s.last);
    return found;
  };
  // A block of x, y and a chain of two, between a and z.
  const auto model = [](const remat::checkpoint_setting& c, bool is_sequential, bool has_inner) {
    tree t;
    t.open("", is_sequential, {c}).layer("a").open("block", false);
    if (has_inner)
      t.open("inner", false, {whole}).layers({"x", "y"}).close();
    else
      t.layers({"x", "y"});
    return t.open("chain").layers({"k", "l"}).close().close().layer("z").close().program();
  };
  using all = std::vector<std::pair<int, int>>;
  for (const bool has_inner : {false, true}) {
    CHECK(ranges(model(limit, false, false), partition::boundaries({2, 4}), 3) == all{{0, 2}, {2, 4}, {4, 6}});
    CHECK(ranges(model(limit, true, has_inner), partition::uniform, 3) == all{{0, 2}, {2, 4}, {4, 6}});
    CHECK(ranges(model(of_each, true, false), partition::boundaries({2}), 2) == all{{0, 1}, {1, 2}, {2, 5}, {5, 6}});
  }
  remat::program p = model(limit, false, false);
  remat::assign_stages(p, partition::boundaries({2}));
  CHECK(remat::checkpoint_log(p) ==
        "checkpointing the model in parts: a to block.x on stage 0, block.y to z on stage 1\n");
  CHECK(remat::cross_nothing(remat::cuts_of(p)));
  // A checkpoint around it, or in it where the partition is by hand, is within one stage as ever.
  refuses(model(limit, true, true), partition::boundaries({2}), {}, "'block.inner' is on stages 0 and 1");
  CHECK(remat::cross_nothing(remat::cuts_of(model(limit, true, true))));  // an automatic one need not look at it
}

TEST_CASE("what is logged of budgets on several stages is what has them", "[dist][partition]") {
  constexpr auto limit = remat::setting_of<remat::budget<1000>>;
  const auto model = [](tree::checkpoints around) {
    return cut(tree()
                   .open("", true, around)
                   .layer("a")
                   .open("b", false)
                   .layers({"x", "y"})
                   .close()
                   .layer("z")
                   .close()
                   .program(),
               {2});
  };
  const std::string parts = "checkpointing the model in parts: a to b.x on stage 0, b.y to z on stage 1\n";
  CHECK_THAT(remat::checkpoint_log(model({limit})), Contains(parts));
  // A checkpoint around or inside of the budget says nothing of what is cut through.
  for (const remat::program& p : {model({limit, whole}), model({whole, limit})}) {
    CHECK(remat::ignored_checkpoints(p).empty());
    CHECK_THAT(remat::checkpoint_log(p), Contains("'b' in parts: b.x on stage 0, b.y on stage 1"));
  }
  remat::program p = model({whole});
  CHECK(remat::ignored_checkpoints(p).count() == 1);
  remat::set_stage_policies(p, {{0, remat::budget{1000}}, {1, remat::budget{1000}}});
  CHECK(remat::ignored_checkpoints(p).empty());
  CHECK_THAT(remat::checkpoint_log(p), Contains(parts));
  p = model({limit});
  remat::set_stage_policies(p, {{1, remat::save_all{}}});
  CHECK(remat::checkpoint_log(p) ==
        "checkpointing the model in parts: a to b.x on stage 0\ncheckpointing 'b' in parts: b.x on stage 0\n");
}

TEST_CASE("a stage's own budget holds for what is cut through", "[dist][partition]") {
  remat::program p = tree().open("", true).open("block", false, {whole}).layers({"x", "y"}).close().close().program();
  const auto skipped = remat::assign_stages(p, partition::uniform, {.stages = 2});
  CHECK(skipped.count() == 1);
  remat::set_stage_policies(p, {{0, remat::budget{1000}}, {1, remat::budget{1000}}});
  CHECK(remat::ignored_checkpoints(p).empty());
  CHECK(remat::segments_of(p, {}).count() == 2);
  remat::set_stage_policies(p, {{1, remat::budget{1000}}});
  CHECK(remat::ignored_checkpoints(p).count() == 1);  // on stage 0
  CHECK(remat::segments_of(p, {}).count() == 1);
}

TEST_CASE("recomputation counts in the balance", "[dist][partition]") {
  using layer = nn::linear<8, 8>;
  using inside = remat::sequential<layer, nn::relu, layer, nn::relu, layer, nn::relu>;
  using net = remat::sequential<remat::named<"plain", inside>, remat::named<"checked", remat::checkpoint<inside>>>;
  const remat::program p = remat::fuse(remat::lower<net, remat::tensor<float, 8>, nn::mse_loss>());
  const remat::core::list<double> costs = remat::step_costs(p, remat::counted_costs(p, 4));
  REQUIRE(costs.count() == 7);
  CHECK(costs[0] * 3 == Approx(costs[1] * 2));  // no gradient of the input
  CHECK(costs[3] * 3 == Approx(costs[1] * 4));  // forward, twice backward, and again
  CHECK(costs[5] == Approx(costs[1]));          // its output is kept in any case
}

TEST_CASE("the log descends where a module is on several stages", "[dist][partition]") {
  remat::program p = small();
  remat::assign_stages(p, partition::boundaries({}));
  CHECK(remat::partition_log(p) == "Partition assignments:\nmain: 0\nloss: 0\n");
  remat::assign_stages(p, partition::at({"classifier"}));
  CHECK(remat::partition_log(p) == "Partition assignments:\nmain: 0\nloss: 1\nfeatures: 0\nclassifier: 1\n");
  remat::assign_stages(p, partition::at({"features.c", "classifier.fc2"}));
  CHECK(remat::partition_log(p) ==
        "Partition assignments:\nmain: 0\nloss: 2\nfeatures: 0\nclassifier: 1\nfeatures.a: 0\nfeatures.b: 0\n"
        "features.c: 1\nclassifier.fc1: 1\nclassifier.relu: 1\nclassifier.fc2: 2\n");
}

TEST_CASE("the log says which checkpoints are in parts", "[dist][partition]") {
  remat::program p = small();
  remat::assign_stages(p, partition::at({"features.c", "classifier.fc2"}));
  CHECK(remat::checkpoint_log(p).empty());
  p.nodes[0].checkpoints.push_back(each);
  CHECK(remat::checkpoint_log(p) ==
        "checkpointing 'features' in parts: features.a to features.b on stage 0, features.c on stage 1\n"
        "checkpointing 'classifier' in parts: classifier.fc1 on stage 1, classifier.fc2 on stage 2\n");
  p = small();
  remat::assign_stages(p, partition::at({"features.c", "classifier.fc2"}));
  p.nodes[1].checkpoints.push_back(whole);  // one segment on each stage
  CHECK(remat::checkpoint_log(p) ==
        "checkpointing 'features' in parts: features.a to features.b on stage 0, features.c on stage 1\n");
  p.nodes[1].checkpoints[0] = each;  // each child on its own, wherever the stages are
  CHECK(remat::checkpoint_log(p).empty());
  p.nodes[1].checkpoints.clear();
  p.nodes[0].checkpoints.push_back(whole);
  CHECK(remat::checkpoint_log(p).starts_with(
      "checkpointing the model in parts: features.a to features.b on stage 0, features.c to classifier.fc1 on stage "
      "1, classifier.fc2 on stage 2\n"));
}

TEST_CASE("the log says what stages cost and hold", "[dist][partition]") {
  using block = remat::sequential<nn::linear<16, 16>, nn::tanh>;
  using net = remat::sequential<remat::named<"seq", remat::repeat<12, block>>, nn::linear<16, 16>>;
  remat::program p = remat::lower<net, remat::tensor<float, 16>, nn::mse_loss>();
  remat::annotate(p, {remat::checkpoint_at("", remat::strategy::each{})});
  p = remat::fuse(std::move(p));
  const remat::schedule_table table = remat::schedule::one_f_one_b.make(2, 4);
  remat::assign_stages(p, partition::balanced, {.stages = 2, .batch = 8});
  REQUIRE(remat::split_checkpoints(p).count() == 1);
  const auto stages = remat::summarize_stages(p, table, 8, remat::counted_costs(p, 8));
  REQUIRE(stages.size() == 2);
  CHECK(stages[0].cost_share + stages[1].cost_share == Approx(1));
  CHECK(std::max(stages[0].cost_share, stages[1].cost_share) < 0.55);
  CHECK(stages[0].weights + stages[1].weights == 13 * (16 * 16 + 16) * sizeof(float));
  const auto plans = remat::stage_plans(p, table, 8);
  for (std::size_t s = 0; s < 2; ++s) {
    CHECK(stages[s].kept == remat::kept_bytes(plans[s]));
    CHECK(stages[s].in_flight == 2 - static_cast<int>(s));
  }
  CHECK(remat::stage_log({{0, 0.5125, 1'580'000, 3'100'000, 2}, {1, 0.4875, 10'000, 0, 0}}, 64) ==
        "stage 0: cost 51.3 %, weights 1.58 MB, kept 3.10 MB per micro-batch of 64 samples, 2 in flight\n"
        "stage 1: cost 48.8 %, weights 0.01 MB\n");
  // By measured costs, whatever the batch that they were measured at.
  remat::operation_costs costs = remat::no_costs(p, 3);
  costs.operations[0].forward = 1;
  CHECK(remat::summarize_stages(p, table, 8, costs)[0].cost_share == 1);
  CHECK(partition::setting(partition::balanced(costs)).costs->batch == 3);
  // Without a loss there is nothing to keep.
  const remat::program forward = remat::fuse(remat::lower<net, remat::tensor<float, 16>>());
  const auto one = remat::summarize_stages(forward, remat::forward_only_like(remat::schedule::gpipe.make(1, 4), 4), 8,
                                           remat::counted_costs(forward, 8));
  CHECK((one.size() == 1 && one[0].kept == 0 && one[0].in_flight == 0 && one[0].cost_share == 1));
}

TEST_CASE("a partition from a file", "[dist][partition]") {
  const temporary_folder folder;
  const auto from = [&](const std::string& text) { return partition::from_file(folder.write("p.json", text)); };
  CHECK(stages(small(), from(R"({"classifier": 1, "loss": 2})")) == "0 0 0 1 1 2");
  CHECK(stages(small(), from("{}")) == "0 0 0 0 0 0");
  CHECK_THROWS_WITH(partition::from_file("/no/such/file"),
                    Contains("/no/such/file: cannot be opened (No such file or directory); a partition is a"));
  for (const auto& [text, what] : std::vector<std::pair<std::string, std::string>>{
           {"", "is no JSON ("},
           {"{\"a\": 1", "is no JSON ("},
           {std::string("{\"a\": 1}\0x", 10), "is no JSON (it holds a zero byte"},
           {"3", "is no JSON object"},
           {"[0]", "is no JSON object"},
           {"{\"a\": {}}", "nests deeper than 1 level"},
           {"{\"a\": -1}", "gives 'a' no stage number; a whole number from 0 to 1000000 is accepted"},
           {"{\"a\": 1.5}", "gives 'a' no stage number"},
           {"{\"a\": \"1\"}", "gives 'a' no stage number"},
           {"{\"a\": 99999999999}", "gives 'a' no stage number"},
           {"{\"a\": 1, \"a\": 2}", "has 'a' twice"}}) {
    CAPTURE(text);
    CHECK_THROWS_WITH(from(text), Contains("p.json: ") && Contains(what));
    CHECK_THROWS_AS(from(text), remat::data_error);
  }
}

}  // namespace partition_tests
