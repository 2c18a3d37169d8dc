#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <future>
#include <map>
#include <set>
#include <thread>

#include "core/owned_files.h"
#include "server/http_connection.h"
#include "uffizi/error.h"

namespace uffizi::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::local::stream_protocol;

// One IPv6 customer has 2^64 addresses.
std::string AddressKey(const asio::ip::address& address) {
  if (address.is_v4()) return address.to_string();
  asio::ip::address_v6 six = address.to_v6();
  if (six.is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, six).to_string();
  auto bytes = six.to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), 0);
  return asio::ip::address_v6(bytes).to_string();
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const HttpOptions& options, HttpHandler& handler)
      : shared_(options, handler), acceptor_(io_), retry_(io_) {
    Listen();
    asio::co_spawn(io_, Accept(), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }

  ~Impl() {
    Call([&] {
      shared_.closing = true;
      StopAccepting();
      for (const auto& connection : connections_) connection->Close();
    });
    work_.reset();
    thread_.join();
    shared_.pool.join();
    RemoveSocketFile();
  }

  int port() const { return port_; }
  size_t held() const { return shared_.held.used(); }
  size_t connections() const { return count_; }
  void StopListening() {
    Call([&] {
      shared_.closing = true;
      StopAccepting();
      for (const auto& connection : connections_) {
        if (connection->idle()) connection->Close();
      }
    });
    RemoveSocketFile();
  }

 private:
  using Socket = asio::generic::stream_protocol::socket;
  using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;

  // Runs `action` on the I/O thread and waits for it to finish.
  template <typename Action>
  void Call(const Action& action) {
    std::promise<void> done;
    asio::post(io_, [&] {
      action();
      done.set_value();
    });
    done.get_future().wait();
  }

  void StopAccepting() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
  }

  void RemoveSocketFile() {
    if (socket_file_.empty()) return;
    RemoveSocket(socket_file_);
    socket_file_.clear();
  }

  void Listen() {
    const HttpOptions& options = shared_.options;
    if (!options.unix_socket.empty()) {
      ListenOnFile(options.unix_socket);
      return;
    }
    boost::system::error_code error;
    tcp::resolver resolver(io_);
    const auto found =
        resolver.resolve(options.host, std::to_string(options.port),
                         tcp::resolver::passive | tcp::resolver::numeric_service, error);
    if (error || found.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "cannot listen on host " + options.host + ": " + error.message());
    }
    const tcp::endpoint endpoint = *found.begin();
    Open(endpoint, options.host + " port " + std::to_string(options.port));
    tcp::endpoint bound;
    socklen_t size = static_cast<socklen_t>(bound.capacity());
    getsockname(acceptor_.native_handle(), bound.data(), &size);
    port_ = bound.port();
  }

  // Replaces a socket left behind by a killed server, but not one that answers or another kind of
  // file.
  void ListenOnFile(const std::string& path) {
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
      throw Error(ErrorCode::kInvalidArgument, path + ": too long for a socket's name");
    }
    const stream_protocol::endpoint endpoint(path);
    stream_protocol::socket probe(io_);
    boost::system::error_code error;
    probe.connect(endpoint, error);
    if (error == asio::error::connection_refused) RemoveSocket(path);
    Open(endpoint, path);
    socket_file_ = path;
  }

  template <typename Endpoint>
  void Open(const Endpoint& endpoint, const std::string& name) {
    boost::system::error_code error;
    const asio::generic::stream_protocol protocol(endpoint.protocol());
    acceptor_.open(protocol, error);
    if (!error && endpoint.protocol().family() != AF_UNIX) {
      acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    }
    if (!error) acceptor_.bind(asio::generic::stream_protocol::endpoint(endpoint), error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) throw Error(ErrorCode::kIo, "cannot listen on " + name + ": " + error.message());
  }

  asio::awaitable<void> Accept() {
    while (acceptor_.is_open()) {
      boost::system::error_code error;
      Socket socket(io_);
      co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
      if (!acceptor_.is_open()) break;
      if (error) {  // probably out of descriptors; some will become free
        retry_.expires_after(std::chrono::milliseconds(50));
        co_await retry_.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      try {
        Take(std::move(socket));
      } catch (const std::exception&) {  // out of memory: closes this connection
      }
    }
  }

  std::string ClientOf(const Socket& socket) const {
    if (!shared_.options.unix_socket.empty()) return "";
    boost::system::error_code error;
    const auto remote = socket.remote_endpoint(error);
    tcp::endpoint endpoint;
    if (error || remote.size() > endpoint.capacity()) return "?";
    std::memcpy(endpoint.data(), remote.data(), remote.size());
    return AddressKey(endpoint.address());
  }

  HttpConnection::Admission Admit(const std::string& client) {
    const HttpOptions& options = shared_.options;
    const auto full = static_cast<size_t>(options.max_connections);
    const auto known = by_client_.find(client);
    if (!client.empty() && options.max_per_address > 0 && known != by_client_.end() &&
        known->second >= options.max_per_address) {
      // An idle connection makes way for a new one.
      if (!CloseOldest(
              [&](const HttpConnection& one) { return one.idle() && one.client() == client; })) {
        return Reserve(HttpConnection::Admission::kTooMany);
      }
    }
    if (connections_.size() >= full &&
        !CloseOldest([](const HttpConnection& one) { return one.idle(); })) {
      return Reserve(HttpConnection::Admission::kVitalOnly);
    }
    return HttpConnection::Admission::kFull;
  }

  // A new connection replaces the oldest reserved one.
  HttpConnection::Admission Reserve(HttpConnection::Admission kind) {
    if (reserved_ >= shared_.options.reserve) {
      CloseOldest([](const HttpConnection& one) {
        return one.admission() != HttpConnection::Admission::kFull;
      });
    }
    return kind;
  }

  template <typename Which>
  bool CloseOldest(const Which& which) {
    HttpConnection* oldest = nullptr;
    for (const auto& one : connections_) {
      if (!closed_.contains(one.get()) && which(*one) &&
          (oldest == nullptr || one->since() < oldest->since())) {
        oldest = one.get();
      }
    }
    if (oldest == nullptr) return false;
    oldest->Close();
    closed_.insert(oldest);
    return true;
  }

  void Take(Socket socket) {
    const int on = 1;
    setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::string client = ClientOf(socket);
    const auto admission = Admit(client);
    auto connection =
        std::make_shared<HttpConnection>(shared_, std::move(socket), client, admission);
    connections_.insert(connection);
    const bool full = admission == HttpConnection::Admission::kFull;
    if (full) ++by_client_[client];
    if (!full) ++reserved_;
    count_ = connections_.size();
    asio::co_spawn(
        io_, [connection] { return connection->Run(); },
        [this, connection](std::exception_ptr) { Forget(connection); });
  }

  void Forget(const std::shared_ptr<HttpConnection>& connection) {
    closed_.erase(connection.get());
    connections_.erase(connection);
    count_ = connections_.size();
    if (connection->admission() != HttpConnection::Admission::kFull) {
      --reserved_;
    } else if (--by_client_[connection->client()] == 0) {
      by_client_.erase(connection->client());
    }
  }

  HttpShared shared_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
  Acceptor acceptor_;
  asio::steady_timer retry_;
  std::string socket_file_;
  int port_ = 0;
  std::set<std::shared_ptr<HttpConnection>> connections_;
  std::set<const HttpConnection*> closed_;  // of those, being closed
  std::map<std::string, int> by_client_;    // connections that are admitted in full
  int reserved_ = 0;                        // others
  std::atomic<size_t> count_ = 0;
  std::thread thread_;
};

HttpServer::HttpServer(const HttpOptions& options, HttpHandler& handler)
    : impl_(std::make_unique<Impl>(options, handler)) {}
HttpServer::~HttpServer() = default;

int HttpServer::port() const { return impl_->port(); }
size_t HttpServer::held_bytes() const { return impl_->held(); }
size_t HttpServer::connections() const { return impl_->connections(); }
void HttpServer::StopListening() { impl_->StopListening(); }

}  // namespace uffizi::server
