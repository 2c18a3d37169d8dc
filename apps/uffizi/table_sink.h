#ifndef UFFIZI_APPS_TABLE_SINK_H_
#define UFFIZI_APPS_TABLE_SINK_H_

#include <filesystem>
#include <memory>

#include "dataset/sink.h"

namespace uffizi::cli {

// Answers as a readable table. An empty path is standard output.
std::unique_ptr<dataset::Sink> MakeTableSink(const std::filesystem::path& path);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_TABLE_SINK_H_
