// SPDX-License-Identifier: MIT
// An annotation in the type, a value by path and tags that are written by hand are the same program and the same plan.
#include <remat/core/policies.hpp>
#include <remat/model/compose.hpp>
#include <remat/model/hana.hpp>
#include <remat/model/transform.hpp>
#include <remat/nn/concat.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/annotate.hpp>
#include <remat/plan/plan.hpp>

#include <catch2/catch.hpp>

#include <string>
#include <type_traits>
#include <vector>

namespace annotation_tests {

namespace nn = remat::nn;
namespace strategy = remat::strategy;
using remat::as_checkpointed, remat::as_checkpointed_at, remat::as_checkpointed_sequential, remat::as_named;
using remat::checkpoint_at;

using input = remat::tensor<float, 8>;
using layer = nn::linear<8, 8>;

/// A transformer's tree: what is in a block is given, so that tags can be written in it.
template <class Attn, class Mlp>
using block_of = remat::sequential<remat::named<"attn", Attn>, remat::named<"mlp", Mlp>>;
using attn = remat::residual<remat::sequential<nn::layer_norm<8>, layer>>;
using mlp = remat::sequential<layer, nn::relu, layer>;
using block = block_of<attn, mlp>;
template <class H>
using net_of =
    remat::sequential<remat::named<"wte", layer>,
                      remat::named<"transformer", remat::sequential<remat::named<"h", H>, nn::layer_norm<8>>>,
                      remat::named<"head", layer>>;
using net = net_of<remat::repeat<6, block>>;

/// Everything that checkpoints are in a program and its plan, line by line.
std::string text_of(const remat::program& lowered) {
  std::string text;
  for (int n = 0; n < lowered.nodes.count(); ++n) {
    text += remat::path_of(lowered, n) + ":";
    for (const remat::checkpoint_setting& each : lowered.nodes[n].checkpoints)
      text += " " + std::string(each.policy.name()) + "/" + std::to_string(each.strategy.children());
    text += "\n";
  }
  const remat::plan made = remat::plan_training(remat::fuse(lowered), 4);
  for (const remat::segment& s : made.segments)
    text += std::to_string(s.first) + "-" + std::to_string(s.last) + " in " + std::to_string(s.parent) + "\n";
  for (const remat::action& a : made.steps.actions) text += std::to_string(static_cast<int>(a.kind)) + " ";
  return text + std::to_string(made.activation_bytes) + " " + std::to_string(remat::kept_bytes(made));
}
template <class Net>
std::string in_type(Net = {}) {
  return text_of(remat::lower<Net, input>());
}
std::string as_values(const std::vector<checkpoint_at>& values) {
  remat::program p = remat::lower<net, input>();
  remat::annotate(p, values);
  return text_of(p);
}

TEST_CASE("an annotation is the tags that it means, and so is a value") {
  const auto same = [](auto annotated, auto by_hand, const std::vector<checkpoint_at>& values) {
    const std::string expected = in_type(by_hand);
    CHECK(expected != in_type(net{}));
    CHECK(in_type(annotated) == expected);
    CHECK(as_values(values) == expected);
  };
  SECTION("each child of a repeat") {
    same(as_checkpointed_at<"transformer.h">(net{}), net_of<remat::checkpoint_sequential<remat::repeat<6, block>>>{},
         {checkpoint_at("transformer.h", strategy::each{})});
  }
  SECTION("groups of them under a policy") {
    using policy = remat::save_only<remat::kind<"linear">>;
    same(as_checkpointed_at<"transformer.h", strategy::group<4>, policy>(net{}),
         net_of<remat::checkpoint_sequential<remat::repeat<6, block>, strategy::group<4>, policy>>{},
         {checkpoint_at("transformer.h", strategy::group<4>{}, policy{})});
  }
  SECTION("a chain policy") {
    same(as_checkpointed_at<"transformer.h", strategy::contiguous, remat::square_root>(net{}),
         net_of<remat::checkpoint<remat::repeat<6, block>, remat::square_root>>{},
         {checkpoint_at("transformer.h", remat::square_root{})});
  }
  SECTION("a module that is no sequential is checkpointed as one, in every block") {
    same(as_checkpointed_at<"transformer.h.*.attn">(net{}),
         net_of<remat::repeat<6, block_of<remat::checkpoint<attn>, mlp>>>{}, {checkpoint_at("transformer.h.*.attn")});
  }
  SECTION("a sequential in every block") {
    same(as_checkpointed_at<"transformer.h.*.mlp", strategy::contiguous>(net{}),
         net_of<remat::repeat<6, block_of<attn, remat::checkpoint<mlp>>>>{}, {checkpoint_at("transformer.h.*.mlp")});
  }
  SECTION("all that is in a block, sequential or not") {
    same(as_checkpointed_at<"transformer.h.*.*">(net{}),
         net_of<remat::repeat<6, block_of<remat::checkpoint<attn>, remat::checkpoint_sequential<mlp>>>>{},
         {checkpoint_at("transformer.h.*.*", strategy::each_if_sequential{})});
  }
  SECTION("one block of a repeat, which stays one") {
    using one = remat::sequential<block, block, block, remat::checkpoint<block>, block, block>;
    same(as_checkpointed_at<"transformer.h.3", strategy::contiguous>(net{}), net_of<one>{},
         {checkpoint_at("transformer.h.3")});
    using ends = remat::sequential<remat::checkpoint<block>, block, block, block, block, remat::checkpoint<block>>;
    same(as_checkpointed_at<"transformer.h.0", strategy::contiguous>(
             as_checkpointed_at<"transformer.h.5", strategy::contiguous>(net{})),
         net_of<ends>{}, {checkpoint_at("transformer.h.5"), checkpoint_at("transformer.h.0")});
  }
  SECTION("several around one another, in either order") {
    using both = net_of<
        remat::checkpoint_sequential<remat::repeat<6, block_of<attn, remat::checkpoint<mlp>>>, strategy::group<2>>>;
    const std::vector<checkpoint_at> values{checkpoint_at("transformer.h.*.mlp"),
                                            checkpoint_at("transformer.h", strategy::group<2>{})};
    same(as_checkpointed_at<"transformer.h.*.mlp", strategy::contiguous>(
             as_checkpointed_at<"transformer.h", strategy::group<2>>(net{})),
         both{}, values);
    same(as_checkpointed_at<"transformer.h", strategy::group<2>>(
             as_checkpointed_at<"transformer.h.*.mlp", strategy::contiguous>(net{})),
         both{}, values);
  }
  SECTION("the whole model") {
    same(as_checkpointed_at<"">(net{}), remat::checkpoint_sequential<net>{}, {checkpoint_at("", strategy::each{})});
  }
  SECTION("a part of a name") {
    same(as_checkpointed_at<"trans*r.h.*.a*">(net{}),
         net_of<remat::repeat<6, block_of<remat::checkpoint<attn>, mlp>>>{}, {checkpoint_at("*former.h.*.at*n")});
  }
}

TEST_CASE("patterns of positions match each that they fit") {
  using rows = remat::repeat<13, remat::residual<layer>>;
  const auto marked = [](const remat::program& p) {
    std::string all;
    for (int n = 1; n < p.nodes.count(); n = p.nodes[n].end)
      if (!p.nodes[n].checkpoints.empty()) all += remat::path_of(p, n) + " ";
    return all;
  };
  CHECK(marked(remat::lower<remat::set_activation_checkpointing<rows, "1*">, input>()) == "1 10 11 12 ");
  CHECK(marked(remat::lower<remat::set_activation_checkpointing<rows, "*2">, input>()) == "2 12 ");
  CHECK(marked(remat::lower<remat::set_activation_checkpointing<rows, "12">, input>()) == "12 ");
  using disjoint = remat::set_activation_checkpointing<remat::set_activation_checkpointing<rows, "1*">, "*3">;
  CHECK(marked(remat::lower<disjoint, input>()) == "1 3 10 11 12 ");
}

using part = remat::sequential<remat::named<"h", remat::repeat<3, mlp>>, layer>;
using annotated = remat::set_activation_checkpointing<part, "h">;
using by_hand = remat::sequential<remat::named<"h", remat::checkpoint_sequential<remat::repeat<3, mlp>>>, layer>;
struct plain : remat::module {
  using body = part;
};
struct prebuilt : remat::module {
  using body = remat::set_activation_checkpointing<annotated, "1">;
};
struct written : remat::module {
  using body = remat::sequential<remat::named<"h", remat::checkpoint_sequential<remat::repeat<3, mlp>>>,
                                 remat::checkpoint<layer>>;
};

TEST_CASE("annotated models are modules like others") {
  SECTION("in a sequential, a repeat, a branch, under a name or a tag: paths are those of the annotated part") {
    CHECK(in_type(annotated{} | layer{}) == in_type(remat::sequential<by_hand, layer>{}));
    CHECK(in_type(remat::repeat<2, annotated>{}) == in_type(remat::repeat<2, by_hand>{}));
    CHECK(in_type(as_named<"encoder">(annotated{}) | layer{}) == in_type(as_named<"encoder">(by_hand{}) | layer{}));
    CHECK(in_type(as_checkpointed(annotated{})) == in_type(as_checkpointed(by_hand{})));
    CHECK(in_type(as_checkpointed_sequential(annotated{})) == in_type(as_checkpointed_sequential(by_hand{})));
    CHECK(in_type(remat::parallel<nn::add, annotated, layer>{}) == in_type(remat::parallel<nn::add, by_hand, layer>{}));
  }
  SECTION("as the body of a residual or a block, without another level in its paths") {
    CHECK(in_type(remat::residual<annotated>{}) == in_type(remat::residual<by_hand>{}));
    CHECK(in_type(prebuilt{}) == in_type(written{}));
    CHECK(in_type(as_checkpointed_at<"1">(as_checkpointed_at<"h">(plain{}))) == in_type(written{}));
  }
  SECTION("through names, stages, shared and frozen parts") {
    const auto wrapped = [](auto inside) {
      return as_named<"a">(remat::as_staged<0>(remat::as_frozen(remat::as_shared<"s">(inside)))) | layer{};
    };
    CHECK(in_type(as_checkpointed_at<"a.h">(wrapped(part{}))) == in_type(wrapped(by_hand{})));
  }
  SECTION("between a tag and its join") {
    using remat::join, remat::tag;
    const auto skips = [](auto middle) {
      return layer{} | tag<"x">{} | as_named<"middle">(middle) | nn::linear<16, 8>{};
    };
    CHECK(in_type(skips(as_checkpointed_at<"1">(layer{} | join<"x", nn::concat>{}))) ==
          in_type(skips(layer{} | as_checkpointed(join<"x", nn::concat>{}))));
  }
  SECTION("what Hana and transform_modules change stays annotated") {
    using same_part = remat::sequential<remat::named<"h", remat::repeat<3, mlp>>, remat::frozen<layer>>;
    const auto freeze = [](auto m) {
      if constexpr (std::is_same_v<decltype(m), layer>)
        return remat::as_frozen(m);
      else
        return m;
    };
    CHECK(std::is_same_v<decltype(boost::hana::transform(annotated{}, freeze)),
                         remat::set_activation_checkpointing<same_part, "h">>);
    CHECK(boost::hana::unpack(annotated{}, [](auto... m) { return sizeof...(m); }) == 2);
    CHECK(std::is_same_v<
          decltype(remat::transform_modules(
              annotated{}, [](auto m) { return remat::is_kind<"relu">(m); }, [](auto) { return layer{}; })),
          remat::set_activation_checkpointing<
              remat::sequential<remat::named<"h", remat::repeat<3, remat::sequential<layer, layer, layer>>>, layer>,
              "h">>);
  }
}

TEST_CASE("an annotation is outside of the tags that its module has, and inside of those around it") {
  using remat::save_all;
  const auto names = [](const remat::program& p, int n) {
    std::string all;
    for (const remat::checkpoint_setting& each : p.nodes[n].checkpoints) all += std::string(each.policy.name()) + " ";
    return all;
  };
  using inner = remat::checkpoint<layer, remat::save_only<layer>>;
  using at_itself = remat::set_activation_checkpointing<inner, "", strategy::contiguous, save_all>;
  CHECK(names(remat::lower<remat::checkpoint<at_itself>, input>(), 0) == "recompute_all save_all save_only ");
  using at_child = remat::set_activation_checkpointing<remat::sequential<inner>, "0", strategy::contiguous, save_all>;
  CHECK(names(remat::lower<at_child, input>(), 1) == "save_all save_only ");
}

}  // namespace annotation_tests
