#include "checkpoint/smoothing_sites.h"

#include <utility>

namespace uffizi {
namespace {

using Source = SmoothingSite::Source;

void AddVisionSites(const VisionConfig& vision, SmoothingSites& sites) {
  for (size_t s = 0; s < vision.stages.size(); ++s) {
    const VisionConfig::Stage& stage = vision.stages[s];
    const std::string number = std::to_string(s);
    const std::string convolution = "model.vision_tower.convs." + number;
    const auto dim = static_cast<size_t>(stage.dim);
    if (stage.patch_prenorm) {
      sites.inputs.push_back(
          {Source::kNorm, convolution + ".norm", {convolution + ".conv.weight"}, 0, 1, true});
    } else if (s == 0) {
      sites.inputs.push_back({Source::kPixels, "", {convolution + ".conv.weight"}});
    }
    for (int b = 0; b < stage.depth; ++b) {
      const std::string prefix =
          "model.vision_tower.blocks." + number + "." + std::to_string(b) + ".";
      for (const bool spatial : {true, false}) {
        const std::string block = prefix + (spatial ? "spatial_block" : "channel_block");
        const std::string attention = block + (spatial ? ".window_attn." : ".channel_attn.");
        const size_t mixed = spatial ? 1 : dim / static_cast<size_t>(stage.groups);
        sites.inputs.push_back(
            {Source::kNorm, block + ".norm1", {attention + "qkv.weight"}, 0, 1, true});
        sites.inputs.push_back({Source::kValues,
                                attention + "qkv",
                                {attention + "proj.weight"},
                                2 * dim,
                                mixed,
                                true});
        sites.inputs.push_back(
            {Source::kNorm, block + ".norm2", {block + ".ffn.fc1.weight"}, 0, 1, true});
        sites.inputs.push_back({Source::kHidden, block + ".ffn.fc1", {block + ".ffn.fc2.weight"}});
        if (spatial) sites.keys.push_back({attention + "qkv", attention + "qkv", dim, false});
      }
    }
  }
}

// One half of BART; `states` is the norm whose output cross-attention reads, empty in the encoder.
// Returns the name of the last norm.
std::string AddTextSites(const std::string& side, int layers, const std::string& states,
                         SmoothingSites& sites) {
  std::string norm = side + "layernorm_embedding";
  std::vector<std::string> state_readers;
  const auto values = [&](const std::string& attention) {
    sites.inputs.push_back(
        {Source::kValues, attention + "v_proj", {attention + "out_proj.weight"}, 0, 1, true});
  };
  for (int i = 0; i < layers; ++i) {
    const std::string layer = side + "layers." + std::to_string(i) + ".";
    const std::string self = layer + "self_attn.", cross = layer + "encoder_attn.";
    sites.inputs.push_back(
        {Source::kNorm,
         norm,
         {self + "q_proj.weight", self + "k_proj.weight", self + "v_proj.weight"}});
    sites.keys.push_back({self + "k_proj", self + "q_proj"});
    values(self);
    norm = layer + "self_attn_layer_norm";
    if (!states.empty()) {
      sites.inputs.push_back({Source::kNorm, norm, {cross + "q_proj.weight"}});
      sites.keys.push_back({cross + "k_proj", cross + "q_proj", 0, true});
      state_readers.push_back(cross + "k_proj.weight");
      state_readers.push_back(cross + "v_proj.weight");
      values(cross);
      norm = layer + "encoder_attn_layer_norm";
    }
    sites.inputs.push_back({Source::kNorm, norm, {layer + "fc1.weight"}});
    sites.inputs.push_back({Source::kHidden, layer + "fc1", {layer + "fc2.weight"}});
    norm = layer + "final_layer_norm";
  }
  if (!states.empty()) {
    sites.inputs.push_back({Source::kNorm, states, std::move(state_readers), 0, 1, true});
  }
  return norm;
}

}  // namespace

SmoothingSites FindSmoothingSites(const ModelConfig& config) {
  SmoothingSites sites;
  AddVisionSites(config.vision, sites);
  const std::string language = "model.language_model.";
  const std::string states =
      AddTextSites(language + "encoder.", config.text.encoder_layers, "", sites);
  const std::string last =
      AddTextSites(language + "decoder.", config.text.decoder_layers, states, sites);
  sites.inputs.push_back({Source::kNorm, last, {"lm_head.weight"}});
  return sites;
}

}  // namespace uffizi
