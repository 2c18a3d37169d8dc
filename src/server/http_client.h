#ifndef UFFIZI_SERVER_HTTP_CLIENT_H_
#define UFFIZI_SERVER_HTTP_CLIENT_H_

#include <chrono>
#include <memory>
#include <string>

namespace uffizi::server {

// A server's address: "http://HOST[:PORT]" or "unix:PATH".
struct ServerAddress {
  std::string host, port;   // of http
  std::string unix_socket;  // "" if it is not one

  // Throws Error(kInvalidArgument).
  static ServerAddress Parse(const std::string& url);
};

struct ClientResponse {
  int status = 0;
  std::string body;
};

// A connection to a server, opened at the first request and reopened when it has been closed. Used
// by `uffizi health` and `uffizi bench`. Not thread-safe.
class HttpClient {
 public:
  HttpClient(ServerAddress address, std::chrono::seconds timeout, std::string api_key = "");
  ~HttpClient();

  // Throws Error(kIo) if there is no complete response.
  ClientResponse Get(const std::string& path);
  ClientResponse Post(const std::string& path, const std::string& content_type,
                      const std::string& body);

 private:
  struct Connection;
  ClientResponse Send(const char* method, const std::string& path, const std::string& content_type,
                      const std::string& body);

  const ServerAddress address_;
  const std::chrono::seconds timeout_;
  const std::string api_key_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_HTTP_CLIENT_H_
