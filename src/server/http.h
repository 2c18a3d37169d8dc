#ifndef UFFIZI_SERVER_HTTP_H_
#define UFFIZI_SERVER_HTTP_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/byte_budget.h"

// The part of HTTP/1.1 that the API needs, on top of Boost.Beast.
namespace uffizi::server {

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // "/v1/models", decoded, without the query
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body;
  ByteLease body_bytes = {};  // the body's share of the memory for all requests
  std::string client;         // its address, "" on a unix socket
  int socket = -1;
  std::function<bool()> gone = {};  // of whoever asks over no socket: it waits no more

  // The value of a header, ignoring case; nothing if the client did not send it. Of repeated
  // headers, the first.
  std::optional<std::string_view> Header(std::string_view name) const;
  // "application/json" of "Content-Type: Application/JSON; charset=utf-8"; "" if there is none.
  std::string MediaType() const;
  // Whether the client has closed its side of the connection.
  bool ClientGone() const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  // If set, produces the body: called for one piece after the other until it returns nothing. Each
  // may take a few seconds. It is destroyed early if the client disconnects.
  std::function<std::optional<std::string>()> stream = {};
  std::string cause = {};  // for the log; "" for nothing
};

// The outcome of a request, for logs and counters.
struct HttpExchange {
  std::string method, path, client;
  int status = 0;          // 0: there was no answer
  bool whole = false;      // the response was sent completely
  uint64_t bytes_in = 0;   // of the body
  uint64_t bytes_out = 0;  // of the answer's body
  double seconds = 0;      // since the request's first byte
  std::string cause;       // of the answer
};

// Called on many threads at once; exceptions are answered by Failed().
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Whether the request can be answered immediately, such as a page or a counter. Such requests are
  // answered whatever else waits; those that are Vital() are answered even when no more connections
  // are accepted.
  virtual bool Quick(const HttpRequest& request) const = 0;
  virtual bool Vital(const HttpRequest& request) const = 0;
  // Called at a request's first byte; each is ended by Done().
  virtual void Begun() = 0;
  // Called after the headers: a response here saves the client the upload.
  virtual std::optional<HttpResponse> Refuse(const HttpRequest& request) = 0;
  // Memory per byte of the body until it is processed.
  virtual size_t BytesHeld(const HttpRequest& request) const = 0;
  // May move the body out of the request.
  virtual HttpResponse Answer(HttpRequest& request) = 0;
  // The response to an error of the request or the server, including Problems of the connection.
  virtual HttpResponse Failed(const HttpRequest& request, const std::exception& error) = 0;
  // Called after the last byte was sent or the client has disconnected.
  virtual void Done(const HttpExchange& exchange) = 0;
};

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;          // 0: any free one
  std::string unix_socket;  // a path to listen on instead; "": none
  size_t max_body_bytes = 32u << 20;
  size_t max_held_bytes = 512u << 20;  // of all requests' bodies together
  int max_connections = 256;
  int max_per_address = 128;  // of those, from one address; 0: no limit
  int reserve = 16;           // connections beyond max_connections, for vital requests
  size_t max_busy = 96;       // requests that are read or answered concurrently, each on a thread
  double idle_seconds = 30;   // between two requests
  double head_seconds = 10;   // for the whole request line and headers
  double body_seconds = 120;  // for a whole body
  double write_seconds = 60;  // for a whole response, or one piece of a stream
};

class HttpServer {
 public:
  // Listens at once. `handler` must outlive the server. Throws Error(kInvalidArgument) if the host
  // is no address, Error(kIo) if it cannot listen there.
  HttpServer(const HttpOptions& options, HttpHandler& handler);
  // Closes every connection after its current request has been answered.
  ~HttpServer();

  int port() const;  // 0 on a unix socket
  // Bytes currently held for requests.
  size_t held_bytes() const;
  size_t connections() const;
  // Refuses new connections from here on; open ones continue.
  void StopListening();

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_HTTP_H_
