// SPDX-License-Identifier: MIT
/// Implementations of oneDNN 2.6 that are skipped, and why: those that compute something wrong or write where they must
/// not, and one that is slow. tests/fuzz searches for the first kind, and a row is added here for what it finds.
///
/// | operation                | implementation | where                                              |
/// |--------------------------|----------------|----------------------------------------------------|
/// | convolution, dw          | jit_1x1        | stride above 1, fewer inputs than a vector has     |
/// | convolution, dx          | jit:avx512     | more than 512 outputs, inputs no multiple of 16    |
/// | convolution, y and sum   | jit_dw:sse41   | depthwise, channels that are no multiple of 4      |
/// | convolution, y           | brgconv        | many channels of few pixels                        |
/// | convolution, dw          | jit_bf16_1x1   | as jit_1x1                                         |
/// | convolution, dw          | jit_bf16       | steps that are wider than the input                |
/// | convolution, dx          | jit_bf16_1x1   | inputs no multiple of 16, or an odd number of      |
/// |                          |                | outputs                                            |
#pragma once

#include <remat/nn/onednn_layout.hpp>
#include <remat/nn/onednn_request.hpp>

#include <string_view>

namespace remat::onednn::detail {

/// A row: of the implementations whose names begin so, those that contain `also` are skipped where `applies` says so.
struct skipped_convolution {
  std::string_view implementation;
  std::string_view also;
  bool (*applies)(const dnnl_convolution_desc_t&, const extras&);
};

/// Input channels of a group.
inline extent inputs_of_a_group(const dnnl_convolution_desc_t& d) {
  const dnnl_memory_desc_t& weights = d.prop_kind == dnnl_backward_weights ? d.diff_weights_desc : d.weights_desc;
  return weights.dims[weights.ndims - 3];
}

/// The gradient of the weights, of every second pixel or fewer. To gather them, jit_1x1 reserves scratch for the input
/// channels that there are, and writes as many as a vector has: wrong gradients, threads that wait for ever, and memory
/// of others that is overwritten (https://github.com/uxlfoundation/oneDNN/issues/6035).
template <extent Vector>
bool gathers_less_than_a_vector(const dnnl_convolution_desc_t& d, const extras&) {
  return d.prop_kind == dnnl_backward_weights && (d.strides[0] > 1 || d.strides[1] > 1) &&
         inputs_of_a_group(d) < Vector;
}

/// The gradient of the input, in several blocks of output channels: what the first blocks gave is read again in whole
/// vectors, the last of which ends beyond the tensor where the channels do not fill it.
inline bool reads_whole_vectors_again(const dnnl_convolution_desc_t& d, const extras&) {
  return d.prop_kind == dnnl_backward_data && d.diff_dst_desc.dims[1] > 512 && inputs_of_a_group(d) % 16 != 0;
}

/// The sum is read from memory by an instruction of SSE that wants multiples of 16 bytes, which pixels are only where
/// their channels are multiples of 4: elsewhere the program ends by a signal.
inline bool adds_to_unaligned_pixels(const dnnl_convolution_desc_t& d, const extras& e) {
  return e.adds_to_destination && d.dst_desc.dims[1] % 4 != 0;
}

/// Many channels of few pixels, for which oneDNN's first choice takes twice as long as its second.
inline bool is_wide_and_small(const dnnl_convolution_desc_t& d, const extras&) {
  const dnnl_dims_t &in = d.src_desc.dims, &out = d.dst_desc.dims;
  return d.prop_kind == dnnl_forward_training && out[2] * out[3] <= 16 && in[1] * out[1] >= 256 * 256;
}

/// The gradient of the weights of bfloat16, where the second window of a row would begin after the input: the pairs of
/// pixels that are multiplied at once are taken from memory that nobody has written, or after the tensor.
inline bool steps_over_the_input(const dnnl_convolution_desc_t& d, const extras&) {
  return d.prop_kind == dnnl_backward_weights && d.strides[1] > d.src_desc.dims[3];
}

/// The gradient of the input of bfloat16, whose last vector of channels is not full: it is written over what follows.
inline bool writes_whole_vectors(const dnnl_convolution_desc_t& d, const extras&) {
  return d.prop_kind == dnnl_backward_data && inputs_of_a_group(d) % 16 != 0;
}

/// The gradient of the input of bfloat16 from an odd number of output channels. They are multiplied in pairs, and the
/// other half of the last one is not 0.
inline bool has_half_a_pair(const dnnl_convolution_desc_t& d, const extras&) {
  return d.prop_kind == dnnl_backward_data && d.diff_dst_desc.dims[1] % 2 != 0;
}

inline constexpr skipped_convolution skipped_convolutions[] = {
    {"jit_bf16_1x1:", "", &gathers_less_than_a_vector<16>},
    {"jit_bf16_1x1:", "", &writes_whole_vectors},
    {"jit_bf16_1x1:", "", &has_half_a_pair},
    {"jit_bf16:", "", &steps_over_the_input},
    {"jit_1x1:", "avx512", &gathers_less_than_a_vector<16>},
    {"jit_1x1:", "", &gathers_less_than_a_vector<8>},
    {"jit:avx512", "", &reads_whole_vectors_again},
    {"jit_dw:sse41", "", &adds_to_unaligned_pixels},
    {"brgconv:", "", &is_wide_and_small},
};

/// Whether an implementation is skipped for an operation; `description` is one of oneDNN's operation descriptors, all
/// of which begin with their kind.
inline bool is_skipped(const void* description, const extras& e, std::string_view implementation) {
  if (*static_cast<const dnnl_primitive_kind_t*>(description) != dnnl_convolution) return false;
  const auto& d = *static_cast<const dnnl_convolution_desc_t*>(description);
  for (const skipped_convolution& s : skipped_convolutions)
    if (implementation.starts_with(s.implementation) && implementation.find(s.also) != implementation.npos &&
        s.applies(d, e))
      return true;
  return false;
}

}  // namespace remat::onednn::detail
