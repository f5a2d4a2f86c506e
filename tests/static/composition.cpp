// SPDX-License-Identifier: MIT
// Types and values compose to the same models, and Hana's algorithms work on them.
#include <remat/remat.hpp>

#include <type_traits>

namespace composition_tests {

namespace hana = boost::hana;
namespace nn = remat::nn;

using a = nn::linear<8, 8>;
using b = nn::relu;
using c = nn::linear<8, 2>;

template <class A, class B>
inline constexpr bool same = std::is_same_v<A, B>;

static_assert(same<decltype(a{} | b{} | c{}), remat::sequential<a, b, c>>);
static_assert(same<decltype((a{} | b{}) | (b{} | c{})), remat::sequential<a, b, b, c>>);
static_assert(same<decltype(a{} | remat::as_checkpointed(b{} | c{})),
                   remat::sequential<a, remat::checkpoint<remat::sequential<b, c>>>>);
static_assert(same<decltype(remat::as_checkpointed_sequential<remat::strategy::group<2>>(a{} | b{})),
                   remat::checkpoint_sequential<remat::sequential<a, b>, remat::strategy::group<2>>>);
static_assert(same<decltype(remat::as_checkpointed_at<"1">(a{} | b{}) | c{}),
                   remat::sequential<remat::set_activation_checkpointing<remat::sequential<a, b>, "1">, c>>);
static_assert(same<decltype(remat::as_named<"x">(a{})), remat::named<"x", a>>);
static_assert(same<decltype(remat::as_staged<1>(a{})), remat::on_stage<1, a>>);
static_assert(same<decltype(remat::as_repeated<3>(a{})), remat::repeat<3, a>>);
static_assert(same<decltype(remat::as_residual(a{})), remat::residual<a>>);
static_assert(same<decltype(remat::as_residual(a{}, a{}, nn::multiply{})), remat::residual<a, a, nn::multiply>>);
static_assert(same<decltype(remat::as_parallel(nn::concat{}, a{}, c{})), remat::parallel<nn::concat, a, c>>);
static_assert(same<decltype(remat::as_inlined(remat::as_residual(a{}))), remat::inlined<remat::residual<a>>>);
static_assert(same<decltype(remat::as_shared<"x">(a{})), remat::shared<"x", a>>);
static_assert(same<decltype(remat::as_frozen(a{})), remat::frozen<a>>);
static_assert(same<decltype(remat::as_computed<remat::bfloat16>(a{})), remat::computed_as<remat::bfloat16, a>>);
static_assert(same<decltype(remat::as_running_statistics(a{})), remat::running_statistics<a>>);

static_assert(hana::Foldable<remat::sequential<a, b, c>>::value && hana::Functor<remat::sequential<a, b, c>>::value);

// Functor: transform with the identity changes nothing, and two transforms are one of the composition.
using net = remat::sequential<a, b, c>;
constexpr auto identity = [](auto m) { return m; };
constexpr auto check = [](auto m) { return remat::as_checkpointed(m); };
constexpr auto stage = [](auto m) { return remat::as_staged<0>(m); };
static_assert(same<decltype(hana::transform(net{}, identity)), net>);
static_assert(same<decltype(hana::transform(net{}, check)),
                   remat::sequential<remat::checkpoint<a>, remat::checkpoint<b>, remat::checkpoint<c>>>);
static_assert(same<decltype(hana::transform(hana::transform(net{}, check), stage)),
                   decltype(hana::transform(net{}, [](auto m) { return stage(check(m)); }))>);

// Foldable: unpack and the folds that follow from it.
static_assert(hana::unpack(net{}, [](auto... m) { return sizeof...(m); }) == 3);
static_assert(hana::fold_left(net{}, 0, [](int n, auto m) { return n + (same<decltype(m), b> ? 10 : 1); }) == 12);
static_assert(decltype(hana::length(net{}))::value == 3);

// An annotation stays around what is changed inside of it.
using annotated = remat::set_activation_checkpointing<net, "0">;
static_assert(hana::Foldable<annotated>::value && hana::Functor<annotated>::value);
static_assert(same<decltype(hana::transform(annotated{}, stage)),
                   remat::set_activation_checkpointing<decltype(hana::transform(net{}, stage)), "0">>);
static_assert(decltype(hana::length(annotated{}))::value == 3);
static_assert(!hana::Foldable<remat::set_activation_checkpointing<a, "">>::value);

// A module without a checkpoint may straddle two stages; so may a checkpointed sequential, but not its child.
using straddling = remat::sequential<a, remat::on_stage<1, remat::sequential<b, c>>>;
static_assert(remat::peak_activation_bytes<remat::sequential<straddling>, remat::tensor<float, 8>>(1) > 0);
static_assert(remat::peak_activation_bytes<remat::checkpoint<straddling>, remat::tensor<float, 8>>(1) > 0);

}  // namespace composition_tests
