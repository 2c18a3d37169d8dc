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

// The files among the names, and the pictures in the folders among them.
std::vector<std::filesystem::path> FindPictures(const std::vector<std::string>& names);

// What pictures put into a model's layers, by the weights' names (engine/calibrate.h). `names` are
// of files and folders. Pictures that cannot be read are told on standard error and counted in
// `failed`; `say` is told how many were seen.
std::unique_ptr<Calibration> CalibrateWith(const std::filesystem::path& model,
                                           const std::vector<LoraSource>& lora,
                                           const std::vector<std::string>& names, size_t& failed,
                                           const std::function<void(const std::string&)>& say);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_CALIBRATION_H_
