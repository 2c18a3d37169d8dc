#include "uffizi/engine.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "checkpoint/pack_quantized.h"
#include "core/json_writer.h"
#include "core/large_vector.h"
#include "core/parallel.h"
#include "engine/adapters.h"
#include "engine/engine_impl.h"
#include "engine/tile_merge.h"
#include "generate/search.h"
#include "import/import.h"
#ifdef UFFIZI_OPENVINO
#include "openvino/openvino_network.h"
#endif
#include "uffizi/models.h"

namespace uffizi {
namespace {

template <typename T, typename U>
void Override(const std::optional<T>& given, U& value) {
  if (given) value = *given;
}

EarlyStopping ParseEarlyStopping(const std::string& text) {
  if (text == "on") return EarlyStopping::kOn;
  if (text == "off") return EarlyStopping::kOff;
  if (text == "never") return EarlyStopping::kNever;
  throw Error(ErrorCode::kInvalidArgument,
              "early_stopping must be on, off or never, not \"" + text + "\"");
}

// The model's own generation config, overridden by the caller's options.
GenerationConfig Merge(GenerationConfig config, const GenerationOptions& options,
                       int max_positions) {
  Override(options.num_beams, config.num_beams);
  if (options.early_stopping) config.early_stopping = ParseEarlyStopping(*options.early_stopping);
  Override(options.length_penalty, config.length_penalty);
  Override(options.no_repeat_ngram_size, config.no_repeat_ngram_size);
  Override(options.repetition_penalty, config.repetition_penalty);
  Override(options.min_length, config.min_length);
  Override(options.max_length, config.max_length);
  Override(options.do_sample, config.do_sample);
  Override(options.temperature, config.temperature);
  Override(options.top_k, config.top_k);
  Override(options.top_p, config.top_p);
  Override(options.seed, config.seed);
  Override(options.suppress_tokens, config.suppress_tokens);
  Override(options.eos_token_ids, config.eos_token_ids);
  if (config.eos_token_ids.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "eos_token_ids must not be empty");
  }
  if (options.forced_bos == false) config.forced_bos_token_id.reset();
  if (options.forced_eos == false) config.forced_eos_token_id.reset();
  // Forces tokens that the model's files do not name: the first is <s>, id 0, and the last the end
  // token.
  if (options.forced_bos == true && !config.forced_bos_token_id) config.forced_bos_token_id = 0;
  if (options.forced_eos == true && !config.forced_eos_token_id) {
    config.forced_eos_token_id = config.eos_token_ids.front();
  }
  // The files' beams are meant for beam search; who wants to sample within beams says how many.
  if (config.do_sample && !options.num_beams) config.num_beams = 1;
  if (config.max_length > max_positions + 1) {
    throw Error(ErrorCode::kInvalidArgument, "max_length " + std::to_string(config.max_length) +
                                                 " is above the model's limit, " +
                                                 std::to_string(max_positions + 1));
  }
  Search::Make(config);  // throws if the options make no sense together
  return config;
}

// The locations as far as their ids follow each other, as those of every known model do.
LocationTokens FindLocations(const Tokenizer& tokenizer) {
  LocationTokens locations;
  const std::optional<int> first = tokenizer.TokenToId("<loc_0>");
  if (!first) return locations;
  locations.first = *first;
  while (tokenizer.LocationBin(*first + locations.count) == locations.count) ++locations.count;
  return locations;
}

// A network and the folder that contains its tokenizer.
struct Loaded {
  std::shared_ptr<const Network> network;
  std::filesystem::path folder;
};

Loaded LoadNative(const std::filesystem::path& source, const EngineOptions& options,
                  InputStatistics* statistics) {
  // Full float32 uses the artifact's own weights.
  const bool exact = options.compute == Compute::kF32 || !options.lora.empty();
  const std::filesystem::path folder = ResolveModel(source, {}, exact ? 16 : 4);
  const bool narrow = options.compute == Compute::kInt4 ||
                      (options.compute == Compute::kAuto && !ReadPackSchemes(folder).empty());
  const LoraAdapters adapters = LoadAdapters(options.lora);
  Loaded loaded{Florence2::Load(folder, narrow ? Arithmetic::kInt4 : Arithmetic::kF32,
                                adapters.empty() ? nullptr : &adapters, statistics),
                folder};
  ReleaseFreeMemory();
  return loaded;
}

Loaded LoadOpenVino([[maybe_unused]] const std::filesystem::path& source,
                    [[maybe_unused]] const EngineOptions& options) {
#ifdef UFFIZI_OPENVINO
  if (options.compute == Compute::kInt4) {
    throw Error(ErrorCode::kInvalidArgument,
                "OpenVINO computes in the graph's own precision: with it, compute must be auto or "
                "f32");
  }
  if (!options.lora.empty()) {
    throw Error(ErrorCode::kUnsupported,
                "OpenVINO runs the artifact's graphs unchanged: adapters need the native engine");
  }
  const auto [graphs, settings] = OpenLocalGraphs(source);
  return {LoadOpenVinoNetwork(graphs, settings,
                              {options.device, options.threads, options.compute == Compute::kF32}),
          settings};
#else
  throw Error(ErrorCode::kUnsupported,
              "this build has no OpenVINO engine; ./run openvino makes one that has it "
              "(-DUFFIZI_OPENVINO=ON, docs/openvino.md)");
#endif
}

}  // namespace

const Prompt& Query::prompt() const { return impl_->prompt; }
std::span<const int> Query::input_ids() const { return impl_->input_ids; }
int Query::num_beams() const { return impl_->generation.num_beams; }
int Query::max_length() const { return impl_->generation.max_length; }

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

std::shared_ptr<const Engine> Engine::Load(const std::filesystem::path& source,
                                           const EngineOptions& options) {
  return EngineLoader::Load(source, options, nullptr);
}

LoraSource LoraSource::Parse(const std::string& text) {
  const size_t equals = text.rfind('=');
  std::error_code ignored;
  if (equals == std::string::npos || std::filesystem::exists(text, ignored)) return {text};
  LoraSource lora{text.substr(0, equals)};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + equals + 1, end, lora.weight);
  if (error != std::errc() || stop != end || !std::isfinite(lora.weight)) {
    throw Error(ErrorCode::kInvalidArgument,
                "a weight must be a number: \"" + text + "\" (DIR or DIR=WEIGHT)");
  }
  return lora;
}

LoraAdapters LoadAdapters(std::span<const LoraSource> sources) {
  LoraAdapters adapters;
  for (const LoraSource& lora : sources) adapters.Add(ResolveModel(lora.source), lora.weight);
  return adapters;
}

std::shared_ptr<const Engine> EngineLoader::Load(const std::filesystem::path& source,
                                                 const EngineOptions& options,
                                                 InputStatistics* statistics) {
  if (options.threads < 0) {
    throw Error(ErrorCode::kInvalidArgument, "threads must not be negative");
  }
  auto [model, folder] = options.kind == EngineKind::kOpenVino
                             ? LoadOpenVino(source, options)
                             : LoadNative(source, options, statistics);
  Tokenizer tokenizer = Tokenizer::Load(folder);
  if (tokenizer.vocab_size() > model->config.text.vocab_size + 1) {
    // One token more than the embedding has rows is normal: transformers' <image> is beyond the
    // last row.
    throw Error(ErrorCode::kInvalidModel, folder.string() + ": the tokenizer has " +
                                              std::to_string(tokenizer.vocab_size()) +
                                              " tokens, the model's embedding " +
                                              std::to_string(model->config.text.vocab_size));
  }
  const LocationTokens locations = FindLocations(tokenizer);
  auto impl = std::unique_ptr<Engine::Impl>(
      new Engine::Impl{folder, options, std::move(model), std::move(tokenizer), locations});
  return std::shared_ptr<const Engine>(new Engine(std::move(impl)));
}

std::shared_ptr<const Engine> Engine::WithAdapters(std::span<const LoraSource> lora) const {
  EngineOptions options = impl_->options;
  options.lora.insert(options.lora.end(), lora.begin(), lora.end());
  std::shared_ptr<const Network> network = impl_->model->WithAdapters(LoadAdapters(lora));
  if (network == nullptr) return Load(impl_->folder, options);
  std::shared_ptr<Engine> engine = EngineLoader::WithNetwork(*this, std::move(network));
  engine->impl_->options = std::move(options);
  return engine;
}

std::shared_ptr<Engine> EngineLoader::WithNetwork(const Engine& engine,
                                                  std::shared_ptr<const Network> network) {
  auto impl = std::unique_ptr<Engine::Impl>(new Engine::Impl(*engine.impl_));
  impl->model = std::move(network);
  return std::shared_ptr<Engine>(new Engine(std::move(impl)));
}

const std::shared_ptr<const Network>& EngineLoader::NetworkOf(const Engine& engine) {
  return engine.impl_->model;
}

EngineInfo Engine::info() const {
  const ModelConfig& config = impl_->model->config;
  EngineInfo info;
  info.path = impl_->folder.string();
  info.lora = impl_->options.lora;
  impl_->model->Describe(info);
  info.image_width = config.preprocess.width;
  info.image_height = config.preprocess.height;
  info.image_tokens = config.image_tokens();
  info.d_model = config.text.d_model;
  info.encoder_layers = config.text.encoder_layers;
  info.decoder_layers = config.text.decoder_layers;
  info.vocab_size = config.text.vocab_size;
  info.max_positions = config.text.max_positions;
  info.threads = impl_->options.threads > 0 ? impl_->options.threads : MaxThreads();
  return info;
}

std::string EngineInfoToJson(const EngineInfo& info) {
  JsonWriter json;
  json.Object();
  ForEachField(kEngineInfoFields, [&](const auto& field) {
    const auto& value = info.*field.member;
    json.Key(field.name);
    if constexpr (std::is_same_v<decltype(info.lora), std::decay_t<decltype(value)>>) {
      json.List();
      for (const LoraSource& adapter : value) {
        json.Object().Member("source", adapter.source.string());
        json.Member("weight", adapter.weight).End();
      }
      json.End();
    } else {
      json.Value(value);
    }
  });
  return json.End().Take();
}

Query Engine::MakeQuery(const EncodedImage& image, const Prompt& prompt,
                        const GenerationOptions& options, const RegionFilter& filter) const {
  const ModelConfig& config = impl_->model->config;
  auto query = std::make_shared<Query::Impl>();
  query->image = image;
  query->prompt = prompt;
  query->filter = filter;
  query->input_ids = impl_->tokenizer.Encode(prompt.text);
  const auto limit = static_cast<size_t>(config.text.max_positions - config.image_tokens());
  if (query->input_ids.size() > limit) {
    throw Error(ErrorCode::kPromptTooLong,
                "the prompt has " + std::to_string(query->input_ids.size()) +
                    " tokens; in addition to the picture's " +
                    std::to_string(config.image_tokens()) + " the model allows at most " +
                    std::to_string(limit));
  }
  for (const int id : query->input_ids) {
    if (id >= config.text.vocab_size) {
      throw Error(ErrorCode::kInvalidPrompt, "the prompt contains " +
                                                 impl_->tokenizer.IdToToken(id) +
                                                 ", for which the model has no embedding");
    }
  }
  query->generation = Merge(config.generation, options, config.text.max_positions);
  query->generation.locations = impl_->locations;
  query->draft = Draft(impl_->tokenizer, impl_->locations, prompt);
  const std::optional<Task> tile_task = TileTask(prompt.task);
  if (image.tiles_ != nullptr && tile_task) {
    const bool same = *tile_task == prompt.task;
    const Prompt part = same ? prompt : MakePrompt(*tile_task, "", image.width(), image.height());
    for (const EncodedImage::Tile& tile : *image.tiles_) {
      query->parts.push_back({tile.place, MakeQuery(tile.image, part, options)});
    }
    if (AsksWholeToo(prompt.task)) {
      EncodedImage whole = image;
      whole.tiles_.reset();
      query->parts.push_back({std::nullopt, MakeQuery(whole, prompt, options)});
    }
  }
  return Query(std::move(query));
}

std::vector<int> Engine::Tokenize(std::string_view text) const {
  return impl_->tokenizer.Encode(text);
}

std::string Engine::Detokenize(std::span<const int> ids, bool skip_special_tokens) const {
  return impl_->tokenizer.Decode(ids, skip_special_tokens);
}

}  // namespace uffizi
