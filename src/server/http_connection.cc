#include "server/http_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <ctime>

#include "server/problem.h"

namespace uffizi::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr size_t kMaxHead = 16u << 10;         // bytes of a request's line and headers
constexpr size_t kReadBytes = 64u << 10;       // at once
constexpr std::chrono::seconds kVitalHead{2};  // for a request on a reserved connection
constexpr std::chrono::seconds kMostDrain{30};
// The step in which memory for a body is reserved as it arrives.
constexpr size_t kLeaseStep = 256u << 10;

std::chrono::steady_clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::chrono::duration<double>(seconds));
}

Problem Overloaded(const std::string& what) {
  return Problem(503, "overloaded", what + "; try again later");
}

Problem TooLarge() {
  return Problem(413, "body_too_large", "the request's body is over the server's limit");
}

// In the format of RFC 9110: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string HttpDate() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  gmtime_r(&now, &parts);
  char text[40];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

std::string Hex(size_t number) {
  char text[20];
  return {text, std::to_chars(text, text + sizeof text, number, 16).ptr};
}

// Whether there is an LF without CR at or after `from`.
bool HasBareLf(std::string_view text, size_t from) {
  for (size_t at = text.find('\n', from); at != text.npos; at = text.find('\n', at + 1)) {
    if (at == 0 || text[at - 1] != '\r') return true;
  }
  return false;
}

std::string WriteHead(const HttpResponse& response, bool keep_alive, bool chunked) {
  const auto reason =
      http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " + std::string(reason) +
                     "\r\nDate: " + HttpDate() + "\r\n";
  const auto add = [&](std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
  };
  if (!response.content_type.empty()) add("Content-Type", response.content_type);
  for (const auto& [name, value] : response.headers) add(name, value);
  if (response.status == 204 || response.status == 304) {
    // This status has no body, and must not have a Content-Length.
  } else if (!response.stream) {
    add("Content-Length", std::to_string(response.body.size()));
  } else if (chunked) {
    add("Transfer-Encoding", "chunked");
  }
  if (!keep_alive) add("Connection", "close");
  return head + "\r\n";
}

}  // namespace

HttpConnection::HttpConnection(HttpShared& shared, Stream::socket_type socket, std::string client,
                               Admission admission)
    : shared_(shared),
      stream_(std::move(socket)),
      client_(std::move(client)),
      admission_(admission),
      buffer_(kReadBytes) {}

void HttpConnection::Close() {
  // Not close(): a handler may be using the socket.
  shutdown(stream_.socket().native_handle(), SHUT_RDWR);
}

asio::awaitable<void> HttpConnection::Run() {
  try {
    while (co_await WaitForRequest()) {
      bool goes_on = false;
      try {
        goes_on = co_await Serve();
      } catch (
          const std::exception&) {  // the client has disconnected or is too slow, or out of memory
      }
      Finish();
      if (!goes_on) break;
    }
    if (body_unread_) co_await Drain();
  } catch (const std::exception&) {  // the same, or out of memory: closes this connection
  }
}

// Waits for the first byte of a request.
asio::awaitable<bool> HttpConnection::WaitForRequest() {
  idle_ = true;
  since_ = Clock::now();
  if (buffer_.size() == 0) {
    stream_.expires_after(admission_ == Admission::kFull ? Seconds(shared_.options.idle_seconds)
                                                         : kVitalHead);
    co_await Fill(kReadBytes);
  }
  idle_ = false;
  since_ = Clock::now();
  exchange_ = {};
  exchange_.client = client_;
  body_unread_ = false;
  shared_.handler.Begun();
  co_return true;
}

// Reads available bytes, up to `limit` bytes in the buffer.
asio::awaitable<void> HttpConnection::Fill(size_t limit) {
  const size_t room = std::min(limit, kReadBytes) - std::min(limit, buffer_.size());
  const size_t got = co_await stream_.async_read_some(buffer_.prepare(room), asio::use_awaitable);
  buffer_.commit(got);
}

asio::awaitable<std::string> HttpConnection::ReadHeadText() {
  stream_.expires_after(admission_ == Admission::kFull ? Seconds(shared_.options.head_seconds)
                                                       : kVitalHead);
  size_t looked_at = 0;
  for (;;) {
    const std::string_view text(static_cast<const char*>(buffer_.data().data()), buffer_.size());
    // Old clients send an empty line after a body, which belongs to no request.
    if (looked_at == 0 && text.starts_with("\r\n")) {
      buffer_.consume(2);
      continue;
    }
    const size_t end = text.find("\r\n\r\n", looked_at);
    if (end != std::string_view::npos && end + 4 <= kMaxHead) {
      std::string head(text.substr(0, end + 4));
      buffer_.consume(head.size());
      co_return head;
    }
    if (end != std::string_view::npos || text.size() >= kMaxHead) {
      body_unread_ = true;
      throw Problem(431, "headers_too_large", "the request's headers are too long");
    }
    // With other line ends, the end of the headers would never be found.
    if (HasBareLf(text, looked_at) || text.find('\0', looked_at) != text.npos) {
      body_unread_ = true;
      throw Problem(400, "bad_request", "no valid HTTP request: an LF without its CR, or a NUL");
    }
    looked_at = text.size() < 4 ? 0 : text.size() - 4;
    co_await Fill(kMaxHead);
  }
}

asio::awaitable<bool> HttpConnection::Serve() {
  parser_.emplace();
  parser_->header_limit(kMaxHead);
  parser_->body_limit(boost::none);  // our own error is more informative
  HttpHead head;
  std::optional<HttpResponse> failed;
  try {
    const std::string text = co_await ReadHeadText();
    body_unread_ = true;  // until we know where the body ends
    head = ReadHead(text, *parser_);
    body_unread_ = head.has_body();
    head.request.client = client_;
    head.request.socket = stream_.socket().native_handle();
    exchange_.method = head.request.method;
    exchange_.path = head.request.path;
  } catch (const Problem& problem) {
    failed = shared_.handler.Failed(head.request, problem);
  }
  if (failed) co_return co_await Send(*std::move(failed), false);
  co_return co_await ServeRead(head);
}

// Checks a request before its body is read.
std::optional<HttpResponse> HttpConnection::RefuseEarly(const HttpHead& head) {
  HttpHandler& handler = shared_.handler;
  const HttpRequest& request = head.request;
  if (admission_ == Admission::kTooMany && !handler.Vital(request)) {
    return handler.Failed(request, Problem(429, "too_many_connections",
                                           "this address has too many connections open"));
  }
  if (admission_ == Admission::kVitalOnly && !handler.Vital(request)) {
    return handler.Failed(request, Overloaded("as many connections as may be are open"));
  }
  if (auto refused = handler.Refuse(request)) return refused;
  if (head.content_length.value_or(0) > shared_.options.max_body_bytes) {
    return handler.Failed(request, TooLarge());
  }
  if (!handler.Quick(request) && shared_.busy >= shared_.options.max_busy) {
    return handler.Failed(request, Overloaded("as many requests as may be are being answered"));
  }
  return std::nullopt;
}

asio::awaitable<bool> HttpConnection::ServeRead(HttpHead& head) {
  const bool head_only = head.request.method == "HEAD";
  std::optional<HttpResponse> response = RefuseEarly(head);
  if (!response) {
    try {
      if (head.has_body()) co_await ReadBody(head);
    } catch (const Problem& problem) {
      response = shared_.handler.Failed(head.request, problem);
    }
  }
  const bool keep_alive =
      parser_->keep_alive() && !body_unread_ && !shared_.closing && admission_ == Admission::kFull;
  if (!response) response = co_await Answer(head.request);
  if (head_only) {
    response->stream = nullptr;
    exchange_.status = response->status;
    exchange_.cause = response->cause;
    stream_.expires_after(Seconds(shared_.options.write_seconds));
    const std::string text = WriteHead(*response, keep_alive, false);
    co_await asio::async_write(stream_, asio::buffer(text), asio::use_awaitable);
    exchange_.whole = true;
    co_return keep_alive;
  }
  co_return co_await Send(*std::move(response), keep_alive);
}

// Reserves memory for the body from the shared budget, if its length is known.
void HttpConnection::Reserve(HttpHead& head) {
  head.request.body_bytes = ByteLease(shared_.held);
  const size_t wanted = head.content_length.value_or(0) * shared_.handler.BytesHeld(head.request);
  if (!head.request.body_bytes.Grow(wanted)) throw Overloaded("too much is being sent at once");
}

asio::awaitable<void> HttpConnection::ReadBody(HttpHead& head) {
  Reserve(head);
  stream_.expires_after(Seconds(shared_.options.body_seconds));
  if (head.expects_continue && buffer_.size() == 0) {
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    co_await asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                               asio::use_awaitable);
  }
  std::string& body = parser_->get().body();
  const size_t held = shared_.handler.BytesHeld(head.request);
  ByteLease& lease = head.request.body_bytes;
  parser_->eager(true);
  boost::system::error_code error;
  while (!parser_->is_done()) {
    if (buffer_.size() == kReadBytes && error == http::error::need_more) {  // of one chunk's line
      throw Problem(400, "bad_request", "a chunk's line is too long");
    }
    if (buffer_.size() == 0 || error == http::error::need_more) co_await Fill(kReadBytes);
    error = {};
    const size_t used = parser_->put(buffer_.data(), error);
    buffer_.consume(used);
    if (error && error != http::error::need_more) {
      throw Problem(400, "bad_request", "the body is not sent as it should be: " + error.message());
    }
    const std::string_view rest(static_cast<const char*>(buffer_.data().data()), buffer_.size());
    if (error == http::error::need_more && HasBareLf(rest, 0)) {  // of a chunk's line
      throw Problem(400, "bad_request",
                    "the body is not sent as it should be: an LF without its CR");
    }
    if (body.size() > shared_.options.max_body_bytes) throw TooLarge();
    // A string grows by doubling.
    if (lease.bytes() < body.capacity() * held &&
        !lease.Grow(body.capacity() * held + kLeaseStep)) {
      throw Overloaded("too much is being sent at once");
    }
  }
  body_unread_ = false;
  exchange_.bytes_in = body.size();
  head.request.body = std::move(body);
  lease.Shrink(head.request.body.capacity() * held);
}

asio::awaitable<HttpResponse> HttpConnection::Answer(HttpRequest& request) {
  // No timeout while the server computes.
  stream_.expires_never();
  const auto answer = [&]() -> HttpResponse {
    try {
      return shared_.handler.Answer(request);
    } catch (const std::exception& error) {
      return shared_.handler.Failed(request, error);
    }
  };
  if (shared_.handler.Quick(request)) co_return answer();
  ++shared_.busy;
  HttpResponse response = co_await asio::co_spawn(
      shared_.pool, [&]() -> asio::awaitable<HttpResponse> { co_return answer(); },
      asio::use_awaitable);
  --shared_.busy;
  co_return response;
}

asio::awaitable<bool> HttpConnection::Send(HttpResponse response, bool keep_alive) {
  exchange_.status = response.status;
  exchange_.cause = response.cause;
  const bool chunked = parser_->is_header_done() && parser_->get().version() >= 11;
  const bool goes_on = keep_alive && (!response.stream || chunked);
  stream_.expires_after(Seconds(shared_.options.write_seconds));
  const std::string head = WriteHead(response, goes_on, chunked);
  const std::array<asio::const_buffer, 2> parts = {asio::buffer(head), asio::buffer(response.body)};
  co_await asio::async_write(stream_, parts, asio::use_awaitable);
  exchange_.bytes_out += response.body.size();
  if (response.stream) {
    ++shared_.busy;
    std::exception_ptr failure;
    try {
      co_await SendPieces(response, chunked);
    } catch (...) {
      failure = std::current_exception();
    }
    --shared_.busy;
    // Its destructor may wait for a lock, so it must not run on the I/O thread.
    asio::post(shared_.pool, [stream = std::move(response.stream)] {});
    if (failure) std::rethrow_exception(failure);
  }
  exchange_.whole = true;
  co_return goes_on;
}

asio::awaitable<void> HttpConnection::SendPieces(const HttpResponse& response, bool chunked) {
  for (;;) {
    stream_.expires_never();
    const std::optional<std::string> piece = co_await asio::co_spawn(
        shared_.pool,
        [&]() -> asio::awaitable<std::optional<std::string>> { co_return response.stream(); },
        asio::use_awaitable);
    if (piece && piece->empty()) continue;
    std::string framed;
    if (chunked && piece) {
      framed = Hex(piece->size()) + "\r\n" + *piece + "\r\n";
    } else if (chunked) {
      framed = "0\r\n\r\n";
    } else if (piece) {
      framed = *piece;
    }
    stream_.expires_after(Seconds(shared_.options.write_seconds));
    co_await asio::async_write(stream_, asio::buffer(framed), asio::use_awaitable);
    if (!piece) co_return;
    exchange_.bytes_out += piece->size();
  }
}

// A client that is still sending would lose the response if the connection were closed, so its data
// is read for a while.
asio::awaitable<void> HttpConnection::Drain() {
  boost::system::error_code ignored;
  stream_.socket().shutdown(asio::socket_base::shutdown_send, ignored);
  stream_.expires_after(
      std::min<Clock::duration>(Seconds(shared_.options.body_seconds), kMostDrain));
  for (;;) {
    buffer_.consume(buffer_.size());
    co_await Fill(kReadBytes);
  }
}

void HttpConnection::Finish() {
  exchange_.seconds = std::chrono::duration<double>(Clock::now() - since_).count();
  parser_.reset();
  shared_.handler.Done(exchange_);
}

}  // namespace uffizi::server
