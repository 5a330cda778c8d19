// A small HTTP/1.1 server on loopback that answers as a test tells it to. For tests only.
//
// One thread a connection; the handler runs on it, once a request. Everything is stopped and joined
// by the destructor.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"

namespace plimsoll::kube {

class ScriptedServer {
 public:
  struct Request {
    std::string method;
    std::string target;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    int connection = 0;  // the how manieth, from 1

    [[nodiscard]] std::string header(const std::string& name) const {
      const auto found = headers.find(name);
      return found != headers.end() ? found->second : "";
    }
    [[nodiscard]] bool has(std::string_view part) const {
      return target.find(part) != std::string::npos;
    }
  };
  struct Tls {
    std::string certificate_pem;
    std::string key_pem;
    std::string client_ca_pem;  // empty: no client certificate is asked for
  };

  class Connection {
   public:
    Connection(int fd, SSL* ssl, const std::atomic<bool>& stopping)
        : fd_(fd), ssl_(ssl), stopping_(stopping) {}

    void raw(std::string_view bytes) {
      while (!bytes.empty() && open_) {
        const int wrote =
            ssl_ != nullptr
                ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                : static_cast<int>(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
        if (wrote <= 0) {
          open_ = false;
          return;
        }
        bytes.remove_prefix(static_cast<std::size_t>(wrote));
      }
    }
    void respond(int status, std::string_view body, std::string_view headers = "") {
      raw("HTTP/1.1 " + std::to_string(status) +
          " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
          "\r\n" + std::string(headers) + "\r\n" + std::string(body));
    }
    void begin_chunks() {
      raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: "
          "chunked\r\n\r\n");
    }
    void chunk(std::string_view bytes) {
      char size[32];
      std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
      raw(size + std::string(bytes) + "\r\n");
    }
    void end_chunks() { raw("0\r\n\r\n"); }
    // Breaks the connection, whatever was sent.
    void cut() {
      open_ = false;
      ::shutdown(fd_, SHUT_RDWR);
    }
    // Says nothing until the client leaves or the server is stopped.
    void hold() {
      pollfd one{.fd = fd_, .events = POLLIN | POLLRDHUP};
      while (!stopping_ && open_) {
        if (::poll(&one, 1, 20) > 0) {
          open_ = false;
        }
      }
    }
    // Waits for `done`, or until the client leaves or the server is stopped.
    void until(const std::function<bool()>& done) {
      pollfd one{.fd = fd_, .events = POLLRDHUP};
      while (!stopping_ && open_ && !done()) {
        if (::poll(&one, 1, 2) > 0) {
          open_ = false;
        }
      }
    }
    [[nodiscard]] bool open() const { return open_; }

   private:
    friend class ScriptedServer;
    int read(char* to, int size) {
      return ssl_ != nullptr ? SSL_read(ssl_, to, size)
                             : static_cast<int>(::recv(fd_, to, static_cast<std::size_t>(size), 0));
    }
    int fd_;
    SSL* ssl_;
    const std::atomic<bool>& stopping_;
    bool open_ = true;
  };
  using Handler = std::function<void(const Request&, Connection&)>;

  explicit ScriptedServer(Handler handler) : ScriptedServer(std::move(handler), Tls()) {}
  ScriptedServer(Handler handler, const Tls& tls) : handler_(std::move(handler)) {
    std::signal(SIGPIPE, SIG_IGN);
    if (!tls.certificate_pem.empty()) {
      context_ = make_context(tls);
    }
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    check(::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0, "bind");
    check(::listen(listener_, 128) == 0, "listen");
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this] { accept_all(); });
  }
  ~ScriptedServer() {
    stopping_ = true;
    acceptor_.join();
    {
      const std::scoped_lock lock(mutex_);
      for (const int fd : fds_) {
        ::shutdown(fd, SHUT_RDWR);
      }
    }
    threads_.clear();
    ::close(listener_);
    SSL_CTX_free(context_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string url() const {
    return (context_ != nullptr ? "https" : "http") + std::string("://127.0.0.1:") +
           std::to_string(port_);
  }
  // Every request so far, in order of arrival.
  [[nodiscard]] std::vector<Request> requests() const {
    const std::scoped_lock lock(mutex_);
    return requests_;
  }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  static BIO* bio(const std::string& pem) {
    return BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  }
  static SSL_CTX* make_context(const Tls& tls) {
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    BIO* in = bio(tls.certificate_pem);
    X509* certificate = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
    BIO_free(in);
    in = bio(tls.key_pem);
    EVP_PKEY* key = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
    BIO_free(in);
    SSL_CTX_use_certificate(context, certificate);
    SSL_CTX_use_PrivateKey(context, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
    if (!tls.client_ca_pem.empty()) {
      in = bio(tls.client_ca_pem);
      X509* authority = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
      BIO_free(in);
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority);
      X509_free(authority);
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    return context;
  }

  void accept_all() {
    while (!stopping_) {
      pollfd one{.fd = listener_, .events = POLLIN};
      if (::poll(&one, 1, 20) <= 0) {
        continue;
      }
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) {
        continue;
      }
      const std::scoped_lock lock(mutex_);
      fds_.push_back(fd);
      threads_.emplace_back([this, fd, number = ++connections_] { serve(fd, number); });
    }
  }

  void serve(int fd, int number) {
    SSL* ssl = nullptr;
    bool shaken = true;
    if (context_ != nullptr) {
      ssl = SSL_new(context_);
      SSL_set_fd(ssl, fd);
      shaken = SSL_accept(ssl) == 1;
    }
    Connection connection(fd, ssl, stopping_);
    std::string buffer;
    while (shaken && connection.open() && !stopping_) {
      Request request{.connection = number};
      if (!read_request(connection, buffer, request)) {
        break;
      }
      {
        const std::scoped_lock lock(mutex_);
        requests_.push_back(request);
      }
      handler_(request, connection);
    }
    SSL_free(ssl);
    const std::scoped_lock lock(mutex_);
    std::erase(fds_, fd);
    ::close(fd);
  }

  static bool more(Connection& connection, std::string& buffer) {
    char bytes[16384];
    const int got = connection.read(bytes, sizeof bytes);
    if (got <= 0) {
      return false;
    }
    buffer.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  static bool read_request(Connection& connection, std::string& buffer, Request& request) {
    std::size_t end = 0;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      if (!more(connection, buffer)) {
        return false;
      }
      if (buffer[0] == '\x16') {  // TLS, of which this server knows nothing
        connection.raw("HTTP/1.1 400 Bad Request\r\n\r\n");
        return false;
      }
    }
    const std::string head = buffer.substr(0, end + 2);
    buffer.erase(0, end + 4);
    const std::size_t space = head.find(' ');
    request.method = head.substr(0, space);
    request.target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
    for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
      const std::size_t line_end = head.find("\r\n", at);
      const std::size_t colon = head.find(':', at);
      std::string name = head.substr(at, colon - at);
      for (char& c : name) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      }
      request.headers[name] = head.substr(colon + 2, line_end - colon - 2);
      at = line_end + 2;
    }
    const std::string length = request.header("content-length");
    const std::size_t size = length.empty() ? 0 : std::stoul(length);
    while (buffer.size() < size) {
      if (!more(connection, buffer)) {
        return false;
      }
    }
    request.body = buffer.substr(0, size);
    buffer.erase(0, size);
    return true;
  }

  Handler handler_;
  SSL_CTX* context_ = nullptr;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::vector<int> fds_;
  std::list<std::jthread> threads_;
  std::jthread acceptor_;
};

}  // namespace plimsoll::kube
