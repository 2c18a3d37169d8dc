#ifndef UFFIZI_IMPORT_SPARK_FOLDER_H_
#define UFFIZI_IMPORT_SPARK_FOLDER_H_

#include <filesystem>
#include <nlohmann/json.hpp>

namespace uffizi {

// What Spark NLP saves with the graphs of a Florence2Transformer, converted to a model folder's
// files.
struct SparkFolder {
  nlohmann::json tokenizer;   // tokenizer.json, from fields/vocabulary, merges and addedTokens
  nlohmann::json preprocess;  // preprocessor_config.json, from metadata
  nlohmann::json generation;  // generation_config.json, from fields/generationConfig and metadata
};

// Whether a folder is a saved Spark stage.
bool IsSparkFolder(const std::filesystem::path& folder);

// Throws Error(kInvalidModel) naming the file and the reason.
SparkFolder ReadSparkFolder(const std::filesystem::path& folder);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_SPARK_FOLDER_H_
