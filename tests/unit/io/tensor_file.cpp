// SPDX-License-Identifier: MIT
// Everything that a model and an optimizer remember, in one file: it comes back whole, or nothing changes.
#include <remat/remat.hpp>
#include <remat/weights.hpp>

#include "temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tensor_file_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using net = remat::sequential<nn::linear<4, 3>, nn::tanh, nn::linear<3, 2>>;
using trained = remat::model<net, remat::tensor<float, 4>, nn::mse_loss>;

template <class Optimizer>
void train(trained& model, Optimizer& optimizer, int steps) {
  const std::vector<float> x{0.1f, 0.2f, 0.3f, 0.4f, -0.5f, 0.6f, -0.7f, 0.8f}, y{1, 0, 0, 1};
  for (int i = 0; i < steps; ++i) {
    model.train_step(x, y);
    optimizer.step(model);
  }
}

/// The bytes of everything, by way of a file.
std::string everything(const temporary_folder& folder, trained& model, remat::adam& optimizer) {
  remat::write_tensors(model.tensors(optimizer), folder.path() / "everything");
  return temporary_folder::stored(folder.path() / "everything");
}

TEST_CASE("a file of everything comes back with every element type, and without the rows that are not in it") {
  const temporary_folder folder;
  const auto path = folder.path() / "state", fresh_path = folder.path() / "fresh";
  trained model{{.seed = 1}}, fresh{{.seed = 5}};
  remat::adam optimizer, fresh_optimizer;
  remat::write_tensors(fresh.tensors(fresh_optimizer), fresh_path);
  train(model, optimizer, 3);
  remat::write_tensors(model.tensors(optimizer), path);

  remat::safetensors_file file(path);
  CHECK(file.find("model/seed")->type == "U64");
  CHECK(file.find("model/steps")->type == "U32");
  CHECK(file.find("optimizer/0.weight/exp_avg")->shape == std::vector<std::size_t>{3, 4});
  CHECK(remat::safetensors_file(fresh_path).find("optimizer/0.weight/exp_avg") == nullptr);
  // Weights are where they are in a file of weights, and may be loaded from this one.
  trained other{{.seed = 2}};
  remat::load_weights(other, path, {.ignore_unexpected = true});
  CHECK(std::ranges::equal(other.parameter("2.weight").values, model.parameter("2.weight").values));

  const remat::load_report report = remat::read_tensors(fresh.tensors(fresh_optimizer), path);
  CHECK(report.loaded.size() == file.tensors().size());
  CHECK(everything(folder, fresh, fresh_optimizer) == temporary_folder::stored(path));
  train(fresh, fresh_optimizer, 2);
  train(model, optimizer, 2);
  CHECK(everything(folder, fresh, fresh_optimizer) == everything(folder, model, optimizer));

  remat::read_tensors(model.tensors(optimizer), fresh_path);
  CHECK(optimizer.bytes() == 0);
  CHECK(optimizer.steps() == 0);
  CHECK(everything(folder, model, optimizer) == temporary_folder::stored(fresh_path));
}

TEST_CASE("a file of everything that does not fit changes nothing") {
  const temporary_folder folder;
  const auto path = folder.path() / "state";
  trained model{{.seed = 1}};
  remat::adam optimizer;
  train(model, optimizer, 2);
  const std::string before = everything(folder, model, optimizer);
  const auto refuses = [&](const char* because) {
    CHECK_THROWS_WITH(remat::read_tensors(model.tensors(optimizer), path), Contains(because));
    CHECK(everything(folder, model, optimizer) == before);
  };
  remat::save_weights(model, path);
  refuses("missing: model/seed [], model/steps [], optimizer/steps []");
  std::string changed = before;
  changed.replace(changed.find("\"U32\",\"shape\":[]"), 5, "\"F32\"");
  folder.write("state", changed);
  refuses("model/steps is F32; U32 is accepted");
  changed = before;
  changed.replace(changed.find("exp_avg_sq"), 10, "exp_avg_sk");
  folder.write("state", changed);
  refuses("unexpected (accepted with {.ignore_unexpected = true}): optimizer/0.weight/exp_avg_sk [3, 4]");
}

TEST_CASE("moments that steps have made are there, or the file is refused") {
  const temporary_folder folder;
  const auto path = folder.path() / "state";
  trained model{{.seed = 1}}, other{{.seed = 1}};
  remat::sgd without_momentum, with_momentum{{.momentum = 0.9f}};
  train(model, without_momentum, 5);
  remat::write_tensors(model.tensors(without_momentum), path);
  CHECK_NOTHROW(remat::read_tensors(other.tensors(with_momentum), path));  // it begins with the next gradient
  remat::adam optimizer;
  CHECK_THROWS_WITH(remat::read_tensors(other.tensors(optimizer), path),
                    Contains("missing: optimizer/0.weight/exp_avg [3, 4], optimizer/0.weight/exp_avg_sq [3, 4]"));
  CHECK(optimizer.steps() == 0);

  train(other, optimizer, 1);
  remat::write_tensors(other.tensors(optimizer), path);
  std::string changed = temporary_folder::stored(path);
  const std::string one("\1\0\0\0\0\0\0\0", 8);  // of the last counter
  REQUIRE(changed.rfind(one) != std::string::npos);
  changed.replace(changed.rfind(one), 8, std::string(8, '\xff'));
  folder.write("state", changed);
  CHECK_THROWS_WITH(remat::read_tensors(other.tensors(optimizer), path),
                    Contains("has 18446744073709551615 for 'optimizer/") && Contains("up to 2^53 are accepted"));
}

}  // namespace tensor_file_tests
