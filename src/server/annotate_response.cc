#include "server/annotate_response.h"

#include "core/json_writer.h"
#include "server/problem.h"
#include "tasks/result_json.h"

namespace uffizi::server {
namespace {

void AddSummary(std::string_view model, const Answered& answered, JsonWriter& json) {
  json.Member("model", model).Key("queue_seconds").Seconds(answered.queue_seconds);
}

std::string TextEvent(const Job::Text& news) {
  JsonWriter json;
  json.Object().Member("question", news.question).Member("text", news.text).End();
  return ServerSentEvent("text", json.text());
}

// The events that report how the job ended.
std::string EndEvents(const std::string& model, WaitingJob& waiting) {
  std::string events;
  try {
    const Answered answered = waiting.job().Take();
    for (const Result& result : answered.results) {
      events += ServerSentEvent("result", ResultToJson(waiting.job().request.image_name, result));
    }
    JsonWriter summary;
    AddSummary(model, answered, summary.Object());
    return events + ServerSentEvent("done", summary.End().text());
  } catch (const std::exception& error) {
    return ServerSentEvent("error", ProblemToJson(ToProblem(error)));
  }
}

std::string StageEvent(const Job::Stage& stage) {
  JsonWriter json;
  json.Object().Member("stage", stage.waiting ? "waiting" : "looking");
  if (stage.waiting) json.Member("ahead", stage.ahead);
  return ServerSentEvent("progress", json.End().text());
}

std::string NewsEvents(const Job::News& news, const std::string& model, WaitingJob& waiting) {
  std::string events;
  if (news.stage) events += StageEvent(*news.stage);
  for (const Job::Text& text : news.texts) events += TextEvent(text);
  if (news.ended) events += EndEvents(model, waiting);
  // A comment, which keeps the connection alive and detects a disconnected client.
  return events.empty() ? ": waiting\n\n" : events;
}

}  // namespace

std::string ServerSentEvent(std::string_view name, std::string_view data) {
  std::string event;
  if (!name.empty()) event.append("event: ").append(name).append("\n");
  return event.append("data: ").append(data).append("\n\n");
}

std::string AnnotationToJson(std::string_view model, std::string_view image,
                             const Answered& answered) {
  JsonWriter json;
  AddSummary(model, answered, json.Object());
  json.Key("results").List();
  for (const Result& result : answered.results) json.Raw(ResultToJson(image, result));
  return json.End().End().Take();
}

HttpResponse StreamAnnotation(std::string model, std::shared_ptr<WaitingJob> waiting) {
  return StreamEvents(
      waiting,
      [model = std::move(model), waiting](const Job::News& news) {
        return NewsEvents(news, model, *waiting);
      },
      /*stages=*/true);
}

HttpResponse StreamEvents(std::shared_ptr<WaitingJob> waiting,
                          std::function<std::string(const Job::News&)> write, bool stages) {
  static constexpr std::chrono::milliseconds kPatience{1000};
  Job::News first = waiting->Wait(kPatience);
  if (first.ended) waiting->job().ThrowIfFailed();
  HttpResponse response;
  response.content_type = "text/event-stream";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("X-Accel-Buffering", "no");  // makes nginx forward events at once
  response.stream = [waiting = std::move(waiting), write = std::move(write),
                     next = std::optional(std::move(first)), stages,
                     ended = false]() mutable -> std::optional<std::string> {
    if (ended) return std::nullopt;
    if (!next) next = waiting->Wait(kPatience, stages);
    ended = next->ended;
    std::string events = write(*next);
    next.reset();
    return events;
  };
  return response;
}

}  // namespace uffizi::server
