// SPDX-License-Identifier: MIT
// Weights of distributed models: the file of one process, whatever the ranks, and one refusal on all of them.
#include <remat/distributed_weights.hpp>
#include <remat/models/gpt2.hpp>

#include "training.hpp"

#include <unit/io/file_limit.hpp>
#include <unit/temporary_folder.hpp>

#include <unistd.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

namespace weights_tests {

using Catch::Matchers::Contains;

remat::distributed_options options(int partitions, std::uint64_t seed) {
  return {.seed = seed, .threads = 1, .partitions = partitions, .microbatches = 2, .logs_partition = false};
}

const remat::rank_map::setting backwards{"backwards", [](int partitions, int replicas) {
                                           std::vector<int> ranks(static_cast<std::size_t>(partitions * replicas));
                                           std::iota(ranks.rbegin(), ranks.rend(), 0);
                                           return ranks;
                                         }};

std::vector<std::byte> bits_of(remat::trainable& model) {
  const auto values = remat::internals::store(model).value_block(),
             states = remat::internals::store(model).state_block();
  std::vector<std::byte> bits(values.begin(), values.end());
  bits.insert(bits.end(), states.begin(), states.end());
  return bits;
}

/// Whether every rank says so.
bool is_true_on_all(bool claim) { return largest_of_ranks(claim ? 0 : 1) == 0; }

/// Whether all of the model's weights that this rank holds are those of a model of one process.
bool has_weights_of(remat::distributed_network& model, remat::network& one) {
  bool same = true;
  for (const remat::parameter_view& p : model.parameters())
    same = same && same_bits(p.values, one.parameter(p.name).values);
  for (const remat::state_view& s : model.states())
    for (const remat::state_view& other : one.states())
      if (other.name == s.name) same = same && same_bits(s.values, other.values);
  return same;
}

/// A file of this name that all ranks see, and no other job.
std::filesystem::path place_for_all(const std::string& name) {
  const std::size_t job = largest_of_ranks(static_cast<std::size_t>(getpid()));
  return std::filesystem::temp_directory_path() / ("remat_test_" + name + "." + std::to_string(job));
}

/// What all ranks say when they refuse; the model and an older file stay as they were.
template <class Call>
std::string refusal(remat::distributed_network& model, const Call& call) {
  const std::vector<std::byte> before = bits_of(model);
  std::string message;
  try {
    call();
  } catch (const remat::collective_error& e) {
    message = e.what();
  }
  CHECK((bits_of(model) == before));
  CHECK(is_same_on_ranks(message));
  return message;
}

TEST_CASE("the file is that of one process, and goes back to any ranks") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const temporary_folder folder;  // each rank's own: rank 0's is the one that counts
  const auto path = folder.path() / "distributed", one_path = folder.path() / "one";
  for (const char* name : {"example_01", "tied", "stateful", "normed", "nested", "unet"})
    for (int run = 0; run < 2 * session().size(); ++run) {
      const int partitions = run / 2 + 1;
      if (session().size() % partitions != 0) continue;
      remat::distributed_options how = options(partitions, 3), anew = options(partitions, 4);
      if (run % 2 == 1) how.rank_map = anew.rank_map = backwards;  // rank 0 is the last of the last replica
      INFO(name << " on " << partitions << " of " << session().size() << " ranks, " << how.rank_map.name);
      const networks::network& n = networks::named(name);
      remat::distributed_network model(session(), n.lower(), how);
      remat::network one(n.lower(), {.seed = 3, .threads = 1});
      remat::save_weights(model, path);
      remat::save_weights(one, one_path);
      if (session().rank() == 0) CHECK(temporary_folder::stored(path) == temporary_folder::stored(one_path));

      // Trained, the states of replicas differ: those of replica 0 are saved.
      train(n, model, n.microbatch * 2 * static_cast<std::size_t>(model.replicas()));
      const auto trained = bits_of(model);
      remat::save_weights(model, path);
      CHECK((bits_of(model) == trained));
      const std::string file = temporary_folder::stored(path);
      if (session().rank() == 0) {
        remat::load_weights(one, path);
        remat::save_weights(one, one_path);
        CHECK(temporary_folder::stored(one_path) == file);
        if (model.replica() == 0) CHECK(has_weights_of(model, one));
      }

      remat::distributed_network other(session(), n.lower(), anew);
      remat::load_weights(other, path);
      const bool is_loaded = model.replica() != 0 || bits_of(other) == trained;
      CHECK(is_true_on_all(is_loaded));
      remat::save_weights(other, path);
      if (session().rank() == 0) CHECK(temporary_folder::stored(path) == file);
    }
}

TEST_CASE("all replicas are given the weights of the file") {
  const temporary_folder folder;
  const auto path = folder.path() / "weights";
  const networks::network& n = networks::named("stateful");
  for (int partitions = 1; partitions <= session().size(); ++partitions) {
    if (session().size() % partitions != 0) continue;
    remat::network one(n.lower(), {.seed = 3, .threads = 1});
    train(n, one, n.microbatch);
    if (session().rank() == 0) remat::save_weights(one, path);
    remat::distributed_network model(session(), n.lower(), options(partitions, 4));
    remat::load_weights(model, path);
    CHECK(has_weights_of(model, one));
  }
}

TEST_CASE("each rank reads its own tensors of rank 0's files, and is sent them where it has others") {
  const temporary_folder folder;
  const networks::network& n = networks::named("stateful");
  remat::network one(n.lower(), {.seed = 3, .threads = 1}), other(n.lower(), {.seed = 9, .threads = 1});
  train(n, one, n.microbatch);
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  remat::save_weights(session().rank() == 0 ? one : other, "weights");
  std::string map;
  const remat::safetensors_file mine("weights");
  for (const remat::safetensor& t : mine.tensors()) map += (map.empty() ? "\"" : ", \"") + t.name + "\": \"weights\"";
  folder.write("index.json", "{\"weight_map\": {" + map + "}}");
  // Paths that are files of rank 0 for all ranks, and those that are a file of its own for each.
  for (const char* const path : {"weights", "index.json", "/proc/self/cwd/weights", "/proc/self/cwd/index.json"})
    for (int partitions = 1; partitions <= session().size(); ++partitions) {
      if (session().size() % partitions != 0) continue;
      INFO(path << " on " << partitions << " partitions");
      remat::distributed_network model(session(), n.lower(), options(partitions, 4));
      remat::load_weights(model, path);
      CHECK(has_weights_of(model, one));
    }
  std::filesystem::current_path(before);
}

TEST_CASE("a rank whose file is not that of rank 0 does not read it") {
  const networks::network& n = networks::named("stateful");
  const std::filesystem::path shared = place_for_all("ranks");
  remat::distributed_network model(session(), n.lower(), options(0, 4));
  remat::save_weights(model, shared);
  for (const bool is_same : {true, false}) {
    const remat::tensor_list tensors = model.weights();
    remat::detail::reading_plan plan;
    std::optional<remat::tensor_files> files;
    if (session().rank() == 0) {
      files.emplace(shared);
      std::vector<const remat::safetensor*> all;
      for (const remat::named_tensor& t : tensors)
        all.push_back(&*std::ranges::find(files->tensors(), t.name, &remat::safetensor::name));
      plan = {*files, all};
    }
    plan.share(tensors.ranks());
    if (!is_same && session().rank() == 0)  // written again after rank 0 has opened it
      std::filesystem::last_write_time(shared, std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
    largest_of_ranks(0);
    const bool is_without_any = std::ranges::none_of(
        tensors, [&](const auto& t) { return remat::detail::reading_plan::has_part_of(t, session().rank()); });
    CHECK(plan.open_own(tensors) == (is_same || session().rank() == 0 || is_without_any));
    largest_of_ranks(0);
  }
  if (session().rank() == 0) std::filesystem::remove(shared);
}

TEST_CASE("a file that does not fit is refused on all ranks, and the model stays as it was") {
  const temporary_folder folder;
  const networks::network& n = networks::named("stateful");
  remat::distributed_network model(session(), n.lower(), options(0, 3));
  const auto path = folder.path() / "weights", cut = folder.path() / "cut", changed = folder.path() / "changed";
  remat::save_weights(model, path);
  const auto load = [&](const std::filesystem::path& from) {
    return refusal(model, [&] { remat::load_weights(model, from); });
  };
  CHECK(load(path).empty());
  CHECK_THAT(load(folder.path() / "none"), Contains("cannot be opened"));
  const std::string whole = temporary_folder::stored(path);
  if (session().rank() == 0) folder.write("cut", whole.substr(0, whole.size() - 1));
  CHECK_THAT(load(cut), Contains("is truncated or damaged"));

  // Of another network.
  const networks::network& other = networks::named("nested");
  if (session().rank() == 0) remat::save_weights(remat::network(other.lower(), {.threads = 1}), changed);
  CHECK_THAT(load(changed), Contains("does not fit the model, which is unchanged") && Contains("missing: "));
  CHECK_THAT(refusal(model, [&] { remat::load_weights(model, changed, {.ignore_unexpected = true}); }),
             Contains("missing: ") && !Contains("unexpected"));
}

TEST_CASE("a shared parameter goes under any of its names, and parts are loaded on all ranks") {
  const temporary_folder folder;
  const auto path = folder.path() / "distributed", one_path = folder.path() / "one";
  const networks::network& n = networks::named("tied");
  remat::distributed_network model(session(), n.lower(), options(0, 3));
  remat::network one(n.lower(), {.seed = 3, .threads = 1});
  remat::save_weights(model, path, {.every_name = true});
  remat::save_weights(one, one_path, {.every_name = true});
  if (session().rank() == 0) CHECK(temporary_folder::stored(path) == temporary_folder::stored(one_path));

  // Rank 0 alone reads, and the first weight stays as it is on all of them.
  remat::distributed_network other(session(), n.lower(), options(0, 4));
  const std::string first = one.parameters()[0].name;
  if (session().rank() == 0) {
    std::vector<remat::safetensor_values> rest;
    for (const remat::parameter_view& p : one.parameters())
      if (p.name != first) rest.push_back({"module." + p.name, p.shape, p.values});
    for (const remat::state_view& s : one.states()) rest.push_back({"module." + s.name, s.shape, s.values});
    remat::write_safetensors(path, rest);
  }
  const remat::network others(n.lower(), {.seed = 4, .threads = 1});
  const remat::load_report report =
      remat::load_weights(other, path, {.allow_missing = {first}, .rename = {{"module.", ""}}});
  if (session().rank() == 0) CHECK(report.missing == std::vector<std::string>{first});
  for (const remat::parameter_view& p : other.parameters())
    CHECK(same_bits(p.values, (p.name == first ? others : one).parameter(p.name).values));
}

TEST_CASE("published names, and matrices that files have transposed, are those of one process") {
  static constexpr remat::models::gpt2_config small{
      .vocabulary = 11, .positions = 6, .width = 4, .heads = 2, .blocks = 3, .dropout = 0};
  const auto lower = [] {
    return remat::lower<remat::models::gpt2<small>, remat::tensor<std::int32_t, 5>, remat::nn::cross_entropy>();
  };
  const temporary_folder folder;
  const auto shared = place_for_all("published_names");
  // One file for all ranks, each of which reads its own, and one that rank 0 alone has.
  for (const auto& path : {shared, folder.path() / "distributed"}) {
    remat::network one(lower(), {.seed = 3, .threads = 1});
    remat::distributed_network model(session(), lower(), options(0, 3)), other(session(), lower(), options(0, 4));
    remat::save_weights(model, path);
    if (session().rank() == 0) {
      remat::save_weights(one, folder.path() / "one");
      CHECK(temporary_folder::stored(path) == temporary_folder::stored(folder.path() / "one"));
      std::vector<std::vector<float>> values;
      std::vector<remat::safetensor_values> renamed;
      const remat::safetensors_file file(path);
      for (const remat::safetensor& t : file.tensors()) file.read(t, values.emplace_back(t.elements()));
      for (std::size_t i = 0; i < values.size(); ++i) {
        const remat::safetensor& t = file.tensors()[i];
        renamed.push_back({t.name.substr(std::string("transformer.").size()), t.shape, values[i]});
      }
      const std::vector<float> mask(4);
      renamed.push_back({"h.2.attn.bias", {1, 1, 2, 2}, mask});
      remat::write_safetensors(path, renamed);
    }
    largest_of_ranks(0);  // it is written
    remat::load_weights(other, path);
    CHECK(has_weights_of(other, one));
    largest_of_ranks(0);
  }
  if (session().rank() == 0) std::filesystem::remove(shared);
}

TEST_CASE("a file that cannot be written is refused on all ranks, and the older one stays") {
  const temporary_folder folder;
  const networks::network& n = networks::named("example_01");
  remat::distributed_network model(session(), n.lower(), options(0, 3));
  const auto save = [&](const std::filesystem::path& to) {
    return refusal(model, [&] { remat::save_weights(model, to); });
  };
  CHECK_THAT(save(folder.path() / "no" / "folder"), Contains("cannot be written"));
  const auto path = folder.write("weights", "older");
  const std::string full = [&] {
    const file_limit limit(100'000);
    return save(path);
  }();
  CHECK_THAT(full, Contains("cannot be written (File too large)"));
  CHECK(temporary_folder::stored(path) == "older");
  CHECK(!std::filesystem::exists(path.string() + ".partial"));
  CHECK(save(path).empty());
}

}  // namespace weights_tests
