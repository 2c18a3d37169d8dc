#include "server/http_client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>

#include "uffizi/error.h"

namespace uffizi::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr size_t kMaxAnswer = size_t{64} << 20;

}  // namespace

ServerAddress ServerAddress::Parse(const std::string& url) {
  constexpr std::string_view kUnix = "unix:", kHttp = "http://";
  ServerAddress address;
  if (url.starts_with(kUnix)) {
    address.unix_socket = url.substr(kUnix.size());
    return address;
  }
  if (!url.starts_with(kHttp)) {
    throw Error(
        ErrorCode::kInvalidArgument,
        url + ": must be http://HOST[:PORT] or unix:PATH (behind TLS, ask the server itself)");
  }
  std::string rest = url.substr(kHttp.size());
  rest.resize(std::min(rest.size(), rest.find('/')));
  const size_t bracket = rest.find(']');  // of an IPv6 address
  const size_t colon = rest.find(':', bracket == std::string::npos ? 0 : bracket);
  address.port = colon == std::string::npos ? "80" : rest.substr(colon + 1);
  address.host = rest.substr(0, colon);
  if (address.host.starts_with('[')) address.host = address.host.substr(1, address.host.size() - 2);
  if (address.host.empty() || address.port.empty()) {
    throw Error(ErrorCode::kInvalidArgument, url + ": names no host");
  }
  return address;
}

struct HttpClient::Connection {
  using Stream = beast::basic_stream<asio::generic::stream_protocol>;

  asio::io_context io;
  Stream stream{io};
  beast::flat_buffer buffer;

  // Runs the started operation with the stream's timeout, which only asynchronous calls have.
  void Finish() {
    io.restart();
    io.run();
  }

  void Open(const ServerAddress& address, std::chrono::seconds timeout) {
    boost::system::error_code error;
    stream.expires_after(timeout);
    const auto done = [&](const boost::system::error_code& result) { error = result; };
    if (!address.unix_socket.empty()) {
      stream.async_connect(asio::local::stream_protocol::endpoint(address.unix_socket), done);
      Finish();
    } else {
      asio::ip::tcp::resolver resolver(io);
      for (const auto& entry : resolver.resolve(address.host, address.port, error)) {
        stream.async_connect(asio::generic::stream_protocol::endpoint(entry.endpoint()), done);
        Finish();
        if (!error) break;
      }
    }
    if (error) throw boost::system::system_error(error);
  }
};

HttpClient::HttpClient(ServerAddress address, std::chrono::seconds timeout, std::string api_key)
    : address_(std::move(address)), timeout_(timeout), api_key_(std::move(api_key)) {}
HttpClient::~HttpClient() = default;

ClientResponse HttpClient::Get(const std::string& path) { return Send("GET", path, "", ""); }

ClientResponse HttpClient::Post(const std::string& path, const std::string& content_type,
                                const std::string& body) {
  return Send("POST", path, content_type, body);
}

ClientResponse HttpClient::Send(const char* method, const std::string& path,
                                const std::string& content_type, const std::string& body) {
  try {
    if (!connection_) {
      connection_ = std::make_unique<Connection>();
      connection_->Open(address_, timeout_);
    }
    http::request<http::string_body> request(http::string_to_verb(method), path, 11, body);
    request.set(http::field::host, address_.host.empty() ? "localhost" : address_.host);
    if (!content_type.empty()) request.set(http::field::content_type, content_type);
    if (!api_key_.empty()) request.set(http::field::authorization, "Bearer " + api_key_);
    request.prepare_payload();
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMaxAnswer);
    boost::system::error_code failed;
    const auto keep = [&](const boost::system::error_code& error, size_t) {
      if (error && !failed) failed = error;
    };
    connection_->stream.expires_after(timeout_);
    // Sends and receives concurrently: a server may refuse a request before it has received all of
    // it.
    http::async_write(connection_->stream, request,
                      [](const boost::system::error_code&, size_t) {});
    http::async_read(connection_->stream, connection_->buffer, parser, keep);
    connection_->Finish();
    if (failed) throw boost::system::system_error(failed);
    ClientResponse response{static_cast<int>(parser.get().result_int()),
                            std::move(parser.get().body())};
    if (!parser.keep_alive()) connection_.reset();
    return response;
  } catch (const boost::system::system_error& error) {
    connection_.reset();
    throw Error(ErrorCode::kIo, (address_.unix_socket.empty() ? address_.host + ":" + address_.port
                                                              : address_.unix_socket) +
                                    ": " + error.code().message());
  }
}

}  // namespace uffizi::server
