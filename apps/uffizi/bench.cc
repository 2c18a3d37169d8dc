#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "bench_server.h"
#include "commands.h"
#include "core/parallel.h"
#include "dataset/job.h"
#include "model_options.h"

namespace uffizi::cli {
namespace {

struct BenchOptions {
  std::vector<std::string> pictures;
  ModelOptions model;
  BenchServerOptions server;
  bool json = false;
};

// The times of a stage, one for each picture.
struct Stage {
  const char* name;
  double Timings::*member;
  std::vector<double> seconds;

  double Percentile(double share) {
    if (seconds.empty()) return 0;
    const auto at = static_cast<size_t>(share * static_cast<double>(seconds.size() - 1) + 0.5);
    std::nth_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(at),
                     seconds.end());
    return seconds[at];
  }
  double Mean() const {
    const double sum = std::accumulate(seconds.begin(), seconds.end(), 0.0);
    return seconds.empty() ? 0 : sum / static_cast<double>(seconds.size());
  }
};

// Records only the timings of answers.
class TimingSink : public dataset::Sink {
 public:
  explicit TimingSink(std::vector<Stage>& stages) : stages_(stages) {}
  std::string description() const override { return "timings"; }

  void Add(const dataset::Record& record) override {
    if (record.results.empty()) return;
    for (Stage& stage : stages_) {
      double sum = 0;
      for (const Result& result : record.results) sum += result.timings.*stage.member;
      stage.seconds.push_back(sum);
    }
  }

 private:
  std::vector<Stage>& stages_;
};

double CpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double PeakMegabytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

struct Report {
  size_t pictures = 0, failed = 0;
  double seconds = 0, load_seconds = 0;
  double cores_busy = 0;  // fraction of all threads' time
  int threads = 0, workers = 0, session_threads = 0;
  size_t batch = 0;
  EngineInfo model;
  std::vector<Stage> stages;

  double rate() const { return seconds > 0 ? static_cast<double>(pictures) / seconds : 0; }
};

void PrintTable(Report& report) {
  const EngineInfo& model = report.model;
  fmt::print("model      {}, {} weights, computes {} with {}\n", model.path, model.precision,
             model.compute, model.kernels);
  fmt::print("loaded in  {:.2f} s\n", report.load_seconds);
  fmt::print("work       {} workers of {} thread{}, batches of {}\n", report.workers,
             report.session_threads, report.session_threads == 1 ? "" : "s", report.batch);
  fmt::print("pictures   {} in {:.2f} s, {} failed\n", report.pictures, report.seconds,
             report.failed);
  fmt::print("speed      {:.2f} pictures per second\n", report.rate());
  fmt::print("threads    busy {:.1f} % of the time\n", 100 * report.cores_busy);
  fmt::print("memory     {:.0f} MB peak\n\n", PeakMegabytes());
  fmt::print("{:<16}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "milliseconds", "mean", "p50", "p90", "p99",
             "most");
  for (Stage& stage : report.stages) {
    fmt::print("{:<16}{:>10.2f}{:>10.2f}{:>10.2f}{:>10.2f}{:>10.2f}\n", stage.name,
               1e3 * stage.Mean(), 1e3 * stage.Percentile(0.5), 1e3 * stage.Percentile(0.9),
               1e3 * stage.Percentile(0.99), 1e3 * stage.Percentile(1));
  }
}

void PrintJson(Report& report) {
  std::string stages;
  for (Stage& stage : report.stages) {
    stages += fmt::format(
        "{}\"{}\": {{\"mean\": {:.6f}, \"p50\": {:.6f}, \"p90\": {:.6f}, \"p99\": {:.6f}, \"max\": "
        "{:.6f}}}",
        stages.empty() ? "" : ", ", stage.name, stage.Mean(), stage.Percentile(0.5),
        stage.Percentile(0.9), stage.Percentile(0.99), stage.Percentile(1));
  }
  fmt::print(
      "{{\"pictures\": {}, \"failed\": {}, \"seconds\": {:.3f}, \"pictures_per_second\": {:.3f}, "
      "\"threads\": {}, \"workers\": {}, \"batch\": {}, \"busy\": {:.4f}, \"peak_megabytes\": "
      "{:.1f}, \"load_seconds\": {:.3f}, \"stages\": {{{}}}}}\n",
      report.pictures, report.failed, report.seconds, report.rate(), report.threads, report.workers,
      report.batch, report.cores_busy, PeakMegabytes(), report.load_seconds, stages);
}

int RunBench(const CLI::App& command, BenchOptions& options) {
  ReadClasses(options.model);
  std::vector<dataset::Question> questions;
  if (options.model.tasks.empty() && options.model.prompts.empty()) {
    questions.push_back({Task::kObjectDetection, "", std::nullopt});
  } else {
    questions = MakeQuestions(command, options.model);
  }
  if (!options.server.server.empty()) {
    BenchServerOptions server = options.server;
    server.json = options.json;
    return BenchServer(server, options.pictures, questions, options.model.generation);
  }
  const dataset::Collection collection(options.pictures, {});
  const auto before_load = std::chrono::steady_clock::now();
  LoadedModel model = LoadModel(options.model, questions, collection.Count());
  Report report;
  report.load_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - before_load).count();
  report.stages = {{"decode", &Timings::decode, {}},
                   {"preprocess", &Timings::preprocess, {}},
                   {"vision_encoder", &Timings::vision_encoder, {}},
                   {"text_encoder", &Timings::text_encoder, {}},
                   {"decoder", &Timings::decoder, {}},
                   {"parse", &Timings::parse, {}},
                   {"total", &Timings::total, {}}};
  dataset::Job job;
  job.collection = &collection;
  job.engine = model.engine;
  job.pipeline = std::move(model.pipeline);
  job.sinks.push_back(std::make_unique<TimingSink>(report.stages));
  report.model = job.engine->info();
  report.workers = job.pipeline.workers;
  report.session_threads = report.model.threads;
  report.threads = options.model.engine.threads > 0 ? options.model.engine.threads : MaxThreads();
  report.batch = job.pipeline.batch;
  const double cpu_before = CpuSeconds();
  const dataset::JobSummary summary = dataset::RunJob(job);
  report.pictures = summary.progress.done;
  report.failed = summary.progress.failed;
  report.seconds = summary.progress.seconds;
  report.cores_busy = (CpuSeconds() - cpu_before) / (report.seconds * report.threads);
  options.json ? PrintJson(report) : PrintTable(report);
  return report.failed > 0 ? kSomeFailed : kOk;
}

void AddServerOptions(CLI::App& command, BenchServerOptions& server) {
  const std::string group = "Benchmark a running server instead";
  const auto add = [&](const char* name, auto& value, const char* help) {
    return command.add_option(name, value, help)->group(group);
  };
  add("--server", server.server, "The server's address: http://HOST:PORT or unix:PATH");
  add("--api-key-file", server.api_key_file, "File whose first line is the server's API key");
  add("--connections", server.connections, "Concurrent requests")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  add("--rate", server.rate,
      "Send this many requests per second, at random times, without waiting for answers (default: "
      "send the next request when one is answered)")
      ->check(CLI::PositiveNumber);
  add("--seconds", server.seconds, "How long to run")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add("--requests", server.requests, "How many requests to send, instead of --seconds")
      ->check(CLI::PositiveNumber);
  add("--expect", server.expect,
      "Records of the same pictures and questions, written by `uffizi annotate --format jsonl`; "
      "each answer must equal its record")
      ->check(CLI::ExistingFile);
}

}  // namespace

Command AddBench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand(
      "bench", "Measure pictures per second, the time of each stage, and memory use");
  command
      ->add_option("PICTURE", options->pictures,
                   "Pictures to annotate, in any form that "
                   "`annotate` takes")
      ->required();
  AddModelOptions(*command, options->model);
  command->add_flag("--json", options->json, "Print one line of JSON instead of a table");
  AddServerOptions(*command, options->server);
  command->footer(
      "Examples:\n"
      "  uffizi bench photos/ --task od (the default task)\n"
      "  uffizi bench photos/ --server http://127.0.0.1:8080 --connections 32 --seconds 60\n"
      "  uffizi bench photos/ --server http://127.0.0.1:8080 --rate 5 --expect answers.jsonl");
  return [options, command] { return RunBench(*command, *options); };
}

}  // namespace uffizi::cli
