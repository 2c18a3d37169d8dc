#ifndef UFFIZI_ENGINE_H_
#define UFFIZI_ENGINE_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "uffizi/error.h"
#include "uffizi/export.h"
#include "uffizi/fields.h"
#include "uffizi/task.h"
#include "uffizi/types.h"

namespace uffizi {

// The arithmetic of the network.
enum class Compute {
  kAuto,  // kF32 for a full-precision folder, kInt4 for a quantized one
  kF32,   // float32 throughout: the reference
  kInt4,  // 4-bit weights, 8-bit activations; full-precision weights are quantized while loading
};

template <>
struct EnumNames<Compute> {
  static constexpr std::pair<Compute, const char*> kAll[] = {
      {Compute::kAuto, "auto"}, {Compute::kF32, "f32"}, {Compute::kInt4, "int4"}};
};

// The engine that computes the network.
enum class EngineKind {
  kNative,    // our own kernels
  kOpenVino,  // OpenVINO, on an artifact's own IR graphs; only in builds with UFFIZI_OPENVINO
};

template <>
struct EnumNames<EngineKind> {
  static constexpr std::pair<EngineKind, const char*> kAll[] = {
      {EngineKind::kNative, "native"}, {EngineKind::kOpenVino, "openvino"}};
};

// A LoRA adapter saved by peft: its folder, or its name on Hugging Face.
struct LoraSource {
  std::filesystem::path source;
  double weight = 1;  // multiplies its changes to the model

  // Parses "SOURCE" or "SOURCE=WEIGHT". Throws Error(kInvalidArgument).
  UFFIZI_API static LoraSource Parse(const std::string& text);
};

struct EngineOptions {
  Compute compute = Compute::kAuto;   // with OpenVINO, kAuto is the device's default
  int threads = 0;                    // of one session; 0 = all that this process may use
  std::vector<LoraSource> lora = {};  // merged into the weights while loading; docs/models.md
  EngineKind kind = EngineKind::kNative;
  std::string device = "CPU";  // of OpenVINO, by OpenVINO's names: "CPU", "GPU", "GPU.1", "NPU"
};

// Search options for a question. Unset ones come from the model folder. Names and meaning are those
// of transformers' GenerationConfig.
struct GenerationOptions {
  std::optional<int> num_beams;
  std::optional<std::string> early_stopping;  // "on", "off" or "never"
  std::optional<double> length_penalty;
  std::optional<int> no_repeat_ngram_size;
  std::optional<double> repetition_penalty;
  std::optional<int> min_length;  // tokens, the start token and </s> included
  std::optional<int> max_length;  // tokens, the start token included
  std::optional<bool> do_sample;
  std::optional<double> temperature;
  std::optional<int> top_k;
  std::optional<double> top_p;
  std::optional<uint64_t> seed;
  std::optional<bool> forced_bos;                   // false: do not force the first token
  std::optional<bool> forced_eos;                   // false: do not force </s> at the length limit
  std::optional<std::vector<int>> suppress_tokens;  // ids that are never generated
  std::optional<std::vector<int>> eos_token_ids;    // any of these ends the answer
};

inline constexpr double kMaxCount = std::numeric_limits<int>::max();
inline constexpr std::tuple kGenerationFields{
    Field{"num_beams", &GenerationOptions::num_beams, "beams",
          "Number of beams; 1 is greedy search", 1, kMaxCount},
    Field{"early_stopping", &GenerationOptions::early_stopping, "",
          "Beam search: stop early; on, off or never"},
    Field{"length_penalty", &GenerationOptions::length_penalty, "",
          "Beam search: above 0 prefers longer answers", -100, 100},
    Field{"no_repeat_ngram_size", &GenerationOptions::no_repeat_ngram_size, "no-repeat-ngram",
          "Never repeat an n-gram of this size; 0 = off", 0, kMaxCount},
    Field{"repetition_penalty", &GenerationOptions::repetition_penalty, "",
          "Above 1 discourages repetition", 0.01, 100},
    Field{"min_length", &GenerationOptions::min_length, "",
          "Minimum tokens, including <s> and </s>", 0, kMaxCount},
    Field{"max_length", &GenerationOptions::max_length, "",
          "Maximum tokens, including the start token", 2, kMaxCount},
    Field{"do_sample", &GenerationOptions::do_sample, "sample", "Sample tokens at random"},
    Field{"temperature", &GenerationOptions::temperature, "", "Sampling: below 1 is less random",
          0.01, 100},
    Field{"top_k", &GenerationOptions::top_k, "", "Sampling: from this many tokens; 0 = all", 0,
          kMaxCount},
    Field{"top_p", &GenerationOptions::top_p, "",
          "Sampling: from the most likely tokens with this total probability", 0.001, 1},
    Field{"seed", &GenerationOptions::seed, "", "Sampling: same seed, same answer", 0,
          static_cast<double>(std::numeric_limits<int64_t>::max())},
    Field{"forced_bos", &GenerationOptions::forced_bos, "", "Force <s> first: on or off"},
    Field{"forced_eos", &GenerationOptions::forced_eos, "",
          "Force </s> at the length limit: on or off"},
    Field{"suppress_tokens", &GenerationOptions::suppress_tokens, "",
          "Ids that are never generated, such as 5,17", 0, kMaxCount},
    Field{"eos_token_ids", &GenerationOptions::eos_token_ids, "",
          "Ids that end the answer (default: the model's)", 0, kMaxCount},
};

struct EngineInfo {
  std::string path;
  std::vector<LoraSource> lora;
  std::string compute;    // "f32" or "int4"; with OpenVINO what the device computes in
  std::string kernels;    // instruction set in use, "AMX", "AVX3_DL", or "OpenVINO 2026.4.1 on CPU"
  std::string precision;  // of the stored weights, "f16"; several as "f16, i32"
  size_t parameters = 0;
  size_t weight_bytes = 0;    // on disk
  size_t resident_bytes = 0;  // of all weights once they have been used, mapped files included
  size_t shared_bytes = 0;    // of these, shared with the engine it was made from
  int image_width = 0, image_height = 0;  // of the model's input, pixels
  int image_tokens = 0;
  int d_model = 0, encoder_layers = 0, decoder_layers = 0;
  int vocab_size = 0;
  int max_positions = 0;  // of prompt and picture together, and of an answer
  int threads = 0;
};

inline constexpr std::tuple kEngineInfoFields{
    Field{"path", &EngineInfo::path},
    Field{"lora", &EngineInfo::lora},
    Field{"compute", &EngineInfo::compute},
    Field{"kernels", &EngineInfo::kernels},
    Field{"precision", &EngineInfo::precision},
    Field{"parameters", &EngineInfo::parameters},
    Field{"weight_bytes", &EngineInfo::weight_bytes},
    Field{"resident_bytes", &EngineInfo::resident_bytes},
    Field{"shared_bytes", &EngineInfo::shared_bytes},
    Field{"image_width", &EngineInfo::image_width},
    Field{"image_height", &EngineInfo::image_height},
    Field{"image_tokens", &EngineInfo::image_tokens},
    Field{"d_model", &EngineInfo::d_model},
    Field{"encoder_layers", &EngineInfo::encoder_layers},
    Field{"decoder_layers", &EngineInfo::decoder_layers},
    Field{"vocab_size", &EngineInfo::vocab_size},
    Field{"max_positions", &EngineInfo::max_positions},
    Field{"threads", &EngineInfo::threads},
};

// The fields as one line of JSON; adapters as [{"source", "weight"}].
UFFIZI_API std::string EngineInfoToJson(const EngineInfo& info);

// How a large picture is split into overlapping tiles. The model sees every picture at one size, so
// small objects and words in a large picture are lost without tiles.
struct UFFIZI_API TileOptions {
  enum class Kind {
    kNone,
    kAuto,  // tiles of about the model's input size, for pictures that are much larger
    kGrid,  // columns x rows
    kSide,  // squares of at most `side` pixels
  };
  Kind kind = Kind::kNone;
  int columns = 0, rows = 0;
  int side = 0;             // pixels
  size_t max_tiles = 1024;  // more are refused

  // Parses "auto", "3x2" (columns and rows), "1000" (a side), or "" for none. Throws
  // Error(kInvalidArgument).
  static TileOptions Parse(const std::string& text);
};

// An encoded picture. Cheap to copy: copies share the encoding. Any number of questions can be
// asked about it, from any session of the same engine.
class UFFIZI_API EncodedImage {
 public:
  int width() const { return width_; }  // of the picture, pixels
  int height() const { return height_; }
  double preprocess_seconds() const { return preprocess_seconds_; }
  double encode_seconds() const { return encode_seconds_; }
  // [image_tokens, d_model] f32, of the whole picture
  std::span<const float> tokens() const { return *tokens_; }
  // 0 if it is not tiled.
  size_t tile_count() const { return tile_count_; }

 private:
  friend class Engine;
  friend class Runner;
  struct Tile;
  int width_ = 0, height_ = 0;
  double preprocess_seconds_ = 0, encode_seconds_ = 0;
  std::shared_ptr<const std::vector<float>> tokens_;
  std::shared_ptr<const std::vector<Tile>> tiles_;
  size_t tile_count_ = 0;
};

// A tokenized and checked question, made by Engine::MakeQuery().
class UFFIZI_API Query {
 public:
  const Prompt& prompt() const;
  std::span<const int> input_ids() const;
  int num_beams() const;   // of its search; with 1, the text in Progress only grows
  int max_length() const;  // maximum tokens, the start token included

 private:
  friend class Engine;
  friend class Runner;
  struct Impl;
  explicit Query(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// Progress of a query. `text` is the answer so far, special tokens included; with beam search it
// may change again. Return false to stop this query, whose result is then the answer so far.
struct Progress {
  size_t query;  // index into the queries of Session::Run()
  std::span<const int> token_ids;
  const std::string& text;
};
using ProgressCallback = std::function<bool(const Progress&)>;

// A loaded model: immutable, shared by any number of sessions and threads.
class UFFIZI_API Engine : public std::enable_shared_from_this<Engine> {
 public:
  // Loads a Hugging Face folder, or anything else that ResolveModel() (models.h) takes. Throws
  // Error(kInvalidModel), Error(kNotFound), or Error(kUnsupported) if this build does not support
  // the requested engine or a kind of adapter.
  static std::shared_ptr<const Engine> Load(const std::filesystem::path& source,
                                            const EngineOptions& options = {});
  ~Engine();

  // The same model with these adapters, in addition to its own. It shares the weights and computes
  // the adapters beside them; only adapters that do more than add a product to linear layers and
  // embeddings (convolutions, biases, DoRA, modules saved as a whole) are merged into a copy of the
  // model. Throws like Load().
  std::shared_ptr<const Engine> WithAdapters(std::span<const LoraSource> lora) const;

  EngineInfo info() const;

  // Tokenizes and checks one question, whose answer will have the regions that `filter` keeps.
  // Throws Error: kInvalidPrompt, kPromptTooLong, and kInvalidArgument for invalid options.
  Query MakeQuery(const EncodedImage& image, const Prompt& prompt,
                  const GenerationOptions& options = {}, const RegionFilter& filter = {}) const;

  // The model's tokenizer, as `uffizi tokenize` shows it.
  std::vector<int> Tokenize(std::string_view text) const;
  std::string Detokenize(std::span<const int> ids, bool skip_special_tokens = false) const;

 private:
  friend class Runner;
  friend class EngineLoader;
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The buffers and threads of one caller, reused from call to call. Cheap to create. Not
// thread-safe: one thread at a time may use it.
class UFFIZI_API Session {
 public:
  explicit Session(std::shared_ptr<const Engine> engine);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // Resamples, normalizes and encodes a picture of any size.
  EncodedImage Encode(ImageView image);

  // Also encodes each of its tiles. Questions about objects and words (detection, dense captions,
  // proposals, open vocabulary, OCR) are then asked about every tile, those about objects also
  // about the whole picture, and the answers are merged: docs/pictures.md. `cancelled` is called
  // before each tile; true ends the call with Error(kCancelled). Throws Error(kInvalidArgument) for
  // too many tiles.
  EncodedImage Encode(ImageView image, const TileOptions& tiles,
                      const std::function<bool()>& cancelled = {});

  // The two halves of Encode(), for callers that keep the intermediate result: [height, width, 3]
  // f32 in the model's size. `width` and `height` of the second are those of the original picture,
  // in pixels. Throws Error(kInvalidArgument) if `pixels` does not have the model's size.
  std::vector<float> Preprocess(ImageView image);
  EncodedImage EncodePreprocessed(std::span<const float> pixels, int width, int height);

  // Answers the queries together; each answer is the same as if it were asked alone. Results are in
  // the queries' order.
  // Answers about tiles are generated together, up to a few gigabytes at a time. Their progress
  // reports tokens but no text, since that is not yet part of the answer.
  std::vector<Result> Run(std::span<const Query> queries, const ProgressCallback& progress = {});

  const Engine& engine() const;

 private:
  std::vector<Result> RunTogether(std::span<const Query> queries, const ProgressCallback& progress);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_H_
