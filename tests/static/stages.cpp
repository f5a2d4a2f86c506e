// SPDX-License-Identifier: MIT
// What on_stage says of each operation, and which checkpoints may be on two stages. What may not is in tests/fail.
#include <remat/remat.hpp>

namespace stages_tests {

namespace nn = remat::nn;
using remat::checkpoint, remat::named, remat::on_stage, remat::parallel, remat::repeat, remat::residual,
    remat::sequential;

using layer = nn::linear<16, 16>;
using input = remat::tensor<float, 16>;

/// Whether the operations of a model are on these stages, one after the other; and whether it can be planned.
template <class Net>
constexpr bool lies_on(std::initializer_list<int> stages) {
  const remat::program p = remat::lower<Net, input>();
  if (p.operations.size() != stages.size()) return false;
  for (int i = 0; i < p.operations.count(); ++i)
    if (p.operations[i].stage != stages.begin()[i]) return false;
  return remat::peak_activation_bytes<Net, input>(1) > 0;
}

// Numbers: none is the one before, 0 at the start; the innermost wins; they need not be without gaps.
static_assert(lies_on<sequential<layer, layer>>({0, 0}));
static_assert(lies_on<sequential<layer, on_stage<1, layer>, layer>>({0, 1, 1}));
static_assert(lies_on<on_stage<1, sequential<layer, layer>>>({1, 1}));
static_assert(lies_on<sequential<on_stage<2, sequential<on_stage<1, layer>, layer>>, layer>>({1, 2, 2}));
static_assert(lies_on<on_stage<3, on_stage<1, layer>>>({1}));
static_assert(lies_on<sequential<layer, on_stage<4, layer>>>({0, 4}));
static_assert(lies_on<sequential<on_stage<1, named<"a", layer>>, named<"b", on_stage<2, layer>>>>({1, 2}));
static_assert(lies_on<repeat<2, sequential<layer, on_stage<1, layer>>>>({0, 1, 1, 1}));
static_assert(lies_on<residual<on_stage<1, layer>>>({1, 1}));
static_assert(lies_on<parallel<nn::add, layer, on_stage<1, layer>>>({0, 1, 1}));

// What is not checkpointed is where it likes.
using straddling = sequential<layer, on_stage<1, layer>>;
static_assert(lies_on<sequential<residual<straddling>, layer>>({0, 1, 1, 1}));

// A checkpointed sequential may be on two stages under every strategy, named or not, as long as no child does.
static_assert(lies_on<checkpoint<straddling>>({0, 1}));
static_assert(lies_on<checkpoint<named<"chain", straddling>>>({0, 1}));
static_assert(lies_on<checkpoint<sequential<layer, named<"second", on_stage<1, layer>>>>>({0, 1}));
static_assert(lies_on<remat::checkpoint_sequential<straddling>>({0, 1}));
static_assert(lies_on<remat::checkpoint_sequential<straddling, remat::strategy::group<2>>>({0, 1}));
static_assert(lies_on<remat::checkpoint_sequential<straddling, remat::strategy::contiguous>>({0, 1}));
static_assert(lies_on<checkpoint<sequential<residual<layer>, on_stage<1, residual<layer>>>>>({0, 0, 1, 1}));
static_assert(lies_on<checkpoint<sequential<checkpoint<sequential<layer, layer>>, on_stage<1, layer>>>>({0, 0, 1}));
static_assert(lies_on<repeat<2, checkpoint<straddling>>>({0, 1, 1, 1}));
static_assert(lies_on<residual<checkpoint<straddling>>>({0, 1, 1}));
static_assert(lies_on<on_stage<2, checkpoint<sequential<on_stage<1, layer>, layer>>>>({1, 2}));

// A budget is one of each stage, for what the stage has of any module.
using limit = remat::budget<1'000'000>;
static_assert(lies_on<checkpoint<residual<straddling>, limit>>({0, 1, 1}));
static_assert(
    lies_on<remat::checkpoint_sequential<sequential<residual<straddling>>, remat::strategy::each, limit>>({0, 1, 1}));
static_assert(lies_on<remat::set_activation_checkpointing<named<"a", residual<straddling>>, "",
                                                          remat::strategy::contiguous, limit>>({0, 1, 1}));

// On one stage, any of them may be checkpointed.
static_assert(lies_on<sequential<layer, on_stage<1, checkpoint<residual<sequential<layer, layer>>>>>>({0, 1, 1, 1}));
static_assert(lies_on<sequential<layer, on_stage<1, checkpoint<repeat<2, sequential<layer, layer>>>>>>({0, 1, 1, 1,
                                                                                                        1}));

}  // namespace stages_tests
