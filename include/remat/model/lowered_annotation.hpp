// SPDX-License-Identifier: MIT
/// Lowering of annotations: what a pattern matches is found among the nodes that the model has written, and the laws
/// are checked on an outline of it, whose cost does not grow with the number of modules of a `repeat`.
#pragma once

#include <remat/model/annotation_rules.hpp>
#include <remat/model/lowered_chain.hpp>
#include <remat/model/lowered_tags.hpp>
#include <remat/model/lowered_wrappers.hpp>
#include <remat/model/near_paths.hpp>
#include <remat/model/rules.hpp>
#include <remat/model/setting_rules.hpp>
#include <remat/model/stage_rules.hpp>

#include <cstddef>
#include <type_traits>

namespace remat::detail {

/// The tags that a module finds, as tensors of an outline.
template <fixed_string Name, class Tensors>
constexpr void remember_tag(emission& e, tagged<Name, Tensors>) {
  edge tensors;
  add_inputs(e.made, tensors, Tensors{});
  e.remember(Name.view(), tensors);
}
template <class Before, class... Tags>
constexpr void remember_tags(emission& e, context<Before, Tags...>) {
  (remember_tag(e, Tags{}), ...);
}

/// A module, or what a block has for a body, as the root of an outline.
template <class Lowered>
struct as_module {
  static constexpr void emit(emission& e, const edge& in) { Lowered::emit(e, in, {}); }
};
template <class Parts>
struct as_body {
  static constexpr void emit(emission& e, const edge& in) {
    const int root = open_node(e, {}, "block", false, 0);
    Parts::emit(e, in, root, 0);
    close_node(e.made, root);
  }
};

/// An annotation and the outline of its model.
template <class Root, class Inputs, class Context, fixed_string Pattern, class P, class S>
struct annotation_check {
  using policy = P;

  static constexpr emission outline() {
    emission e;
    e.is_outline = true;
    edge in;
    add_inputs(e.made, in, Inputs{});
    remember_tags(e, Context{});
    Root::emit(e, in);
    return e;
  }
  static constexpr annotation_fault fault_in(emission& e) {
    const int top = e.made.nodes.empty() ? core::none : 0;
    if (Pattern.view().empty() && top == core::none) return {};  // a tag, say: there is nothing to keep
    return check_annotation(e.made, top, {1, e.made.nodes.count(), 0}, Pattern.view(), {&setting_of<P, S>, 1},
                            e.annotated);
  }
  static constexpr auto find() {
    emission e = outline();
    return fault_in(e).what;
  }
  static constexpr annotation_fault::kind what = find();

  /// Whether what the pattern matches has this inside.
  static constexpr bool have(const sought_word& word) {
    const emission e = outline();
    bool has = e.made.nodes.empty();
    each_annotated(e.made, has ? core::none : 0, {1, e.made.nodes.count(), 0}, Pattern.view(),
                   [&](int n) { has = has || has_word(e.made, n, word); });
    return has;
  }

  /// Texts of the error.
  struct path {
    static constexpr core::text text() {
      emission e = outline();
      return text_of_path(e.made, fault_in(e).node);
    }
  };
  struct earlier {
    static constexpr core::text text() {
      emission e = outline();
      return core::text(fault_in(e).earlier);
    }
  };
  struct known {
    static constexpr core::text text() {
      const emission e = outline();
      const unknown_path u = leave_model(e.made, {1, e.made.nodes.count(), 0}, Pattern.view());
      core::text all;
      for (int i = 0; i < u.known.count() && i < 20; ++i) {
        if (i > 0) all += ", ";
        all += u.known[i].view();
      }
      return all;
    }
  };
  struct nearest {
    static constexpr core::text text() {
      const emission e = outline();
      return core::text(leave_model(e.made, {1, e.made.nodes.count(), 0}, Pattern.view()).nearest.view());
    }
  };
  static constexpr stage_range stages_at_fault() {
    emission e = outline();
    return stages_of(e.made, fault_in(e).node);
  }
};

template <class Source>
constexpr auto fixed_text() {
  constexpr std::size_t size = Source::text().view().size();
  const core::text made = Source::text();
  char characters[size + 1] = {};
  for (std::size_t i = 0; i < size; ++i) characters[i] = made.view()[i];
  return fixed_string<size + 1>(characters);
}

/// The law that an annotation breaks.
template <class Check, fixed_string Pattern, annotation_fault::kind What>
struct annotation_law {
  static constexpr bool holds = true;
  using policy = typename Check::policy;
  static_assert(rules::where<SeeksWords<policy>, rules::policy_finds_its_words<policy, Check>>);
};
template <class Check, fixed_string Pattern>
struct annotation_law<Check, Pattern, annotation_fault::unknown_path>
    : rules::annotated_path_is_there<rules::at_path<Pattern>, rules::known_paths<fixed_text<typename Check::known>()>,
                                     rules::nearest_path<fixed_text<typename Check::nearest>()>, false> {};
template <class Check, fixed_string Pattern>
struct annotation_law<Check, Pattern, annotation_fault::no_children>
    : rules::annotated_module_has_children<rules::at_path<fixed_text<typename Check::path>()>, false> {};
template <class Check, fixed_string Pattern>
struct annotation_law<Check, Pattern, annotation_fault::second_annotation>
    : rules::module_is_annotated_once<rules::at_path<fixed_text<typename Check::earlier>()>, rules::at_path<Pattern>,
                                      false> {};
template <class Check, fixed_string Pattern>
struct annotation_law<Check, Pattern, annotation_fault::module_on_stages>
    : rules::checkpoint_in_one_stage<rules::at_path<fixed_text<typename Check::path>()>,
                                     stages<Check::stages_at_fault().first, Check::stages_at_fault().last>> {};
template <class Check, fixed_string Pattern>
struct annotation_law<Check, Pattern, annotation_fault::child_on_stages>
    : rules::checkpointed_child_in_one_stage<rules::at_path<fixed_text<typename Check::path>()>,
                                             stages<Check::stages_at_fault().first, Check::stages_at_fault().last>> {};

/// Pulls in the law that is broken; none, where another one is already.
template <bool IsWhole, class Check, fixed_string Pattern>
struct annotation_laws {
  static constexpr bool holds = true;
};
template <class Check, fixed_string Pattern>
struct annotation_laws<true, Check, Pattern> : annotation_law<Check, Pattern, Check::what> {};

template <class M, fixed_string Pattern, class S, class P, class Storage_, class... In, class Context, class Scope>
struct lowered<set_activation_checkpointing<M, Pattern, S, P, Storage_>, tensors<In...>, Context, Scope>
    : lowered<M, tensors<In...>, Context, Scope> {
  using base = lowered<M, tensors<In...>, Context, Scope>;
  using check = annotation_check<as_module<base>, tensors<In...>, Context, Pattern, P, S>;
  static constexpr bool is_whole = make_a_setting<P, S, Storage_> && !std::is_same_v<typename base::output, broken>;
  static_assert(setting_rules<P, S, Storage_>::holds);
  static_assert(annotation_laws<is_whole, check, Pattern>::holds);

  static constexpr int width = 1;
  using width_of_parts = more_than_parts;
  static constexpr edge emit(emission& e, const edge& in, label l) {
    l.may_be_inlined = false;
    const int top = e.made.nodes.count(), outer = e.checkpoints.count();
    const edge out = base::emit(e, in, l);
    if constexpr (is_whole)
      if (top < e.made.nodes.count())
        annotate(e, top, children_of_node(e.made, top), outer, Pattern.view(), setting_of<P, S, Storage_>);
    return out;
  }
};

/// An annotated body has the paths that it has without.
template <class M, fixed_string Pattern, class S, class P, class Storage_, class Inputs, class Context, class Scope>
  requires(!Pattern.view().empty())
struct parts<set_activation_checkpointing<M, Pattern, S, P, Storage_>, Inputs, Context, Scope>
    : parts<M, Inputs, Context, Scope> {
  using base = parts<M, Inputs, Context, Scope>;
  using check = annotation_check<as_body<base>, Inputs, Context, Pattern, P, S>;
  static constexpr bool is_whole = make_a_setting<P, S, Storage_> && !std::is_same_v<typename base::output, broken>;
  static_assert(setting_rules<P, S, Storage_>::holds);
  static_assert(annotation_laws<is_whole, check, Pattern>::holds);

  static constexpr edge emit(emission& e, const edge& in, int parent, int position) {
    const int begin = e.made.nodes.count();
    const edge out = base::emit(e, in, parent, position);
    if constexpr (is_whole)
      annotate(e, core::none, {begin, e.made.nodes.count(), position}, 0, Pattern.view(), setting_of<P, S, Storage_>);
    return out;
  }
};

}  // namespace remat::detail
