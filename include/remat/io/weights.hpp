// SPDX-License-Identifier: MIT
/// A model's weights as safetensors files: every parameter and state by its path, in PyTorch's names and layouts, so
/// that either reads the other's.
///
///     remat::save_weights(model, "net.safetensors");
///     remat::load_weights(model, "net.safetensors");
///
///     safetensors.torch.save_file(module.state_dict(), "net.safetensors")           # Python
///     module.load_state_dict(safetensors.torch.load_file("net.safetensors"))
///
/// PyTorch counts batches in `num_batches_tracked`, which nothing of remat's reads: such tensors are passed over.
#pragma once

#include <remat/core/error.hpp>
#include <remat/io/safetensors.hpp>
#include <remat/run/network.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace remat {

struct load_options {
  bool ignore_unexpected = false;  ///< tensors of the file that the model does not have are passed over
};

namespace detail {

/// Calls f(name, shape, values) on every parameter, then on every state.
template <class F>
void for_each_weight(const network& model, const F& f) {
  for (const parameter_view& p : model.parameters()) f(p.name, p.shape, p.values);
  for (const state_view& s : model.states()) f(s.name, s.shape, s.values);
}

/// Some things of one kind that a message lists.
class listing {
 public:
  void add(const std::string& what) {
    if (count_++ < most) text_ += (text_.empty() ? "" : ", ") + what;
  }
  std::string text(const char* title) const {
    if (count_ == 0) return "";
    return std::string("; ") + title + ": " + text_ +
           (count_ > most ? " and " + std::to_string(count_ - most) + " more" : "");
  }

 private:
  static constexpr std::size_t most = 20;
  std::size_t count_ = 0;
  std::string text_;
};

/// For each weight of a model, in order, the tensor of the file that it is read from. Throws a `data_error` that lists
/// all that does not fit.
inline std::vector<const safetensor*> tensors_of_weights(const safetensors_file& file,
                                                         std::span<const safetensor> weights,
                                                         const load_options& options) {
  listing missing, misshapen, unreadable, unexpected;
  std::vector<const safetensor*> found;
  std::vector<bool> is_expected(file.tensors().size());
  for (const safetensor& w : weights) {
    const safetensor* const t = found.emplace_back(file.find(w.name));
    if (t == nullptr) {
      missing.add(w.name + " " + shape_text(w.shape));
      continue;
    }
    is_expected[static_cast<std::size_t>(t - file.tensors().data())] = true;
    if (t->shape != w.shape)
      misshapen.add(w.name + " is " + shape_text(t->shape) + " in the file and " + shape_text(w.shape) +
                    " in the model");
    else if (!file.is_readable(t->type))
      unreadable.add(w.name + " is " + t->type + "; F32, F16, BF16 and F64 are accepted");
  }
  for (std::size_t i = 0; i < is_expected.size(); ++i)
    if (const safetensor& t = file.tensors()[i];
        !is_expected[i] && !options.ignore_unexpected && !t.name.ends_with("num_batches_tracked"))
      unexpected.add(t.name + " " + shape_text(t.shape));
  const std::string wrong = missing.text("missing") + misshapen.text("of another shape") +
                            unreadable.text("of a type that is not read") +
                            unexpected.text("unexpected (accepted with {.ignore_unexpected = true})");
  if (!wrong.empty()) throw data_error(file.name(), "does not fit the model, which is unchanged" + wrong);
  return found;
}

/// Reads a tensor. Throws `error` where that fails, which says how far the model is loaded.
inline void read_weight(safetensors_file& file, const safetensor& t, std::span<float> to) {
  try {
    file.read(t, to);
  } catch (const data_error& failed) {
    throw error(std::string(failed.what()) + "; the model is loaded up to '" + t.name + "'");
  }
}

}  // namespace detail

/// Writes every parameter and state as float32. The file appears under its name when it is complete; an `error` leaves
/// an older one as it was.
inline void save_weights(const network& model, const std::filesystem::path& path) {
  std::vector<safetensor_values> tensors;
  detail::for_each_weight(model, [&](const std::string& name, const std::vector<std::size_t>& shape,
                                     std::span<const float> values) { tensors.push_back({name, shape, values}); });
  write_safetensors(path, tensors);
}

/// Reads every parameter and state; F16, BF16 and F64 become float. The file must have each of them with its shape, and
/// nothing else unless told so. Whatever does not fit is listed in a `data_error`, thrown before the model changes;
/// only a disk that fails while it is read leaves a model half loaded, and the message says so.
inline void load_weights(network& model, const std::filesystem::path& path, const load_options& options = {}) {
  safetensors_file file(path);
  std::vector<safetensor> weights;
  std::vector<std::span<float>> values;
  detail::for_each_weight(model,
                          [&](const std::string& name, const std::vector<std::size_t>& shape, std::span<float> here) {
                            add_safetensor(weights, name, shape);
                            values.push_back(here);
                          });
  const std::vector<const safetensor*> tensors = detail::tensors_of_weights(file, weights, options);
  for (std::size_t i = 0; i < tensors.size(); ++i) detail::read_weight(file, *tensors[i], values[i]);
}

}  // namespace remat
