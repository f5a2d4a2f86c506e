// SPDX-License-Identifier: MIT
/// What a policy sees of the operations of a segment, at the batch and costs of a request.
#pragma once

#include <remat/core/operation_view.hpp>
#include <remat/plan/backward_needs.hpp>
#include <remat/plan/counted_costs.hpp>
#include <remat/plan/last_reads.hpp>
#include <remat/plan/plan_request.hpp>

#include <cstddef>
#include <string_view>

namespace remat::detail {

/// The views of the operations [first, last), with the lists that their edges point into.
struct segment_views {
  core::list<operation_view> operations = {};
  core::list<int> producers = {}, readers = {};
};

class view_maker {
 public:
  constexpr view_maker(const program& p, const plan_request& request)
      : p_(p), request_(request), needs_(backward_needs(p)), last_read_(last_reads(p)) {}

  constexpr segment_views views(int first, int last) const {
    segment_views made;
    for (int i = first; i < last; ++i) made.operations.push_back(view_of(i, last));
    add_edges(made, first, last);
    return made;
  }

 private:
  constexpr std::size_t bytes_of(int t) const { return p_.tensors[t].bytes(request_.batch); }

  constexpr operation_view view_of(int i, int last) const {
    const operation& o = p_.operations[i];
    operation_view view;
    view.kind = o.kind;
    view.name = name_of_operation(i);
    view.flops = o.flops * static_cast<double>(request_.batch);
    for (int t : o.inputs) view.input_bytes += bytes_of(t);
    for (int t : o.outputs) {
      view.output_bytes += bytes_of(t);
      view.is_read_outside = view.is_read_outside || last_read_[t] >= last;
    }
    each_read(o, needs_[i], [&](int t) {
      if (p_.producers[t] != i)
        view.backward_reads_inputs = true;
      else if (core::is_among(o.saved, t))
        view.saved_bytes += bytes_of(t);
      else
        view.backward_reads_outputs = true;
    });
    add_costs(i, view);
    return view;
  }

  constexpr void add_costs(int i, operation_view& view) const {
    const bool is_measured = request_.costs != nullptr;
    const action_costs cost =
        is_measured ? static_cast<const action_costs&>(request_.costs->operations[static_cast<std::size_t>(i)])
                    : counted_cost(p_.operations[i], needs_[i], request_.batch);
    view.forward_cost = cost.forward;
    view.backward_input_cost = cost.backward_input + cost.both / 2;
    view.backward_parameters_cost = cost.backward_parameters + cost.both / 2;
    (needs_[i].input ? view.backward_input_cost : view.backward_parameters_cost) += cost.differentiate;
    if (!is_measured) return;
    const double samples = static_cast<double>(request_.batch) / static_cast<double>(request_.costs->batch);
    for (double* each : {&view.forward_cost, &view.backward_input_cost, &view.backward_parameters_cost})
      *each *= samples;
  }

  /// The name of an operation: its module's, or of the innermost named module that ends with it.
  constexpr std::string_view name_of_operation(int i) const {
    int n = p_.operations[i].node;
    while (p_.nodes[n].name.empty() && p_.nodes[n].parent != core::none && p_.nodes[p_.nodes[n].parent].last == i + 1)
      n = p_.nodes[n].parent;
    return p_.nodes[n].name;
  }

  /// Calls f(producer, reader) for each edge, reader by reader.
  template <class F>
  constexpr void each_edge(int first, int last, const F& f) const {
    for (int i = first; i < last; ++i)
      for (int t : p_.operations[i].inputs) {
        const int producer = p_.producers[t];
        f(producer < first ? operation_view::outside : producer - first, i - first);
      }
  }

  constexpr void add_edges(segment_views& made, int first, int last) const {
    const std::size_t operations = made.operations.size();
    core::list<std::size_t> reads(operations), read_by(operations + 1);  // how many; then where the next one goes
    core::list<int> last_reader(operations, core::none);
    std::size_t edges = 0;
    each_edge(first, last, [&](int producer, int reader) {
      ++reads[reader];
      ++edges;
      if (producer == operation_view::outside || last_reader[producer] == reader) return;
      last_reader[producer] = reader;
      ++read_by[producer + 1];
    });
    made.producers.reserve(edges);
    for (std::size_t i = 0; i < operations; ++i) {
      read_by[i + 1] += read_by[i];
      last_reader[i] = core::none;
    }
    made.readers = core::list<int>(read_by[operations]);
    for (std::size_t i = 0; i < operations; ++i)
      made.operations[i].readers = {made.readers.data() + read_by[i], read_by[i + 1] - read_by[i]};
    each_edge(first, last, [&](int producer, int reader) {
      made.producers.push_back(producer);
      if (producer == operation_view::outside || last_reader[producer] == reader) return;
      last_reader[producer] = reader;
      made.readers[read_by[producer]++] = reader;
    });
    for (std::size_t i = 0, at = 0; i < operations; at += reads[i++])
      made.operations[i].producers = {made.producers.data() + at, reads[i]};
  }

  const program& p_;
  const plan_request& request_;
  core::list<backward_need> needs_;
  core::list<int> last_read_;
};

}  // namespace remat::detail
