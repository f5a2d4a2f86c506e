// SPDX-License-Identifier: MIT
// Transforms change types; the facts are static, and run with the other tests of model.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <type_traits>

namespace transform_tests {

namespace hana = boost::hana;
namespace nn = remat::nn;

using conv = nn::conv2d<4, 4, 3, nn::window{.padding = 1}>;
using checked = remat::checkpoint<conv>;
struct block : remat::module {
  static constexpr std::string_view kind = "my_block";
  using body = remat::sequential<conv, nn::relu>;
};

template <template <class> class Around>
constexpr bool reaches = std::is_same_v<decltype(remat::transform_modules(
                                            Around<conv>{}, [](auto m) { return remat::is_kind<"conv2d">(m); },
                                            [](auto m) { return remat::as_checkpointed(m); })),
                                        Around<checked>>;

template <class M>
using in_sequential = remat::sequential<nn::relu, M>;
template <class M>
using in_named = remat::named<"x", remat::named<"y", M>>;
template <class M>
using in_repeat = remat::repeat<3, remat::repeat<2, M>>;
template <class M>
using in_body = remat::residual<remat::sequential<M, nn::relu>>;
template <class M>
using in_shortcut = remat::residual<nn::relu, M>;
template <class M>
using in_branch = remat::parallel<nn::add, nn::relu, M>;
template <class M>
using in_join = remat::join<"x", remat::sequential<nn::add, M>>;
template <class M>
using in_wrappers = remat::shared<"s", remat::frozen<remat::on_stage<0, M>>>;
template <class M>
using in_inlined = remat::sequential<remat::inlined<remat::residual<M>>>;
template <class M>
using in_checkpoint = remat::checkpoint<remat::sequential<M>, remat::save_all>;
template <class M>
using in_group = remat::checkpoint_sequential<remat::sequential<M>, remat::strategy::group<2>>;

static_assert(reaches<in_sequential> && reaches<in_named> && reaches<in_repeat> && reaches<in_body> &&
              reaches<in_shortcut> && reaches<in_branch> && reaches<in_join> && reaches<in_wrappers> &&
              reaches<in_inlined> && reaches<in_checkpoint> && reaches<in_group>);

constexpr auto in_block = remat::transform_modules(
    remat::sequential<block>{}, [](auto m) { return remat::is_kind<"conv2d">(m); },
    [](auto m) { return remat::as_checkpointed(m); });
static_assert(
    std::is_same_v<decltype(in_block),
                   const remat::sequential<remat::changed_block<block, remat::sequential<checked, nn::relu>>>>);

// A published model that was changed has its names in files.
constexpr auto in_published = remat::transform_modules(
    remat::models::gpt2<remat::models::gpt2_config{.width = 8, .heads = 2, .blocks = 2}>{},
    [](auto m) { return remat::is_kind<"gelu">(m); }, [](auto) { return nn::silu{}; });
static_assert(decltype(in_published)::names.prefix == "transformer.");
static_assert(remat::lower<std::remove_const_t<decltype(in_published)>, remat::tensor<std::int32_t, 4>>()
                  .nodes[0]
                  .names->prefix == "transformer.");

// Foldable and Functor of the other containers.
constexpr auto check = [](auto m) { return remat::as_checkpointed(m); };
static_assert(decltype(hana::length(remat::repeat<5, conv>{}))::value == 5);
static_assert(decltype(hana::length(remat::parallel<nn::add, conv, nn::relu>{}))::value == 2);
static_assert(std::is_same_v<decltype(hana::transform(remat::repeat<5, conv>{}, check)), remat::repeat<5, checked>>);
static_assert(std::is_same_v<decltype(hana::transform(remat::residual<conv>{}, check)),
                             remat::residual<checked, remat::checkpoint<remat::identity>>>);
static_assert(std::is_same_v<decltype(hana::transform(remat::inlined<remat::repeat<5, conv>>{}, check)),
                             remat::inlined<remat::repeat<5, checked>>>);

TEST_CASE("a transformed model has the paths and the results of the first") {
  using input = remat::image<float, 4, 5, 5>;
  constexpr auto net = remat::sequential<conv, nn::relu, remat::named<"b", block>>{};
  constexpr auto other = remat::transform_modules(
      net, [](auto m) { return remat::is_kind<"conv2d">(m); }, [](auto m) { return remat::as_checkpointed(m); });
  const remat::program a = remat::lower<std::remove_const_t<decltype(net)>, input>();
  const remat::program b = remat::lower<std::remove_const_t<decltype(other)>, input>();
  REQUIRE(a.nodes.size() == b.nodes.size());
  for (int n = 0; n < a.nodes.count(); ++n) {
    CHECK(remat::path_of(a, n) == remat::path_of(b, n));
    CHECK(a.nodes[n].kind == b.nodes[n].kind);
  }
  CHECK(remat::segments_of(a, {}).empty());
  CHECK(remat::segments_of(b, {}).size() == 2);
}

}  // namespace transform_tests
