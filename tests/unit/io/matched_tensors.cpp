// SPDX-License-Identifier: MIT
// Parts of weights files, names of wrappers, and shared parameters under any of their names.
#include <remat/remat.hpp>
#include <remat/weights.hpp>

#include "temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace matched_tensors_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using strings = std::vector<std::string>;

using net = remat::sequential<remat::named<"backbone", remat::sequential<remat::named<"a", nn::linear<3, 4>>, nn::relu,
                                                                         remat::named<"b", nn::linear<4, 4>>>>,
                              remat::named<"head", nn::linear<4, 2>>>;
using model = remat::model<net, remat::tensor<float, 3>>;
using cell = remat::shared<"cell", nn::linear<4, 4>>;
using tied = remat::model<remat::sequential<remat::named<"one", cell>, nn::tanh, remat::named<"two", cell>>,
                          remat::tensor<float, 4>>;

const temporary_folder folder;

/// A tensor whose values all are `value`.
struct constant {
  std::string name;
  std::vector<std::size_t> shape;
  float value;
};

std::filesystem::path file_of(const std::vector<constant>& tensors) {
  std::vector<std::vector<float>> values;
  std::vector<remat::safetensor_values> all;
  for (const constant& t : tensors) {
    std::size_t size = 1;
    for (const std::size_t extent : t.shape) size *= extent;
    values.emplace_back(size, t.value);
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) all.push_back({tensors[i].name, tensors[i].shape, values[i]});
  remat::write_safetensors(folder.path() / "file", all);
  return folder.path() / "file";
}

std::vector<constant> backbone(const std::string& prefix) {
  return {{prefix + "a.weight", {4, 3}, 1},
          {prefix + "a.bias", {4}, 2},
          {prefix + "b.weight", {4, 4}, 3},
          {prefix + "b.bias", {4}, 4}};
}

float first(const remat::network& m, const char* name) { return m.parameter(name).values[0]; }

template <class Model>
std::string refusal(const std::filesystem::path& path, const remat::load_options& options = {}) {
  Model m{{.seed = 1}};
  const auto block = remat::internals::store(m).value_block();
  const std::vector<std::byte> before(block.begin(), block.end());
  std::string message;
  try {
    remat::load_weights(m, path, options);
  } catch (const remat::error& refused) {
    message = refused.what();
    CHECK(std::ranges::equal(before, block));
  }
  return message;
}

TEST_CASE("a backbone is loaded under another head, which stays as it is", "[io][weights]") {
  std::vector<constant> tensors = backbone("backbone.");
  model m{{.seed = 1}};
  const float head = first(m, "head.weight");
  {
    const auto [loaded, missing, unexpected, mismatched] =
        remat::load_weights(m, file_of(tensors), {.allow_missing = {"head"}});
    CHECK(loaded == strings{"backbone.a.weight", "backbone.a.bias", "backbone.b.weight", "backbone.b.bias"});
    CHECK(missing == strings{"head.weight", "head.bias"});
    CHECK((unexpected.empty() && mismatched.empty()));
    CHECK(first(m, "backbone.a.weight") == 1);
    CHECK(first(m, "backbone.b.bias") == 4);
    CHECK(first(m, "head.weight") == head);
  }
  CHECK_THAT(refusal<model>(file_of(tensors)), Contains("missing: head.weight [2, 4], head.bias [2]"));
  CHECK_THAT(refusal<model>(file_of(tensors), {.allow_missing = {"head.weight"}}),
             Contains("missing: head.bias [2]") && !Contains("head.weight"));

  // A head of another number of classes, and one that the model does not have.
  tensors.push_back({"head.weight", {10, 4}, 9});
  tensors.push_back({"head.bias", {10}, 9});
  tensors.push_back({"fc.weight", {1}, 9});
  const remat::load_report report =
      remat::load_weights(m, file_of(tensors), {.allow_missing = {"head.*"}, .allow_unexpected = {"fc"}});
  CHECK(report.mismatched == strings{"head.weight", "head.bias"});
  CHECK(report.unexpected == strings{"fc.weight"});
  CHECK(first(m, "head.weight") == head);
  CHECK_THAT(refusal<model>(file_of(tensors), {.allow_unexpected = {"fc"}}),
             Contains("of another shape: head.weight is [10, 4] in the file and [2, 4] in the model"));
  CHECK_THAT(refusal<model>(file_of(tensors), {.allow_missing = {"*"}, .allow_unexpected = {"f"}}),
             Contains("unexpected") && Contains("fc.weight [1]"));
}

TEST_CASE("strict = false is PyTorch's", "[io][weights]") {
  std::vector<constant> tensors = backbone("backbone.");
  tensors.push_back({"other", {1}, 0});
  model m{{.seed = 1}};
  const remat::load_report report = remat::load_weights(m, file_of(tensors), {.strict = false});
  CHECK(report.loaded.size() == 4);
  CHECK(report.missing == strings{"head.weight", "head.bias"});
  CHECK(report.unexpected == strings{"other"});
  tensors.push_back({"head.bias", {10}, 9});
  CHECK_THAT(refusal<model>(file_of(tensors), {.strict = false}), Contains("of another shape: head.bias"));
  CHECK_THAT(refusal<model>(file_of(backbone("model.")), {.strict = false}),
             Contains("has nothing of the model, which is unchanged") && Contains("'model.a.weight'"));
  CHECK_THAT(refusal<model>(file_of({}), {.strict = false}), Contains("holds no tensors"));
}

TEST_CASE("names of wrappers are exchanged", "[io][weights]") {
  const remat::load_options options{.allow_missing = {"head"},
                                    .rename = {{"module.", ""}, {"_orig_mod.", ""}, {"model.", "backbone."}}};
  for (const char* prefix : {"module.backbone.", "_orig_mod.backbone.", "model.", "module._orig_mod.model."}) {
    model m{{.seed = 1}};
    CHECK(remat::load_weights(m, file_of(backbone(prefix)), options).loaded.size() == 4);
    CHECK(first(m, "backbone.b.weight") == 3);
  }
  std::vector<constant> twice = backbone("model.");
  twice.push_back({"backbone.b.bias", {4}, 0});
  CHECK_THAT(refusal<model>(file_of(twice), options),
             Contains("has 'model.b.bias' and 'backbone.b.bias', which are both 'backbone.b.bias'"));
}

TEST_CASE("renames of which none fits are refused, with the beginning that is nearest", "[io][weights]") {
  const std::string file = file_of(backbone("module.backbone."));
  CHECK_THAT(refusal<model>(file, {.allow_missing = {"head"}, .rename = {{"modul.", ""}}}),
             Contains("rename has 'modul.', with which no name in") &&
                 Contains("its first tensor is 'module.backbone.a.weight', and the nearest beginning is 'module.'"));
  CHECK_THAT(refusal<model>(file, {.strict = false, .rename = {{"nothing.of.it.", ""}, {"backbone.", ""}}}),
             Contains("rename has 'nothing.of.it.'") && !Contains("nearest"));
}

TEST_CASE("a message shows what a tensor was renamed to, and no byte of a name that commands a terminal",
          "[io][weights]") {
  std::vector<constant> tensors = backbone("model.");
  tensors.push_back({"model.x\x1b[31m", {4}, 0});
  CHECK_THAT(refusal<model>(file_of(tensors), {.allow_missing = {"head"}, .rename = {{"model.", "backbone."}}}),
             Contains("unexpected (accepted with {.ignore_unexpected = true}): model.x\\x1b[31m (renamed "
                      "backbone.x\\x1b[31m) [4]"));
}

TEST_CASE("a path that is empty names no file", "[io][weights]") {
  model m{{.seed = 1}};
  CHECK_THROWS_WITH(remat::load_weights(m, ""), Contains("'': names no file"));
  CHECK_THROWS_WITH(remat::save_weights(m, ""), Contains("'': names no file"));
}

TEST_CASE("a pattern for what the model does not have is refused", "[io][weights]") {
  CHECK_THAT(refusal<model>(file_of(backbone("backbone.")), {.allow_missing = {"haed"}}),
             Contains("allow_missing has 'haed', which is no weight of the model; it has: backbone.a.weight"));
}

TEST_CASE("a shared parameter has any of its names in a file", "[io][weights]") {
  for (const char* name : {"one", "two"}) {
    const std::string path = name;
    tied m{{.seed = 1}};
    const remat::load_report report =
        remat::load_weights(m, file_of({{path + ".weight", {4, 4}, 5}, {path + ".bias", {4}, 6}}));
    CHECK(report.loaded == strings{"one.weight", "one.bias"});
    CHECK(first(m, "one.weight") == 5);
    CHECK(first(m, "one.bias") == 6);
  }
  std::vector<constant> both{
      {"one.weight", {4, 4}, 5}, {"two.weight", {4, 4}, 5}, {"one.bias", {4}, 6}, {"two.bias", {4}, 6}};
  CHECK(refusal<tied>(file_of(both)).empty());
  both[1].value = 4;
  CHECK_THAT(refusal<tied>(file_of(both)),
             Contains("one parameter of the model, and not equal in the file: one.weight and two.weight"));
  CHECK_THAT(refusal<tied>(file_of({{"two.weight", {4, 4}, 5}})), Contains("missing: one.bias [4]"));
  CHECK(refusal<tied>(file_of({{"two.weight", {4, 4}, 5}}), {.allow_missing = {"two.bias"}}).empty());
}

TEST_CASE("a shared parameter is written once, or under each of its names", "[io][weights]") {
  const tied m{{.seed = 1}};
  const auto path = folder.path() / "tied";
  const auto names = [&] {
    strings found;
    const remat::safetensors_file file(path);
    for (const remat::safetensor& t : file.tensors()) found.push_back(t.name);
    return found;
  };
  remat::save_weights(m, path);
  CHECK(names() == strings{"one.weight", "one.bias"});
  remat::save_weights(m, path, {.every_name = true});
  CHECK(names() == strings{"one.weight", "two.weight", "one.bias", "two.bias"});
  tied other{{.seed = 2}};
  remat::load_weights(other, path);
  CHECK(std::ranges::equal(other.parameter("one.weight").values, m.parameter("one.weight").values));
}

}  // namespace matched_tensors_tests
