#include "import/visual_embeddings.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace uffizi {
namespace {

using Kind = PlainOp::Kind;

constexpr float kSeparable = 1e-4f;  // maximum deviation of a position table from column plus row

const std::string kPositions = std::string(kProjector) + "image_position_embed.";

}  // namespace

int VisualEmbeddings::TakePositions(const PlainValue& positions) {
  if (match_.Is(positions, Kind::kConcat)) {
    return TakeTables(match_.Expect(positions, Kind::kConcat, "of positions"));
  }
  return TakeFolded(match_.Expect(positions, Kind::kConstant, "of positions"));
}

void VisualEmbeddings::TakeTime(const PlainValue* time) {
  const std::string name = std::string(kProjector) + "visual_temporal_embed.pos_idx_to_embed";
  if (time == nullptr) {
    ImportedTensor zeros;
    zeros.shape = {1, map_.channels};
    match_.Put(name, std::move(zeros));
    return;
  }
  const PlainOp& table = match_.Expect(*time, Kind::kConstant, "of the embedding of time");
  const auto& known = match_.plain().known(table.weight).shape;
  const auto count = known ? CountElements(*known) : std::nullopt;
  if (!count || *count == 0 || *count % static_cast<size_t>(map_.channels) != 0) {
    match_.Fail(table, "is not an embedding of frames");
  }
  const auto frames = static_cast<int64_t>(*count) / map_.channels;
  match_.TakeVector(table, table.weight, name, {frames, map_.channels}, 0.0f);
}

// Columns come first in the concatenation.
int VisualEmbeddings::TakeTables(const PlainOp& joined) {
  if (joined.inputs.size() != 2) match_.Fail(joined, "does not join columns and rows");
  const PlainOp& columns = match_.Expect(joined.inputs[0], Kind::kLookup, "of columns");
  const PlainOp& rows = match_.Expect(joined.inputs[1], Kind::kLookup, "of rows");
  CheckDirection(joined.inputs[0], /*axis=*/0);
  CheckDirection(joined.inputs[1], /*axis=*/1);
  const int row_half = map_.channels / 2, column_half = map_.channels - row_half;
  const int count = match_.TakeTable(columns, kPositions + "column_embeddings.weight", column_half);
  const int other = match_.TakeTable(rows, kPositions + "row_embeddings.weight", row_half);
  if (count != other) match_.Fail(joined, "joins tables of different lengths");
  return count;
}

// A row of the table is the same along `axis` of [height, width, channels].
void VisualEmbeddings::CheckDirection(const PlainValue& value, size_t axis) const {
  const IrGraph& graph = match_.plain().graph();
  for (const IrNode::Input& move : match_.plain().Moves(value)) {
    const auto& shape = match_.plain().known(move.node).shape;
    if (graph.node(move.node).type != "Unsqueeze" || !shape || shape->size() != 3) continue;
    if ((*shape)[axis] != 1) graph.Fail(move.node, "repeats positions in the wrong direction");
    return;
  }
}

// Positions that the exporter computed for the one picture size: [1, channels, height, width] or
// [1, height * width, channels].
int VisualEmbeddings::TakeFolded(const PlainOp& op) {
  const auto& known = match_.plain().known(op.weight).shape;
  const auto count = known ? CountElements(*known) : std::nullopt;
  const auto rows = static_cast<size_t>(map_.height), columns = static_cast<size_t>(map_.width);
  const auto channels = static_cast<size_t>(map_.channels), half = channels - channels / 2;
  if (!count || *count == 0 || known->empty() || *count != rows * columns * channels) {
    match_.Fail(op, "is added, but is not a position embedding");
  }
  const std::vector<float> values = match_.source().constants.Fold(op.weight).Floats();
  const bool channels_last = known->back() == map_.channels &&
                             (known->size() < 3 || (*known)[known->size() - 3] != map_.channels);
  const auto at = [&](size_t y, size_t x, size_t c) {
    return channels_last ? values[(y * columns + x) * channels + c]
                         : values[(c * rows + y) * columns + x];
  };
  const size_t positions = std::max(rows, columns);
  std::vector<float> column_table(positions * half), row_table(positions * (channels - half));
  for (size_t y = 0; y < rows; ++y) {
    for (size_t x = 0; x < columns; ++x) {
      for (size_t c = 0; c < channels; ++c) {
        const float expected = c < half ? at(0, x, c) : at(y, 0, c);
        if (!(std::abs(at(y, x, c) - expected) <= kSeparable)) {
          match_.Fail(op, "its positions are not of rows and columns");
        }
        if (c < half) {
          column_table[x * half + c] = expected;
        } else {
          row_table[y * (channels - half) + c - half] = expected;
        }
      }
    }
  }
  PutTable("column_embeddings.weight", positions, std::move(column_table));
  PutTable("row_embeddings.weight", positions, std::move(row_table));
  return static_cast<int>(positions);
}

void VisualEmbeddings::PutTable(const std::string& name, size_t rows, std::vector<float> values) {
  ImportedTensor tensor;
  tensor.shape = {static_cast<int64_t>(rows), static_cast<int64_t>(values.size() / rows)};
  tensor.values = std::move(values);
  match_.Put(kPositions + name, std::move(tensor));
}

}  // namespace uffizi
