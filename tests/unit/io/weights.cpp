// SPDX-License-Identifier: MIT
// Weights of a model in safetensors files: every one is loaded, or nothing changes.
#include <remat/remat.hpp>
#include <remat/weights.hpp>

#include "temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace weights_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;

/// Has a state.
struct counting : remat::module {
  static constexpr std::string_view kind = "counting";
  template <class X>
  static X output(X);
  static constexpr std::array states{remat::parameter("passes", {1}, remat::initial::constant(0))};

  static void forward(const remat::forward_pass& pass) {
    std::memcpy(pass.output().data(), pass.input().data(), pass.input().size_bytes());
  }
  static void backward_input(const remat::backward_pass& pass) {
    pass.input_gradient().assign([dy = pass.output_gradient()](std::size_t i) { return dy[i]; });
  }
  static void update_state(const remat::update_pass& pass) { pass.state(0)[0] += 1; }
};

using net = remat::sequential<remat::named<"conv", nn::conv2d<1, 3, 3>>, remat::named<"count", counting>, nn::flatten,
                              remat::named<"fc", nn::linear<48, 5>>, nn::log_softmax>;
using model = remat::model<net, remat::image<float, 1, 6, 6>, nn::nll_loss>;

const temporary_folder folder;

std::vector<std::byte> bits_of(model& m) {
  const auto values = remat::internals::store(m).value_block(), states = remat::internals::store(m).state_block();
  std::vector<std::byte> bits(values.begin(), values.end());
  bits.insert(bits.end(), states.begin(), states.end());
  return bits;
}

/// The tensors of a model, to be changed before they are written.
struct tensors {
  std::map<std::string, std::pair<std::vector<std::size_t>, std::vector<float>>> each;

  explicit tensors(const model& m) {
    for (const auto& p : m.parameters()) each[p.name] = {p.shape, {p.values.begin(), p.values.end()}};
    for (const auto& s : m.states()) each[s.name] = {s.shape, {s.values.begin(), s.values.end()}};
  }
  std::filesystem::path write() const {
    std::vector<remat::safetensor_values> all;
    for (const auto& [name, tensor] : each) all.push_back({name, tensor.first, tensor.second});
    remat::write_safetensors(folder.path() / "changed", all);
    return folder.path() / "changed";
  }
};

/// The message with which a file is refused, after checking that the model did not change.
std::string refusal(const std::filesystem::path& path, const remat::load_options& options = {}) {
  model m{{.seed = 2}};
  const auto before = bits_of(m);
  std::string message;
  try {
    remat::load_weights(m, path, options);
  } catch (const remat::data_error& refused) {
    message = refused.what();
    CHECK_THAT(message, Contains(path.string()));
    CHECK((bits_of(m) == before));
  }
  return message;
}

TEST_CASE("weights and states come back bit by bit", "[io][weights]") {
  model one{{.seed = 1}}, other{{.seed = 2}};
  const std::vector<float> x(72, 0.5f);
  one.train_step(x, std::vector<std::int32_t>{1, 2});
  const auto path = folder.path() / "net.safetensors";
  remat::save_weights(one, path);
  CHECK((bits_of(one) != bits_of(other)));
  remat::load_weights(other, path);
  CHECK((bits_of(one) == bits_of(other)));
  CHECK(other.states()[0].values[0] == 1);
  CHECK(std::ranges::equal(one.predict(x), other.predict(x)));

  remat::safetensors_file file(path);
  std::vector<std::string> names;
  for (const auto& t : file.tensors()) names.push_back(t.name);
  CHECK(names == std::vector<std::string>{"conv.weight", "conv.bias", "fc.weight", "fc.bias", "count.passes"});
  CHECK(file.find("conv.weight")->shape == std::vector<std::size_t>{3, 1, 3, 3});
}

TEST_CASE("weights are written as bfloat16, the nearest, and come back as these", "[io][weights]") {
  model one{{.seed = 1}}, other{{.seed = 2}};
  const auto weight = one.parameter("conv.weight").values;
  constexpr float infinite = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<float, float>> rounded{
      {1 + 0x1p-8f, 1},    {1 + 0x1.8p-7f, 1 + 0x1p-6f}, {1 + 0x1.002p-8f, 1 + 0x1p-7f}, {-0.0f, -0.0f},
      {3.4e38f, infinite}, {-infinite, -infinite},       {0x1.8p-133f, 0x1p-132f},       {0x1p-149f, 0}};
  for (std::size_t i = 0; i < rounded.size(); ++i) weight[i] = rounded[i].first;
  weight[8] = std::bit_cast<float>(0xff800001);  // a NaN of which the upper half alone is an infinity
  const auto path = folder.path() / "two_bytes", whole_path = folder.path() / "four_bytes";
  remat::save_weights(one, path, {.element = remat::element::bfloat16});
  remat::save_weights(one, whole_path);
  CHECK(remat::safetensors_file(path).find("count.passes")->type == "BF16");
  const std::size_t elements = 27 + 3 + 240 + 5 + 1;
  CHECK(std::filesystem::file_size(whole_path) - std::filesystem::file_size(path) >= 2 * elements - 8);
  remat::load_weights(other, path);
  const auto loaded = other.parameter("conv.weight").values;
  for (std::size_t i = 0; i < rounded.size(); ++i)
    CHECK(std::bit_cast<std::uint32_t>(loaded[i]) == std::bit_cast<std::uint32_t>(rounded[i].second));
  CHECK(std::isnan(loaded[8]));
  remat::save_weights(other, folder.path() / "again", {.element = remat::element::bfloat16});
  CHECK(temporary_folder::stored(folder.path() / "again") == temporary_folder::stored(path));
  CHECK_THROWS_WITH(remat::save_weights(one, path, {.element = remat::element::int32}),
                    Contains("cannot be written as int32; float32 and bfloat16 are accepted"));
}

TEST_CASE("what is missing, unexpected or of another shape is listed, and nothing changes", "[io][weights]") {
  const model source{{.seed = 1}};
  tensors changed(source);
  CHECK(refusal(changed.write()).empty());

  changed.each.erase("conv.bias");
  changed.each.erase("count.passes");
  changed.each["fc.bias"].first = {5, 1};
  changed.each["head.weight"] = {{2}, {1, 2}};
  const std::string all = refusal(changed.write());
  CHECK_THAT(all, Contains("does not fit the model, which is unchanged; missing: conv.bias [3], count.passes [1]"));
  CHECK_THAT(all, Contains("; of another shape: fc.bias is [5, 1] in the file and [5] in the model"));
  CHECK_THAT(all, Contains("; unexpected (accepted with {.ignore_unexpected = true}): head.weight [2]"));
  CHECK_THAT(refusal(changed.write(), {.ignore_unexpected = true}), Contains("missing") && !Contains("unexpected"));
}

TEST_CASE("tensors that the model does not have are ignored when asked, and counters always", "[io][weights]") {
  const model source{{.seed = 1}};
  tensors changed(source);
  changed.each["bn.num_batches_tracked"] = {{}, {3}};
  CHECK(refusal(changed.write()).empty());
  for (int i = 0; i < 30; ++i) changed.each["extra." + std::to_string(i)] = {{1}, {0}};
  CHECK_THAT(refusal(changed.write()), Contains("extra.0 [1], extra.1 [1]") && Contains(" and 10 more"));
  CHECK(refusal(changed.write(), {.ignore_unexpected = true}).empty());
}

TEST_CASE("a damaged file, or one of other types, leaves the model as it was", "[io][weights]") {
  const model source{{.seed = 1}};
  const std::string whole = temporary_folder::stored(tensors(source).write());
  for (std::size_t size = 0; size < whole.size(); size += 13)
    CHECK(!refusal(folder.write("cut", whole.substr(0, size))).empty());
  std::string integers = whole;
  integers.replace(integers.find("F32"), 3, "I32");
  CHECK_THAT(refusal(folder.write("integers", integers)),
             Contains("of a type that is not read: conv.bias is I32; F32"));
  CHECK_THAT(refusal(folder.path() / "missing"), Contains("cannot be opened"));
}

}  // namespace weights_tests
