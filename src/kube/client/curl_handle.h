// One libcurl easy handle, reused for many requests: what is the same for all of them is set once.
//
// Owned by a Client and used on its IO thread only. Beside it, what libcurl's codes mean to a
// person.
#pragma once

#include <curl/curl.h>

#include <array>
#include <memory>
#include <span>
#include <string>

#include "kube/client/api_error.h"
#include "kube/client/credentials.h"
#include "kube/client/transport.h"

namespace plimsoll::kube {

// Request headers. Shared between requests in flight and the cache that made them, which drops
// them when the identity changes.
struct HeaderList {
  std::string content_type;  // empty: no body
  std::string accept;
  std::shared_ptr<const Identity> identity;
  curl_slist* list = nullptr;  // what libcurl does not send by itself
  std::string lines;           // all of them, as http1.h wants them

  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  ~HeaderList() { curl_slist_free_all(list); }
};

std::shared_ptr<const HeaderList> make_headers(const ClientConfig& config,
                                               std::string_view user_agent,
                                               std::shared_ptr<const Identity> identity,
                                               std::string_view content_type,
                                               std::string_view accept);

class CurlHandle {
 public:
  // What libcurl calls back; `user` is the pointer given to begin() or make().
  struct Hooks {
    curl_write_callback on_body = nullptr;  // user: begin()'s
    curl_opensocket_callback open_socket = nullptr;
    curl_closesocket_callback close_socket = nullptr;  // user: `owner`
    void* owner = nullptr;
  };
  // `config` and `options` outlive the handle. Errors (bad_input): what libcurl refuses.
  static Result<std::unique_ptr<CurlHandle>> make(const ClientConfig& config,
                                                  const ClientOptions& options, const Hooks& hooks);
  ~CurlHandle();
  CurlHandle(const CurlHandle&) = delete;
  CurlHandle& operator=(const CurlHandle&) = delete;

  // Sets up one attempt; `request` and `headers` outlive it.
  void begin(const Request& request, std::shared_ptr<const HeaderList> headers, void* user);
  void end() { headers_.reset(); }
  // Sets up to connect and no more: what goes over the connection is for send() and receive(). For
  // good.
  void begin_connection(const std::shared_ptr<const Identity>& identity, void* user);
  // CURLE_AGAIN: not now.
  CURLcode send(std::string_view bytes, std::size_t& sent);
  CURLcode receive(std::span<char> buffer, std::size_t& received);
  [[nodiscard]] int socket() const;

  [[nodiscard]] CURL* get() const { return easy_; }
  // Of the last attempt.
  [[nodiscard]] const std::shared_ptr<const Identity>& identity() const;
  [[nodiscard]] int status() const;
  [[nodiscard]] std::int64_t content_length() const;  // -1: unknown
  [[nodiscard]] std::int64_t retry_after_s() const;   // 0: none
  [[nodiscard]] std::uint64_t bytes_in() const;
  [[nodiscard]] std::uint64_t bytes_out() const;
  [[nodiscard]] std::uint64_t connections() const;  // that the last attempt opened
  // What the attempt's failure means.
  [[nodiscard]] ApiError failure(CURLcode code, const ClientConfig& config) const;

 private:
  explicit CurlHandle(CURL* easy) : easy_(easy) {}
  Result<void> set_up(const ClientConfig& config, const ClientOptions& options, const Hooks& hooks);
  void use(const std::shared_ptr<const Identity>& identity);

  CURL* easy_;
  std::shared_ptr<const HeaderList> headers_;
  std::shared_ptr<const Identity> identity_;  // whose certificate is set
  std::string connect_to_;
  curl_slist* connect_to_list_ = nullptr;
  std::array<char, CURL_ERROR_SIZE> error_{};
};

// The path of a URL, which comes before that of each request; empty: none.
std::string path_prefix_of(const std::string& url);
// The host of a URL, without brackets; empty: none.
std::string host_of(const std::string& url);
// Whether `host` is this machine: localhost, 127.0.0.0/8 or ::1.
bool is_loopback(std::string_view host);

}  // namespace plimsoll::kube
