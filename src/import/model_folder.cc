#include "import/model_folder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "checkpoint/folder_writer.h"
#include "core/half.h"
#include "core/mapped_file.h"
#include "quantize/layer_quantizer.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json VisionJson(const VisionConfig& vision) {
  json config = {{"model_type", "florence_vision"},
                 {"activation_function", "gelu"},
                 {"in_channels", vision.in_channels},
                 {"window_size", vision.window_size},
                 {"mlp_ratio", vision.mlp_ratio},
                 {"qkv_bias", vision.qkv_bias},
                 {"projection_dim", vision.projection_dim},
                 {"max_position_embeddings", vision.max_position_embeddings}};
  for (const VisionConfig::Stage& stage : vision.stages) {
    config["embed_dim"].push_back(stage.dim);
    config["num_heads"].push_back(stage.heads);
    config["num_groups"].push_back(stage.groups);
    config["depths"].push_back(stage.depth);
    config["patch_size"].push_back(stage.patch_size);
    config["patch_stride"].push_back(stage.patch_stride);
    config["patch_padding"].push_back(stage.patch_padding);
    config["patch_prenorm"].push_back(stage.patch_prenorm);
  }
  return config;
}

json TextJson(const TextConfig& text) {
  return {{"model_type", "bart"},
          {"activation_function", "gelu"},
          {"vocab_size", text.vocab_size},
          {"d_model", text.d_model},
          {"encoder_layers", text.encoder_layers},
          {"decoder_layers", text.decoder_layers},
          {"encoder_attention_heads", text.encoder_heads},
          {"decoder_attention_heads", text.decoder_heads},
          {"encoder_ffn_dim", text.encoder_ffn_dim},
          {"decoder_ffn_dim", text.decoder_ffn_dim},
          {"max_position_embeddings", text.max_positions},
          {"scale_embedding", text.scale_embedding}};
}

// A transformers-native config: the graphs' sizes, and the other values of the artifact's own
// config for the text model (mostly token ids).
json ConfigJson(const ImportedModel& model, const json& own) {
  json config = {{"architectures", {"Florence2ForConditionalGeneration"}},
                 {"model_type", "florence2"},
                 {"is_encoder_decoder", true},
                 {"bos_token_id", 0},
                 {"pad_token_id", 1},
                 {"eos_token_id", 2},
                 {"image_token_id", model.text.vocab_size}};
  json text = own.is_object() ? own.value("text_config", json::object()) : json::object();
  if (!text.is_object()) text = json::object();
  text.update(TextJson(model.text));
  config["text_config"] = std::move(text);
  config["vision_config"] = VisionJson(model.vision);
  // transformers allocates this many frames, however many the file holds.
  const ImportedTensor& time =
      model.tensors.at("model.multi_modal_projector.visual_temporal_embed.pos_idx_to_embed");
  config["vision_config"]["max_temporal_embeddings"] = time.shape[0];
  return config;
}

// Spark NLP has only greedy search, so its artifacts hold no search options. These are the
// released models' own.
json DefaultGeneration() {
  return {{"num_beams", 3},
          {"early_stopping", true},
          {"no_repeat_ngram_size", 3},
          {"decoder_start_token_id", 2},
          {"forced_bos_token_id", 0},
          {"forced_eos_token_id", 2},
          {"bos_token_id", 0},
          {"pad_token_id", 1},
          {"eos_token_id", 2}};
}

constexpr const char* kLogitsBias = "model.language_model.final_logits_bias";
constexpr const char* kPromptTable = "model.language_model.shared.weight";
constexpr const char* kDecoderTable = "model.language_model.decoder.embed_tokens.weight";

// How the folder's linear layers are quantized: all alike where possible, since transformers
// reads all of them with one scheme.
struct Scheme {
  int bits;
  size_t group_size;
  bool symmetric;
  bool for_all;  // also for quantized weights, whose values stay the same
};

// Chooses the scheme that holds the kept matrices without loss.
class SchemeChoice {
 public:
  void Add(const QuantizedMatrix& matrix) {
    group_ = std::gcd(group_, matrix.group_size);
    if (matrix.group_size != matrix.columns) {
      alike_ = alike_ && (grouped_ == 0 || grouped_ == matrix.group_size);
      grouped_ = matrix.group_size;
    }
    symmetric_ = symmetric_ && matrix.zeros.empty();
    any_ = true;
  }

  Scheme Choose(int bits) const {
    if (!any_) return {bits, kGroupSize, true, true};
    const bool usual = alike_ && grouped_ != 0 && grouped_ <= kMostColumns && group_ == grouped_;
    const size_t group = usual || bits == 16 ? group_ : std::gcd(group_, kGroupSize);
    if (group < kLeastColumns) return {bits, kGroupSize, true, false};
    return {bits, group, symmetric_, true};
  }

 private:
  static constexpr size_t kGroupSize = 64;     // of layers that are quantized here
  static constexpr size_t kMostColumns = 128;  // of a kept group size that other layers use too
  static constexpr size_t kLeastColumns = 16;  // smaller groups would only waste space

  size_t group_ = 0, grouped_ = 0;
  bool any_ = false, alike_ = true, symmetric_ = true;
};

// The same values in groups of `group_size` columns, which divides the matrix's own, with zero
// points if asked for, and in 8 bits if asked for.
QuantizedMatrix Regrouped(const QuantizedMatrix& matrix, const Scheme& scheme) {
  QuantizedMatrix result = matrix;
  const size_t repeats = matrix.group_size / scheme.group_size;
  result.group_size = scheme.group_size;
  if (!scheme.symmetric && matrix.zeros.empty()) {
    result.zeros.assign(matrix.scales.size(), static_cast<uint8_t>(matrix.symmetric_zero()));
  }
  const auto repeat = [repeats](const auto& values) {
    auto repeated = values;
    repeated.clear();
    repeated.reserve(values.size() * repeats);
    for (const auto value : values) repeated.insert(repeated.end(), repeats, value);
    return repeated;
  };
  result.scales = repeat(result.scales);
  result.zeros = repeat(result.zeros);
  if (scheme.bits == 8 && matrix.bits == 4) {
    constexpr int kShift = 128 - 8;  // between the midpoints of both ranges
    result.bits = 8;
    result.codes.resize(matrix.codes.size() * 2);
    for (size_t i = 0; i < result.codes.size(); ++i) {
      const int code = matrix.codes[i / 2] >> (i % 2 * 4) & 15;
      result.codes[i] = static_cast<uint8_t>(code + kShift);
    }
    for (uint8_t& zero : result.zeros) zero = static_cast<uint8_t>(zero + kShift);
  }
  return result;
}

double RelativeError(const FloatTensor& values, const FloatTensor& rounded) {
  double error = 0, power = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double value = values.data()[i], difference = value - rounded.data()[i];
    error += difference * difference;
    power += value * value;
  }
  return power > 0 ? std::sqrt(error / power) : 0.0;
}

// Writes an imported model's tensors, one after the other.
class WeightsWriter {
 public:
  WeightsWriter(const ImportedModel& model, const ImportOptions& options, const fs::path& folder,
                ImportReport& report)
      : model_(model),
        options_(options),
        report_(report),
        writer_(folder),
        scheme_(ChooseScheme()),
        quantize_{options.bits == 8 ? 8 : 4, scheme_.group_size, scheme_.symmetric},
        layers_(writer_, quantize_, options.importance) {}

  void Run(json config) {
    uint64_t done = 0;
    for (const auto& [name, tensor] : model_.tensors) {
      Tell(name, done);
      if (!IsRepeated(name)) Add(name, tensor);
      done += tensor.graph == nullptr || tensor.node < 0 ? 0 : tensor.Weight().stored_bytes();
    }
    report_.bytes_after = writer_.bytes();
    const bool tied = !model_.tensors.contains("lm_head.weight");
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = tied;
    writer_.Finish(std::move(config));
  }

 private:
  bool narrow() const { return options_.bits != 16; }

  void Tell(const std::string& name, uint64_t done) const {
    if (options_.progress && !options_.progress({name, done, report_.bytes_before})) {
      throw Error(ErrorCode::kCancelled, "the import was stopped");
    }
  }

  // Layers that stay as the artifact has them.
  bool IsKept(const QuantizedMatrix& matrix) const {
    return matrix.bits == 4 || (matrix.bits == 8 && options_.bits == 8);
  }

  Scheme ChooseScheme() const {
    SchemeChoice choice;
    for (const auto& [name, tensor] : model_.tensors) {
      if (!IsLinearWeight(name)) continue;
      const auto matrix = tensor.Quantized();
      if (matrix && IsKept(*matrix)) choice.Add(*matrix);
    }
    return choice.Choose(options_.bits);
  }

  // Artifacts hold the table of tokens twice, sometimes one of them rounded. A small folder needs
  // only the better one.
  bool IsRepeated(const std::string& name) {
    if (!narrow() || name != kDecoderTable) return false;
    const ImportedTensor& prompt = model_.tensors.at(kPromptTable);
    const ImportedTensor& decoder = model_.tensors.at(kDecoderTable);
    constexpr double kRoundedOnly = 0.02;
    return RelativeError(prompt.Floats(), decoder.Floats()) < kRoundedOnly;
  }

  void Add(const std::string& name, const ImportedTensor& tensor) {
    const bool linear = IsLinearWeight(name);
    if (linear) {
      if (auto matrix = tensor.Quantized(); matrix && IsKept(*matrix)) return Keep(name, *matrix);
      if (narrow() && layers_.Takes(name, tensor.shape)) return Quantize(name, tensor);
      writer_.NoteUnpacked(name);
    }
    if (name == kLogitsBias && IsZero(tensor)) return;  // transformers has no such bias
    if (!PutStored(name, tensor)) Widen(name, tensor);
  }

  void Keep(const std::string& name, const QuantizedMatrix& matrix) {
    const QuantizedMatrix kept = scheme_.for_all ? Regrouped(matrix, scheme_) : matrix;
    writer_.PutMatrix(name, kept);
    Report(name, kept.bits, true, 0);
  }

  void Quantize(const std::string& name, const ImportedTensor& tensor) {
    const LayerReport layer = layers_.Put(name, tensor.shape, tensor.Floats());
    Report(name, layer.bits, false, layer.error);
  }

  // Half precision, copied from the file.
  bool PutStored(const std::string& name, const ImportedTensor& tensor) {
    if (tensor.node < 0 || tensor.factor != 1 || !tensor.values.empty()) return false;
    const IrWeight weight = tensor.Weight();
    const auto bytes = weight.Plain();
    if (!bytes || weight.type() != IrType::kF16) return false;
    for (size_t i = 0; i < bytes->size(); i += sizeof(uint16_t)) {
      uint16_t half;
      std::memcpy(&half, bytes->data() + i, sizeof(half));
      if ((half & 0x7c00u) == 0x7c00u) {
        tensor.graph->graph.Fail(tensor.node, "holds NaN or infinity");
      }
    }
    writer_.Put(name, {DType::kF16, tensor.shape, bytes->data(), bytes->size(), ""});
    ReleasePages(bytes->data(), bytes->size());
    Report(name, 16, true, 0);
    return true;
  }

  // Weights that are stored wider or quantized, as floats.
  void Widen(const std::string& name, const ImportedTensor& tensor) {
    const FloatTensor values = tensor.Floats();
    const bool half = narrow() && tensor.shape.size() > 1 && name != kLogitsBias;
    std::vector<float> rounded(values.size());
    std::transform(values.data(), values.data() + values.size(), rounded.begin(),
                   [](float value) { return HalfToFloat(FloatToHalf(value)); });
    const bool exact = std::equal(rounded.begin(), rounded.end(), values.data());
    if (half) {
      writer_.PutHalf(name, tensor.shape, values);
    } else {
      writer_.PutExact(name, tensor.shape, values);
    }
    const double error = half ? RelativeError(values, FloatTensor(std::move(rounded))) : 0;
    Report(name, half || exact ? 16 : 32, exact || !half, error);
  }

  bool IsZero(const ImportedTensor& tensor) const {
    const FloatTensor values = tensor.Floats();
    return std::all_of(values.data(), values.data() + values.size(),
                       [](float value) { return value == 0; });
  }

  void Report(const std::string& name, int bits, bool exact, double error) {
    const ImportedTensor& tensor = model_.tensors.at(name);
    if (tensor.shape.size() < 2 || name == kLogitsBias) return;
    const std::string stored = tensor.node < 0 ? "computed" : IrTypeName(tensor.Weight().type());
    ImportReport::Graph& graph = report_.graphs[GraphOf(tensor)];
    report_.matrices.push_back({name, graph.name, tensor.shape, stored, bits, exact, error});
    if (exact) {
      ++graph.kept;
      return;
    }
    const auto before = static_cast<double>(graph.rounded++);
    graph.error = std::hypot(graph.error * std::sqrt(before), error) / std::sqrt(before + 1);
    graph.worst = std::max(graph.worst, error);
  }

  // Index into the report's graphs, which are in the order of the model's. Weights that no
  // graph holds were computed for the picture model.
  size_t GraphOf(const ImportedTensor& tensor) const {
    const auto found = std::find_if(model_.graphs.begin(), model_.graphs.end(),
                                    [&](const auto& graph) { return graph.get() == tensor.graph; });
    return found == model_.graphs.end() ? 0 : static_cast<size_t>(found - model_.graphs.begin());
  }

  const ImportedModel& model_;
  const ImportOptions& options_;
  ImportReport& report_;
  FolderWriter writer_;
  Scheme scheme_;
  QuantizeOptions quantize_;
  LayerQuantizer layers_;
};

}  // namespace

void WriteSettings(const FolderFiles& files, int traced_width, int traced_height,
                   const fs::path& folder) {
  json preprocess = {{"do_resize", true},
                     {"do_rescale", true},
                     {"do_normalize", true},
                     {"do_center_crop", false},
                     {"image_mean", {0.485, 0.456, 0.406}},
                     {"image_std", {0.229, 0.224, 0.225}},
                     {"resample", 3},
                     {"rescale_factor", 1 / 255.0},
                     {"size", {{"height", traced_height}, {"width", traced_width}}}};
  if (files.preprocess.is_object()) preprocess.update(files.preprocess);
  WriteJson(folder / "preprocessor_config.json", preprocess);
  json generation = DefaultGeneration();
  if (files.generation.is_object()) generation.update(files.generation);
  WriteJson(folder / "generation_config.json", generation);
}

void WriteWeights(const ImportedModel& model, const json& own_config, const ImportOptions& options,
                  const fs::path& folder, ImportReport& report) {
  WeightsWriter(model, options, folder, report).Run(ConfigJson(model, own_config));
}

}  // namespace uffizi
