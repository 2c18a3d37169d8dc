#ifndef UFFIZI_CHECKPOINT_LORA_CONFIG_H_
#define UFFIZI_CHECKPOINT_LORA_CONFIG_H_

#include <filesystem>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace uffizi {

// The settings in peft's adapter_config.json that matter for merging.
class LoraConfig {
 public:
  // Throws Error: kInvalidModel naming file and key, kUnsupported if the adapter cannot be merged.
  static LoraConfig Read(const std::filesystem::path& file);

  // The rank of the module with this path, as spelled in the adapter.
  size_t Rank(const std::string& module) const;
  double Scale(const std::string& module) const;

  // Whether the module was trained as a whole, in a separate copy.
  bool IsSavedWhole(const std::string& module) const;

 private:
  using Patterns = std::vector<std::pair<std::regex, double>>;
  static double Lookup(const Patterns& patterns, const std::string& module, double otherwise);

  double rank_ = 8, alpha_ = 8;
  bool rank_stabilized_ = false;
  Patterns rank_patterns_, alpha_patterns_;
  std::vector<std::string> modules_to_save_;
};

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_LORA_CONFIG_H_
