// Pictures in tiles: encodes them, and asks about them as if they were one picture.
#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "engine/runner.h"
#include "engine/tile_merge.h"
#include "engine/tile_plan.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

// Limits how many questions about tiles a session decodes together: the memory for their attention
// keys and values.
constexpr size_t kCacheBytes = size_t{2} << 30;
constexpr size_t kUsualTokens = 250;  // of a prompt and an answer

size_t QuestionsAtATime(const EngineInfo& model, int beams) {
  const size_t positions =
      static_cast<size_t>(model.image_tokens) + static_cast<size_t>(beams) * kUsualTokens;
  const size_t position_bytes = 2 * sizeof(float) * static_cast<size_t>(model.d_model) *
                                static_cast<size_t>(model.decoder_layers);
  return std::clamp<size_t>(kCacheBytes / (positions * position_bytes), 1, 64);
}

ImageView PartOf(const ImageView& image, const TileRect& place) {
  return {image.data + static_cast<size_t>(place.top) * image.stride +
              3 * static_cast<size_t>(place.left),
          place.width, place.height, image.stride};
}

}  // namespace

EncodedImage Runner::Encode(ImageView image, const TileOptions& tiles,
                            const std::function<bool()>& cancelled) {
  const std::vector<TileRect> places =
      PlanTiles(image.width, image.height, tiles, network().config.preprocess.width);
  EncodedImage encoded = Encode(image);
  if (places.empty()) return encoded;
  auto parts = std::make_shared<std::vector<EncodedImage::Tile>>();
  for (const TileRect& place : places) {
    if (cancelled && cancelled()) {
      throw Error(ErrorCode::kCancelled, "cancelled while the picture's tiles were being encoded");
    }
    parts->push_back({place, Encode(PartOf(image, place))});
    encoded.preprocess_seconds_ += parts->back().image.preprocess_seconds_;
    encoded.encode_seconds_ += parts->back().image.encode_seconds_;
  }
  encoded.tile_count_ = parts->size();
  encoded.tiles_ = std::move(parts);
  return encoded;
}

std::vector<Query> Runner::PartsOf(const Query& query) {
  std::vector<Query> queries;
  for (const Query::Impl::Part& part : query.impl_->parts) queries.push_back(part.query);
  return queries;
}

Result Runner::Merge(const Query& query, std::vector<Result> results) {
  const Query::Impl& asked = *query.impl_;
  std::vector<TileResult> parts;
  for (size_t i = 0; i < results.size(); ++i) {
    parts.push_back({asked.parts[i].place, std::move(results[i])});
  }
  Result merged = MergeTiles(asked.prompt.task, std::move(parts), asked.image.width(),
                             asked.image.height(), asked.filter);
  Timings& timings = merged.timings;
  timings.preprocess = asked.image.preprocess_seconds();
  timings.vision_encoder = asked.image.encode_seconds();
  timings.total = timings.preprocess + timings.vision_encoder + timings.text_encoder +
                  timings.decoder + timings.parse;
  return merged;
}

std::vector<Result> Session::Run(std::span<const Query> queries, const ProgressCallback& progress) {
  std::vector<Query> flat;
  std::vector<size_t> owners;                 // of each flat query
  std::vector<size_t> parts(queries.size());  // of each query, 0 if it is not about tiles
  for (size_t i = 0; i < queries.size(); ++i) {
    std::vector<Query> own = Runner::PartsOf(queries[i]);
    parts[i] = own.size();
    if (own.empty()) own.push_back(queries[i]);
    owners.insert(owners.end(), own.size(), i);
    flat.insert(flat.end(), own.begin(), own.end());
  }
  if (flat.size() == queries.size()) return RunTogether(queries, progress);

  int beams = 1;
  for (const Query& query : flat) beams = std::max(beams, query.num_beams());
  const size_t most = QuestionsAtATime(engine().info(), beams);
  std::set<size_t> stopped;  // stopping a question stops all of its tiles
  const std::string no_text;
  std::vector<Result> answers;
  for (size_t begin = 0; begin < flat.size(); begin += most) {
    const auto tell = [&](const Progress& now) {
      const size_t owner = owners[begin + now.query];
      if (stopped.contains(owner)) return false;
      if (progress({owner, now.token_ids, parts[owner] == 0 ? now.text : no_text})) return true;
      stopped.insert(owner);
      return false;
    };
    std::vector<Result> some =
        RunTogether(std::span(flat).subspan(begin, std::min(most, flat.size() - begin)),
                    progress ? ProgressCallback(tell) : ProgressCallback());
    std::move(some.begin(), some.end(), std::back_inserter(answers));
  }

  std::vector<Result> results;
  auto next = answers.begin();
  for (size_t i = 0; i < queries.size(); ++i) {
    const auto end = next + static_cast<std::ptrdiff_t>(std::max<size_t>(1, parts[i]));
    std::vector<Result> own(std::make_move_iterator(next), std::make_move_iterator(end));
    results.push_back(parts[i] == 0 ? std::move(own.front())
                                    : Runner::Merge(queries[i], std::move(own)));
    next = end;
  }
  return results;
}

}  // namespace uffizi
