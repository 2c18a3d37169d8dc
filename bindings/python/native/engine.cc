#include "uffizi/engine.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>

#include "native.h"

namespace uffizi::python {
namespace {

// [height, width, 3] f32, packed: the result of Session::Preprocess().
using Preprocessed = nb::ndarray<const float, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;

// Compute threads do not exist in a forked child, and their locks may be held there forever. So a
// process whose parent loaded a model cannot use one.
std::atomic<pid_t> loaded_in{0};

void CheckProcess() {
  pid_t unused = 0;
  if (loaded_in.compare_exchange_strong(unused, getpid()) || unused == getpid()) return;
  throw Error(ErrorCode::kUnsupported,
              "this process was forked from one that had loaded a model, whose threads are missing "
              "here; use multiprocessing's \"spawn\" or \"forkserver\", or load models in the "
              "children only");
}

// An engine and its sessions, one for each concurrent caller.
class Model {
 public:
  using Adapters = std::vector<std::pair<std::filesystem::path, double>>;

  Model(const std::filesystem::path& folder, const std::string& compute, int threads,
        const Adapters& lora) {
    CheckProcess();
    EngineOptions options;
    options.threads = threads;
    const std::optional<Compute> known = FromName<Compute>(compute);
    if (!known) {
      throw Error(ErrorCode::kInvalidArgument,
                  "compute must be " + AllNames<Compute>() + ", not " + compute);
    }
    options.compute = *known;
    for (const auto& [source, weight] : lora) options.lora.push_back({source, weight});
    engine_ = Engine::Load(folder, options);
  }

  const Engine& engine() const { return *engine_; }

  // Calls `use` with a session that no other thread is using.
  template <typename Use>
  auto WithSession(const Use& use) {
    CheckProcess();
    Lease lease(*this);
    return use(*lease.session);
  }

 private:
  struct Lease {
    explicit Lease(Model& from) : model(from) {
      const std::lock_guard lock(model.mutex_);
      if (model.idle_.empty()) {
        session.emplace(model.engine_);
      } else {
        session.emplace(std::move(model.idle_.back()));
        model.idle_.pop_back();
      }
    }
    ~Lease() {
      const std::lock_guard lock(model.mutex_);
      model.idle_.push_back(std::move(*session));
    }
    Model& model;
    std::optional<Session> session;
  };

  std::shared_ptr<const Engine> engine_;
  std::mutex mutex_;
  std::vector<Session> idle_;
};

// Checks for Ctrl-C, and reports tokens to Python if requested. A Python exception stops all
// queries and is thrown when they have stopped.
class Watcher {
 public:
  explicit Watcher(nb::object progress) : progress_(std::move(progress)) {}

  // Called without the GIL.
  bool Continue(const Progress& progress) {
    if (failure_) return false;
    if (!progress_.is_none()) {
      const nb::gil_scoped_acquire acquire;
      return Guard([&] { return Tell(progress); });
    }
    const auto now = std::chrono::steady_clock::now();
    if (now < next_look_) return true;
    next_look_ = now + kBetweenLooks;
    const nb::gil_scoped_acquire acquire;
    return Guard([] {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      return true;
    });
  }

  // Called with the GIL.
  void Rethrow() {
    if (failure_) throw nb::python_error(*failure_);
  }

 private:
  // Taking the GIL from a busy thread costs up to 5 ms.
  static constexpr auto kBetweenLooks = std::chrono::milliseconds(100);

  template <typename Call>
  bool Guard(const Call& call) {
    try {
      return call();
    } catch (const nb::python_error& error) {
      failure_.emplace(error);
      return false;
    }
  }

  bool Tell(const Progress& progress) {
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    nb::list ids;
    for (const int id : progress.token_ids) ids.append(id);
    return nb::cast<bool>(progress_(progress.query, ids, progress.text));
  }

  nb::object progress_;
  std::optional<nb::python_error> failure_;
  std::chrono::steady_clock::time_point next_look_ =
      std::chrono::steady_clock::now() + kBetweenLooks;
};

std::vector<Result> Run(Model& model, const std::vector<Query>& queries, nb::object progress) {
  Watcher watcher(std::move(progress));
  std::vector<Result> results;
  {
    const nb::gil_scoped_release release;
    results = model.WithSession([&](Session& session) {
      return session.Run(queries, [&](const Progress& now) { return watcher.Continue(now); });
    });
  }
  watcher.Rethrow();
  return results;
}

nb::dict InfoDict(const EngineInfo& info) {
  nb::dict dict;
  ForEachField(kEngineInfoFields, [&](const auto& field) {
    const auto& value = info.*field.member;
    if constexpr (std::is_same_v<decltype(info.lora), std::decay_t<decltype(value)>>) {
      nb::list lora;
      for (const LoraSource& adapter : value) {
        lora.append(nb::make_tuple(adapter.source, adapter.weight));
      }
      dict[field.name] = lora;
    } else {
      dict[field.name] = value;
    }
  });
  dict["image_size"] = nb::make_tuple(info.image_width, info.image_height);
  return dict;
}

void BindOptions(nb::module_& module) {
  nb::class_<GenerationOptions> options(module, "GenerationOptions");
  options.def(nb::init<>());
  ForEachField(kGenerationFields, [&](const auto& field) {
    options.def_rw(field.name, field.member, nb::arg().none());
  });
}

using Tokens = nb::ndarray<nb::numpy, const float, nb::shape<-1, -1>>;
using Planes = nb::ndarray<nb::numpy, float, nb::shape<-1, -1, 3>>;

// [tokens, d_model]. The array shares the encoding, which lives as long as any copy of the image.
Tokens ImageTokens(const EncodedImage& image, size_t d_model) {
  auto owned = std::make_unique<EncodedImage>(image);
  const std::span<const float> tokens = owned->tokens();
  return OwnedArray<Tokens>(std::move(owned), tokens.data(), {tokens.size() / d_model, d_model});
}

EncodedImage Encode(Model& model, const Pixels& pixels, const std::string& tiles) {
  const ImageView view = ViewPixels(pixels);
  const TileOptions options = TileOptions::Parse(tiles);
  const nb::gil_scoped_release release;
  return model.WithSession([&](Session& session) { return session.Encode(view, options); });
}

// [height, width, 3] of the model's size, normalized.
Planes Preprocess(Model& model, const Pixels& pixels) {
  const ImageView view = ViewPixels(pixels);
  std::unique_ptr<std::vector<float>> owned;
  {
    const nb::gil_scoped_release release;
    owned = model.WithSession([&](Session& session) {
      return std::make_unique<std::vector<float>>(session.Preprocess(view));
    });
  }
  const EngineInfo info = model.engine().info();
  float* data = owned->data();
  return OwnedArray<Planes>(
      std::move(owned), data,
      {static_cast<size_t>(info.image_height), static_cast<size_t>(info.image_width), 3});
}

EncodedImage EncodePreprocessed(Model& model, const Preprocessed& pixels, int width, int height) {
  const std::span<const float> view(pixels.data(), pixels.size());
  const nb::gil_scoped_release release;
  return model.WithSession(
      [&](Session& session) { return session.EncodePreprocessed(view, width, height); });
}

void BindEncodedImage(nb::module_& module) {
  nb::class_<EncodedImage>(module, "EncodedImage")
      .def_prop_ro("width", &EncodedImage::width)
      .def_prop_ro("height", &EncodedImage::height)
      .def_prop_ro("tile_count", &EncodedImage::tile_count)
      .def_prop_ro("preprocess_seconds", &EncodedImage::preprocess_seconds)
      .def_prop_ro("encode_seconds", &EncodedImage::encode_seconds)
      .def("tokens", &ImageTokens, nb::arg("d_model"));
}

void BindQuery(nb::module_& module) {
  nb::class_<Query>(module, "Query")
      .def_prop_ro("prompt", [](const Query& query) { return query.prompt().text; })
      .def_prop_ro("num_beams", &Query::num_beams)
      .def_prop_ro("input_ids", [](const Query& query) {
        return std::vector<int>(query.input_ids().begin(), query.input_ids().end());
      });
}

}  // namespace

void BindEngine(nb::module_& module) {
  BindOptions(module);
  BindEncodedImage(module);
  BindQuery(module);
  nb::class_<Model>(module, "Engine", nb::is_weak_referenceable())
      .def(
          nb::init<const std::filesystem::path&, const std::string&, int, const Model::Adapters&>(),
          nb::arg("folder"), nb::arg("compute"), nb::arg("threads"), nb::arg("lora"),
          nb::call_guard<nb::gil_scoped_release>(),
          nb::sig("def __init__(self, folder: str | os.PathLike[str], compute: str, "
                  "threads: int, lora: collections.abc.Sequence[tuple[pathlib.Path, float]]) "
                  "-> None"))
      .def(
          "info", [](const Model& model) { return InfoDict(model.engine().info()); },
          nb::sig("def info(self) -> dict[str, typing.Any]"))
      .def(
          "tokenize",
          [](const Model& model, std::string_view text) { return model.engine().Tokenize(text); },
          nb::arg("text"))
      .def(
          "detokenize",
          [](const Model& model, const std::vector<int>& ids, bool skip_special_tokens) {
            return model.engine().Detokenize(ids, skip_special_tokens);
          },
          nb::arg("ids"), nb::arg("skip_special_tokens"))
      .def("encode", &Encode, nb::arg("pixels").noconvert(), nb::arg("tiles") = "")
      .def("preprocess", &Preprocess, nb::arg("pixels").noconvert())
      .def("encode_preprocessed", &EncodePreprocessed, nb::arg("pixels"), nb::arg("width"),
           nb::arg("height"))
      .def(
          "make_query",
          [](const Model& model, const EncodedImage& image, const Prompt& prompt,
             const GenerationOptions& options, std::optional<float> min_score,
             const std::vector<std::string>& labels) {
            return model.engine().MakeQuery(image, prompt, options, {min_score, labels});
          },
          nb::arg("image"), nb::arg("prompt"), nb::arg("options"),
          nb::arg("min_score") = nb::none(), nb::arg("labels") = std::vector<std::string>())
      .def("run", &Run, nb::arg("queries"), nb::arg("progress").none());
}

}  // namespace uffizi::python
