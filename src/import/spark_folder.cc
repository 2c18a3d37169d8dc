#include "import/spark_folder.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/json_reader.h"
#include "core/mapped_file.h"
#include "import/java_stream.h"
#include "text/tokenizer_spec.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

[[noreturn]] void Fail(const fs::path& file, const std::string& reason) {
  throw Error(ErrorCode::kInvalidModel, file.string() + ": " + reason);
}

// The part-NNNNN files of a Spark folder, in order.
std::vector<fs::path> Parts(const fs::path& folder) {
  std::vector<fs::path> parts;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().starts_with("part-")) parts.push_back(entry.path());
  }
  if (parts.empty()) Fail(folder, "has no part files");
  std::sort(parts.begin(), parts.end());
  return parts;
}

// Calls visit(file, element) for every element of every array that Spark wrote into a folder.
template <typename Visit>
void ForEachElement(const fs::path& folder, const Visit& visit) {
  for (const fs::path& part : Parts(folder)) {
    const MappedFile file(part);
    ReadSequenceFile(part.string(), file.bytes(), [&](std::span<const uint8_t> record) {
      const JavaValue value = ParseJavaStream(part.string(), record);
      if (value.object() == nullptr) Fail(part, "has a record that is not an array");
      for (const JavaValue& element : value.object()->elements) visit(part, element);
    });
  }
}

// A scala.Tuple2's halves.
std::pair<const JavaValue*, const JavaValue*> Pair(const fs::path& part, const JavaValue& value) {
  const JavaObject* tuple = value.object();
  const JavaValue* first = tuple == nullptr ? nullptr : tuple->Field("_1");
  const JavaValue* second = tuple == nullptr ? nullptr : tuple->Field("_2");
  if (first == nullptr || second == nullptr) Fail(part, "has an element that is not a pair");
  return {first, second};
}

int Id(const fs::path& part, const JavaValue& value) {
  const int64_t* id = value.unboxed();
  if (id == nullptr || *id < 0 || *id > kMaxTokenId)
    Fail(part, "has a pair without a usable number");
  return static_cast<int>(*id);
}

const std::string& Text(const fs::path& part, const JavaValue& value) {
  if (value.string() == nullptr) Fail(part, "has a pair without text");
  return *value.string();
}

std::map<std::string, int> ReadIds(const fs::path& folder) {
  std::map<std::string, int> ids;
  ForEachElement(folder, [&](const fs::path& part, const JavaValue& element) {
    const auto [token, id] = Pair(part, element);
    ids[Text(part, *token)] = Id(part, *id);
  });
  return ids;
}

json AddedTokenJson(int id, const std::string& token) {
  return {{"id", id},
          {"content", token},
          {"single_word", false},
          {"lstrip", token == "<mask>"},  // as in RoBERTa, BART and Florence-2
          {"rstrip", false},
          {"normalized", false},
          {"special", true}};
}

// Pairs of pieces, the first to be merged first.
json ReadMerges(const fs::path& folder) {
  std::map<int, std::pair<std::string, std::string>> merges;  // by rank
  ForEachElement(folder / "fields/merges", [&](const fs::path& part, const JavaValue& element) {
    const auto [pair, rank] = Pair(part, element);
    const auto [left, right] = Pair(part, *pair);
    if (!merges.emplace(Id(part, *rank), std::pair(Text(part, *left), Text(part, *right))).second) {
      Fail(part, "has two merges of one rank");
    }
  });
  json list = json::array();
  for (const auto& [rank, pair] : merges) list.push_back({pair.first, pair.second});
  return list;
}

json ReadTokenizer(const fs::path& folder) {
  std::map<std::string, int> vocabulary = ReadIds(folder / "fields/vocabulary");
  const std::map<std::string, int> added = ReadIds(folder / "fields/addedTokens");
  const json merges = ReadMerges(folder);
  // The byte-level pieces and RoBERTa's five special tokens form the vocabulary; the rest was added
  // later.
  std::set<std::string> special = {"<s>", "<pad>", "</s>", "<unk>", "<mask>"};
  std::map<int, std::string> tokens;
  for (const auto& [token, id] : added) {
    tokens[id] = token;
    if (!special.contains(token)) vocabulary.erase(token);
  }
  for (const std::string& token : special) {
    const auto found = vocabulary.find(token);
    if (found != vocabulary.end()) tokens[found->second] = token;
  }
  json added_tokens = json::array();
  for (const auto& [id, token] : tokens) added_tokens.push_back(AddedTokenJson(id, token));
  const auto id_of = [&](const std::string& token) {
    const auto found = vocabulary.find(token);
    if (found == vocabulary.end()) Fail(folder / "fields/vocabulary", "has no " + token);
    return found->second;
  };
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added_tokens},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "ByteLevel"},
            {"add_prefix_space", false},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"post_processor",
           {{"type", "RobertaProcessing"},
            {"sep", {"</s>", id_of("</s>")}},
            {"cls", {"<s>", id_of("<s>")}},
            {"trim_offsets", true},
            {"add_prefix_space", false}}},
          {"decoder",
           {{"type", "ByteLevel"},
            {"add_prefix_space", true},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", ""},
            {"end_of_word_suffix", ""},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", false},
            {"vocab", vocabulary},
            {"merges", merges}}}};
}

// The stage's parameters; explicitly set ones override the defaults.
json ReadParameters(const fs::path& folder) {
  const fs::path file = Parts(folder / "metadata").front();
  const std::string text = ReadFile(file, size_t{16} << 20);
  const json metadata = ParseJson(text);
  if (!metadata.is_object() || !metadata.value("paramMap", json()).is_object()) {
    Fail(file, "is not the metadata of a Spark stage");
  }
  if (const json type = metadata.value("class", json());
      !type.is_string() || !type.get<std::string>().ends_with("Florence2Transformer")) {
    Fail(file, "is a " + type.dump().substr(0, 200) + ", not a Florence2Transformer");
  }
  json parameters = metadata.value("defaultParamMap", json::object());
  if (!parameters.is_object()) parameters = json::object();
  parameters.update(metadata["paramMap"]);
  return parameters;
}

json MakePreprocess(const json& parameters) {
  const json size = parameters.value("size", json(768));
  return {{"do_resize", true},
          {"do_rescale", true},
          {"do_normalize", true},
          {"do_center_crop", false},
          {"image_mean", parameters.value("imageMean", json({0.485, 0.456, 0.406}))},
          {"image_std", parameters.value("imageStd", json({0.229, 0.224, 0.225}))},
          {"resample", parameters.value("resample", json(3))},
          {"rescale_factor", parameters.value("rescaleFactor", json(1 / 255.0))},
          {"size", {{"height", size}, {"width", size}}}};
}

// The ids of begin, end and padding.
json MakeGeneration(const fs::path& folder) {
  json generation = json::object();
  if (!fs::exists(folder)) return generation;
  ForEachElement(folder, [&](const fs::path& part, const JavaValue& element) {
    if (element.object() == nullptr) Fail(part, "has an element that is not an object");
    const auto id = [&](const char* field, int fallback) {
      const JavaValue* value = element.object()->Field(field);
      return value == nullptr ? fallback : Id(part, *value);
    };
    const int bos = id("bosId", 0), eos = id("eosId", 2);
    generation.update({{"bos_token_id", bos},
                       {"pad_token_id", id("padId", 1)},
                       {"eos_token_id", eos},
                       {"decoder_start_token_id", eos},
                       {"forced_bos_token_id", bos},
                       {"forced_eos_token_id", eos}});
  });
  return generation;
}

}  // namespace

bool IsSparkFolder(const fs::path& folder) {
  std::error_code error;
  return fs::is_directory(folder / "metadata", error) && fs::is_directory(folder / "fields", error);
}

SparkFolder ReadSparkFolder(const fs::path& folder) {
  const json parameters = ReadParameters(folder);
  return {ReadTokenizer(folder), MakePreprocess(parameters),
          MakeGeneration(folder / "fields/generationConfig")};
}

}  // namespace uffizi
