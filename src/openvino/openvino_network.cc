#include "openvino/openvino_network.h"

#include <algorithm>
#include <openvino/openvino.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/parallel.h"
#include "openvino/openvino_run.h"
#include "openvino/stage.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

// The kind of a device: "GPU" for "GPU.1", "HETERO" for "HETERO:GPU,CPU".
std::string_view DeviceKind(std::string_view device) {
  return device.substr(0, device.find_first_of(".:("));
}

void CheckDevice(ov::Core& core, const std::string& device) {
  const std::string_view kind = DeviceKind(device);
  if (kind == "AUTO" || kind == "MULTI" || kind == "HETERO") return;
  std::string known;
  for (const std::string& available : core.get_available_devices()) {
    if (device == available || device == DeviceKind(available)) return;
    known += (known.empty() ? "" : ", ") + available;
  }
  throw Error(ErrorCode::kInvalidArgument,
              "OpenVINO has no device " + device + " here; it has: " + known);
}

ov::AnyMap Properties(const OpenVinoOptions& options) {
  ov::AnyMap properties;
  if (options.exact) properties.insert(ov::hint::execution_mode(ov::hint::ExecutionMode::ACCURACY));
  if (options.device != "CPU") return properties;
  if (options.exact) {
    properties.insert(ov::hint::inference_precision(ov::element::f32));
    properties.insert(ov::hint::kv_cache_precision(ov::element::f32));
    properties.insert(ov::hint::dynamic_quantization_group_size(0));
  }
  // One stream, which runs one inference at a time, for each session that fits on the machine.
  const int all = MaxThreads();
  const int threads = options.threads > 0 ? std::min(options.threads, all) : all;
  const int streams = all / threads;
  properties.insert(ov::num_streams(streams));
  properties.insert(ov::inference_num_threads(streams * threads));
  return properties;
}

OpenVinoTarget MakeTarget(const OpenVinoOptions& options) {
  OpenVinoTarget target{ov::Core(), options.device, Properties(options)};
  CheckDevice(target.core, options.device);
  return target;
}

// Takes one picture, of the model's size and with its channels last.
std::shared_ptr<ov::Model> TakePicture(std::shared_ptr<ov::Model> model, int height, int width) {
  model->reshape(ov::PartialShape{1, 3, height, width});
  ov::preprocess::PrePostProcessor adapter(model);
  adapter.input(0).tensor().set_layout("NHWC");
  adapter.input(0).model().set_layout("NCHW");
  return adapter.build();
}

// The artifact's graphs, except the merger, which is implemented here.
struct Stages {
  Stages(const std::filesystem::path& graphs, const PreprocessConfig& picture,
         OpenVinoTarget& target)
      : image_embedding(target, graphs / "image_embedding.xml",
                        [&picture](std::shared_ptr<ov::Model> model) {
                          return TakePicture(std::move(model), picture.height, picture.width);
                        }),
        text_embedding(target, graphs / "text_embedding.xml"),
        encoder(target, graphs / "encoder.xml"),
        decoder(target, graphs / "decoder.xml") {}

  // The sizes given by the graphs' outputs: [1, image tokens, d_model], and logits [rows, 1,
  // vocabulary].
  GraphSizes Sizes() const {
    const int image_tokens = Extent(image_embedding, 1), d_model = Extent(image_embedding, 2);
    return {Extent(decoder, 2), d_model, image_tokens};
  }

  Stage image_embedding, text_embedding, encoder, decoder;

 private:
  static int Extent(const Stage& stage, size_t axis) {
    constexpr int64_t kMost = 1 << 24;
    const ov::PartialShape shape = stage.compiled().output(0).get_partial_shape();
    if (shape.rank().is_dynamic() || shape.size() != 3 || shape[axis].is_dynamic() ||
        shape[axis].get_length() < 1 || shape[axis].get_length() > kMost) {
      throw Error(ErrorCode::kInvalidModel,
                  stage.name() + ": its output is of shape " + shape.to_string() +
                      "; three axes of known length are expected, but for the batch");
    }
    return static_cast<int>(shape[axis].get_length());
  }
};

struct OpenVinoNetwork : Network {
  OpenVinoNetwork(const std::filesystem::path& graphs, const std::filesystem::path& settings,
                  OpenVinoTarget target)
      : stages(graphs, LoadPreprocess(settings), target), device(target.device) {
    config = LoadGraphConfig(settings, stages.Sizes());
  }

  void EncodeImage(const float* pixels, float* tokens, Arena&) const override {
    const auto height = static_cast<size_t>(config.preprocess.height);
    const auto width = static_cast<size_t>(config.preprocess.width);
    const size_t size = image_tokens() * d_model();
    Stage::Call call(stages.image_embedding);
    call.Set("pixel_values", pixels, {1, height, width, 3});
    std::copy_n(call.Run(size), size, tokens);
  }

  void EncodeText(const float* image, std::span<const int> ids, float* states,
                  Arena&) const override {
    const size_t image_size = image_tokens() * d_model(), text_size = ids.size() * d_model();
    const size_t tokens = image_tokens() + ids.size();
    std::copy_n(image, image_size, states);
    {
      Stage::Call call(stages.text_embedding);
      call.Set("input", std::vector<int64_t>(ids.begin(), ids.end()), {1, ids.size()});
      std::copy_n(call.Run(text_size), text_size, states + image_size);
    }
    Stage::Call call(stages.encoder);
    call.Set("inputs_embeds", states, {1, tokens, d_model()});
    call.Set("attention_mask", std::vector<int64_t>(tokens, 1), {1, tokens});
    std::copy_n(call.Run(image_size + text_size), image_size + text_size, states);
  }

  std::unique_ptr<DecoderRun> StartDecoder(Arena&) const override {
    return std::make_unique<OpenVinoRun>(stages.decoder, d_model(),
                                         static_cast<size_t>(config.text.vocab_size));
  }

  void Describe(EngineInfo& info) const override {
    info.compute = "auto";
    try {
      info.compute =
          stages.decoder.compiled().get_property(ov::hint::inference_precision).to_string();
    } catch (const ov::Exception&) {  // a virtual device has no such property
    }
    const std::string build = ov::get_openvino_version().buildNumber;
    info.kernels = "OpenVINO " + build.substr(0, build.find('-')) + " on " + device;
    std::set<std::string> precisions;
    for (const Stage* stage :
         {&stages.image_embedding, &stages.text_embedding, &stages.encoder, &stages.decoder}) {
      info.weight_bytes += stage->weights().bytes;
      info.parameters += stage->weights().elements;
      precisions.insert(stage->weights().precisions.begin(), stage->weights().precisions.end());
    }
    for (const std::string& precision : precisions) {
      info.precision += (info.precision.empty() ? "" : ", ") + precision;
    }
    info.resident_bytes = info.weight_bytes;
  }

  size_t image_tokens() const { return static_cast<size_t>(config.image_tokens()); }
  size_t d_model() const { return static_cast<size_t>(config.text.d_model); }

  Stages stages;
  std::string device;
};

}  // namespace

std::shared_ptr<const Network> LoadOpenVinoNetwork(const std::filesystem::path& graphs,
                                                   const std::filesystem::path& settings,
                                                   const OpenVinoOptions& options) {
  return std::make_shared<const OpenVinoNetwork>(graphs, settings, MakeTarget(options));
}

}  // namespace uffizi
