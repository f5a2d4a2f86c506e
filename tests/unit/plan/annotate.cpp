// SPDX-License-Identifier: MIT
#include <remat/core/policies.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/mse_loss.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/annotate.hpp>
#include <remat/plan/plan.hpp>

#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

namespace annotate_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using remat::checkpoint_at;

using layer = nn::linear<4, 4>;
struct straddling_block : remat::module {
  using body = remat::sequential<layer, remat::on_stage<1, layer>>;
};
using net = remat::sequential<remat::named<"a", remat::sequential<layer, layer, layer>>,
                              remat::checkpoint<remat::named<"b", layer>>, remat::named<"c", straddling_block>>;

remat::program annotated(const std::vector<checkpoint_at>& checkpoints) {
  remat::program p = remat::lower<net, remat::tensor<float, 4>>();
  remat::annotate(p, checkpoints);
  return p;
}

remat::core::list<remat::segment> segments(const remat::program& p) { return remat::segments_of(p, {}); }

TEST_CASE("values are as good as tags") {
  CHECK(segments(annotated({})).empty());
  const auto found = segments(annotated({checkpoint_at("a", remat::strategy::group<2>{})}));
  REQUIRE(found.size() == 2);
  CHECK((found[0].first == 0 && found[0].last == 2 && found[1].last == 3));
}

TEST_CASE("a policy without a strategy is that of a checkpoint around the module") {
  const auto found = segments(annotated({checkpoint_at("a", remat::every<2>{})}));
  const auto same = segments(annotated({checkpoint_at("a", remat::strategy::contiguous{}, remat::every<2>{})}));
  REQUIRE(found.size() == 2);
  REQUIRE(same.size() == 2);
  for (int k = 0; k < 2; ++k) {
    CHECK((found[k].first == same[k].first && found[k].last == same[k].last));
    CHECK(found[k].policy == "every");
  }
}

TEST_CASE("a path that the model does not have is refused, with those that it has") {
  CHECK_THROWS_WITH(annotated({checkpoint_at("d")}),
                    Contains("no module has the path 'd'") && Contains("'a', 'b', 'c'"));
}

TEST_CASE("the names that are near a path are those of the level where it leaves the model") {
  const auto refusal = [](const char* path) -> std::string {
    try {
      annotated({checkpoint_at(path)});
    } catch (const remat::error& e) {
      return e.what();
    }
    return {};
  };
  CHECK(refusal("a.12") == "no module has the path 'a.12'; 'a' has 'a.0', 'a.1', 'a.2'; the nearest is 'a.1'");
  CHECK_THAT(refusal("a.x.y"), Contains("'a' has 'a.0', 'a.1', 'a.2'"));
  CHECK(refusal("b.0") == "no module has the path 'b.0'; 'b' has no modules inside");
  CHECK_THAT(refusal("cc"), Contains("first level is 'a', 'b', 'c'; the nearest is 'c'"));
  CHECK_THAT(refusal("something"), !Contains("nearest"));
  CHECK_THAT(refusal("*.9"), Contains("'*' has '*.0', '*.1', '*.2'; the nearest is '*.0'"));
  CHECK_THAT(refusal("x.*.1"), Contains("no module has the path 'x.*.1'"));
  CHECK_THAT(refusal("2"), Contains("first level is 'a', 'b', 'c'"));  // a name is in the place of a position
  CHECK_THAT(refusal("a..1"), Contains("no module has the path 'a..1'"));
  CHECK_THAT(refusal("a.01"), Contains("the nearest is 'a.0'"));
}

TEST_CASE("who forgets or mistypes the beginning of a path is told all of it") {
  using inner = remat::sequential<remat::named<"h", remat::repeat<3, remat::sequential<remat::named<"mlp", layer>>>>>;
  remat::program p =
      remat::lower<remat::sequential<layer, remat::named<"transformer", inner>>, remat::tensor<float, 4>>();
  CHECK_THROWS_WITH(remat::annotate(p, {checkpoint_at("h.*.mlp")}), Contains("nearest is 'transformer.h.*.mlp'"));
  CHECK_THROWS_WITH(remat::annotate(p, {checkpoint_at("mlp")}), Contains("nearest is 'transformer.h.0.mlp'"));
  CHECK_THROWS_WITH(remat::annotate(p, {checkpoint_at("trasnformer.h.2")}), Contains("nearest is 'transformer.h.2'"));
  CHECK_THROWS_WITH(remat::annotate(p, {checkpoint_at("transformer.h.*.lmp")}),
                    Contains("'transformer.h.*' has 'transformer.h.*.mlp'; the nearest is 'transformer.h.*.mlp'"));
}

TEST_CASE("the checkpoints of the type stay unless others are given, of which there may be none") {
  const auto count = [](const remat::checkpoints& given) {
    remat::program p = remat::lower<net, remat::tensor<float, 4>>();
    remat::annotate(p, given);
    return segments(p).size();
  };
  CHECK(count({}) == 1);  // that of the type
  CHECK(count(remat::checkpoints::none()) == 0);
  CHECK(count({checkpoint_at("a")}) == 1);
  CHECK(count({checkpoint_at("a"), checkpoint_at("b")}) == 2);
  CHECK(count(std::vector<checkpoint_at>{}) == 0);
  remat::checkpoints some;
  CHECK_FALSE(some.replace_tags());
  some.push_back(checkpoint_at("a", remat::strategy::each{}));
  CHECK(some.size() == 1);
  CHECK(count(some) == 3);
  // As they were written before this type was one.
  CHECK(count({{}}) == 0);
  CHECK(count({{checkpoint_at("a"), checkpoint_at("b")}}) == 2);
}

TEST_CASE("a policy about kinds or names that its checkpoint does not hold is refused, with the nearest word") {
  using remat::kind, remat::save_named, remat::save_only;
  CHECK_THROWS_WITH(annotated({checkpoint_at("a", save_only<kind<"liner">>{})}),
                    Contains("the policy 'save_only' is about the kind 'liner', and the checkpointed module 'a' has no "
                             "module of it; there are 'linear'; the nearest is 'linear'"));
  CHECK_THROWS_WITH(annotated({checkpoint_at("", save_named<"a", "bb">{})}),
                    Contains("the name 'bb', and the model has no module of it; there are 'a', 'b', 'c'; the nearest"));
  CHECK_THROWS_WITH(annotated({checkpoint_at("a", save_named<"b">{})}),  // which is elsewhere
                    Contains("the checkpointed module 'a' has no module of it"));
  CHECK_THROWS_WITH(annotated({checkpoint_at("a", save_only<nn::relu>{})}), Contains("the kind 'relu'"));
  CHECK_THROWS_WITH(annotated({checkpoint_at("a", remat::recompute_only<kind<"linear">, kind<"relu">>{})}),
                    Contains("the kind 'relu'"));
  // A module's type cannot be misspelled: a list of such serves many models.
  CHECK_NOTHROW(annotated({checkpoint_at("a", save_only<nn::relu, layer>{})}));
  CHECK_NOTHROW(annotated({checkpoint_at("b", save_named<"b">{})}));
}

TEST_CASE("a strategy needs children") {
  CHECK_THROWS_WITH(annotated({checkpoint_at("b", remat::strategy::each{})}), Contains("'b' is no sequential"));
  CHECK_THROWS_WITH(annotated({checkpoint_at("c", remat::strategy::each{})}), Contains("'c' is no sequential"));
  CHECK_THROWS_WITH(annotated({checkpoint_at("*", remat::strategy::each{})}), Contains("'b' is no sequential"));
  CHECK_THROWS_WITH(annotated({checkpoint_at("b", remat::every<2>{})}), Contains("'b' is no sequential"));
  CHECK_NOTHROW(annotated({checkpoint_at("b", remat::strategy::each_if_sequential{})}));
}

TEST_CASE("checkpoints of one module within one another are one value, the first is the outermost") {
  const auto found = segments(annotated({checkpoint_at("a").around(remat::strategy::group<2>{})}));
  REQUIRE(found.size() == 3);
  CHECK((found[0].last == 3 && found[1].parent == 0 && found[1].last == 2 && found[2].first == 2));
  const checkpoint_at three = checkpoint_at("a").around().around(remat::save_all{});  // as many as one likes
  REQUIRE(three.settings.size() == 3);
  CHECK(three.settings[2].policy.name() == "save_all");
  CHECK(segments(annotated({three})).size() == 1);
}

TEST_CASE("a module is annotated once, through a pattern, too") {
  CHECK_THROWS_WITH(annotated({checkpoint_at("a"), checkpoint_at("a", remat::strategy::group<2>{})}),
                    Contains("a module is annotated once, and 'a' is annotated by 'a' twice"));
  CHECK_THROWS_WITH(annotated({checkpoint_at("a.*"), checkpoint_at("b"), checkpoint_at("a.1")}),
                    Contains("'a.1' is annotated by 'a.*' and by 'a.1'") && Contains(".around(inner)"));
  CHECK_THROWS_WITH(annotated({checkpoint_at("*.2"), checkpoint_at("a.*")}), Contains("'a.2' is annotated by '*.2'"));
  CHECK_THROWS_WITH(annotated({checkpoint_at("c.0"), checkpoint_at("c.0")}),
                    Contains("'c.0' is annotated by 'c.0' twice"));
  CHECK_NOTHROW(annotated({checkpoint_at("a.0"), checkpoint_at("a"), checkpoint_at("a.2")}));
}

TEST_CASE("a pattern matches every module that it fits, and a loss is named in full") {
  using remat::strategy::each_if_sequential;
  const auto paths = [](const remat::program& p) {
    std::string all;
    for (int n = 0; n < p.nodes.count(); ++n)
      if (!p.nodes[n].checkpoints.empty()) all += remat::path_of(p, n) + " ";
    return all;
  };
  CHECK(paths(annotated({checkpoint_at("a.*")})) == "a.0 a.1 a.2 ");
  CHECK(paths(annotated({checkpoint_at("*.1")})) == "a.1 c.1 ");
  remat::program p = remat::lower<remat::sequential<layer, layer>, remat::tensor<float, 4>, nn::mse_loss>();
  remat::annotate(p, {checkpoint_at("*", each_if_sequential{})});
  CHECK(paths(p) == "0 1 ");
  remat::annotate(p, {checkpoint_at("loss")});
  CHECK(paths(p) == "loss ");
}

TEST_CASE("a segment begins with each of the places that a strategy names") {
  using remat::strategy::at;
  const auto found = segments(annotated({checkpoint_at("a", at({"a.1", "a.2"}))}));
  REQUIRE(found.size() == 3);
  for (int k = 0; k < 3; ++k) CHECK((found[k].first == k && found[k].last == k + 1));
  CHECK(segments(annotated({checkpoint_at("a", remat::strategy::boundaries<"a.2">{})})).size() == 2);
}

TEST_CASE("places that no segment can begin with are refused") {
  const auto refused = [](const char* around, std::vector<std::string> places) {
    remat::program p = annotated({checkpoint_at(around, remat::strategy::at(std::move(places)))});
    remat::require_boundaries(p);
  };
  CHECK_THROWS_WITH(refused("a", {"a.7"}), Contains("no module has the path 'a.7'; 'a' has 'a.0', 'a.1', 'a.2'"));
  CHECK_THROWS_WITH(refused("a", {"b"}), Contains("'b', which is not inside 'a'"));
  CHECK_THROWS_WITH(refused("a", {"a.0"}), Contains("'a.0' is the start of 'a'"));
  CHECK_THROWS_WITH(refused("a", {"a.2", "a.1"}), Contains("'a.1' is not after 'a.2'"));
  CHECK_THROWS_WITH(refused("b", {"a.1"}), Contains("'b' is no sequential"));
  CHECK_NOTHROW(refused("a", {"a.1", "a.2"}));
}

TEST_CASE("a group or a link of none is refused at run time, too") {
  struct none_at_a_time : remat::recompute_all {
    std::size_t number = 0;
    constexpr std::size_t links(std::size_t) const { return number; }
  };
  CHECK_THROWS_WITH(checkpoint_at("a", remat::strategy::groups{0}), Contains("a group holds at least one child"));
  CHECK_THROWS_WITH(checkpoint_at("a", none_at_a_time{}), Contains("a segment holds at least one child"));
}

TEST_CASE("a checkpoint given at run time is within one stage, too") {
  CHECK_THROWS_WITH(annotated({checkpoint_at("c")}), Contains("'c' is on stages 0 and 1"));
  CHECK_THROWS_WITH(annotated({checkpoint_at("")}), Contains("'c' is on stages 0 and 1"));  // a child of the root
}

}  // namespace annotate_tests
