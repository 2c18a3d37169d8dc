#include "server/mcp.h"

#include <cstdio>

#include "commands.h"
#include "core/parallel.h"
#include "engine_options.h"
#include "server/metrics.h"
#include "server/models.h"

namespace uffizi::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxMessage = size_t{128} << 20;  // bytes: a picture as base64
constexpr size_t kMaxPicture = size_t{64} << 20;   // bytes of one that is fetched, or read

struct McpOptions {
  std::string model;
  EngineOptions engine;
  server::PictureAccess access;
};

int RunMcp(McpOptions options) {
  server::Models::Options wanted;
  wanted.batcher.threads = options.engine.threads > 0 ? options.engine.threads : MaxThreads();
  wanted.batcher.workers = wanted.batcher.threads;
  const fs::path folder = options.model.empty() ? DefaultModel() : fs::path(options.model);
  server::Metrics metrics;
  server::Models models(
      {{fs::weakly_canonical(folder).filename().string(),
        [&](const Engine*) { return LoadEngine(folder.string(), options.engine); }}},
      wanted, metrics);
  server::PictureAccess& access = options.access;
  access.files = access.urls = true;
  access.fetch.max_bytes = kMaxPicture;
  server::ServeMcp(models, access, kMaxMessage);
  models.Stop();
  return kOk;
}

}  // namespace

Command AddMcp(CLI::App& app) {
  auto options = std::make_shared<McpOptions>();
  CLI::App* command = app.add_subcommand(
      "mcp", "Be a tool of programs with language models: MCP over standard input and output");
  command->add_option(
      "--model", options->model,
      "Model folder, artifact or name (default: $UFFIZI_MODEL, else the one that came along)");
  command->add_flag("--allow-private-urls", options->access.fetch.allow_private,
                    "Fetch http(s) pictures from private networks and through proxies too");
  AddEngineOptions(*command, options->engine);
  command->footer(
      "In the program's settings, for example:\n"
      "  {\"mcpServers\": {\"uffizi\": {\"command\": \"uffizi\", \"args\": [\"mcp\"]}}}\n"
      "Tools: caption, detect, ground, read_text, segment, ask. Pictures are files of this "
      "machine,\n"
      "http(s) addresses or data URIs. `uffizi serve` has the same at /mcp, but reads no files.");
  return [options] { return RunMcp(*options); };
}

}  // namespace uffizi::cli
