#include "bench_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "commands.h"
#include "core/mapped_file.h"
#include "dataset/source.h"
#include "say.h"
#include "server/http_client.h"

namespace uffizi::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTimeout{300};
constexpr const char* kBoundary = "uffizi-bench-7d1c2f0a9b";

// A request, ready to be sent, with its expected answer.
struct Prepared {
  std::string body;
  std::vector<nlohmann::json> expected;  // empty: anything
};

void AddField(const std::string& name, const std::string& value, std::string& body) {
  body += fmt::format("--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n",
                      kBoundary, name, value);
}

nlohmann::json OptionsOf(const GenerationOptions& generation) {
  nlohmann::json options = nlohmann::json::object();
  ForEachField(kGenerationFields, [&](const auto& field) {
    if (const auto& value = generation.*field.member) options[field.name] = *value;
  });
  return options;
}

std::string FormOf(const std::string& bytes, const std::vector<Question>& questions,
                   const GenerationOptions& generation) {
  std::string body = fmt::format(
      "--{}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"image\"\r\n\r\n",
      kBoundary);
  body += bytes + "\r\n";
  for (const Question& question : questions) {
    if (question.after) {
      throw Error(ErrorCode::kUnsupported,
                  "--then cannot be combined with --server: a request "
                  "has no follow-up tasks");
    }
    if (!question.task) {
      AddField("prompt", question.input, body);
      continue;
    }
    const TaskInfo& task = GetTaskInfo(*question.task);
    AddField("task", std::string(task.name), body);
    if (task.input == TaskInput::kText) AddField("text", question.input, body);
    if (task.input == TaskInput::kRegion) AddField("region", question.input, body);
  }
  const nlohmann::json options = OptionsOf(generation);
  if (!options.empty()) AddField("options", options.dump(), body);
  return body + fmt::format("--{}--\r\n", kBoundary);
}

// A record without the fields that differ from run to run.
nlohmann::json Timeless(nlohmann::json record) {
  record.erase("timings");
  record.erase("image");
  return record;
}

// The records of a JSON lines file, by picture.
std::map<std::string, std::vector<nlohmann::json>> ReadExpected(const std::string& path) {
  std::map<std::string, std::vector<nlohmann::json>> expected;
  std::ifstream lines(path);
  if (!lines) throw Error(ErrorCode::kNotFound, path + ": cannot be read");
  for (std::string line; std::getline(lines, line);) {
    nlohmann::json record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!record.is_object() || !record.contains("image")) {
      throw Error(ErrorCode::kInvalidArgument,
                  path + ": must contain records of `uffizi annotate --format jsonl`");
    }
    const auto image = record["image"].get<std::string>();
    expected[image].push_back(Timeless(std::move(record)));
  }
  return expected;
}

std::vector<Prepared> Prepare(const BenchServerOptions& options,
                              const std::vector<std::string>& pictures,
                              const std::vector<Question>& questions,
                              const GenerationOptions& generation) {
  std::map<std::string, std::vector<nlohmann::json>> expected;
  if (!options.expect.empty()) expected = ReadExpected(options.expect);
  std::vector<Prepared> prepared;
  const dataset::Collection collection(pictures, {});
  const auto source = collection.Open();
  for (dataset::PictureRef picture; source->Next(picture);) {
    if (picture.error) throw *picture.error;
    Prepared& one = prepared.emplace_back();
    one.body = FormOf(source->Read(size_t{64} << 20), questions, generation);
    if (options.expect.empty()) continue;
    one.expected = expected[picture.name];
    if (one.expected.size() != questions.size()) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{}: has {} records of {}, not {}", options.expect,
                              one.expected.size(), picture.name, questions.size()));
    }
  }
  if (prepared.empty()) throw Error(ErrorCode::kInvalidArgument, "no pictures were given");
  return prepared;
}

struct Tally {
  std::vector<double> seconds;     // of each answer with status 200
  std::map<int, size_t> statuses;  // 0: no answer
  size_t wrong = 0;
  std::string complaint;  // the first error

  void Add(const Tally& other) {
    seconds.insert(seconds.end(), other.seconds.begin(), other.seconds.end());
    for (const auto& [status, count] : other.statuses) statuses[status] += count;
    wrong += other.wrong;
    if (complaint.empty()) complaint = other.complaint;
  }
  size_t count() const {
    size_t sum = 0;
    for (const auto& [status, some] : statuses) sum += some;
    return sum;
  }
  double Percentile(double share) const {
    if (seconds.empty()) return 0;
    return seconds[static_cast<size_t>(share * static_cast<double>(seconds.size() - 1) + 0.5)];
  }
};

// Generates the load: requests for all pictures in turn, over several connections.
class Load {
 public:
  Load(const BenchServerOptions& options, std::vector<Prepared> prepared)
      : options_(options),
        prepared_(std::move(prepared)),
        address_(server::ServerAddress::Parse(options.server)) {
    if (!options.api_key_file.empty()) {
      key_ = ReadFile(options.api_key_file);
      key_.resize(std::min(key_.size(), key_.find_first_of("\r\n")));
    }
    // Independent arrivals (a Poisson process).
    std::mt19937_64 random(1);
    std::exponential_distribution<double> gap(options.rate > 0 ? options.rate : 1);
    double at = 0;
    while (options.rate > 0 && More(arrivals_.size(), at)) {
      arrivals_.push_back(at);
      at += gap(random);
    }
  }

  Tally Run() {
    start_ = Clock::now();
    std::vector<std::thread> threads;
    for (int i = 0; i < options_.connections; ++i) {
      threads.emplace_back([this] { Connection(); });
    }
    for (std::thread& thread : threads) thread.join();
    elapsed_ = std::chrono::duration<double>(Clock::now() - start_).count();
    std::sort(all_.seconds.begin(), all_.seconds.end());
    return all_;
  }
  double elapsed() const { return elapsed_; }

 private:
  bool More(size_t index, double at) const {
    return options_.requests > 0 ? index < options_.requests : at < options_.seconds;
  }

  void Connection() {
    Tally tally;
    server::HttpClient client(address_, kTimeout, key_);
    for (;;) {
      const size_t index = next_++;
      const double now = std::chrono::duration<double>(Clock::now() - start_).count();
      Clock::time_point begin = Clock::now();
      if (options_.rate > 0) {
        if (index >= arrivals_.size()) break;
        // Measured from when it should have been sent, so that a slow server's delays of later
        // requests are included.
        begin = start_ + std::chrono::duration_cast<Clock::duration>(
                             std::chrono::duration<double>(arrivals_[index]));
        std::this_thread::sleep_until(begin);
      } else if (!More(index, now)) {
        break;
      }
      Ask(client, prepared_[index % prepared_.size()], begin, tally);
    }
    const std::lock_guard lock(mutex_);
    all_.Add(tally);
  }

  static void Ask(server::HttpClient& client, const Prepared& request, Clock::time_point begin,
                  Tally& tally) {
    server::ClientResponse response;
    try {
      response = client.Post(
          "/v1/annotate", std::string("multipart/form-data; boundary=") + kBoundary, request.body);
    } catch (const Error& error) {
      if (tally.complaint.empty()) tally.complaint = error.what();
    }
    ++tally.statuses[response.status];
    if (response.status != 200) {
      if (tally.complaint.empty()) tally.complaint = response.body;
      return;
    }
    tally.seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    if (request.expected.empty()) return;
    nlohmann::json records = nlohmann::json::parse(response.body, nullptr, false);
    records = records.is_object() ? records["results"] : nlohmann::json();
    bool same = records.is_array() && records.size() == request.expected.size();
    for (size_t i = 0; i < request.expected.size() && same; ++i) {
      same = Timeless(records[i]) == request.expected[i];
    }
    if (same) return;
    ++tally.wrong;
    if (tally.complaint.empty())
      tally.complaint = "an answer differs from the expected one: " + response.body;
  }

  const BenchServerOptions& options_;
  const std::vector<Prepared> prepared_;
  const server::ServerAddress address_;
  std::string key_;
  std::vector<double> arrivals_;  // seconds from the start
  Clock::time_point start_;
  double elapsed_ = 0;
  std::atomic<size_t> next_ = 0;
  std::mutex mutex_;
  Tally all_;
};

nlohmann::json ReportOf(const BenchServerOptions& options, const Tally& tally, double elapsed) {
  nlohmann::json statuses = nlohmann::json::object();
  for (const auto& [status, count] : tally.statuses) statuses[std::to_string(status)] = count;
  const double answered = static_cast<double>(tally.seconds.size());
  double sum = 0;
  for (const double seconds : tally.seconds) sum += seconds;
  return {{"requests", tally.count()},
          {"answered", tally.seconds.size()},
          {"wrong", tally.wrong},
          {"checked", !options.expect.empty()},
          {"statuses", statuses},
          {"seconds", elapsed},
          {"pictures_per_second", answered / elapsed},
          {"connections", options.connections},
          {"rate", options.rate},
          {"latency",
           {{"mean", answered > 0 ? sum / answered : 0},
            {"p50", tally.Percentile(0.5)},
            {"p90", tally.Percentile(0.9)},
            {"p95", tally.Percentile(0.95)},
            {"p99", tally.Percentile(0.99)},
            {"max", tally.Percentile(1)}}}};
}

void PrintTable(const nlohmann::json& report) {
  fmt::print("requests   {} in {:.2f} s on {} connections", report["requests"].get<size_t>(),
             report["seconds"].get<double>(), report["connections"].get<int>());
  if (report["rate"].get<double>() > 0) {
    fmt::print(", {} per second without waiting for answers", report["rate"].get<double>());
  }
  fmt::print("\nanswers   ");
  for (const auto& [status, count] : report["statuses"].items()) {
    fmt::print(" {} with {}", count.get<size_t>(), status == "0" ? "none" : status);
  }
  fmt::print("\n");
  if (report["checked"].get<bool>()) fmt::print("wrong      {}\n", report["wrong"].get<size_t>());
  fmt::print("speed      {:.2f} pictures per second\n\n",
             report["pictures_per_second"].get<double>());
  const nlohmann::json& latency = report["latency"];
  fmt::print("{:<16}", "milliseconds");
  for (const char* name : {"mean", "p50", "p90", "p95", "p99", "max"}) fmt::print("{:>10}", name);
  fmt::print("\n{:<16}", "answer");
  for (const char* name : {"mean", "p50", "p90", "p95", "p99", "max"}) {
    fmt::print("{:>10.1f}", 1e3 * latency[name].get<double>());
  }
  fmt::print("\n");
}

}  // namespace

int BenchServer(const BenchServerOptions& options, const std::vector<std::string>& pictures,
                const std::vector<Question>& questions, const GenerationOptions& generation) {
  Load load(options, Prepare(options, pictures, questions, generation));
  const Tally tally = load.Run();
  const nlohmann::json report = ReportOf(options, tally, load.elapsed());
  if (options.json) {
    fmt::print("{}\n", report.dump());
  } else {
    PrintTable(report);
  }
  if (tally.wrong == 0 && tally.seconds.size() == tally.count()) return kOk;
  Say("uffizi: {}\n", tally.complaint.substr(0, 1000));
  return kSomeFailed;
}

}  // namespace uffizi::cli
