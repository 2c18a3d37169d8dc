#ifndef UFFIZI_OPENVINO_OPENVINO_NETWORK_H_
#define UFFIZI_OPENVINO_OPENVINO_NETWORK_H_

#include <filesystem>
#include <memory>
#include <string>

#include "model/network.h"

namespace uffizi {

struct OpenVinoOptions {
  std::string device;  // as named by OpenVINO
  int threads = 0;     // of one session; 0 = all that this process may use. Of the CPU only
  bool exact = false;  // float32 throughout, else the device's default
};

// Loads the network of an artifact's graphs (OpenLocalGraphs()), computed by OpenVINO on one of its
// devices. `settings` has everything but the graphs. Throws Error: kInvalidArgument for an unknown
// device, with a list of the available ones; kInvalidModel naming the graph.
std::shared_ptr<const Network> LoadOpenVinoNetwork(const std::filesystem::path& graphs,
                                                   const std::filesystem::path& settings,
                                                   const OpenVinoOptions& options);

}  // namespace uffizi

#endif  // UFFIZI_OPENVINO_OPENVINO_NETWORK_H_
