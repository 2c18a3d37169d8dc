#include "import/import.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/folder_writer.h"
#include "core/json_reader.h"
#include "core/mapped_file.h"
#include "core/owned_files.h"
#include "core/owned_folders.h"
#include "hub/cache.h"
#include "import/layer_matcher.h"
#include "import/model_folder.h"
#include "import/spark_folder.h"
#include "import/traced_size.h"
#include "import/zip_archive.h"
#include "uffizi/models.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kMaxAssetBytes = size_t{256} << 20;
constexpr const char* kGraphs[] = {"image_embedding", "text_embedding", "encoder", "decoder"};

bool HasGraphs(const fs::path& folder) {
  std::error_code error;
  return std::all_of(std::begin(kGraphs), std::end(kGraphs), [&](const std::string& name) {
    return fs::exists(folder / (name + ".xml"), error);
  });
}

// The folder with the graphs: this one, or its only subfolder, as in a zip of a folder.
fs::path FindArtifact(const fs::path& folder, const fs::path& source) {
  if (HasGraphs(folder)) return folder;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_directory(error) && HasGraphs(entry.path())) return entry.path();
  }
  throw Error(ErrorCode::kInvalidModel,
              source.string() +
                  ": has no image_embedding.xml, text_embedding.xml, encoder.xml and "
                  "decoder.xml: is not a Florence-2 artifact");
}

// Spark NLP keeps each graph as a zip of X.xml and X.bin that is itself called X.xml. If the
// artifact was a zip, X.xml has been unpacked to a folder.
fs::path UnpackGraph(const fs::path& artifact, const std::string& name, const fs::path& scratch) {
  const fs::path file = artifact / (name + ".xml");
  fs::path folder = file;
  if (!fs::is_directory(file)) {
    if (!IsZip(file)) return file;
    folder = scratch / name;
    Unzip(file, folder);
  }
  std::optional<fs::path> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".xml") continue;
    if (found) throw Error(ErrorCode::kInvalidModel, file.string() + ": holds two graphs");
    found = entry.path();
  }
  if (!found) throw Error(ErrorCode::kInvalidModel, file.string() + ": holds no graph");
  return *found;
}

// A JSON file of the artifact, from assets/ or beside the graphs; null if it has none.
json ReadAsset(const fs::path& artifact, const std::string& name) {
  for (const fs::path& file : {artifact / "assets" / name, artifact / name}) {
    if (fs::exists(file)) return JsonReader::Open(file).value();
  }
  return nullptr;
}

// Copies only the content: a copy from a read-only place must be writable.
void CopyFile(const fs::path& from, const fs::path& to) {
  WriteFile(to, ReadFile(from, kMaxAssetBytes));
}

// Copies the tokenizer's files. Throws if there are none.
void CopyTokenizer(const fs::path& artifact, const fs::path& folder) {
  bool found = false;
  for (const fs::path& from : {artifact / "assets", artifact}) {
    for (const char* name : {"tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json",
                             "special_tokens_map.json", "tokenizer_config.json"}) {
      std::error_code error;
      if (!fs::exists(from / name, error) || fs::exists(folder / name, error)) continue;
      CopyFile(from / name, folder / name);
      found = true;
    }
  }
  if (!found) {
    throw Error(ErrorCode::kInvalidModel,
                artifact.string() +
                    ": has no tokenizer: neither fields/ of Spark NLP nor "
                    "assets/tokenizer.json");
  }
}

// What a graph holds, for the report.
ImportReport::Graph Describe(const std::string& name, const IrGraph& graph) {
  ImportReport::Graph found;
  found.name = name;
  found.exporter = graph.exporter();
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const IrNode& node = graph.nodes()[i];
    if (node.type != "Const") continue;
    const IrConstant constant = graph.Constant(static_cast<int>(i));
    constexpr size_t kLeastWeight = 64;  // elements; smaller constants are sizes and factors
    if (constant.elements < kLeastWeight) continue;
    found.precisions[IrTypeName(constant.type)] += constant.bytes.size();
  }
  return found;
}

// merger_model concatenates two tensors: it has no weights, and is not needed.
void DescribeMerger(const fs::path& artifact, const fs::path& scratch, ImportReport& report) {
  const std::string name = "merger_model";
  try {
    if (!fs::exists(artifact / (name + ".xml"))) return;
    report.graphs.push_back(Describe(name, IrGraph::Open(UnpackGraph(artifact, name, scratch))));
  } catch (const Error&) {  // nothing depends on it
  }
}

ImportedModel ReadGraphs(const fs::path& artifact, const fs::path& shown, const fs::path& scratch,
                         ImportReport& report) {
  ImportedModel model;
  const auto read = [&](const std::string& name, auto&& reader) {
    const fs::path file = UnpackGraph(artifact, name, scratch);
    ImportedGraph& graph = model.Add(IrGraph::Open(file, (shown / (name + ".xml")).string()));
    report.graphs.push_back(Describe(name, graph.graph));
    report.bytes_before += graph.graph.bin_bytes();
    reader(graph, model);
  };
  read("image_embedding", ReadVisionGraph);
  read("text_embedding", ReadTextEmbeddingGraph);
  read("encoder", ReadEncoderGraph);
  read("decoder", ReadDecoderGraph);
  DescribeMerger(artifact, scratch, report);
  for (ImportReport::Graph& graph : report.graphs) graph.lineage = model.lineage;
  return model;
}

// Everything in a model folder except its weights and sizes. Returns the artifact's own
// config.json, null if it has none.
json WriteSettingsOf(const fs::path& artifact, int width, int height, const fs::path& folder) {
  FolderFiles files;
  if (IsSparkFolder(artifact)) {
    SparkFolder spark = ReadSparkFolder(artifact);
    files.preprocess = std::move(spark.preprocess);
    files.generation = std::move(spark.generation);
    WriteJson(folder / "tokenizer.json", spark.tokenizer);
  } else {
    CopyTokenizer(artifact, folder);
    files.config = ReadAsset(artifact, "config.json");
    files.preprocess = ReadAsset(artifact, "preprocessor_config.json");
    files.generation = ReadAsset(artifact, "generation_config.json");
  }
  WriteSettings(files, width, height, folder);
  return files.config;
}

// shown: the artifact as the user knows it, for messages
void ImportArtifact(const fs::path& artifact, const fs::path& shown, const fs::path& scratch,
                    const ImportOptions& options, const fs::path& folder, ImportReport& report) {
  const ImportedModel model = ReadGraphs(artifact, shown, scratch, report);
  const json config = WriteSettingsOf(artifact, model.image_width, model.image_height, folder);
  WriteWeights(model, config, options, folder, report);
}

// Moves or copies a file and those beside it with the same stem.
void TakeGraph(const fs::path& xml, bool move, const fs::path& to) {
  for (const char* extension : {".xml", ".bin"}) {
    const fs::path from = fs::path(xml).replace_extension(extension);
    const fs::path target = fs::path(to).replace_extension(extension);
    move ? MoveNew(from, target) : CopyNew(from, target);
  }
}

// Identifies a state of an artifact without reading it: names, sizes and times.
std::string Fingerprint(const fs::path& source) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  const auto add = [&hash](const std::string& text) {
    for (const char c : text + '\n') {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    }
  };
  std::vector<fs::path> files = {source};
  if (fs::is_directory(source)) {
    for (const auto& entry : fs::recursive_directory_iterator(source)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    add(fs::weakly_canonical(file).string());
    if (fs::is_directory(file)) continue;
    add(std::to_string(fs::file_size(file)));
    add(std::to_string(fs::last_write_time(file).time_since_epoch().count()));
  }
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (size_t i = text.size(); i-- > 0; hash >>= 4) text[i] = kDigits[hash & 15];
  return text;
}

// The cached folder with `file` that `make` produces from an artifact, created if missing.
// Several processes may do this at the same time.
fs::path InCache(const std::string& kind, const fs::path& source, const char* file,
                 const std::function<void(const fs::path&)>& make) {
  try {
    std::string name = fs::weakly_canonical(source).filename().string();
    name = name.substr(0, std::min(name.find('.'), size_t{60}));
    const fs::path cache = CacheFolder() / kind;
    const fs::path folder = cache / (name + "-" + Fingerprint(source));
    if (fs::exists(folder / file)) return folder;
    const FileLock lock(cache / (folder.filename().string() + ".lock"));
    if (!fs::exists(folder / file)) make(folder);
    return folder;
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::kIo, error.path1().string() + ": " + error.code().message());
  }
}

}  // namespace

bool IsImportable(const fs::path& source) {
  std::error_code error;
  if (fs::is_regular_file(source, error)) return IsZip(source);
  return fs::is_directory(source, error) && !fs::exists(source / "model.safetensors", error) &&
         HasGraphs(source);
}

ImportReport ImportModel(const fs::path& source, const fs::path& out,
                         const ImportOptions& options) {
  if (options.bits != 4 && options.bits != 8 && options.bits != 16) {
    throw Error(ErrorCode::kInvalidArgument, "bits must be 4, 8 or 16");
  }
  try {
    if (!fs::exists(source)) throw Error(ErrorCode::kNotFound, source.string() + ": no such file");
    if (fs::exists(out) && !(fs::is_directory(out) && fs::is_empty(out))) {
      throw Error(ErrorCode::kIo, out.string() + ": exists already");
    }
    fs::path place = out;
    if (!place.has_filename()) place = place.parent_path();  // "out/"
    const ScratchFolder scratch(place);
    const fs::path unpacked = scratch.path() / "unpacked", folder = scratch.path() / "model";
    MakeFolders(folder);
    fs::path artifact = source;
    if (fs::is_regular_file(source)) {
      Unzip(source, unpacked);
      artifact = unpacked;
    }
    ImportReport report;
    ImportArtifact(FindArtifact(artifact, source), source, scratch.path() / "graphs", options,
                   folder, report);
    scratch.MoveOut(folder, place);  // also over an empty folder
    return report;
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::kIo, error.path1().string() + ": " + error.code().message());
  }
}

fs::path LocalModelFolder(const fs::path& source, const ImportOptions& options) {
  if (!IsImportable(source)) return source;
  const std::string kind = "imported-" + std::to_string(options.bits);
  return InCache(kind, source, "model.safetensors",
                 [&](const fs::path& folder) { ImportModel(source, folder, options); });
}

LocalGraphs OpenLocalGraphs(const fs::path& source) {
  if (!IsImportable(source)) {
    throw Error(
        ErrorCode::kInvalidModel,
        source.string() +
            ": is not an artifact with OpenVINO IR graphs: a Spark NLP zip, its folder, or a "
            "folder of the exported models");
  }
  const bool zip = fs::is_regular_file(source);
  const bool packed =
      zip || std::any_of(std::begin(kGraphs), std::end(kGraphs),
                         [&](const std::string& name) { return IsZip(source / (name + ".xml")); });
  const auto make = [&](const fs::path& folder) {
    const ScratchFolder scratch(folder);
    if (zip) Unzip(source, scratch.path() / "unpacked");
    const fs::path artifact = FindArtifact(zip ? scratch.path() / "unpacked" : source, source);
    const fs::path made = scratch.path() / "made";
    MakeFolders(made);
    for (const std::string name : kGraphs) {
      if (!packed) break;
      const fs::path file = UnpackGraph(artifact, name, scratch.path() / "zips");
      TakeGraph(file, zip || file.parent_path() != artifact, made / (name + ".xml"));
    }
    const std::string pixels = std::string(kGraphs[0]) + ".xml";
    const TracedSize size = ReadTracedSize(IrGraph::Open((packed ? made : artifact) / pixels));
    const json config = WriteSettingsOf(artifact, size.width, size.height, made);
    if (config.is_object()) WriteJson(made / "config.json", config);
    scratch.MoveOut(made, folder);
  };
  const fs::path folder = InCache("openvino", source, "preprocessor_config.json", make);
  return {packed ? folder : source, folder};
}

}  // namespace uffizi
