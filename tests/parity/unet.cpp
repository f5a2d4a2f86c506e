// SPDX-License-Identifier: MIT
// The U-Net, for which PyTorch alone is enough (prebuilt.hpp).
#include "prebuilt.hpp"

namespace {

using namespace remat::models;

constexpr unet_config small_unet{.channels = 3, .classes = 4, .width = 6, .depth = 2};
constexpr prebuilt::named_model all[] = {{"unet", &prebuilt::lowered<unet<small_unet>, remat::image<float, 3, 12, 8>>}};

}  // namespace

int main(int argc, char** argv) { return prebuilt::run(all, argc, argv); }
