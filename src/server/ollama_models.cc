#include <cmath>
#include <ctime>

#include "server/ollama.h"
#include "server/problem.h"

namespace uffizi::server {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// The release of Ollama whose API this follows: programs ask for it before they use what is newer.
constexpr const char* kOllamaVersion = "0.12.0";

// 64 hexadecimal digits that tell models apart, as Ollama's digests do.
std::string DigestOf(std::string_view name) {
  std::string digest;
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (int part = 0; part < 4; ++part) {
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    for (int i = 60; i >= 0; i -= 4) digest += "0123456789abcdef"[hash >> i & 15];
  }
  return digest;
}

std::string Billions(size_t parameters) {
  const double billions = static_cast<double>(parameters) / 1e9;
  std::string text = std::to_string(std::round(billions * 100) / 100);
  return text.substr(0, text.find('.') + 3) + "B";
}

// `info` is null of a model that is not loaded.
ordered_json Details(const EngineInfo* info) {
  return {{"parent_model", ""},
          {"format", "safetensors"},
          {"family", "florence2"},
          {"families", {"florence2"}},
          {"parameter_size", info != nullptr ? Billions(info->parameters) : ""},
          {"quantization_level", info != nullptr ? info->compute : ""}};
}

ordered_json ModelEntry(const Door& door, const std::string& name, const EngineInfo* info) {
  return {{"name", name + ":latest"},
          {"model", name + ":latest"},
          {"modified_at", Timestamp(door.started * 1'000'000)},
          {"size", info != nullptr ? info->weight_bytes : 0},
          {"digest", DigestOf(name)},
          {"details", Details(info)}};
}

HttpResponse Tags(const Door& door, bool only_loaded) {
  const auto loaded = door.models.loaded();
  ordered_json list = ordered_json::array();
  for (const std::string& name : door.models.names()) {
    const EngineInfo* info = nullptr;
    for (const auto& model : loaded) {
      if (model->name == name) info = &model->info;
    }
    if (info == nullptr && only_loaded) continue;
    list.push_back(ModelEntry(door, name, info));
    if (only_loaded) {
      list.back()["size_vram"] = 0;
      list.back()["expires_at"] = "9999-12-31T00:00:00Z";
    }
  }
  return {.body = ordered_json{{"models", list}}.dump()};
}

HttpResponse Show(const Door& door, HttpRequest& http) {
  const json body = TakeJsonBody(http);
  JsonFields fields(body, "");
  const auto older = fields.String("name");
  const auto name = fields.String("model");
  if (!name && !older) RefuseRequest("model is missing");
  const auto model = door.models.Open(WithoutTag(name ? *name : *older));
  const EngineInfo& info = model->info;
  const ordered_json facts = {{"general.architecture", "florence2"},
                              {"general.parameter_count", info.parameters},
                              {"florence2.context_length", info.max_positions},
                              {"florence2.embedding_length", info.d_model},
                              {"florence2.block_count", info.decoder_layers},
                              {"florence2.vocab_size", info.vocab_size}};
  return {.body = ordered_json{{"modelfile", ""},
                               {"parameters", ""},
                               {"template", "{{ .Prompt }}"},
                               {"details", Details(&info)},
                               {"model_info", facts},
                               {"capabilities", {"completion", "vision"}},
                               {"modified_at", Timestamp(door.started * 1'000'000)}}
                      .dump()};
}

}  // namespace

std::string_view WithoutTag(std::string_view name) {
  constexpr std::string_view kLatest = ":latest";
  return name.ends_with(kLatest) ? name.substr(0, name.size() - kLatest.size()) : name;
}

std::string Timestamp(int64_t microseconds) {
  const auto seconds = static_cast<std::time_t>(microseconds / 1'000'000);
  std::tm parts = {};
  gmtime_r(&seconds, &parts);
  char text[40];
  std::string stamp(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &parts));
  const std::string fraction = std::to_string(1'000'000 + microseconds % 1'000'000);
  return stamp + fraction.substr(1) + "Z";
}

std::vector<Route> OllamaModelRoutes(const Door& door) {
  return {
      {"GET", "/api/tags", [&door](HttpRequest&) { return Tags(door, false); }},
      {"GET", "/api/ps", [&door](HttpRequest&) { return Tags(door, true); }},
      {"GET", "/api/version",
       [](HttpRequest&) {
         return HttpResponse{
             .body = ordered_json{{"version", kOllamaVersion}, {"uffizi", UFFIZI_VERSION}}.dump()};
       }},
      // A model may have to be loaded for it.
      {"POST", "/api/show", [&door](HttpRequest& request) { return Show(door, request); }, false},
  };
}

}  // namespace uffizi::server
