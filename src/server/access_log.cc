#include "server/access_log.h"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

namespace uffizi::server {
namespace {

constexpr size_t kMaxText = 500;  // bytes of a path or a cause

// "2026-11-26T14:32:22.123Z"
std::string Now() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm parts = {};
  gmtime_r(&seconds, &parts);
  char text[32];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  const std::string digits = std::to_string(1000 + millis);
  return std::string(text, length) + "." + digits.substr(1) + "Z";
}

std::string Json(const HttpExchange& exchange) {
  nlohmann::ordered_json line = {{"time", Now()},
                                 {"client", exchange.client},
                                 {"method", exchange.method.substr(0, kMaxText)},
                                 {"path", exchange.path.substr(0, kMaxText)},
                                 {"status", exchange.status},
                                 {"seconds", std::round(exchange.seconds * 1e6) / 1e6},
                                 {"bytes_in", exchange.bytes_in},
                                 {"bytes_out", exchange.bytes_out}};
  if (!exchange.whole) line["cut"] = true;  // the client disconnected or did not read its answer
  if (!exchange.cause.empty()) line["cause"] = exchange.cause.substr(0, kMaxText);
  return line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

// Control characters could split a line or affect a terminal.
std::string OneLine(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace

AccessLog::AccessLog(const std::string& path) : errors_(STDERR_FILENO) {
  if (!path.empty()) requests_.emplace(path);
}

void AccessLog::Write(const HttpExchange& exchange) noexcept {
  try {
    if (requests_) requests_->Add(Json(exchange));
    if (exchange.status == 500 || exchange.status == 503) {
      Say(OneLine(std::to_string(exchange.status) + " " + exchange.method.substr(0, kMaxText) +
                  " " + exchange.path.substr(0, kMaxText) + ": " +
                  exchange.cause.substr(0, kMaxText)));
    }
  } catch (const std::exception&) {  // out of memory: the line is lost
  }
}

void AccessLog::Reopen() {
  if (requests_) requests_->Reopen();
}

}  // namespace uffizi::server
