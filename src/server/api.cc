#include "server/api.h"

#include <ctime>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/base64.h"
#include "server/annotate_response.h"
#include "server/problem.h"
#include "server/thumbnail.h"
#include "server/waiting_job.h"
#include "server/web_files.h"
#include "uffizi/error.h"

namespace uffizi::server {
namespace {

using nlohmann::ordered_json;

// Constant-time comparison, which does not reveal how much of a guess was right.
bool SameSecret(std::string_view a, std::string_view b) {
  size_t difference = a.size() ^ b.size();
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^
                  static_cast<unsigned char>(b.empty() ? '\0' : b[i % b.size()]);
  }
  return difference == 0;
}

// Whether a path needs the API key.
bool TakesKey(std::string_view path) {
  return path.starts_with("/v1/") || path.starts_with("/api/") || path == "/mcp" ||
         path == "/setup" || path == "/predict";
}

HttpResponse Tasks() {
  ordered_json tasks = ordered_json::array();
  for (const TaskInfo& task : AllTasks()) {
    tasks.push_back({{"name", task.name},
                     {"token", task.token},
                     {"input", Name(task.input)},
                     {"shape", Name(task.shape)},
                     {"prompt", task.prompt},
                     {"help", task.help},
                     {"example", task.example}});
  }
  return {.body = ordered_json{{"tasks", tasks}}.dump()};
}

// A file's entity tag: FNV-1a of its bytes.
std::string TagOf(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return '"' + std::to_string(hash) + '"';
}

HttpResponse FileOf(const WebFile& file, const HttpRequest& request) {
  const std::string tag = TagOf(file.bytes);
  if (request.Header("If-None-Match").value_or("").find(tag) != std::string_view::npos) {
    return {.status = 304, .content_type = "", .body = "", .headers = {{"ETag", tag}}};
  }
  return {.content_type = file.content_type,
          .body = std::string(file.bytes),
          .headers = {{"Cache-Control", "no-cache"},
                      {"ETag", tag},
                      {"Content-Security-Policy",
                       "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; "
                       "form-action 'none'; frame-ancestors 'none'"},
                      {"Referrer-Policy", "no-referrer"},
                      {"X-Content-Type-Options", "nosniff"}}};
}

}  // namespace

Api::Api(ApiOptions options, Models& models, Metrics& metrics, AccessLog& log)
    : options_(std::move(options)),
      cors_(options_.cors),
      models_(models),
      metrics_(metrics),
      log_(log),
      door_{models, options_.access, std::time(nullptr)},
      routes_(MakeRoutes()) {}

std::vector<Route> Api::MakeRoutes() {
  std::vector<Route> routes = {
      {"POST", "/v1/annotate", [this](HttpRequest& request) { return Annotate(request); }, false},
      {"POST", "/v1/thumbnail", [this](HttpRequest& request) { return Thumbnail(request); }, false},
      {"GET", "/v1/limits", [this](HttpRequest&) { return Limits(); }},
      {"GET", "/v1/tasks", [](HttpRequest&) { return Tasks(); }},
      {"GET", "/healthz", [this](HttpRequest&) { return Health(); }},
      {"GET", "/metrics", [this](HttpRequest&) { return MetricsText(); }},
  };
  const auto add = [&](std::vector<Route> more) {
    routes.insert(routes.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
  };
  add(OpenAiRoutes(door_));
  add(OllamaRoutes(door_));
  add(McpRoutes(door_));
  add(LabelStudioRoutes(door_));
  for (const WebFile& file : WebFiles()) {
    routes.push_back(
        {"GET", file.path, [&file](HttpRequest& request) { return FileOf(file, request); }});
  }
  return routes;
}

const Route* Api::FindRoute(const std::string& method, const std::string& path) const {
  for (const Route& route : routes_) {
    const bool head = method == "HEAD" && route.method == "GET";
    if (route.path == path && (head || route.method == method)) return &route;
  }
  return nullptr;
}

// "Bearer KEY", or "Basic ..." with the key as the password, for programs that support only names
// and passwords.
bool Api::HasKey(const HttpRequest& request) const {
  constexpr std::string_view kBearer = "Bearer ", kBasic = "Basic ";
  const std::string_view header = request.Header("Authorization").value_or("");
  std::string given;
  if (header.starts_with(kBearer)) {
    given = header.substr(kBearer.size());
  } else if (header.starts_with(kBasic)) {
    given = DecodeBase64(header.substr(kBasic.size())).value_or("");
    const size_t colon = given.find(':');
    if (colon == std::string::npos) return false;
    given.erase(0, colon + 1);
  } else {
    return false;
  }
  bool has = false;
  for (const std::string& key : options_.api_keys) has |= SameSecret(given, key);
  return has;
}

bool Api::Quick(const HttpRequest& request) const {
  const Route* route = FindRoute(request.method, request.path);
  return route == nullptr || route->quick;
}

bool Api::Vital(const HttpRequest& request) const {
  return request.path == "/healthz" || request.path == "/metrics";
}

size_t Api::BytesHeld(const HttpRequest& request) const {
  // Includes the text, the parsed values, and the parser's buffer, which grows by doubling.
  return request.MediaType() == "application/json" ? kBytesOfJson : 1;
}

HttpResponse Api::WrongPath(const HttpRequest& request) const {
  std::string allowed;
  for (const Route& route : routes_) {
    if (route.path != request.path) continue;
    allowed += (allowed.empty() ? "" : ", ") + route.method;
    if (route.method == "GET") allowed += ", HEAD";
  }
  if (allowed.empty()) {
    return ProblemResponse(Problem(404, "not_found", "there is nothing at this path"),
                           request.path);
  }
  HttpResponse response = ProblemResponse(
      Problem(405, "method_not_allowed", "this path takes " + allowed), request.path);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

std::optional<HttpResponse> Api::RefuseUnasked(const HttpRequest& request) const {
  if (FindRoute(request.method, request.path) == nullptr) return WrongPath(request);
  if (!TakesKey(request.path)) return std::nullopt;
  if (request.path == "/mcp" && !cors_.IsOwnOrAllowed(request)) {
    return ProblemResponse(
        Problem(403, "forbidden", "pages of this origin are not allowed (--cors)"), request.path);
  }
  // Requests that began before the shutdown are answered; open connections accept no new ones.
  if (shutting_down_) {
    return ProblemResponse(Problem(503, "shutting_down", "the server is shutting down"),
                           request.path);
  }
  if (!options_.api_keys.empty() && !HasKey(request)) {
    return ProblemResponse(
        Problem(401, "unauthorized", "this server needs its API key: Authorization: Bearer KEY"),
        request.path);
  }
  return std::nullopt;
}

std::optional<HttpResponse> Api::Refuse(const HttpRequest& request) {
  // A browser sends a preflight request without the key.
  if (auto preflight = cors_.AnswerPreflight(request)) return preflight;
  std::optional<HttpResponse> refused = RefuseUnasked(request);
  if (refused) cors_.Allow(request, *refused);
  return refused;
}

HttpResponse Api::Answer(HttpRequest& request) {
  HttpResponse response = FindRoute(request.method, request.path)->answer(request);
  cors_.Allow(request, response);
  return response;
}

HttpResponse Api::Failed(const HttpRequest& request, const std::exception& error) {
  HttpResponse response = ProblemResponse(ToProblem(error), request.path);
  cors_.Allow(request, response);
  return response;
}

void Api::Done(const HttpExchange& exchange) {
  const Route* route = FindRoute(exchange.method, exchange.path);
  metrics_.CountRequest(route != nullptr ? route->path : "other", exchange.status,
                        exchange.seconds);
  log_.Write(exchange);
  --active_;
}

HttpResponse Api::Annotate(HttpRequest& request) {
  PictureReader pictures(options_.access, request);
  AnnotateRequest asked = ReadAnnotateRequest(request, models_.limits(), pictures);
  const bool stream = asked.stream;
  auto waiting = Submit(models_, request, std::move(asked));
  const std::string& model = waiting->model().name;
  if (stream) return StreamAnnotation(model, std::move(waiting));
  const std::string image = waiting->job().request.image_name;
  return {.body = AnnotationToJson(model, image, waiting->WaitForEnd())};
}

HttpResponse Api::Thumbnail(HttpRequest& request) {
  auto [asked, thumbnail] = ReadThumbnailRequest(request, models_.limits());
  WaitingJob(models_.Open(""), request, std::move(asked)).WaitForEnd();
  return ThumbnailResponse(*thumbnail);
}

HttpResponse Api::Limits() {
  const RequestLimits& limits = models_.limits();
  return {.body = ordered_json{{"max_body", limits.max_body},
                               {"max_pixels", limits.max_pixels},
                               {"max_questions", limits.max_questions},
                               {"max_tokens", limits.max_tokens},
                               {"max_beams", limits.max_beams},
                               {"max_cost", limits.max_cost},
                               {"max_seconds", models_.options().batcher.max_seconds},
                               {"extensions", PictureExtensions()}}
                      .dump()};
}

HttpResponse Api::Health() {
  if (shutting_down_) throw Problem(503, "shutting_down", "the server is shutting down");
  return {.body = R"({"status": "ok"})"};
}

HttpResponse Api::MetricsText() {
  const HttpServer* server = server_;
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = metrics_.Text({.load = models_.load(),
                                 .waiting_limit = models_.options().batcher.max_waiting,
                                 .active_requests = active_,
                                 .connections = server != nullptr ? server->connections() : 0,
                                 .held_bytes = server != nullptr ? server->held_bytes() : 0})};
}

}  // namespace uffizi::server
