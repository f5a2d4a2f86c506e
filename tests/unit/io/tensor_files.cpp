// SPDX-License-Identifier: MIT
// Weights in several files with an index, and indexes that lie.
#include <remat/remat.hpp>
#include <remat/weights.hpp>

#include "temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace tensor_files_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using net = remat::sequential<remat::named<"a", nn::linear<3, 4>>, nn::tanh, remat::named<"b", nn::linear<4, 2>>>;
using model = remat::model<net, remat::tensor<float, 3>>;

const std::string index_name = "model.safetensors.index.json";

std::vector<float> values_of(const model& m) {
  std::vector<float> all;
  for (const remat::parameter_view& p : m.parameters()) all.insert(all.end(), p.values.begin(), p.values.end());
  return all;
}

/// Writes some of a model's parameters.
void write_shard(const std::filesystem::path& path, const model& m, const std::vector<std::string>& names) {
  std::vector<remat::safetensor_values> tensors;
  for (const std::string& name : names) tensors.push_back({name, m.parameter(name).shape, m.parameter(name).values});
  remat::write_safetensors(path, tensors);
}

/// A folder with the weights of a model in two files.
struct sharded {
  temporary_folder folder;
  model m{{.seed = 1}};
  std::string index = R"({"metadata": {"total_size": 104}, "weight_map": {"a.weight": "one.safetensors",)"
                      R"("a.bias": "two.safetensors", "b.weight": "two.safetensors", "b.bias": "one.safetensors"}})";

  sharded() {
    write_shard(folder.path() / "one.safetensors", m, {"a.weight", "b.bias"});
    write_shard(folder.path() / "two.safetensors", m, {"b.weight", "a.bias"});
    folder.write(index_name, index);
  }
  std::filesystem::path path() const { return folder.path(); }
  void replace(const std::string& from, const std::string& to) const {
    std::string changed = index;
    REQUIRE(changed.find(from) != std::string::npos);
    folder.write(index_name, changed.replace(changed.find(from), from.size(), to));
  }
};

/// The message with which a path is refused; empty where it gives the weights of model 1.
std::string refusal(const std::filesystem::path& path) {
  model other{{.seed = 2}};
  const std::vector<float> before = values_of(other);
  try {
    remat::load_weights(other, path);
  } catch (const remat::data_error& refused) {
    CHECK(values_of(other) == before);
    return refused.what();
  }
  CHECK(values_of(other) == values_of(model{{.seed = 1}}));
  return {};
}

TEST_CASE("an index, or the folder that holds it, loads its files", "[io][weights]") {
  const sharded s;
  CHECK(refusal(s.path() / index_name).empty());
  CHECK(refusal(s.path()).empty());
  CHECK(refusal(s.path() / "").empty());
  // A file of the folder that the index does not name is none of its.
  s.folder.write("training_args.safetensors", "no weights");
  CHECK(refusal(s.path()).empty());
  // Nor is what a file of it holds beyond.
  write_shard(s.path() / "two.safetensors", model{{.seed = 3}}, {"b.weight", "a.bias", "a.weight"});
  write_shard(s.path() / "two.safetensors", s.m, {"a.bias", "b.weight"});
  std::filesystem::create_directory(s.path() / "parts");
  std::filesystem::rename(s.path() / "one.safetensors", s.path() / "parts/one.safetensors");
  std::string below = s.index;
  for (std::size_t at = 0; (at = below.find("\"one", at)) != std::string::npos;) below.replace(at, 4, "\"parts/one");
  s.folder.write(index_name, below);
  CHECK(refusal(s.path()).empty());
}

TEST_CASE("a tensor of the same name in another file than the index says is not read", "[io][weights]") {
  const sharded s;
  const model other{{.seed = 3}};
  remat::write_safetensors(s.path() / "two.safetensors", std::vector<remat::safetensor_values>{
                                                             {"b.weight", {2, 4}, s.m.parameter("b.weight").values},
                                                             {"a.bias", {4}, s.m.parameter("a.bias").values},
                                                             {"a.weight", {4, 3}, other.parameter("a.weight").values}});
  CHECK(refusal(s.path()).empty());
}

TEST_CASE("a folder is read where it is clear what is meant", "[io][weights]") {
  const temporary_folder folder;
  const model m{{.seed = 1}};
  CHECK_THAT(refusal(folder.path()), Contains("holds no weights; it is a folder") && Contains("needed"));
  remat::save_weights(m, folder.path() / "net.safetensors");
  CHECK(refusal(folder.path()).empty());
  remat::save_weights(model{{.seed = 4}}, folder.path() / "other.safetensors");
  CHECK_THAT(refusal(folder.path()),
             Contains("holds 'net.safetensors' and 'other.safetensors', and either may be meant"));
  remat::save_weights(m, folder.path() / "model.safetensors");
  CHECK(refusal(folder.path()).empty());
  folder.write(index_name, R"({"weight_map": {}})");
  CHECK_THAT(refusal(folder.path()), Contains("holds 'model.safetensors' and 'model.safetensors.index.json'"));
}

TEST_CASE("an index that its files do not bear out is refused by name", "[io][weights]") {
  const sharded s;
  s.replace(R"("a.bias": "two.safetensors")", R"("a.bias": "one.safetensors")");
  CHECK_THAT(refusal(s.path()),
             Contains(index_name + ": has 'a.bias' in 'one.safetensors', which holds no tensor of this name"));
  s.replace(R"("a.bias": "two.safetensors")", R"("a.bias": "three.safetensors")");
  CHECK_THAT(refusal(s.path()), Contains("three.safetensors: cannot be opened (No such file"));
  s.replace(R"("a.bias": "two.safetensors", )", "");
  CHECK_THAT(refusal(s.path()), Contains("does not fit the model, which is unchanged; missing: a.bias [4]"));
  s.folder.write(index_name, s.index);
  const std::string whole = temporary_folder::stored(s.path() / "two.safetensors");
  s.folder.write("two.safetensors", whole.substr(0, whole.size() - 1));
  CHECK_THAT(refusal(s.path()), Contains("two.safetensors: is truncated or damaged"));
}

TEST_CASE("an index that leaves its folder is refused by name", "[io][weights]") {
  const sharded s;
  for (const char* const outside :
       {"../two.safetensors", "/two.safetensors", "x/../../two.safetensors", "..", "//x", "x/.."}) {
    s.replace(R"("a.bias": "two.safetensors")", std::string(R"("a.bias": ")") + outside + '"');
    CHECK_THAT(refusal(s.path()), Contains("has 'a.bias' in '" + std::string(outside) + "', which leaves the folder"));
  }
}

TEST_CASE("what is no index is refused", "[io][weights]") {
  const temporary_folder folder;
  const auto refused = [&](const std::string& text) { return refusal(folder.write(index_name, text)); };
  for (const char* const text : {"{}", "[]", "7", R"({"weight_map": []})", R"({"weight_map": "x"})"})
    CHECK_THAT(refused(text), Contains("is no index of weights; {\"weight_map\""));
  CHECK_THAT(refused(""), Contains("that is no JSON"));
  CHECK_THAT(refused(R"({"weight_map": {"x": 1}})"), Contains("has 'x' in what is no name of a file"));
  CHECK_THAT(refused(R"({"weight_map": {"x": ""}})"), Contains("a file without a name"));
  CHECK_THAT(refused(R"({"weight_map": {"x": "a\u0000b"}})"), Contains("a file without a name"));
  CHECK_THAT(refused(R"({"weight_map": {"x": "a", "x": "b"}})"), Contains("has 'x' twice in its weights index"));
  CHECK_THAT(refused("{\"metadata\": " + std::string(1000, '[')), Contains("nests deeper than 16 levels"));
  // What the parser quotes may be long, and what is shown of it is not.
  for (const std::string& text : {"{\"" + std::string(5000, '-'), "{\"" + std::string(5000, '-') + "\":}",
                                  R"({"weight_map": {")" + std::string(5000, 'x') + "\": 1}}",
                                  "{\"" + std::string(5000, 'x') + "\":1,\"" + std::string(5000, 'x') + "\":1}"})
    CHECK(refused(text).size() < 700);
  CHECK_THAT(refused(R"({"weight_map": {}})"), Contains("holds no tensors"));
  CHECK_THAT(refusal(folder.path() / "none.json"), Contains("none.json: cannot be opened"));
}

TEST_CASE("a file named for another name of a shared parameter is compared across files", "[io][weights]") {
  using tied = remat::sequential<remat::shared<"w", remat::named<"a", nn::linear<3, 3>>>, nn::tanh,
                                 remat::shared<"w", remat::named<"b", nn::linear<3, 3>>>>;
  remat::model<tied, remat::tensor<float, 3>> m{{.seed = 1}};
  const temporary_folder folder;
  std::vector<float> weight(9, 0.5f), bias(3, 0.25f), changed = weight;
  changed[8] = 1;
  for (const std::vector<float>& second : {weight, changed}) {
    remat::write_safetensors(folder.path() / "1", std::vector<remat::safetensor_values>{{"a.weight", {3, 3}, weight},
                                                                                        {"a.bias", {3}, bias}});
    remat::write_safetensors(folder.path() / "2", std::vector<remat::safetensor_values>{{"b.bias", {3}, bias},
                                                                                        {"b.weight", {3, 3}, second}});
    const auto path =
        folder.write("i.json", R"({"weight_map": {"a.weight": "1", "a.bias": "1", "b.weight": "2", "b.bias": "2"}})");
    if (second == weight)
      CHECK(remat::load_weights(m, path).loaded.size() == 2);
    else
      CHECK_THROWS_WITH(remat::load_weights(m, path), Contains("not equal in the file: a.weight and b.weight"));
  }
}

}  // namespace tensor_files_tests
