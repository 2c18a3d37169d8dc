#include "server/metrics.h"

#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace uffizi::server {
namespace {

// The shortest decimal that reads back as the same number, as JSON has it too.
std::string Number(double value) { return nlohmann::json(value).dump(); }

void Describe(const std::string& name, const char* type, const std::string& help,
              std::string& out) {
  out += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
}

void WriteOne(const std::string& name, const char* type, const std::string& help,
              const std::string& value, std::string& out) {
  Describe(name, type, help, out);
  out += name + " " + value + "\n";
}

// Resident memory of this process in bytes; 0 if unknown.
uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

Metrics::Metrics()
    : request_seconds_({0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120}) {}

void Metrics::Histogram::Add(double value) {
  for (size_t i = 0; i < bounds.size(); ++i) counts[i] += value <= bounds[i] ? 1 : 0;
  ++count;
  sum += value;
}

void Metrics::Histogram::Write(const std::string& name, const std::string& help,
                               std::string& out) const {
  Describe(name, "histogram", help, out);
  for (size_t i = 0; i < bounds.size(); ++i) {
    out += name + "_bucket{le=\"" + Number(bounds[i]) + "\"} " + std::to_string(counts[i]) + "\n";
  }
  out += name + "_bucket{le=\"+Inf\"} " + std::to_string(count) + "\n";
  out += name + "_sum " + Number(sum) + "\n" + name + "_count " + std::to_string(count) + "\n";
}

void Metrics::CountRequest(const std::string& path, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  ++requests_[{path, status}];
  request_seconds_.Add(seconds);
}

void Metrics::CountClientGone() {
  const std::lock_guard lock(mutex_);
  ++clients_gone_;
}

void Metrics::CountResult(const Result& result) {
  const std::lock_guard lock(mutex_);
  ++results_[result.task];
  tokens_ += result.token_ids.size();
  ForEachField(kTimingFields, [&](const auto& field) {
    if (field.member != &Timings::total) stage_seconds_[field.name] += result.timings.*field.member;
  });
}

std::string Metrics::Text(const Gauges& gauges) const {
  std::string out;
  const std::lock_guard lock(mutex_);
  Describe("uffizi_requests_total", "counter", "Requests answered, by path and status.", out);
  for (const auto& [key, count] : requests_) {
    out += "uffizi_requests_total{path=\"" + key.first + "\",status=\"" +
           std::to_string(key.second) + "\"} " + std::to_string(count) + "\n";
  }
  request_seconds_.Write("uffizi_request_seconds", "From a request's headers to its last byte.",
                         out);
  const Scheduler::Load& load = gauges.load;
  WriteOne("uffizi_steps_total", "counter", "Steps of the decoder, each a token of some answers.",
           std::to_string(load.steps), out);
  WriteOne("uffizi_step_questions_total", "counter", "Questions in all steps.",
           std::to_string(load.step_questions), out);
  WriteOne("uffizi_step_rows_total", "counter", "Beams in all steps.",
           std::to_string(load.step_rows), out);
  Describe("uffizi_results_total", "counter", "Questions answered, by task.", out);
  for (const auto& [task, count] : results_) {
    out += "uffizi_results_total{task=\"" + task + "\"} " + std::to_string(count) + "\n";
  }
  WriteOne("uffizi_tokens_total", "counter", "Tokens generated.", std::to_string(tokens_), out);
  Describe("uffizi_stage_seconds_total", "counter", "Time spent, by stage of the work.", out);
  for (const auto& [stage, seconds] : stage_seconds_) {
    out += "uffizi_stage_seconds_total{stage=\"" + stage + "\"} " + Number(seconds) + "\n";
  }
  WriteOne("uffizi_clients_gone_total", "counter", "Requests whose client left before the answer.",
           std::to_string(clients_gone_), out);
  WriteOne("uffizi_waiting_requests", "gauge", "Requests whose picture nobody has looked at.",
           std::to_string(load.waiting), out);
  WriteOne("uffizi_answering_requests", "gauge", "Requests whose picture is looked at.",
           std::to_string(load.answering), out);
  WriteOne("uffizi_running_questions", "gauge", "Questions that are being answered.",
           std::to_string(load.questions), out);
  WriteOne("uffizi_waiting_requests_limit", "gauge", "Requests that the queue holds.",
           std::to_string(gauges.waiting_limit), out);
  WriteOne("uffizi_active_requests", "gauge", "Requests being read, waiting or answered.",
           std::to_string(gauges.active_requests), out);
  WriteOne("uffizi_connections", "gauge", "Connections open.", std::to_string(gauges.connections),
           out);
  WriteOne("uffizi_held_bytes", "gauge", "Memory that requests' bodies take, or may take soon.",
           std::to_string(gauges.held_bytes), out);
  WriteOne("process_resident_memory_bytes", "gauge", "Memory of this process.",
           std::to_string(ResidentBytes()), out);
  return out;
}

}  // namespace uffizi::server
