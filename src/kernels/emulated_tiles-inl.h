// AMX tiles emulated in plain code, so that their kernels can be tested on processors without AMX.
// A part of tiles-inl.h: it has no include guard and is included inside that file's namespace.

class EmulatedTiles {
 public:
  static EmulatedTiles& OfThread() {
    thread_local EmulatedTiles tiles;
    return tiles;
  }

  void Configure(const TileShapes& shapes) { shapes_ = shapes; }
  size_t rows(int tile) const { return shapes_.rows_[tile]; }
  size_t bytes(int tile) const { return shapes_.bytes_[tile]; }
  uint8_t* row(int tile, size_t r) { return data_[tile] + r * kTileBytes; }

  // Elements beyond a tile's shape read as zero, as on the processor.
  void Zero(int tile) { std::memset(data_[tile], 0, sizeof(data_[tile])); }
  void Load(int tile, const uint8_t* from, size_t stride) {
    Zero(tile);
    for (size_t r = 0; r < rows(tile); ++r)
      std::memcpy(row(tile, r), from + r * stride, bytes(tile));
  }
  void Store(int tile, uint8_t* to, size_t stride) {
    for (size_t r = 0; r < rows(tile); ++r) std::memcpy(to + r * stride, row(tile, r), bytes(tile));
  }

  // sums[r, j] += sum over quads q and i of a[r, q, i] * b[q, j, i]
  template <class Sum, class Product>
  void Multiply(int sums, int a, int b, const Product& product) {
    for (size_t r = 0; r < rows(sums); ++r) {
      for (size_t q = 0; q < rows(b); ++q) {
        for (size_t j = 0; j < bytes(sums) / 4; ++j) {
          Sum sum;
          std::memcpy(&sum, row(sums, r) + j * 4, 4);
          sum = product(sum, row(a, r) + q * 4, row(b, q) + j * 4);
          std::memcpy(row(sums, r) + j * 4, &sum, 4);
        }
      }
    }
  }

 private:
  TileShapes shapes_;
  alignas(64) uint8_t data_[8][kTileRows * kTileBytes] = {};
};

template <int kTile>
void LoadTile(const void* from, size_t stride) {
  EmulatedTiles::OfThread().Load(kTile, static_cast<const uint8_t*>(from), stride);
}
template <int kTile>
void StoreTile(void* to, size_t stride) {
  EmulatedTiles::OfThread().Store(kTile, static_cast<uint8_t*>(to), stride);
}
template <int kTile>
void ZeroTile() {
  EmulatedTiles::OfThread().Zero(kTile);
}
template <int kSums, int kA, int kB>
void MultiplyBytes() {
  EmulatedTiles::OfThread().Multiply<int32_t>(
      kSums, kA, kB, [](int32_t sum, const uint8_t* a, const uint8_t* b) {
        for (int i = 0; i < 4; ++i) sum += static_cast<int8_t>(a[i]) * static_cast<int8_t>(b[i]);
        return sum;
      });
}
template <int kSums, int kA, int kB>
void MultiplyBfloat16() {
  const auto widen = [](const uint8_t* from) {
    const uint32_t bits = static_cast<uint32_t>(from[0] | from[1] << 8) << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
  };
  EmulatedTiles::OfThread().Multiply<float>(kSums, kA, kB,
                                            [&](float sum, const uint8_t* a, const uint8_t* b) {
                                              for (int i = 0; i < 4; i += 2)
                                                sum += widen(a + i) * widen(b + i);
                                              return sum;
                                            });
}

class TileScope {
 public:
  explicit TileScope(const TileShapes& shapes) { EmulatedTiles::OfThread().Configure(shapes); }
};
