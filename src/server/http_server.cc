#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include "server/http.h"
#include "uffizi/error.h"

namespace uffizi::server {

struct HttpServer::Impl {
  HttpOptions options;
  HttpHandler& handler;
  MHD_Daemon* daemon = nullptr;

  std::optional<HttpResponse> RefuseEarly(const HttpRequest& request) const;
};

namespace {

using Clock = std::chrono::steady_clock;

// One request from its headers to the last byte of its answer.
struct Exchange {
  HttpServer::Impl& server;
  HttpRequest request = {};
  std::optional<HttpResponse> refused = {};  // to be answered when the body has come
  size_t dropped = 0;                        // bytes of a refused body
  int status = 0;
  Clock::time_point start = Clock::now();
};

// A streamed body and what of its last piece is still to be sent.
struct BodyStream {
  std::function<std::optional<std::string>()> next;
  std::string piece;
  size_t sent = 0;
};

ssize_t ReadBody(void* stream_pointer, uint64_t, char* buffer, size_t size) {
  auto& stream = *static_cast<BodyStream*>(stream_pointer);
  try {
    while (stream.sent == stream.piece.size()) {
      std::optional<std::string> piece = stream.next();
      if (!piece) return MHD_CONTENT_READER_END_OF_STREAM;
      stream.piece = std::move(*piece);
      stream.sent = 0;
    }
  } catch (const std::exception&) {
    return MHD_CONTENT_READER_END_WITH_ERROR;
  }
  const size_t count = std::min(size, stream.piece.size() - stream.sent);
  std::memcpy(buffer, stream.piece.data() + stream.sent, count);
  stream.sent += count;
  return static_cast<ssize_t>(count);
}

void FreeBody(void* stream) { delete static_cast<BodyStream*>(stream); }

MHD_Result Send(MHD_Connection* connection, Exchange& exchange, HttpResponse answer) {
  constexpr size_t kBlockBytes = 32u << 10;
  exchange.status = answer.status;
  MHD_Response* response;
  if (answer.stream) {
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, kBlockBytes, ReadBody,
                                                 new BodyStream{std::move(answer.stream), "", 0},
                                                 FreeBody);
  } else {
    response = MHD_create_response_from_buffer(answer.body.size(), answer.body.data(),
                                               MHD_RESPMEM_MUST_COPY);
  }
  if (response == nullptr) return MHD_NO;
  if (!answer.content_type.empty()) {
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type.c_str());
  }
  for (const auto& [name, value] : answer.headers) {
    MHD_add_response_header(response, name.c_str(), value.c_str());
  }
  const MHD_Result queued =
      MHD_queue_response(connection, static_cast<unsigned>(answer.status), response);
  MHD_destroy_response(response);  // the connection holds it until it is sent
  return queued;
}

// While we compute, silence is ours and not the client's.
class NoIdleTimeout {
 public:
  NoIdleTimeout(MHD_Connection* connection, int seconds)
      : connection_(connection), seconds_(static_cast<unsigned>(seconds)) {
    MHD_set_connection_option(connection_, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
  }
  ~NoIdleTimeout() {
    MHD_set_connection_option(connection_, MHD_CONNECTION_OPTION_TIMEOUT, seconds_);
  }
  NoIdleTimeout(const NoIdleTimeout&) = delete;
  NoIdleTimeout& operator=(const NoIdleTimeout&) = delete;

 private:
  MHD_Connection* connection_;
  unsigned seconds_;
};

MHD_Result Answer(MHD_Connection* connection, Exchange& exchange) {
  HttpHandler& handler = exchange.server.handler;
  HttpResponse answer;
  {
    const NoIdleTimeout no_timeout(connection, exchange.server.options.idle_seconds);
    try {
      answer = handler.Answer(exchange.request);
    } catch (const std::exception& error) {
      answer = handler.Failed(exchange.request, error);
    }
  }
  return Send(connection, exchange, std::move(answer));
}

MHD_Result OnHeaders(MHD_Connection* connection, Exchange& exchange) {
  exchange.refused = exchange.server.RefuseEarly(exchange.request);
  // A client that asks first gets its answer now; others read it only after they have sent.
  if (exchange.refused && exchange.request.Header("Expect")) {
    return Send(connection, exchange, std::move(*exchange.refused));
  }
  return MHD_YES;
}

MHD_Result OnBody(Exchange& exchange, const char* data, size_t* size) {
  const size_t limit = exchange.server.options.max_body_bytes;
  std::string& body = exchange.request.body;
  if (!exchange.refused && *size > limit - body.size()) {
    exchange.refused = exchange.server.handler.TooLarge(exchange.request);
    std::string().swap(body);
  }
  if (exchange.refused) {
    exchange.dropped += *size;
    if (exchange.dropped > 2 * limit) return MHD_NO;  // patience ends, and the connection
  } else {
    body.append(data, *size);
  }
  *size = 0;
  return MHD_YES;
}

MHD_Result OnRequest(void* server, MHD_Connection* connection, const char* path, const char* method,
                     const char*, const char* data, size_t* size, void** context) {
  try {
    if (*context == nullptr) {
      auto* exchange = new Exchange{.server = *static_cast<HttpServer::Impl*>(server)};
      *context = exchange;
      exchange->request.method = method;
      exchange->request.path = path;
      exchange->request.connection = connection;
      return OnHeaders(connection, *exchange);
    }
    auto& exchange = *static_cast<Exchange*>(*context);
    if (*size > 0) return OnBody(exchange, data, size);
    if (exchange.refused) return Send(connection, exchange, std::move(*exchange.refused));
    return Answer(connection, exchange);
  } catch (const std::exception&) {  // out of memory: costs this connection
    return MHD_NO;
  }
}

void OnCompleted(void*, MHD_Connection*, void** context, MHD_RequestTerminationCode) {
  const std::unique_ptr<Exchange> exchange(static_cast<Exchange*>(*context));
  *context = nullptr;
  if (exchange == nullptr) return;
  exchange->server.handler.Done(
      exchange->request, exchange->status,
      std::chrono::duration<double>(Clock::now() - exchange->start).count());
}

// Decodes a path's %XX in place. An encoded NUL would end the path early, so it stays as it came.
size_t UnescapePath(void*, MHD_Connection*, char* path) {
  if (std::strstr(path, "%00") != nullptr) return std::strlen(path);
  return MHD_http_unescape(path);
}

struct FreeAddress {
  void operator()(addrinfo* address) const { freeaddrinfo(address); }
};

std::unique_ptr<addrinfo, FreeAddress> Resolve(const HttpOptions& options) {
  addrinfo hints = {};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(options.host.c_str(), std::to_string(options.port).c_str(), &hints, &found);
  if (error != 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "cannot listen on host " + options.host + ": " + gai_strerror(error));
  }
  return std::unique_ptr<addrinfo, FreeAddress>(found);
}

}  // namespace

std::optional<HttpResponse> HttpServer::Impl::RefuseEarly(const HttpRequest& request) const {
  if (auto refused = handler.Refuse(request)) return refused;
  const std::string length = request.Header("Content-Length").value_or("0");
  uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bytes);
  if (error == std::errc::result_out_of_range || bytes > options.max_body_bytes) {
    return handler.TooLarge(request);
  }
  return std::nullopt;
}

HttpServer::HttpServer(const HttpOptions& options, HttpHandler& handler)
    : impl_(new Impl{options, handler}) {
  const auto address = Resolve(options);
  unsigned flags =
      MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC;
  if (address->ai_family == AF_INET6) flags |= MHD_USE_IPv6;
  constexpr size_t kStackBytes = 1u << 20;
  errno = 0;
  impl_->daemon = MHD_start_daemon(
      flags, 0, nullptr, nullptr, OnRequest, impl_.get(), MHD_OPTION_SOCK_ADDR, address->ai_addr,
      MHD_OPTION_NOTIFY_COMPLETED, OnCompleted, nullptr, MHD_OPTION_UNESCAPE_CALLBACK, UnescapePath,
      nullptr, MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(options.max_connections),
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(options.idle_seconds),
      MHD_OPTION_THREAD_STACK_SIZE, kStackBytes, MHD_OPTION_END);
  if (impl_->daemon == nullptr) {
    throw Error(ErrorCode::kIo, "cannot listen on " + options.host + " port " +
                                    std::to_string(options.port) + ": " +
                                    (errno != 0 ? std::strerror(errno) : "refused"));
  }
}

HttpServer::~HttpServer() { MHD_stop_daemon(impl_->daemon); }

int HttpServer::port() const {
  const MHD_DaemonInfo* info = MHD_get_daemon_info(impl_->daemon, MHD_DAEMON_INFO_BIND_PORT);
  return info != nullptr ? info->port : impl_->options.port;
}

void HttpServer::StopListening() {
  const MHD_socket listener = MHD_quiesce_daemon(impl_->daemon);
  if (listener != MHD_INVALID_SOCKET) close(listener);
}

}  // namespace uffizi::server
