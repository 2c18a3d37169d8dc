#include "hub/sources.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/json_reader.h"
#include "core/mapped_file.h"
#include "core/owned_files.h"
#include "hub/environment.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kMaxListing = size_t{16} << 20;
constexpr size_t kMaxMetadata = size_t{1} << 30;  // of all models that Spark NLP has
constexpr const char* kSparkNlp = "https://s3.amazonaws.com/auxdata.johnsnowlabs.com/public/models";
// Known without Spark NLP's list of models.
constexpr const char* kKnownName = "florence_2_large_int4";
constexpr const char* kKnownFile = "florence_2_large_int4_en_5.5.1_3.0_1748317523815.zip";

std::string WithoutSlash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::string HuggingFace() {
  const std::string named = Environment({"HF_ENDPOINT"});
  return WithoutSlash(named.empty() ? "https://huggingface.co" : named);
}

std::string SparkNlp() {
  const std::string named = Environment({"UFFIZI_MODELS_URL"});
  return WithoutSlash(named.empty() ? kSparkNlp : named);
}

// As Hugging Face's own tools find it.
std::string HuggingFaceToken() {
  std::string token = Environment({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"});
  if (token.empty()) {
    fs::path file = Environment({"HF_TOKEN_PATH"});
    if (file.empty()) {
      const std::string home = Environment({"HF_HOME"});
      file =
          (home.empty() ? fs::path(Environment({"HOME"})) / ".cache/huggingface" : fs::path(home)) /
          "token";
    }
    std::error_code ignored;
    if (fs::is_regular_file(file, ignored)) token = ReadFile(file, 4096);
  }
  // Control characters, which could end the header, are not part of a token.
  std::erase_if(token, [](unsigned char c) { return c <= ' '; });
  return token;
}

std::string Escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '/' ? "%2F" : std::string(1, c);
  return escaped;
}

// The files of a model folder that Uffizi reads; names never contain a folder.
bool IsModelFile(const std::string& name) {
  static constexpr std::array kNames = {"config.json",
                                        "generation_config.json",
                                        "preprocessor_config.json",
                                        "processor_config.json",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        "vocab.json",
                                        "merges.txt",
                                        "added_tokens.json",
                                        "LICENSE",
                                        "special_tokens_map.json",
                                        "adapter_config.json"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

bool IsShard(const std::string& name) {
  return fnmatch("model-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].safetensors",
                 name.c_str(), 0) == 0;
}

// The files with weights: one, or several and their index.
std::vector<std::string> WeightFiles(const std::vector<std::string>& names) {
  const auto has = [&](const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const char* single : {"model.safetensors", "adapter_model.safetensors"}) {
    if (has(single)) return {single};
  }
  std::vector<std::string> files;
  if (!has("model.safetensors.index.json")) return files;
  std::copy_if(names.begin(), names.end(), std::back_inserter(files), IsShard);
  files.emplace_back("model.safetensors.index.json");
  return files;
}

std::string TextOr(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool IsHex(const std::string& text, size_t length) {
  return text.size() == length && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

RemoteFile DescribeFile(const json& entry, const std::string& url, const std::string& token) {
  RemoteFile file{TextOr(entry, "rfilename"), {}};
  file.download.url = url + file.name;
  file.download.token = token;
  if (const auto size = entry.find("size"); size != entry.end() && size->is_number_unsigned()) {
    file.download.size = size->get<uint64_t>();
  }
  const auto lfs = entry.find("lfs");
  const std::string sha256 = lfs != entry.end() && lfs->is_object() ? TextOr(*lfs, "sha256") : "";
  const std::string blob = TextOr(entry, "blobId");
  if (IsHex(sha256, 64)) {
    file.download.checksum = "sha256:" + sha256;
  } else if (IsHex(blob, 40)) {
    file.download.checksum = "sha1-git:" + blob;
  }
  return file;
}

std::vector<RemoteFile> ListHuggingFace(const ModelName& name, const fs::path& scratch) {
  const std::string token = HuggingFaceToken();
  const std::string api = HuggingFace() + "/api/models/" + name.repository() + "/revision/" +
                          Escaped(name.revision()) + "?blobs=true";
  const fs::path listing = scratch / "listing.json.part";
  RemovePart(listing);
  DownloadFile({api, token, std::nullopt, "", kMaxListing}, listing, nullptr);
  const json model = ParseJson(ReadFile(listing, kMaxListing));
  RemovePart(listing);
  if (!model.is_object() || !model.contains("siblings") || !model["siblings"].is_array()) {
    throw Error(ErrorCode::kIo, api + ": is not a server of Hugging Face's API");
  }
  // By commit, so that all files belong to one revision, even if others are uploaded meanwhile.
  const std::string commit = TextOr(model, "sha");
  const std::string files_url = HuggingFace() + "/" + name.repository() + "/resolve/" +
                                (IsHex(commit, 40) ? commit : Escaped(name.revision())) + "/";
  std::vector<std::string> names;
  for (const json& entry : model["siblings"]) {
    if (entry.is_object()) names.push_back(TextOr(entry, "rfilename"));
  }
  const std::vector<std::string> weights = WeightFiles(names);
  if (weights.empty()) {
    throw Error(ErrorCode::kUnsupported,
                AddressOf(name) +
                    ": has no safetensors; weights as PyTorch pickles can run code and are not "
                    "opened");
  }
  std::vector<RemoteFile> files;
  for (const json& entry : model["siblings"]) {
    const std::string file = entry.is_object() ? TextOr(entry, "rfilename") : "";
    if (IsModelFile(file) || std::find(weights.begin(), weights.end(), file) != weights.end()) {
      files.push_back(DescribeFile(entry, files_url, token));
    }
  }
  return files;
}

// The newest zip of that name in Spark NLP's list, which has a line of JSON for each of its models.
std::vector<RemoteFile> ListSparkNlp(const ModelName& name, const fs::path& scratch) {
  const fs::path listing = scratch / "metadata.json.part";
  RemovePart(listing);
  DownloadFile({SparkNlp() + "/metadata.json", "", std::nullopt, "", kMaxMetadata}, listing,
               nullptr);
  std::ifstream lines(listing);
  std::string newest, checksum;
  int64_t newest_time = -1;
  const std::string wanted = json(name.text()).dump();
  for (std::string line; std::getline(lines, line);) {
    if (line.find(wanted) == std::string::npos) continue;
    const json entry = ParseJson(line);
    if (!entry.is_object() || TextOr(entry, "name") != name.text()) continue;
    // "name_language_5.5.1_3.0_TIME.zip"
    const auto version = [&](const char* key) {
      std::string text;
      if (!entry.contains(key) || !entry[key].is_object() || !entry[key].contains("parts"))
        return text;
      for (const json& part : entry[key]["parts"]) {
        if (!text.empty()) text += '.';
        text += part.dump();
      }
      return text;
    };
    const auto time = entry.find("time");
    if (time == entry.end() || !time->is_number_integer() || time->get<int64_t>() <= newest_time)
      continue;
    newest_time = time->get<int64_t>();
    newest = name.text() + "_" + TextOr(entry, "language") + "_" + version("libVersion") + "_" +
             version("sparkVersion") + "_" + std::to_string(newest_time) + ".zip";
    checksum = TextOr(entry, "checksum");
  }
  lines.close();
  RemovePart(listing);
  if (newest.empty()) {
    throw Error(ErrorCode::kNotFound, SparkNlp() + "/metadata.json: has no " + name.text());
  }
  return {{name.text() + ".zip",
           {SparkNlp() + "/" + newest, "", std::nullopt,
            IsHex(checksum, 32) ? "md5:" + checksum : ""}}};
}

constexpr const char* kLower = "abcdefghijklmnopqrstuvwxyz0123456789_";
constexpr const char* kWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
constexpr size_t kMaxWord = 96;

// A letter or digit, then also _, . and -.
bool IsWord(std::string_view text) {
  return !text.empty() && text.size() <= kMaxWord && text[0] != '_' && text[0] != '.' &&
         text[0] != '-' && text.find_first_not_of(kWord) == text.npos;
}

// OWNER/NAME or OWNER/NAME@REVISION, where a revision may hold more slashes.
bool IsHuggingFaceName(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == text.npos) return false;
  const size_t at = text.find('@');
  if (at != text.npos) {
    std::string revision(text.substr(at + 1));
    std::replace(revision.begin(), revision.end(), '/', '-');
    if (at < slash || !IsWord(revision)) return false;
  }
  return IsWord(text.substr(0, slash)) && IsWord(text.substr(slash + 1, at - slash - 1));
}

bool IsSparkNlpName(std::string_view text) {
  constexpr std::string_view kPrefix = "florence_2_";
  return text.starts_with(kPrefix) && text.size() > kPrefix.size() && text.size() <= kMaxWord &&
         text.find_first_not_of(kLower) == text.npos;
}

}  // namespace

bool ModelName::IsOne(const std::string& text) {
  return text.find("..") == std::string::npos && (IsHuggingFaceName(text) || IsSparkNlpName(text));
}

std::string ModelName::revision() const {
  const size_t at = text_.find('@');
  return at == std::string::npos ? "main" : text_.substr(at + 1);
}

std::string ModelName::key() const {
  std::string key;
  for (const char c : text_) key += c == '/' ? "--" : std::string(1, c);
  return key;
}

std::string AddressOf(const ModelName& name) {
  if (name.hugging_face()) {
    return HuggingFace() + "/" + name.repository() + "/tree/" + name.revision();
  }
  return SparkNlp() + "/" +
         (name.text() == kKnownName ? kKnownFile : name.text() + "_en_VERSION_TIME.zip");
}

std::vector<RemoteFile> ListFiles(const ModelName& name, const fs::path& scratch) {
  if (name.hugging_face()) return ListHuggingFace(name, scratch);
  try {
    return ListSparkNlp(name, scratch);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound || name.text() != kKnownName) throw;
    return {{name.text() + ".zip", {SparkNlp() + "/" + kKnownFile, "", std::nullopt, ""}}};
  }
}

}  // namespace uffizi
