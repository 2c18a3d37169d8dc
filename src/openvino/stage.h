#ifndef UFFIZI_OPENVINO_STAGE_H_
#define UFFIZI_OPENVINO_STAGE_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <openvino/openvino.hpp>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace uffizi {

// The target for which every stage is compiled.
struct OpenVinoTarget {
  ov::Core core;
  std::string device;
  ov::AnyMap properties;
};

// A compiled graph of the artifact. Shared by all sessions: each call uses an inference request of
// its own, which is then reused.
class Stage {
 public:
  class Call;

  // Throws Error(kInvalidModel) naming the file.
  Stage(OpenVinoTarget& target, const std::filesystem::path& file);
  // The same, with the graph modified by `adapt`.
  Stage(OpenVinoTarget& target, const std::filesystem::path& file,
        const std::function<std::shared_ptr<ov::Model>(std::shared_ptr<ov::Model>)>& adapt);

  const std::string& name() const { return name_; }  // its file, for messages
  const ov::CompiledModel& compiled() const { return compiled_; }

  // The graph's weights, without sizes and factors.
  struct Weights {
    size_t bytes = 0, elements = 0;  // bytes on disk
    std::set<std::string> precisions;
  };
  const Weights& weights() const { return weights_; }

 private:
  std::string name_;
  Weights weights_;
  ov::CompiledModel compiled_;
  mutable std::mutex mutex_;
  mutable std::vector<ov::InferRequest> idle_;
};

// Sets inputs, runs one or more inferences, and returns the output. Throws Error(kInvalidModel)
// naming the graph if it has no such input or other types or shapes, and Error(kInternal) if
// OpenVINO fails.
class Stage::Call {
 public:
  explicit Call(const Stage& stage);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // The values must live until the last Run().
  void Set(const std::string& input, const float* values, const ov::Shape& shape);
  // Integers, converted to the graph's type and copied at once.
  void Set(const std::string& input, std::span<const int64_t> values, const ov::Shape& shape);
  // Returns the graph's only, or first, output, [size] f32; valid until the next Run().
  const float* Run(size_t size);
  // Resets the state that the graph keeps from run to run.
  void Reset();

 private:
  ov::element::Type TypeOf(const std::string& input) const;
  void Set(const std::string& input, const ov::Tensor& tensor);
  [[noreturn]] void Fail(const std::string& reason) const;

  const Stage& stage_;
  ov::InferRequest request_;
};

}  // namespace uffizi

#endif  // UFFIZI_OPENVINO_STAGE_H_
