#include <limits>

#include "server/annotate_request.h"

namespace uffizi::server {
namespace {

using nlohmann::json;

constexpr int kMaxInt = std::numeric_limits<int>::max();

template <typename To, typename From>
void Set(std::optional<To>& to, const std::optional<From>& from) {
  if (from) to = static_cast<To>(*from);
}

void ReadField(JsonFields& fields, const auto& field, std::optional<bool>& out) {
  out = fields.Bool(field.name);
}

void ReadField(JsonFields& fields, const auto& field, std::optional<std::string>& out) {
  out = fields.String(field.name);
}

void ReadField(JsonFields& fields, const auto& field, std::optional<std::vector<int>>& out) {
  out = fields.Integers(field.name, 0, kMaxInt);
}

template <typename Number>
void ReadField(JsonFields& fields, const auto& field, std::optional<Number>& out) {
  if constexpr (std::is_integral_v<Number>) {
    const auto high = std::numeric_limits<int64_t>::max();
    Set(out,
        fields.Integer(
            field.name, static_cast<int64_t>(field.low),
            field.high >= static_cast<double>(high) ? high : static_cast<int64_t>(field.high)));
  } else {
    Set(out, fields.Number(field.name, field.low, field.high));
  }
}

GenerationOptions ReadGeneration(JsonFields& fields) {
  GenerationOptions generation;
  ForEachField(kGenerationFields,
               [&](const auto& field) { ReadField(fields, field, generation.*field.member); });
  return generation;
}

}  // namespace

void ReadOptions(const json& object, AnnotateRequest& request) {
  JsonFields fields(object, "options");
  request.generation = ReadGeneration(fields);
  request.decode = ReadDecodeOptions(fields);
  if (const auto tiles = fields.String("tiles")) {
    try {
      request.tiles = TileOptions::Parse(*tiles);
    } catch (const Error& error) {
      RefuseRequest(std::string("options.tiles: ") + error.what());
    }
  }
  if (const auto score = fields.Number("min_score", 0, 1)) {
    request.filter.min_score = static_cast<float>(*score);
  }
  if (auto labels = fields.Strings("labels")) request.filter.labels = *std::move(labels);
  fields.ExpectNoMore();
}

GenerationOptions ReadGenerationOptions(const json& options) {
  JsonFields fields(options, "options");
  GenerationOptions generation = ReadGeneration(fields);
  fields.ExpectNoMore();
  return generation;
}

DecodeOptions ReadDecodeOptions(JsonFields& fields) {
  DecodeOptions decode;
  if (fields.Bool("drop_alpha") == true) decode.alpha = AlphaMode::kDrop;
  if (fields.Bool("no_exif") == true) decode.apply_exif_orientation = false;
  if (const auto page = fields.Integer("page", 1, kMaxInt)) {
    decode.page = static_cast<size_t>(*page - 1);
  }
  if (const auto truncated = fields.String("truncated")) {
    const auto known = FromName<TruncatedMode>(*truncated);
    if (!known) RefuseRequest("options.truncated must be " + AllNames<TruncatedMode>());
    decode.truncated = *known;
  }
  return decode;
}

}  // namespace uffizi::server
