#include <fmt/format.h>
#include <signal.h>

#include <cstdlib>
#include <map>
#include <optional>

#include "commands.h"
#include "core/mapped_file.h"
#include "engine_options.h"
#include "server/server.h"
#include "uffizi/engine.h"

namespace uffizi::cli {
namespace {

namespace fs = std::filesystem;

struct ServeOptions {
  std::string model;
  std::string name;
  std::string api_key_file;
  EngineOptions engine;
  server::ServerOptions server;
  size_t max_body_mb = 32;
  double grace_seconds = 30;
};

// The key that clients must show: of a file, else of $UFFIZI_API_KEY, else none.
std::string ReadApiKey(const std::string& file) {
  std::string key;
  if (!file.empty()) {
    key = ReadFile(file);
    key.resize(key.find_last_not_of(" \r\n\t") + 1);
    if (key.empty()) throw Error(ErrorCode::kInvalidArgument, file + ": holds no key");
  } else if (const char* named = std::getenv("UFFIZI_API_KEY"); named != nullptr) {
    key = named;
  }
  return key;
}

// The signals that end the server. Blocked in all threads, they wait for sigwait.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

int RunServe(ServeOptions options) {
  const sigset_t signals = BlockSignals();
  options.server.api.api_key = ReadApiKey(options.api_key_file);
  options.server.http.max_body_bytes = options.max_body_mb << 20;
  options.server.batcher.max_tokens = options.server.api.limits.max_tokens;
  const fs::path folder = options.model.empty() ? DefaultModel() : fs::path(options.model);
  const auto engine = LoadEngine(folder.string(), options.engine);
  options.server.api.model_name =
      options.name.empty() ? fs::weakly_canonical(folder).filename().string() : options.name;
  const std::string& host = options.server.http.host;
  server::Server server(engine, options.server);
  fmt::print(stderr, "uffizi: {} at http://{}:{}/\n", options.server.api.model_name,
             host.find(':') == std::string::npos ? host : "[" + host + "]", server.port());
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  fmt::print(stderr, "uffizi: shutting down; a second signal ends at once\n");
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  server.Shutdown(options.grace_seconds);
  return kOk;
}

}  // namespace

Command AddServe(CLI::App& app) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand("serve", "Answer over HTTP, and show the live demo");
  server::HttpOptions& http = options->server.http;
  server::RequestLimits& limits = options->server.api.limits;
  server::BatcherOptions& batcher = options->server.batcher;
  command->add_option(
      "--model", options->model,
      "Model folder, artifact or name (default: $UFFIZI_MODEL, else the one that came along)");
  command->add_option("--name", options->name, "What the API calls it (default: its folder's)");
  command->add_option("--host", http.host, "Address to listen on; 0.0.0.0 for all")
      ->capture_default_str();
  command->add_option("--port", http.port, "Port; 0 for any free one")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command->add_option("--api-key-file", options->api_key_file,
                      "File with the key that clients must send (default: $UFFIZI_API_KEY)");
  AddEngineOptions(*command, options->engine);
  const std::string group = "Limits";
  const auto add = [&](const char* name, auto& value, int low, int high, const char* help) {
    command->add_option(name, value, help)
        ->check(CLI::Range(low, high))
        ->capture_default_str()
        ->group(group);
  };
  add("--max-waiting", batcher.max_waiting, 1, 100'000, "Requests in the queue; more get a 503");
  add("--max-batch", batcher.max_batch, 1, 256, "Questions that are answered together");
  add("--max-body", options->max_body_mb, 1, 1024, "Of a request, in MB");
  add("--max-pixels", limits.max_pixels, 1, 1'000'000'000, "Of a picture");
  add("--max-questions", limits.max_questions, 1, 256, "Of a request");
  add("--max-tokens", limits.max_tokens, 1, 100'000, "Of an answer");
  add("--max-beams", limits.max_beams, 1, 64, "Of a search");
  add("--max-seconds", batcher.max_seconds, 1, 86'400, "From a request to its answer");
  add("--max-connections", http.max_connections, 1, 10'000, "Open at once");
  add("--idle-seconds", http.idle_seconds, 1, 3600, "That a client may be silent");
  add("--grace-seconds", options->grace_seconds, 0, 3600, "For open requests when it shuts down");
  command->footer(
      "Examples:\n"
      "  uffizi serve                        # then open http://127.0.0.1:8080/\n"
      "  curl -F image=@photo.jpg -F task=od -F task=caption http://127.0.0.1:8080/v1/annotate\n"
      "SIGINT and SIGTERM end it: open requests are answered, new ones are refused.");
  return [options] { return RunServe(*options); };
}

}  // namespace uffizi::cli
