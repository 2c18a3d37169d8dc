#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "say.h"
#include "server/http_client.h"

namespace uffizi::cli {
namespace {

constexpr std::chrono::seconds kTimeout{5};

}  // namespace

Command AddHealth(CLI::App& app) {
  auto url = std::make_shared<std::string>("http://127.0.0.1:8080");
  CLI::App* command = app.add_subcommand("health", "Check whether a server is healthy");
  command->add_option("URL", *url, "The server's address: http://HOST:PORT or unix:PATH")
      ->capture_default_str();
  command->footer(
      "Exits with 0 if the server is healthy, with 1 if not. For containers and "
      "scripts.");
  return [url]() -> int {
    try {
      server::HttpClient client(server::ServerAddress::Parse(*url), kTimeout);
      const server::ClientResponse response = client.Get("/healthz");
      fmt::print("{}\n", response.body);
      return response.status == 200 ? kOk : kSomeFailed;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kIo) throw;
      Say("uffizi: {}\n", error.what());
      return kSomeFailed;
    }
  };
}

}  // namespace uffizi::cli
