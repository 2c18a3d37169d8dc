// Tiles: their positions, and how answers are merged at their seams.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/tile_merge.h"
#include "engine/tile_plan.h"
#include "uffizi/engine.h"
#include "uffizi/image.h"

namespace uffizi {
namespace {

TEST(TilePlan, CoversThePictureAndOverlaps) {
  for (const char* text : {"3x2", "1x4", "1000", "700", "auto"}) {
    for (const auto& [width, height] : {std::pair(4000, 3000), {1001, 2999}, {12000, 9000}}) {
      const auto tiles = PlanTiles(width, height, TileOptions::Parse(text), 768);
      ASSERT_GE(tiles.size(), 2u) << text;
      std::vector<int> columns(static_cast<size_t>(width)), rows(static_cast<size_t>(height));
      for (const TileRect& tile : tiles) {
        ASSERT_GE(tile.left, 0);
        ASSERT_LE(tile.left + tile.width, width);
        ASSERT_LE(tile.top + tile.height, height);
        for (int x = 0; x < tile.width; ++x) columns[static_cast<size_t>(tile.left + x)] = 1;
        for (int y = 0; y < tile.height; ++y) rows[static_cast<size_t>(tile.top + y)] = 1;
        if (std::string(text) == "1000") {
          EXPECT_LE(std::max(tile.width, tile.height), 1001);
        }
      }
      EXPECT_EQ(std::count(columns.begin(), columns.end(), 1), width) << text;
      EXPECT_EQ(std::count(rows.begin(), rows.end(), 1), height) << text;
      for (size_t i = 1; i < tiles.size(); ++i) {
        if (tiles[i].top != tiles[i - 1].top) continue;
        const int overlap = tiles[i - 1].left + tiles[i - 1].width - tiles[i].left;
        EXPECT_NEAR(overlap, 0.2 * tiles[i].width, 3);
      }
    }
  }
}

TEST(TilePlan, SmallPicturesStayWholeAndLargeOnesAreBounded) {
  EXPECT_TRUE(PlanTiles(1000, 1100, TileOptions::Parse("auto"), 768).empty());
  EXPECT_TRUE(PlanTiles(4000, 4000, TileOptions::Parse(""), 768).empty());
  EXPECT_EQ(PlanTiles(1654, 2339, TileOptions::Parse("auto"), 768).size(), 6u);
  EXPECT_LE(PlanTiles(100000, 100000, TileOptions::Parse("auto"), 768).size(), 64u);
  EXPECT_THROW(PlanTiles(100000, 100000, TileOptions::Parse("100"), 768), Error);
  for (const char* wrong : {"x", "0x2", "3x", "2x2x2", "-1", "10", "40x40", "big"}) {
    EXPECT_THROW(TileOptions::Parse(wrong), Error) << wrong;
  }
}

Region BoxRegion(const std::string& label, const Box& box, float score = 0.9f) {
  return {label, box, {}, {}, score};
}

Region Word(const std::string& text, const Box& b, float score = 0.9f) {
  return {text, {}, {b.x1, b.y1, b.x2, b.y1, b.x2, b.y2, b.x1, b.y2}, {}, score};
}

Result Answered(AnswerShape shape, std::vector<Region> regions) {
  Result result;
  result.answer.shape = shape;
  result.answer.regions = std::move(regions);
  return result;
}

// Two tiles of 100 x 100 that share the columns 80 to 100 of a picture of 180 x 100.
constexpr TileRect kLeft{0, 0, 100, 100}, kRight{80, 0, 100, 100};

std::vector<Region> MergeBoxes(std::vector<Region> left, std::vector<Region> right,
                               std::vector<Region> whole = {}, const RegionFilter& filter = {}) {
  const AnswerShape shape = AnswerShape::kBoxes;
  return MergeTiles(Task::kObjectDetection,
                    {{kLeft, Answered(shape, std::move(left))},
                     {kRight, Answered(shape, std::move(right))},
                     {std::nullopt, Answered(shape, std::move(whole))}},
                    180, 100, filter)
      .answer.regions;
}

TEST(TileMerge, BoxesMoveToWhereTheirTileLies) {
  const auto regions =
      MergeBoxes({BoxRegion("cat", {10, 10, 30, 30})}, {BoxRegion("dog", {50, 20, 70, 40})});
  ASSERT_EQ(regions.size(), 2u);
  EXPECT_EQ(regions[1].label, "dog");
  EXPECT_EQ(regions[1].box.x1, 130);
  EXPECT_EQ(regions[1].box.y2, 40);
}

TEST(TileMerge, AThingSeenTwiceIsOne) {
  const auto regions = MergeBoxes({BoxRegion("cat", {82, 10, 97, 30}, 0.5f)},
                                  {BoxRegion("cat", {3, 11, 18, 31}, 0.8f)});
  ASSERT_EQ(regions.size(), 1u);
  EXPECT_EQ(regions[0].score, 0.8f);
  EXPECT_EQ(regions[0].box.x1, 83);
  // Another label is another object, unless it covers the same place.
  EXPECT_EQ(
      MergeBoxes({BoxRegion("cat", {82, 10, 97, 30})}, {BoxRegion("dog", {8, 5, 30, 35})}).size(),
      2u);
  const auto one = MergeBoxes({BoxRegion("cat", {82, 10, 97, 30}, 0.6f)},
                              {BoxRegion("dog", {3, 11, 18, 31}, 0.8f)});
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].label, "dog");
  // So is a neighbour in the same tile.
  EXPECT_EQ(MergeBoxes({BoxRegion("cat", {10, 10, 40, 40}), BoxRegion("cat", {12, 12, 40, 40})}, {})
                .size(),
            2u);
}

TEST(TileMerge, ACutThingIsJoinedOverTheSeam) {
  const auto regions = MergeBoxes({BoxRegion("train", {10, 40, 100, 60}, 0.6f)},
                                  {BoxRegion("train", {0, 41, 80, 61}, 0.7f)});
  ASSERT_EQ(regions.size(), 1u);
  EXPECT_EQ(regions[0].box.x1, 10);
  EXPECT_EQ(regions[0].box.x2, 160);
  EXPECT_EQ(regions[0].box.y2, 61);
  EXPECT_EQ(regions[0].score, 0.7f);
}

TEST(TileMerge, WhatIsWholeStandsForWhatIsCut) {
  // Cut in the left tile, whole in the right one.
  auto regions = MergeBoxes({BoxRegion("cat", {85, 10, 100, 30}, 0.9f)},
                            {BoxRegion("cat", {5, 10, 35, 30}, 0.5f)});
  ASSERT_EQ(regions.size(), 1u);
  EXPECT_EQ(regions[0].box.x2, 115);
  // Larger than a tile: the whole picture has it.
  regions = MergeBoxes({BoxRegion("ship", {5, 30, 100, 70})}, {BoxRegion("ship", {0, 30, 95, 70})},
                       {BoxRegion("ship", {4, 28, 176, 72}, 0.6f)});
  ASSERT_EQ(regions.size(), 1u);
  EXPECT_EQ(regions[0].box.x2, 176);
  // A tile's box is finer than that of the whole picture.
  regions = MergeBoxes({BoxRegion("cat", {10, 10, 30, 30}, 0.5f)}, {},
                       {BoxRegion("cat", {8, 8, 33, 33}, 0.9f)});
  ASSERT_EQ(regions.size(), 1u);
  EXPECT_EQ(regions[0].box.x1, 10);
}

TEST(TileMerge, ObjectsThatAreMoreLikelyWrongAreLeftOutUnlessAskedFor) {
  const std::vector<Region> left = {BoxRegion("cat", {10, 10, 30, 30}, 0.49f),
                                    BoxRegion("dog", {10, 60, 100, 90}, 0.6f)};
  // The whole picture's box is not cut and would displace the dog.
  const std::vector<Region> whole = {BoxRegion("ship", {5, 50, 170, 95}, 0.2f)};
  auto regions = MergeBoxes(left, {}, whole);
  ASSERT_EQ(regions.size(), 1u);
  EXPECT_EQ(regions[0].label, "dog");
  regions = MergeBoxes(left, {}, whole, {0.0f, {}});
  ASSERT_EQ(regions.size(), 2u);
  EXPECT_EQ(regions[0].label, "cat");
  EXPECT_EQ(regions[1].label, "ship");
  EXPECT_TRUE(MergeBoxes(left, {}, whole, {0.7f, {}}).empty());
  EXPECT_TRUE(MergeBoxes(left, {}, whole, {std::nullopt, {"cat"}}).empty());
  EXPECT_EQ(MergeBoxes(left, {}, whole, {0.1f, {"CAT"}}).size(), 1u);
  // Words and sentences are kept.
  const Result read = MergeTiles(
      Task::kOcr, {{kLeft, Answered(AnswerShape::kQuads, {Word("word", {5, 41, 40, 50}, 0.1f)})}},
      180, 100);
  EXPECT_EQ(read.answer.text, "word");
}

TEST(TileMerge, WordsComeInReadingOrderAndJoinOverSeams) {
  const AnswerShape shape = AnswerShape::kQuads;
  const std::vector<TileResult> parts = {
      {kLeft,
       Answered(shape, {Word("second", {5, 41, 40, 50}), Word("first li", {5, 10, 100, 20})})},
      {kRight,
       Answered(shape, {Word("t line here", {0, 11, 60, 21}), Word("row", {30, 40, 60, 50})})}};
  const Result regions = MergeTiles(Task::kOcrWithRegion, parts, 180, 100);
  ASSERT_EQ(regions.answer.regions.size(), 3u);
  EXPECT_EQ(regions.answer.regions[0].label, "first line here");
  EXPECT_EQ(regions.answer.regions[0].quad[2], 140);
  EXPECT_EQ(regions.answer.regions[1].label, "second");
  EXPECT_EQ(regions.answer.regions[2].label, "row");
  const Result text = MergeTiles(Task::kOcr, parts, 180, 100);
  EXPECT_EQ(text.answer.shape, AnswerShape::kText);
  EXPECT_EQ(text.answer.text, "first line here\nsecond row");
  EXPECT_EQ(text.task, "<OCR>");
}

TEST(TiledSession, AnswersAreThoseOfTheTilesMerged) {
  const auto engine = Engine::Load(UFFIZI_TINY_MODEL);
  Session session(engine);
  const Image scene = ReadImage(std::string(UFFIZI_TEST_DATA) + "/models/scene_384.png");
  // The scene twice, side by side.
  Image pair{2 * scene.width, scene.height, {}};
  for (int y = 0; y < scene.height; ++y) {
    const auto* row = scene.pixels.data() + 3 * y * scene.width;
    for (int i = 0; i < 2; ++i) pair.pixels.insert(pair.pixels.end(), row, row + 3 * scene.width);
  }
  const EncodedImage whole = session.Encode(pair.view());
  EXPECT_EQ(whole.tile_count(), 0u);
  const EncodedImage tiled = session.Encode(pair.view(), TileOptions::Parse("3x1"));
  EXPECT_EQ(tiled.tile_count(), 3u);
  EXPECT_EQ(tiled.width(), pair.width);
  const auto query = [&](const EncodedImage& image, Task task) {
    return engine->MakeQuery(image, MakePrompt(task, "", pair.width, pair.height), {}, {0.0f, {}});
  };
  // Captions use the whole picture, whatever else is asked with them.
  const std::vector<Query> queries = {
      query(tiled, Task::kCaption), query(tiled, Task::kObjectDetection), query(tiled, Task::kOcr)};
  size_t told = 0;
  const std::vector<Result> results = session.Run(queries, [&](const Progress& progress) {
    EXPECT_LT(progress.query, 3u);
    ++told;
    return true;
  });
  ASSERT_EQ(results.size(), 3u);
  EXPECT_GT(told, 10u);
  EXPECT_EQ(results[0].text, session.Run(std::vector<Query>{query(whole, Task::kCaption)})[0].text);
  EXPECT_EQ(results[1].task, "<OD>");
  EXPECT_EQ(results[1].width, pair.width);
  float right = 0;
  for (const Region& region : results[1].answer.regions) right = std::max(right, region.box.x2);
  EXPECT_GT(right, static_cast<float>(scene.width));  // things of the second scene
  EXPECT_EQ(results[2].task, "<OCR>");
  EXPECT_EQ(results[2].answer.shape, AnswerShape::kText);
  // Stopping a question stops all of its tiles.
  const std::vector<Result> stopped =
      session.Run(std::vector<Query>{queries[1]}, [](const Progress&) { return false; });
  EXPECT_LE(stopped[0].token_ids.size(), 4u * 2);
  EXPECT_THROW(session.Encode(pair.view(), TileOptions::Parse("2x2"), [] { return true; }), Error);
}

}  // namespace
}  // namespace uffizi
