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

// What the API needs of HTTP/1.1, over Boost.Beast.
namespace uffizi::server {

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // "/v1/models", decoded, without the query
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body;
  ByteLease body_bytes = {};  // the body's share of what all requests may hold
  std::string client;         // its address, "" on a unix socket
  int socket = -1;

  // Of the name, in any case; nothing if the client did not send it. Of a field that came several
  // times, the first.
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
  // If set, it is the body: called for one piece after the other, until it returns nothing. It may
  // take a few seconds for each. It is destroyed early if the client goes away.
  std::function<std::optional<std::string>()> stream = {};
  std::string cause = {};  // what a log should say of this answer, "" for nothing
};

// What became of a request, for logs and counters.
struct HttpExchange {
  std::string method, path, client;
  int status = 0;          // 0: there was no answer
  bool whole = false;      // the answer went out to its last byte
  uint64_t bytes_in = 0;   // of the body
  uint64_t bytes_out = 0;  // of the answer's body
  double seconds = 0;      // since the request's first byte
  std::string cause;       // of the answer
};

// Called on many threads at once; what it throws is answered by Failed.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Whether the request is answered at once from what is at hand, as a page or a counter is. Such
  // ones are answered whatever else waits, and even where no more connections are taken if they
  // are Vital.
  virtual bool Quick(const HttpRequest& request) const = 0;
  virtual bool Vital(const HttpRequest& request) const = 0;
  // A request's first byte has come; each is ended by Done.
  virtual void Begun() = 0;
  // Called when the headers have come: an answer here spares the client the upload.
  virtual std::optional<HttpResponse> Refuse(const HttpRequest& request) = 0;
  // How many bytes of memory a byte of the body takes until it is read.
  virtual size_t BytesHeld(const HttpRequest& request) const = 0;
  // May take the body out of the request.
  virtual HttpResponse Answer(HttpRequest& request) = 0;
  // What is wrong with the request, or with us: any Problem of the connection's, too.
  virtual HttpResponse Failed(const HttpRequest& request, const std::exception& error) = 0;
  // After the last byte has gone out or the client has.
  virtual void Done(const HttpExchange& exchange) = 0;
};

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;          // 0: any free one
  std::string unix_socket;  // a path to listen on instead; "": none
  size_t max_body_bytes = 32u << 20;
  size_t max_held_bytes = 512u << 20;  // of all requests' bodies together
  int max_connections = 256;
  int max_per_address = 128;  // of those; 0: as many as there are
  int reserve = 16;           // connections beyond max_connections, for vital requests
  size_t max_busy = 96;       // requests that are read or answered at once, each on a thread
  double idle_seconds = 30;   // between two requests
  double head_seconds = 10;   // for a request's line and headers as a whole
  double body_seconds = 120;  // for a body as a whole
  double write_seconds = 60;  // for an answer as a whole, or one piece of a stream
};

class HttpServer {
 public:
  // Listens at once. `handler` must outlive the server. Throws Error(kInvalidArgument) if the host
  // is no address, Error(kIo) if it cannot listen there.
  HttpServer(const HttpOptions& options, HttpHandler& handler);
  // Closes every connection, once what is being answered has been.
  ~HttpServer();

  int port() const;  // 0 on a unix socket
  // What is held for requests now, in bytes.
  size_t held_bytes() const;
  size_t connections() const;
  // New connections are refused from here on; those that are open go on.
  void StopListening();

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_HTTP_H_
