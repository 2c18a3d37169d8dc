#ifndef UFFIZI_APPS_CALIBRATION_H_
#define UFFIZI_APPS_CALIBRATION_H_

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/calibrate.h"
#include "uffizi/engine.h"

namespace uffizi::cli {

// Expands names to pictures: files themselves, and the pictures in folders.
std::vector<std::filesystem::path> FindPictures(const std::vector<std::string>& names);

// Collects statistics of the layers' inputs on pictures (engine/calibrate.h). `names` are files and
// folders. Pictures that cannot be read are reported on standard error and counted in `failed`;
// `say` gets the progress.
std::unique_ptr<Calibration> CalibrateWith(const std::filesystem::path& model,
                                           const std::vector<LoraSource>& lora,
                                           const std::vector<std::string>& names, size_t& failed,
                                           const std::function<void(const std::string&)>& say);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_CALIBRATION_H_
