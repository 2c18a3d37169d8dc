#ifndef UFFIZI_SERVER_HTTP_CONNECTION_H_
#define UFFIZI_SERVER_HTTP_CONNECTION_H_

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "server/http.h"
#include "server/http_head.h"

namespace uffizi::server {

// State shared by all connections of a server. Used by the server's I/O thread; handlers run on the
// pool.
struct HttpShared {
  HttpShared(const HttpOptions& wanted, HttpHandler& answers)
      : options(wanted), handler(answers), held(wanted.max_held_bytes), pool(wanted.max_busy) {}

  const HttpOptions options;
  HttpHandler& handler;
  ByteBudget held;
  boost::asio::thread_pool pool;
  size_t busy = 0;       // requests that occupy a thread of the pool
  bool closing = false;  // each response is its connection's last
};

// One connection, from its first byte to its last.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  using Stream = boost::beast::basic_stream<boost::asio::generic::stream_protocol>;
  using Clock = std::chrono::steady_clock;
  // Whether, and why, a connection is restricted.
  enum class Admission {
    kFull,       // as any
    kVitalOnly,  // too many connections: only vital requests
    kTooMany,    // too many from this address
  };

  HttpConnection(HttpShared& shared, Stream::socket_type socket, std::string client,
                 Admission admission);

  // Answers requests until the connection ends. Throws nothing.
  boost::asio::awaitable<void> Run();

  const std::string& client() const { return client_; }
  Admission admission() const { return admission_; }
  // Between two requests, when closing it does no harm.
  bool idle() const { return idle_; }
  Clock::time_point since() const { return since_; }  // start of its current state
  // Closes it as soon as the pending operation completes.
  void Close();

 private:
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;

  Awaitable<bool> WaitForRequest();
  Awaitable<std::string> ReadHeadText();
  Awaitable<bool> Serve();  // one request; false: the connection ends
  Awaitable<bool> ServeRead(HttpHead& head);
  Awaitable<void> ReadBody(HttpHead& head);
  Awaitable<void> Fill(size_t limit);
  Awaitable<HttpResponse> Answer(HttpRequest& request);
  Awaitable<bool> Send(HttpResponse response, bool keep_alive);
  Awaitable<void> SendPieces(const HttpResponse& response, bool chunked);
  Awaitable<void> Drain();
  std::optional<HttpResponse> RefuseEarly(const HttpHead& head);
  void Reserve(HttpHead& head);
  void Finish();

  HttpShared& shared_;
  Stream stream_;
  const std::string client_;
  const Admission admission_;
  boost::beast::flat_buffer buffer_;
  std::optional<HttpParser> parser_;
  HttpExchange exchange_;
  Clock::time_point since_ = Clock::now();
  bool idle_ = true;
  bool body_unread_ = false;  // bytes of it may still arrive
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_HTTP_CONNECTION_H_
