// SPDX-License-Identifier: MIT
/// What a network refuses, before anything is lost: each check throws an `error` that says what would be accepted.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/plan/report.hpp>
#include <remat/plan/segment_plans.hpp>
#include <remat/run/source.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace remat {

/// The number of threads that `wanted` asks for. Throws `error` where this process never has that many.
inline int checked_threads(int wanted) {
  if (wanted < 0 || wanted > most_threads)
    throw error("a model needs 1 to 1024 threads, or 0 for OpenMP's number; it was given " + std::to_string(wanted));
  if (wanted == 0) return thread_count();
  if (const int most = detail::openmp_of_onednn().limited(wanted); most < wanted) detail::refuse_threads(wanted, most);
  return wanted;
}

inline void require_unique_paths(const program& p) {
  std::vector<std::string> paths;
  for (int n = 0; n < p.nodes.count(); ++n) paths.push_back(path_of(p, n));
  std::ranges::sort(paths);
  if (const auto twice = std::ranges::adjacent_find(paths); twice != paths.end())
    throw error("two modules have the path '" + *twice + "'; give them different names (the loss's is 'loss')");
}

/// Every module that training must differentiate can be.
inline void require_backward(const program& p) {
  const core::list<backward_need> needs = detail::backward_needs(p);
  for (int i = 0; i < p.operations.count(); ++i) {
    const operation& o = p.operations[i];
    const char* missing = needs[i].parameters && o.kernels->backward_parameters == nullptr ? "backward_parameters"
                          : needs[i].input && o.kernels->backward_input == nullptr && !o.is.passes_gradient
                              ? "backward_input"
                              : nullptr;
    if (missing != nullptr)
      throw error("the module '" + path_of(p, o.node) + "' (" + std::string(o.kind) + ") has no " + missing +
                  ", which training this network needs; give it one");
  }
}

inline void require_float_outputs(const program& p) {
  for (int i = 0; i < p.outputs.size; ++i)
    if (const tensor_shape& shape = p.tensors[p.outputs[i]]; shape.type != element::float32)
      throw error("an output that is given to the user holds float, and output " + std::to_string(i) +
                  " of this model is " + detail::text_of(shape));
}

/// Only images are given as `channels_last`.
inline void require_layout(const tensor_source& given, const tensor_shape& shape, const std::string& name) {
  if (given.is_channels_last && !shape.is_image())
    throw error(name +
                " is given as channels_last, which is a layout of images, and the model declares it as a tensor of " +
                detail::text_of(shape) + "; give its numbers as they are, or declare it as remat::image");
}

/// Images whose extents their reader knows are as large as the model's.
inline void require_shape_of_images(const tensor_source& given, const tensor_shape& shape, const std::string& name) {
  if (given.image[0] == 0 || !shape.is_image()) return;
  tensor_shape its = shape;
  std::ranges::copy(given.image, its.extents);
  if (its != shape)
    throw error(name + " takes images of " + detail::text_of(shape) + ", and was given images of " +
                detail::text_of(its));
}

inline void require_output_gradients(const program& p, std::span<const tensor_source> given, std::size_t batch) {
  if (static_cast<int>(given.size()) != p.outputs.size)
    throw error("backward takes a gradient for each output: " + std::to_string(p.outputs.size) + ", and was given " +
                std::to_string(given.size()));
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::size_t wanted = p.tensors[p.outputs[static_cast<int>(i)]].elements(batch);
    if (given[i].type != element::float32 || given[i].size != wanted)
      throw error("the gradient of output " + std::to_string(i) + " has " + std::to_string(given[i].size) +
                  " elements; it takes " + std::to_string(wanted) + " of float, as many as the output has");
    const tensor_shape& shape = p.tensors[p.outputs[static_cast<int>(i)]];
    const std::string name = "the gradient of output " + std::to_string(i);
    require_layout(given[i], shape, name);
    require_shape_of_images(given[i], shape, name);
  }
}

/// What messages call an input of the program: inputs and targets are counted apart, each from 0.
inline std::string name_of_input(const program& p, std::size_t number) {
  const auto inputs = static_cast<std::size_t>(p.inputs - p.targets);
  return number < inputs ? "input " + std::to_string(number) : "target " + std::to_string(number - inputs);
}

/// The batch that `sources` hold, the first `count` inputs of the program.
inline std::size_t batch_of(const program& p, std::span<const tensor_source> sources, int count) {
  if (static_cast<int>(sources.size()) != count)
    throw error("this call takes " + std::to_string(count) + " tensors, and was given " +
                std::to_string(sources.size()));
  std::size_t batch = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const tensor_shape& shape = p.tensors[i];
    const std::string name = name_of_input(p, i);
    if ((sources[i].type == element::float32) != (shape.type == element::float32))
      throw error(name + (shape.type == element::float32 ? " takes float" : " takes integers"));
    require_layout(sources[i], shape, name);
    require_shape_of_images(sources[i], shape, name);
    const std::size_t each = shape.elements();
    if (sources[i].size == 0) throw error(name + " is empty; a call takes at least one sample");
    if (sources[i].size % each != 0)
      throw error(name + " has " + std::to_string(sources[i].size) +
                  " elements, which is no whole number of samples of " + std::to_string(each) + " " +
                  detail::text_of(shape));
    const std::size_t samples = sources[i].size / each;
    if (i > 0 && samples != batch)
      throw error(name + " holds " + std::to_string(samples) + " samples, input 0 holds " + std::to_string(batch));
    batch = samples;
  }
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (const std::string misfit = sources[i].misfit(sources[i], p.tensors[i]); !misfit.empty()) {
      const bool is_target = static_cast<int>(i) >= p.inputs - p.targets;
      const std::string range = with_integer(p.tensors[i].type, []<class T>(T) {
        return "integers from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
               std::to_string(std::numeric_limits<T>::max());
      });
      if (is_target)
        throw error("target " + misfit + " of the batch is no class; " + name_of_input(p, i) + " holds " + range);
      throw error(name_of_input(p, i) + " holds " + range + ", and was given " + misfit + " of the batch");
    }
  return batch;
}

}  // namespace remat
