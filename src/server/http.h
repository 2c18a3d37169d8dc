#ifndef UFFIZI_SERVER_HTTP_H_
#define UFFIZI_SERVER_HTTP_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// What the API needs of HTTP/1.1, over GNU libmicrohttpd. Each connection has a thread, so that a
// handler may simply wait for its answer.
struct MHD_Connection;

namespace uffizi::server {

// One field of a multipart/form-data body.
struct FormField {
  std::string name;
  std::string filename;  // "" if the client named none
  std::string data;
};

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // "/v1/models", decoded, without the query
  std::string body;
  MHD_Connection* connection = nullptr;

  // Of the name, in any case; nothing if the client did not send it.
  std::optional<std::string> Header(const char* name) const;
  // "application/json" of "Content-Type: Application/JSON; charset=utf-8"; "" if there is none.
  std::string MediaType() const;
  // The body's fields in their order; nothing if it is not a whole multipart/form-data.
  std::optional<std::vector<FormField>> Form() const;
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
};

// Called on many threads at once; what it throws is answered by Failed.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Called when the headers have come: an answer here spares the client the upload.
  virtual std::optional<HttpResponse> Refuse(const HttpRequest& request) = 0;
  virtual HttpResponse Answer(const HttpRequest& request) = 0;
  virtual HttpResponse TooLarge(const HttpRequest& request) = 0;  // the body is over the limit
  virtual HttpResponse Failed(const HttpRequest& request, const std::exception& error) = 0;
  // After the last byte has gone out or the client has; `seconds` since the headers came.
  virtual void Done(const HttpRequest& request, int status, double seconds) = 0;
};

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;  // 0: any free one
  size_t max_body_bytes = 32u << 20;
  int max_connections = 256;
  int idle_seconds = 30;  // without a byte in either direction, or between two requests
};

class HttpServer {
 public:
  // Listens at once. `handler` must outlive the server. Throws Error(kInvalidArgument) if the host
  // is no address, Error(kIo) if it cannot listen there.
  HttpServer(const HttpOptions& options, HttpHandler& handler);
  // Closes every connection.
  ~HttpServer();

  int port() const;
  // New connections are refused from here on; those that are open go on.
  void StopListening();

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_HTTP_H_
