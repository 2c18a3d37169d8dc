#include "openvino/stage.h"

#include <algorithm>
#include <cctype>
#include <openvino/op/constant.hpp>
#include <utility>

#include "uffizi/error.h"

namespace uffizi {
namespace {

Stage::Weights Describe(const ov::Model& model) {
  constexpr size_t kLeastWeight = 64;  // elements; fewer are sizes and factors
  Stage::Weights weights;
  for (const auto& node : model.get_ops()) {
    if (!ov::is_type<ov::op::v0::Constant>(node)) continue;
    const size_t elements = ov::shape_size(node->get_output_shape(0));
    if (elements < kLeastWeight) continue;
    std::string precision = node->get_output_element_type(0).get_type_name();
    for (char& c : precision) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    weights.elements += elements;
    weights.precisions.insert(std::move(precision));
  }
  return weights;
}

}  // namespace

Stage::Stage(OpenVinoTarget& target, const std::filesystem::path& file)
    : Stage(target, file, [](std::shared_ptr<ov::Model> model) { return model; }) {}

Stage::Stage(OpenVinoTarget& target, const std::filesystem::path& file,
             const std::function<std::shared_ptr<ov::Model>(std::shared_ptr<ov::Model>)>& adapt)
    : name_(file.string()) {
  try {
    const std::shared_ptr<ov::Model> model = target.core.read_model(file);
    weights_ = Describe(*model);
    weights_.bytes =
        std::filesystem::file_size(std::filesystem::path(file).replace_extension(".bin"));
    compiled_ = target.core.compile_model(adapt(model), target.device, target.properties);
  } catch (const std::exception& error) {
    throw Error(ErrorCode::kInvalidModel,
                name_ + ": OpenVINO cannot take it on " + target.device + ": " + error.what());
  }
  if (compiled_.outputs().empty() || compiled_.output(0).get_element_type() != ov::element::f32) {
    throw Error(ErrorCode::kInvalidModel, name_ + ": its first output is not f32");
  }
}

Stage::Call::Call(const Stage& stage) : stage_(stage) {
  {
    const std::lock_guard lock(stage.mutex_);
    if (!stage.idle_.empty()) {
      request_ = std::move(stage.idle_.back());
      stage.idle_.pop_back();
      return;
    }
  }
  try {
    request_ = const_cast<ov::CompiledModel&>(stage.compiled_).create_infer_request();
  } catch (const std::exception& error) {
    throw Error(ErrorCode::kInternal, stage.name_ + ": " + error.what());
  }
}

Stage::Call::~Call() {
  const std::lock_guard lock(stage_.mutex_);
  stage_.idle_.push_back(std::move(request_));
}

void Stage::Call::Fail(const std::string& reason) const {
  throw Error(ErrorCode::kInvalidModel, stage_.name() + ": " + reason);
}

ov::element::Type Stage::Call::TypeOf(const std::string& input) const {
  for (const auto& port : stage_.compiled_.inputs()) {
    if (port.get_names().contains(input)) return port.get_element_type();
  }
  Fail("has no input " + input);
}

void Stage::Call::Set(const std::string& input, const float* values, const ov::Shape& shape) {
  if (TypeOf(input) != ov::element::f32) Fail("its input " + input + " is not f32");
  Set(input, ov::Tensor(ov::element::f32, shape, const_cast<float*>(values)));
}

void Stage::Call::Set(const std::string& input, std::span<const int64_t> values,
                      const ov::Shape& shape) {
  const ov::element::Type type = TypeOf(input);
  ov::Tensor tensor(type, shape);
  if (type == ov::element::i64) {
    std::copy(values.begin(), values.end(), tensor.data<int64_t>());
  } else if (type == ov::element::i32) {
    std::copy(values.begin(), values.end(), tensor.data<int32_t>());
  } else if (type == ov::element::f32) {
    std::copy(values.begin(), values.end(), tensor.data<float>());
  } else {
    Fail("its input " + input + " is neither i64, i32 nor f32");
  }
  Set(input, tensor);
}

void Stage::Call::Set(const std::string& input, const ov::Tensor& tensor) {
  try {
    request_.set_tensor(input, tensor);
  } catch (const std::exception& error) {
    Fail("does not take its input " + input + ": " + error.what());
  }
}

const float* Stage::Call::Run(size_t size) {
  ov::Tensor output;
  try {
    request_.infer();
    output = request_.get_output_tensor(0);
  } catch (const std::exception& error) {
    throw Error(ErrorCode::kInternal, stage_.name() + ": " + error.what());
  }
  if (output.get_size() != size) {
    Fail("gives " + std::to_string(output.get_size()) + " values where " + std::to_string(size) +
         " are expected");
  }
  return output.data<float>();
}

void Stage::Call::Reset() { request_.reset_state(); }

}  // namespace uffizi
