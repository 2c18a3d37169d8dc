#include "server/api.h"

#include <ctime>
#include <nlohmann/json.hpp>

#include "server/annotate_response.h"
#include "server/openai.h"
#include "server/problem.h"
#include "server/thumbnail.h"
#include "server/waiting_job.h"
#include "server/web_files.h"
#include "uffizi/error.h"

namespace uffizi::server {
namespace {

using nlohmann::ordered_json;

// Without telling by its time how much of a guess was right.
bool SameSecret(std::string_view a, std::string_view b) {
  size_t difference = a.size() ^ b.size();
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^
                  static_cast<unsigned char>(b.empty() ? '\0' : b[i % b.size()]);
  }
  return difference == 0;
}

}  // namespace

Api::Api(ApiOptions options, Batcher& batcher, Metrics& metrics, AccessLog& log)
    : options_(std::move(options)),
      batcher_(batcher),
      metrics_(metrics),
      log_(log),
      routes_(AddFiles({
          {"POST", "/v1/annotate", &Api::Annotate, false},
          {"POST", "/v1/chat/completions", &Api::Chat, false},
          {"GET", "/v1/models", &Api::Models},
          {"GET", "/v1/models/" + options_.model_name, &Api::Model},
          {"GET", "/v1/tasks", &Api::Tasks},
          {"POST", "/v1/thumbnail", &Api::Thumbnail, false},
          {"GET", "/v1/limits", &Api::Limits},
          {"GET", "/healthz", &Api::Health},
          {"GET", "/metrics", &Api::MetricsText},
      })),
      started_(std::time(nullptr)) {}

std::vector<Api::Route> Api::AddFiles(std::vector<Route> routes) {
  for (const WebFile& file : WebFiles()) routes.push_back({"GET", file.path, &Api::File});
  return routes;
}

const Api::Route* Api::FindRoute(const std::string& method, const std::string& path) const {
  for (const Route& route : routes_) {
    const bool head = method == "HEAD" && route.method == "GET";
    if (route.path == path && (head || route.method == method)) return &route;
  }
  return nullptr;
}

bool Api::HasKey(const HttpRequest& request) const {
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view given = request.Header("Authorization").value_or("");
  if (!given.starts_with(kBearer)) return false;
  bool has = false;
  for (const std::string& key : options_.api_keys) {
    has |= SameSecret(given.substr(kBearer.size()), key);
  }
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
  // The text, what is parsed of it, and the parser's buffer, which grows by doubling.
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

std::optional<HttpResponse> Api::Refuse(const HttpRequest& request) {
  if (FindRoute(request.method, request.path) == nullptr) return WrongPath(request);
  // What was begun before the shutdown is answered; a connection that stays open begins no more.
  if (shutting_down_ && request.path.starts_with("/v1/")) {
    return ProblemResponse(Problem(503, "shutting_down", "the server is shutting down"),
                           request.path);
  }
  if (!options_.api_keys.empty() && request.path.starts_with("/v1/") && !HasKey(request)) {
    return ProblemResponse(
        Problem(401, "unauthorized", "this server needs its API key: Authorization: Bearer KEY"),
        request.path);
  }
  return std::nullopt;
}

HttpResponse Api::Answer(HttpRequest& request) {
  const Route* route = FindRoute(request.method, request.path);
  return (this->*route->answer)(request);
}

HttpResponse Api::Failed(const HttpRequest& request, const std::exception& error) {
  return ProblemResponse(ToProblem(error), request.path);
}

void Api::Done(const HttpExchange& exchange) {
  const Route* route = FindRoute(exchange.method, exchange.path);
  metrics_.CountRequest(route != nullptr ? route->path : "other", exchange.status,
                        exchange.seconds);
  log_.Write(exchange);
  --active_;
}

HttpResponse Api::Annotate(HttpRequest& request) {
  AnnotateRequest asked = ReadAnnotateRequest(request, options_.limits);
  const bool stream = asked.stream;
  auto waiting = std::make_shared<WaitingJob>(batcher_, request, std::move(asked));
  if (stream) return StreamAnnotation(options_.model_name, std::move(waiting));
  const std::string image = waiting->job().request.image_name;
  return {.body = AnnotationToJson(options_.model_name, image, waiting->WaitForEnd())};
}

HttpResponse Api::Chat(HttpRequest& request) {
  ChatRequest asked = ReadChatRequest(request, options_.model_name, options_.limits);
  const bool stream = asked.annotate.stream;
  auto waiting = std::make_shared<WaitingJob>(batcher_, request, std::move(asked.annotate));
  ChatIdentity chat = NewChat(options_.model_name);
  if (!stream) return ChatCompletion(chat, *waiting);
  return StreamChatCompletion(std::move(chat), asked.include_usage, std::move(waiting));
}

HttpResponse Api::Thumbnail(HttpRequest& request) {
  auto [asked, thumbnail] = ReadThumbnailRequest(request, options_.limits);
  WaitingJob(batcher_, request, std::move(asked)).WaitForEnd();
  return ThumbnailResponse(*thumbnail);
}

HttpResponse Api::Limits(HttpRequest&) {
  const RequestLimits& limits = options_.limits;
  return {.body = ordered_json{{"max_body", limits.max_body},
                               {"max_pixels", limits.max_pixels},
                               {"max_questions", limits.max_questions},
                               {"max_tokens", limits.max_tokens},
                               {"max_beams", limits.max_beams},
                               {"max_cost", limits.max_cost},
                               {"max_seconds", batcher_.options().max_seconds},
                               {"extensions", PictureExtensions()}}
                      .dump()};
}

std::string Api::ModelJson() const {
  return "{\"id\": " + ordered_json(options_.model_name).dump() +
         ", \"object\": \"model\", \"created\": " + std::to_string(started_) +
         ", \"owned_by\": \"uffizi\"}";
}

HttpResponse Api::Models(HttpRequest&) {
  return {.body = "{\"object\": \"list\", \"data\": [" + ModelJson() + "]}"};
}

HttpResponse Api::Model(HttpRequest&) { return {.body = ModelJson()}; }

HttpResponse Api::Tasks(HttpRequest&) {
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

HttpResponse Api::Health(HttpRequest&) {
  if (shutting_down_) throw Problem(503, "shutting_down", "the server is shutting down");
  return {.body = R"({"status": "ok"})"};
}

HttpResponse Api::File(HttpRequest& request) {
  for (const WebFile& file : WebFiles()) {
    if (request.path != file.path) continue;
    return {.content_type = file.content_type,
            .body = std::string(file.bytes),
            .headers = {{"Cache-Control", "no-cache"},
                        {"Content-Security-Policy",
                         "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; "
                         "form-action 'none'; frame-ancestors 'none'"},
                        {"Referrer-Policy", "no-referrer"},
                        {"X-Content-Type-Options", "nosniff"}}};
  }
  throw Problem(404, "not_found", "there is nothing at this path");
}

HttpResponse Api::MetricsText(HttpRequest&) {
  const HttpServer* server = server_;
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = metrics_.Text({.load = batcher_.load(),
                                 .waiting_limit = batcher_.options().max_waiting,
                                 .active_requests = active_,
                                 .connections = server != nullptr ? server->connections() : 0,
                                 .held_bytes = server != nullptr ? server->held_bytes() : 0})};
}

}  // namespace uffizi::server
