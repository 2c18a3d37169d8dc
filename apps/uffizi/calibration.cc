#include "calibration.h"

#include <fmt/format.h>

#include <algorithm>

#include "say.h"
#include "uffizi/error.h"
#include "uffizi/image.h"

namespace uffizi::cli {
namespace fs = std::filesystem;

std::vector<fs::path> FindPictures(const std::vector<std::string>& names) {
  std::vector<fs::path> pictures;
  for (const std::string& name : names) {
    if (!fs::is_directory(name)) {
      pictures.emplace_back(name);
      continue;
    }
    const size_t before = pictures.size();
    for (const auto& entry : fs::directory_iterator(name)) {
      if (entry.is_regular_file() && HasPictureExtension(entry.path()))
        pictures.push_back(entry.path());
    }
    std::sort(pictures.begin() + static_cast<ptrdiff_t>(before), pictures.end());
  }
  return pictures;
}

std::unique_ptr<Calibration> CalibrateWith(const fs::path& model,
                                           const std::vector<LoraSource>& lora,
                                           const std::vector<std::string>& names, size_t& failed,
                                           const std::function<void(const std::string&)>& say) {
  const std::vector<fs::path> pictures = FindPictures(names);
  size_t done = 0;
  return std::make_unique<Calibration>(model, lora, pictures, [&](const Error* error) {
    if (error != nullptr) {
      ++failed;
      Say("uffizi: {}\n", error->what());
    }
    say(fmt::format("{} of {} calibration pictures", ++done, pictures.size()));
  });
}

}  // namespace uffizi::cli
