#include <atomic>
#include <cstdio>
#include <iostream>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "server/json_fields.h"
#include "server/mcp.h"
#include "server/problem.h"

namespace uffizi::server {
namespace {

using nlohmann::json;

constexpr size_t kHeldBytes = size_t{1} << 30;  // of all pictures together

// One client, whose messages come line by line.
class StdioClient {
 public:
  StdioClient(Models& models, const PictureAccess& access) : models_(models), access_(access) {}

  void Take(const std::string& line) {
    json message;
    try {
      message = ParseClientJson(line);
    } catch (const Problem& problem) {
      return Write(McpParseError(problem.what()));
    }
    const std::string method = message.is_object() ? message.value("method", "") : "";
    if (method == "notifications/cancelled") return Cancel(message);
    if (method == "tools/call") return Start(std::move(message));
    HttpRequest request;
    if (const auto answer = AnswerMcp(models_, access_, message, request)) Write(*answer);
  }

  // Answers what is open.
  void Finish() {
    for (Call& call : calls_) call.thread.join();
  }

 private:
  struct Call {
    std::atomic<bool> cancelled = false, done = false;
    std::string id;
    std::thread thread;
  };

  void Write(const std::string& answer) {
    const std::lock_guard lock(output_);
    std::fwrite(answer.data(), 1, answer.size(), stdout);
    std::fputc('\n', stdout);
    std::fflush(stdout);
  }

  void Start(json message) {
    calls_.remove_if([](Call& call) {
      if (call.done) call.thread.join();
      return call.done.load();
    });
    Call& call = calls_.emplace_back();
    call.id = message.value("id", json()).dump();
    call.thread = std::thread([this, &call, message = std::move(message)] {
      HttpRequest request;
      request.body_bytes = ByteLease(held_);
      request.gone = [&call] { return call.cancelled.load(); };
      const auto answer = AnswerMcp(models_, access_, message, request);
      if (answer && !call.cancelled) Write(*answer);
      call.done = true;
    });
  }

  void Cancel(const json& message) {
    const json params = message.value("params", json::object());
    const std::string id = params.is_object() ? params.value("requestId", json()).dump() : "";
    for (Call& call : calls_) {
      if (call.id == id) call.cancelled = true;
    }
  }

  Models& models_;
  const PictureAccess& access_;
  ByteBudget held_{kHeldBytes};
  std::mutex output_;
  std::list<Call> calls_;
};

}  // namespace

void ServeMcp(Models& models, const PictureAccess& access, size_t max_message_bytes) {
  StdioClient client(models, access);
  std::string line;
  for (char byte = 0; std::cin.get(byte);) {
    if (byte != '\n') {
      // Of a longer one, the beginning tells what is wrong with it.
      if (line.size() <= max_message_bytes) line += byte;
      continue;
    }
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) client.Take(line);
    line.clear();
  }
  if (!line.empty()) client.Take(line);
  client.Finish();
}

}  // namespace uffizi::server
