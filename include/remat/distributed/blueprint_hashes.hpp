// SPDX-License-Identifier: MIT
/// What the ranks of a job compare when a model is built: hashes of the parts of its blueprint.
#pragma once

#include <remat/distributed/agreement.hpp>
#include <remat/distributed/distributed_options.hpp>
#include <remat/distributed/rank_map.hpp>
#include <remat/model/program.hpp>
#include <remat/plan/checkpoint_search.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/widened_operation.hpp>
#include <remat/schedule/schedule_table.hpp>

#include <cstdint>

namespace remat::detail {

/// The type's name holds what a module's shapes do not, such as the padding of a convolution and the rate of a dropout
/// (of which clang writes six digits).
inline std::uint64_t hash_of_program(const program& p) {
  fingerprint f;
  for (const module_node& n : p.nodes) {
    f.add(n.name);
    f.add(n.kind);
    f.add(static_cast<std::uint64_t>(n.end));
  }
  for (const operation& o : p.operations) {
    f.add(o.kind);
    f.add(o.type);
    for (int t : o.inputs) f.add(static_cast<std::uint64_t>(t));
    for (int t : o.outputs) f.add(static_cast<std::uint64_t>(t));
    f.add(static_cast<std::uint64_t>(o.compute));
  }
  for (const tensor_shape& shape : p.tensors) {
    f.add(static_cast<std::uint64_t>(shape.type));
    f.add(static_cast<std::uint64_t>(shape.layout));
    for (int i = 0; i < shape.rank; ++i) f.add(shape.extents[i]);
  }
  for (const core::list<parameter_slot>* slots : {&p.parameters, &p.states})
    for (const parameter_slot& slot : *slots) {
      f.add(parameter_path(p, slot));
      f.add(static_cast<std::uint64_t>(slot.owner));
      for (int i = 0; i < slot.declared.rank; ++i) f.add(slot.declared.extents[i]);
    }
  f.add(static_cast<std::uint64_t>(p.inputs));
  f.add(static_cast<std::uint64_t>(p.targets));
  f.add(static_cast<std::uint64_t>(p.loss));
  return f.value();
}
/// What CPUs with other instructions would compute with other roundings.
inline std::uint64_t hash_of_instructions(const program& p) {
  for (const operation& o : p.operations)
    if (widened_operation::is_widened(o)) return 1;
  return 0;
}
inline std::uint64_t hash_of_frozen(const program& p) {
  fingerprint f;
  for (const operation& o : p.operations) {
    f.add(o.frozen ? 1 : 0);
    f.add(o.keeps_states ? 1 : 0);
  }
  return f.value();
}
inline std::uint64_t hash_of_partition(const program& p) {
  fingerprint f;
  for (const operation& o : p.operations) f.add(static_cast<std::uint64_t>(o.stage));
  return f.value();
}
/// The segments that strategies make are the same where each rank may be given its own policies, and so is what rounds.
inline std::uint64_t hash_of_checkpoints(const program& p) {
  fingerprint f;
  segment_search search{p};
  search.run();
  for (const found_segment& s : search.found) {
    f.add(static_cast<std::uint64_t>(s.first));
    f.add(static_cast<std::uint64_t>(s.last));
  }
  const core::list<const storage_form*> forms = forms_of_nodes(p);
  for (int n = 0; n < forms.count(); ++n) {
    if (forms[n] == nullptr || forms[n]->is_lossless) continue;
    f.add(static_cast<std::uint64_t>(n));
    f.add(forms[n]->name);
  }
  return f.value();
}
inline std::uint64_t hash_of_grid(const rank_grid& grid) {
  fingerprint f;
  f.add(static_cast<std::uint64_t>(grid.partitions()));
  for (int r = 0; r < grid.size(); ++r) {
    f.add(static_cast<std::uint64_t>(grid.partition(r)));
    f.add(static_cast<std::uint64_t>(grid.replica(r)));
  }
  return f.value();
}
inline std::uint64_t hash_of_schedule(const schedule_table& table) {
  fingerprint f;
  f.add(static_cast<std::uint64_t>(table.microbatches));
  for (const core::list<pipeline_task>& row : table.rows) {
    f.add(row.size());
    for (const pipeline_task& t : row) {
      f.add(static_cast<std::uint64_t>(t.kind));
      f.add(static_cast<std::uint64_t>(t.stage));
      f.add(static_cast<std::uint64_t>(t.microbatch));
    }
  }
  return f.value();
}
/// What may differ is left out: when a rank recomputes changes no bit, and no message.
inline std::uint64_t hash_of_options(const distributed_options& o) {
  fingerprint f;
  f.add(o.seed);
  f.add(static_cast<std::uint64_t>(o.allreduce));
  f.add(o.bucket_bytes);
  f.add(o.shards_optimizer ? 1 : 0);
  f.add(static_cast<std::uint64_t>(o.checkpointing));
  f.add(o.recomputes_early ? 1 : 0);
  f.add(o.recomputes_in_bubbles ? 1 : 0);
  f.add(static_cast<std::uint64_t>(o.inputs));
  f.add(o.compares_batches ? 1 : 0);
  return f.value();
}

}  // namespace remat::detail
