#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>

#include "commands.h"
#include "core/ascii.h"
#include "core/mapped_file.h"
#include "core/parallel.h"
#include "engine_options.h"
#include "say.h"
#include "serve_signals.h"
#include "server/server.h"
#include "uffizi/engine.h"

namespace uffizi::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostThreads = 1024;
constexpr size_t kSpareThreads = 16;  // for requests being read or answered

struct ServeOptions {
  std::vector<std::string> models, adapters;
  std::string name;
  std::vector<std::string> url_hosts;
  size_t model_memory_mb = 0;
  std::string api_key_file;
  EngineOptions engine;
  server::ServerOptions server;
  size_t max_body_mb = 32, max_memory_mb = 512;
  double grace_seconds = 30;
  int workers = 0;
};

// The API keys: the lines of a file except empty ones and comments, else $UFFIZI_API_KEY, else
// none.
std::vector<std::string> ReadApiKeys(const std::string& file) {
  std::vector<std::string> keys;
  if (file.empty()) {
    const char* named = std::getenv("UFFIZI_API_KEY");
    if (named != nullptr && *named != '\0') keys.emplace_back(named);
    return keys;
  }
  std::istringstream lines(ReadFile(file));
  for (std::string line; std::getline(lines, line);) {
    const std::string_view key = Trim(line, " \r\t");
    if (!key.empty() && key.front() != '#') keys.emplace_back(key);
  }
  if (keys.empty()) throw Error(ErrorCode::kInvalidArgument, file + ": contains no key");
  return keys;
}

// Returns the memory of requests to the system: otherwise the C library keeps an arena for each
// thread, with the peak memory of each.
void ReturnMemory() {
#ifdef __GLIBC__
  constexpr int kArenas = 4, kLarge = 256 << 10;
  mallopt(M_ARENA_MAX, kArenas);
  mallopt(M_MMAP_THRESHOLD, kLarge);
  mallopt(M_TRIM_THRESHOLD, 4 * kLarge);
#endif
}

bool IsLoopback(const server::HttpOptions& http) {
  return !http.unix_socket.empty() || http.host == "localhost" || http.host == "::1" ||
         http.host.starts_with("127.");
}

std::string AddressOf(const server::HttpOptions& http, int port) {
  if (!http.unix_socket.empty()) return "unix:" + http.unix_socket;
  const bool bare = http.host.find(':') == std::string::npos;
  return fmt::format("http://{}:{}/", bare ? http.host : "[" + http.host + "]", port);
}

// "NAME=PATH", or PATH, whose name is the folder's.
std::pair<std::string, std::string> SplitName(const std::string& text) {
  const size_t equals = text.find('=');
  std::error_code ignored;
  if (equals == std::string::npos || fs::exists(text, ignored)) {
    const std::string folder = text.empty() ? DefaultModel().string() : text;
    return {fs::weakly_canonical(folder).filename().string(), folder};
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

// The models, the first of which serves requests that name none, and each adapter as a model of its
// own: "NAME=ADAPTER" of the first, "NAME@MODEL=ADAPTER" of another.
std::vector<server::ModelSource> MakeSources(const ServeOptions& options) {
  std::vector<std::string> named = options.models;
  if (named.empty()) named.emplace_back();
  std::vector<server::ModelSource> sources;
  const auto find = [&](const std::string& name) {
    return std::find_if(sources.begin(), sources.end(),
                        [&](const auto& source) { return source.name == name; });
  };
  const auto add = [&](server::ModelSource source) {
    if (source.name.empty() || find(source.name) != sources.end()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "each model needs a name of its own: --model NAME=PATH, not \"" + source.name +
                      "\" again");
    }
    sources.push_back(std::move(source));
  };
  for (const std::string& text : named) {
    auto [name, folder] = SplitName(text);
    if (sources.empty() && !options.name.empty()) name = options.name;
    add({name, [path = folder, engine = options.engine](const Engine*) {
           return LoadEngine(path, engine);
         }});
  }
  const std::string first = sources.front().name;
  for (const std::string& text : options.adapters) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos) {
      throw Error(ErrorCode::kInvalidArgument, "--adapter " + text + ": must be NAME=ADAPTER");
    }
    const std::string name = text.substr(0, equals);
    const size_t at = name.find('@');
    const std::string base = at == std::string::npos ? first : name.substr(at + 1);
    const auto found = find(base);
    if (found == sources.end() || found->base) {
      throw Error(ErrorCode::kInvalidArgument,
                  "--adapter " + text + ": no --model is called " + base);
    }
    const LoraSource lora = LoraSource::Parse(text.substr(equals + 1));
    add({name.substr(0, at),
         [lora](const Engine* model) { return model->WithAdapters(FindAdapters({lora})); },
         static_cast<size_t>(found - sources.begin())});
  }
  return sources;
}

// Allows addresses on `hosts` only, with pictures up to the size of bodies.
void SetUrlAccess(const std::vector<std::string>& hosts, server::ServerOptions& server) {
  server::PictureAccess& access = server.api.access;
  access.urls = !hosts.empty();
  const bool any = std::find(hosts.begin(), hosts.end(), "*") != hosts.end();
  if (!any) access.fetch.hosts = hosts;
  access.fetch.max_bytes = server.http.max_body_bytes;
  access.fetch.max_seconds = std::min(access.fetch.max_seconds, server.models.batcher.max_seconds);
  if (access.fetch.allow_private && !access.urls) {
    throw Error(ErrorCode::kInvalidArgument, "--allow-private-urls needs --allow-url-hosts");
  }
}

int RunServe(ServeOptions options) {
  ServeSignals signals;
  ReturnMemory();
  server::ServerOptions& wanted = options.server;
  for (const std::string& origin : wanted.api.cors) server::CheckOrigin(origin);
  wanted.api.api_keys = ReadApiKeys(options.api_key_file);
  wanted.http.max_body_bytes = wanted.models.limits.max_body = options.max_body_mb << 20;
  wanted.http.max_held_bytes = options.max_memory_mb << 20;
  wanted.http.max_busy =
      std::min(kMostThreads,
               wanted.models.batcher.max_waiting + wanted.models.batcher.max_batch + kSpareThreads);
  wanted.models.batcher.max_tokens = wanted.models.limits.max_tokens;
  if (options.max_memory_mb < server::kBytesOfJson * options.max_body_mb) {
    throw Error(ErrorCode::kInvalidArgument,
                "--max-memory must be at least four times --max-body, which a request in JSON "
                "needs");
  }
  // Each worker has one thread when all are busy, and all threads when it is the only one.
  wanted.models.batcher.threads =
      options.engine.threads > 0 ? options.engine.threads : MaxThreads();
  wanted.models.batcher.workers =
      options.workers > 0 ? options.workers : wanted.models.batcher.threads;
  wanted.models.max_bytes = options.model_memory_mb << 20;
  std::vector<server::ModelSource> sources = MakeSources(options);
  const std::string name = sources.front().name;
  SetUrlAccess(options.url_hosts, options.server);
  server::Server server(std::move(sources), wanted);
  signals.Started([&] { server.ReopenLog(); });
  Say("uffizi: {} at {}\n", name, AddressOf(wanted.http, server.port()));
  if (!IsLoopback(wanted.http) && wanted.api.api_keys.empty()) {
    Say("uffizi: warning: no API key is set (--api-key-file), so anyone who can reach this "
        "address can use the server\n");
  }
  signals.WaitForEnd();
  Say("uffizi: shutting down; a second signal stops at once\n");
  server.Shutdown(options.grace_seconds);
  return kOk;
}

void AddAccessOptions(CLI::App& command, ServeOptions& options) {
  command
      .add_option("--cors", options.server.api.cors,
                  "Origin whose pages may send requests from a browser, such as "
                  "https://photos.example; may be repeated; * for all (default: none)")
      ->allow_extra_args(false)
      ->type_name("ORIGIN");
  FetchOptions& fetch = options.server.api.access.fetch;
  command
      .add_option("--allow-url-hosts", options.url_hosts,
                  "Hosts from which pictures are fetched if a request gives an http(s) address: "
                  "a.example,*.b.example, or * for all (default: none)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("HOSTS");
  command.add_flag("--allow-private-urls", fetch.allow_private,
                   "Also fetch them from this machine, private networks, and through proxies");
  command.add_option("--url-seconds", fetch.max_seconds, "Time limit for fetching a picture")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
}

void AddModels(CLI::App& command, ServeOptions& options) {
  command
      .add_option(
          "--model", options.models,
          "Model folder, artifact or name (default: $UFFIZI_MODEL, else the included model); "
          "NAME=PATH gives it a name in the API. May be repeated: further models are "
          "loaded on first use")
      ->allow_extra_args(false)
      ->type_name("[NAME=]PATH");
  command
      .add_option(
          "--adapter", options.adapters,
          "A LoRA adapter that requests select by this name, like a model. It belongs to the "
          "first model, or to another with NAME@MODEL=PATH. May be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME=PATH");
  command.add_option("--name", options.name,
                     "The first model's name in the API (default: its folder's)");
}

void AddLimits(CLI::App& command, ServeOptions& options) {
  server::HttpOptions& http = options.server.http;
  server::RequestLimits& limits = options.server.models.limits;
  server::BatcherOptions& batcher = options.server.models.batcher;
  const std::string group = "Limits";
  const auto add = [&](const char* name, auto& value, double low, double high, const char* help) {
    command.add_option(name, value, help)
        ->check(CLI::Range(low, high))
        ->capture_default_str()
        ->group(group);
  };
  add("--max-waiting", batcher.max_waiting, 1, 100'000,
      "Requests in the queue; further ones get a 503");
  add("--max-batch", batcher.max_batch, 1, 256, "Questions answered together by a worker");
  add("--max-body", options.max_body_mb, 1, 1024, "Size of a request, in MB");
  add("--max-pixels", limits.max_pixels, 1, 1'000'000'000, "Pixels of a picture");
  add("--max-questions", limits.max_questions, 1, 256, "Questions in a request");
  add("--max-tokens", limits.max_tokens, 1, 100'000, "Tokens of an answer");
  add("--max-beams", limits.max_beams, 1, 64, "Beams of a search");
  add("--max-seconds", batcher.max_seconds, 1, 86'400, "Time from a request to its answer");
  add("--max-cost", limits.max_cost, 1, 1e9, "Cost of a request: questions x beams x tokens");
  add("--model-memory", options.model_memory_mb, 0, 1 << 22,
      "Memory for all models' weights, in MB; beyond it the least recently used is unloaded; 0 for "
      "no limit");
  add("--max-memory", options.max_memory_mb, 2, 1 << 20, "Memory for all requests' bodies, in MB");
  add("--max-connections", http.max_connections, 1, 10'000, "Open connections");
  add("--max-per-address", http.max_per_address, 0, 10'000,
      "Connections from one address; 0 for no limit, as behind a proxy");
  add("--idle-seconds", http.idle_seconds, 0.1, 3600,
      "Idle time between two requests of a connection");
  add("--head-seconds", http.head_seconds, 0.1, 3600, "Time for all of a request's headers");
  add("--body-seconds", http.body_seconds, 0.1, 3600, "Time for all of a request's body");
  add("--write-seconds", http.write_seconds, 0.1, 3600,
      "Time for a client to receive an answer, or a piece of a stream");
  add("--grace-seconds", options.grace_seconds, 0, 3600,
      "Time for open requests to finish at shutdown");
}

}  // namespace

Command AddServe(CLI::App& app) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand("serve", "Run the HTTP API and the live demo");
  server::HttpOptions& http = options->server.http;
  AddModels(*command, *options);
  command->add_option("--host", http.host, "Address to listen on; 0.0.0.0 for all")
      ->capture_default_str();
  command->add_option("--port", http.port, "Port; 0 for any free one")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command->add_option("--api-key-file", options->api_key_file,
                      "File with API keys, one a line; clients must send one of them (default: "
                      "$UFFIZI_API_KEY)");
  command->add_option("--unix-socket", http.unix_socket,
                      "Listen on a socket at this path instead of a port");
  command->add_option(
      "--log", options->server.api.log,
      "File to which a JSON line is written for each request; - is standard output");
  command->add_flag("--any-model-name", options->server.models.any_name,
                    "Accept any model name in requests");
  AddAccessOptions(*command, *options);
  AddEngineOptions(*command, options->engine);
  command
      ->add_option("--workers", options->workers,
                   "Pictures processed at once, which share the threads (default auto: one per "
                   "thread)")
      ->transform(
          CLI::Transformer(std::map<std::string, std::string>{{"auto", "0"}}).description(""))
      ->check(CLI::Range(0, 1024))
      ->type_name("NUMBER");
  command
      ->add_option("--label-studio-files", options->server.api.access.label_studio_folder,
                   "Folder of the pictures that Label Studio calls /data/local-files/?d=...")
      ->check(CLI::ExistingDirectory);
  AddLimits(*command, *options);
  command->footer(
      "Examples:\n"
      "  uffizi serve                        # then open http://127.0.0.1:8080/\n"
      "  curl -F image=@photo.jpg -F task=od -F task=caption http://127.0.0.1:8080/v1/annotate\n"
      "SIGINT and SIGTERM shut it down: open requests are answered, new ones refused. SIGHUP "
      "reopens\n"
      "the log file.");
  return [options] { return RunServe(*options); };
}

}  // namespace uffizi::cli
