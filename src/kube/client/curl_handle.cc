#include "kube/client/curl_handle.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"

namespace plimsoll::kube {
namespace {

constexpr long keepalive_idle_s = 30;
constexpr long keepalive_interval_s = 10;

const char* verb(Method method) {
  return method == Method::remove ? "DELETE" : method_name(method);
}

std::string part_of(const std::string& url, CURLUPart part, unsigned flags) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(), &curl_url_cleanup);
  char* text = nullptr;
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK ||
      curl_url_get(parsed.get(), part, &text, flags) != CURLUE_OK) {
    return "";
  }
  std::string copy = text;
  curl_free(text);
  return copy;
}

curl_blob blob_of(const std::string& pem) {
  // libcurl only reads it, and does not copy it.
  return {.data = const_cast<char*>(pem.data()), .len = pem.size(), .flags = CURL_BLOB_NOCOPY};
}

void append(HeaderList& headers, const std::string& line) {
  headers.list = curl_slist_append(headers.list, line.c_str());
  headers.lines += line + "\r\n";
}

}  // namespace

std::string path_prefix_of(const std::string& url) {
  const std::string path = part_of(url, CURLUPART_PATH, 0);
  return path == "/" ? "" : path;
}

std::string host_of(const std::string& url) {
  std::string host = part_of(url, CURLUPART_HOST, 0);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  return host;
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::shared_ptr<const HeaderList> make_headers(const ClientConfig& config,
                                               std::string_view user_agent,
                                               std::shared_ptr<const Identity> identity,
                                               std::string_view content_type,
                                               std::string_view accept) {
  auto headers = std::make_shared<HeaderList>();
  headers->content_type = content_type;
  headers->accept = accept;
  headers->identity = std::move(identity);
  const std::string port = part_of(config.server, CURLUPART_PORT, 0);
  const std::string host = fmt::format("{}{}{}", part_of(config.server, CURLUPART_HOST, 0),
                                       port.empty() ? "" : ":", port);
  headers->lines = fmt::format("Host: {}\r\nUser-Agent: {}\r\n", host, user_agent);
  // libcurl compares each of its own headers with each of these: as few as can be. Its "*/*" means
  // JSON to an API server.
  if (accept != "application/json") {
    append(*headers, fmt::format("Accept: {}", accept));
  }
  if (!content_type.empty()) {
    append(*headers, fmt::format("Content-Type: {}", content_type));
  }
  if (!headers->identity->authorization.empty()) {
    append(*headers, "Authorization: " + headers->identity->authorization);
  }
  const Impersonation& as = config.impersonate;
  if (!as.user.empty()) {
    append(*headers, "Impersonate-User: " + as.user);
  }
  if (!as.uid.empty()) {
    append(*headers, "Impersonate-Uid: " + as.uid);
  }
  for (const std::string& group : as.groups) {
    append(*headers, "Impersonate-Group: " + group);
  }
  for (const auto& [key, values] : as.extra) {
    for (const std::string& value : values) {
      append(*headers, fmt::format("Impersonate-Extra-{}: {}", key, value));
    }
  }
  if (!config.tls_server_name.empty()) {
    // The URL names the certificate's host; the server still sees its own.
    headers->list = curl_slist_append(headers->list, ("Host: " + host).c_str());
  }
  return headers;
}

Result<std::unique_ptr<CurlHandle>> CurlHandle::make(const ClientConfig& config,
                                                     const ClientOptions& options,
                                                     const Hooks& hooks) {
  CURL* easy = curl_easy_init();
  check(easy != nullptr, "libcurl gave no handle");
  std::unique_ptr<CurlHandle> handle(new CurlHandle(easy));
  TRY_VOID(handle->set_up(config, options, hooks));
  return handle;
}

CurlHandle::~CurlHandle() {
  curl_easy_cleanup(easy_);
  curl_slist_free_all(connect_to_list_);
}

Result<void> CurlHandle::set_up(const ClientConfig& config, const ClientOptions& options,
                                const Hooks& hooks) {
  const std::string scheme = part_of(config.server, CURLUPART_SCHEME, 0);
  const std::string host = host_of(config.server);
  if ((scheme != "https" && scheme != "http") || host.empty()) {
    return bad_input(fmt::format("{}: server: found {}, expected https://HOST:PORT", config.origin,
                                 plimsoll::quoted(config.server)));
  }
  CURLcode code = CURLE_OK;
  std::string_view what;
  const auto set = [&](std::string_view name, CURLoption option, auto value) {
    const CURLcode answer = curl_easy_setopt(easy_, option, value);
    if (answer != CURLE_OK && code == CURLE_OK) {
      code = answer;
      what = name;
    }
  };
  std::string url = config.server.substr(0, config.server.find('/', scheme.size() + 3)) + "/";
  if (!config.tls_server_name.empty()) {
    const std::string port = part_of(config.server, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    const bool v6 = config.tls_server_name.find(':') != std::string::npos;
    const std::string name =
        v6 ? fmt::format("[{}]", config.tls_server_name) : config.tls_server_name;
    url = fmt::format("{}://{}:{}/", scheme, name, port);
    connect_to_ =
        fmt::format("{}:{}:{}:{}", name, port, part_of(config.server, CURLUPART_HOST, 0), port);
    connect_to_list_ = curl_slist_append(nullptr, connect_to_.c_str());
    set("tls-server-name", CURLOPT_CONNECT_TO, connect_to_list_);
  }
  set("server", CURLOPT_URL, url.c_str());
  set("server", CURLOPT_PROTOCOLS_STR, scheme.c_str());
  set("", CURLOPT_NOSIGNAL, 1L);
  set("", CURLOPT_FOLLOWLOCATION, 0L);
  set("", CURLOPT_ERRORBUFFER, error_.data());
  set("", CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set("", CURLOPT_USERAGENT, options.user_agent.c_str());
  set("", CURLOPT_TCP_KEEPALIVE, 1L);
  set("", CURLOPT_TCP_KEEPIDLE, keepalive_idle_s);
  set("", CURLOPT_TCP_KEEPINTVL, keepalive_interval_s);
  set("", CURLOPT_WRITEFUNCTION, hooks.on_body);
  set("", CURLOPT_OPENSOCKETFUNCTION, hooks.open_socket);
  set("", CURLOPT_OPENSOCKETDATA, hooks.owner);
  set("", CURLOPT_CLOSESOCKETFUNCTION, hooks.close_socket);
  set("", CURLOPT_CLOSESOCKETDATA, hooks.owner);
  const bool http2 = options.http == HttpVersion::http2;
  set("", CURLOPT_HTTP_VERSION,
      static_cast<long>(http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  set("", CURLOPT_PIPEWAIT, http2 ? 1L : 0L);
  if (!config.proxy_url.empty()) {
    set("proxy-url", CURLOPT_PROXY, config.proxy_url.c_str());
    set("proxy-url", CURLOPT_NOPROXY, "");
  } else if (is_loopback(host)) {
    set("", CURLOPT_PROXY, "");
  }
  set("proxy-url", CURLOPT_HTTPPROXYTUNNEL, 1L);
  set("", CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (config.insecure_skip_tls_verify) {
    set("", CURLOPT_SSL_VERIFYPEER, 0L);
    set("", CURLOPT_SSL_VERIFYHOST, 0L);
  } else if (!config.ca_pem.empty()) {
    curl_blob ca = blob_of(config.ca_pem);
    set("certificate-authority", CURLOPT_CAINFO_BLOB, &ca);
    // Nobody but the cluster's own authority.
    set("", CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  if (code != CURLE_OK) {
    return bad_input(fmt::format("{}: {}: {}", config.origin, what, curl_easy_strerror(code)));
  }
  return {};
}

void CurlHandle::use(const std::shared_ptr<const Identity>& identity) {
  if (identity_ == identity) {
    return;
  }
  identity_ = identity;
  if (identity->certificate_pem.empty()) {
    curl_easy_setopt(easy_, CURLOPT_SSLCERT_BLOB, static_cast<curl_blob*>(nullptr));
    curl_easy_setopt(easy_, CURLOPT_SSLKEY_BLOB, static_cast<curl_blob*>(nullptr));
    return;
  }
  curl_blob certificate = blob_of(identity->certificate_pem);
  curl_blob key = blob_of(identity->key_pem);
  curl_easy_setopt(easy_, CURLOPT_SSLCERT_BLOB, &certificate);
  curl_easy_setopt(easy_, CURLOPT_SSLKEY_BLOB, &key);
}

const std::shared_ptr<const Identity>& CurlHandle::identity() const { return identity_; }

void CurlHandle::begin(const Request& request, std::shared_ptr<const HeaderList> headers,
                       void* user) {
  headers_ = std::move(headers);
  use(headers_->identity);
  error_[0] = '\0';
  curl_easy_setopt(easy_, CURLOPT_REQUEST_TARGET, request.path.c_str());
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_->list);
  curl_easy_setopt(easy_, CURLOPT_PRIVATE, user);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, user);
  if (request.method == Method::get) {
    curl_easy_setopt(easy_, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, static_cast<const char*>(nullptr));
    return;
  }
  curl_easy_setopt(easy_, CURLOPT_POST, 1L);
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request.body.data());
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE,
                   static_cast<curl_off_t>(request.body.size()));
  curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST,
                   request.method == Method::post ? nullptr : verb(request.method));
}

void CurlHandle::begin_connection(const std::shared_ptr<const Identity>& identity, void* user) {
  use(identity);
  curl_easy_setopt(easy_, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(easy_, CURLOPT_PRIVATE, user);
}

CURLcode CurlHandle::send(std::string_view bytes, std::size_t& sent) {
  return curl_easy_send(easy_, bytes.data(), bytes.size(), &sent);
}

CURLcode CurlHandle::receive(std::span<char> buffer, std::size_t& received) {
  return curl_easy_recv(easy_, buffer.data(), buffer.size(), &received);
}

int CurlHandle::socket() const {
  curl_socket_t fd = CURL_SOCKET_BAD;
  curl_easy_getinfo(easy_, CURLINFO_ACTIVESOCKET, &fd);
  return fd;
}

int CurlHandle::status() const {
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  return static_cast<int>(status);
}

namespace {

std::int64_t number(CURL* easy, CURLINFO info) {
  curl_off_t value = 0;
  curl_easy_getinfo(easy, info, &value);
  return value;
}

}  // namespace

std::int64_t CurlHandle::content_length() const {
  return number(easy_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T);
}
std::int64_t CurlHandle::retry_after_s() const { return number(easy_, CURLINFO_RETRY_AFTER); }
std::uint64_t CurlHandle::bytes_in() const {
  long headers = 0;
  curl_easy_getinfo(easy_, CURLINFO_HEADER_SIZE, &headers);
  return static_cast<std::uint64_t>(number(easy_, CURLINFO_SIZE_DOWNLOAD_T) + headers);
}
std::uint64_t CurlHandle::bytes_out() const {
  long headers = 0;
  curl_easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &headers);
  // The size of a request counts a small body that went out with it already.
  return static_cast<std::uint64_t>(headers);
}
std::uint64_t CurlHandle::connections() const {
  long opened = 0;
  curl_easy_getinfo(easy_, CURLINFO_NUM_CONNECTS, &opened);
  return static_cast<std::uint64_t>(opened);
}

ApiError CurlHandle::failure(CURLcode code, const ClientConfig& config) const {
  const std::string detail =
      error_[0] != '\0' ? printable(error_.data(), CURL_ERROR_SIZE) : curl_easy_strerror(code);
  const auto has = [&detail](std::string_view part) {
    return detail.find(part) != std::string::npos;
  };
  ApiError error{.kind = ApiError::Kind::broken};
  std::string hint;
  switch (code) {
    case CURLE_COULDNT_CONNECT:
      error.kind = ApiError::Kind::refused;
      hint = "is the API server running there?";
      break;
    case CURLE_COULDNT_RESOLVE_HOST:
      error.kind = ApiError::Kind::refused;
      hint = "check the server's name";
      break;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
      error.kind = ApiError::Kind::refused;
      hint = "check proxy-url or the proxy of the environment";
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
      error.kind = ApiError::Kind::untrusted;
      hint = has("expired") ? "the server's certificate has expired: renew it there"
             : has("does not match") || has("subject name")
                 ? "the server's certificate does not name this host: set tls-server-name to a "
                   "name that it has"
                 : "the server's certificate is not signed by certificate-authority: take the "
                   "cluster's own";
      break;
    case CURLE_SSL_CERTPROBLEM:
      error.kind = ApiError::Kind::untrusted;
      hint = "check client-certificate and client-key";
      break;
    case CURLE_SSL_CACERT_BADFILE:
      error.kind = ApiError::Kind::untrusted;
      hint = "check certificate-authority";
      break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      if (has("wrong version number")) {
        error.kind = ApiError::Kind::untrusted;
        hint = "the server does not speak TLS: is it http://?";
      } else if (has("alert")) {
        error.kind = ApiError::Kind::untrusted;
        hint = has("expired") ? "the client certificate has expired: renew it"
                              : "the server refuses the client certificate";
      }
      break;
    default:
      break;
  }
  error.message = fmt::format("{} ({}): {}{}{}", config.server, config.origin, detail,
                              hint.empty() ? "" : "; ", hint);
  return error;
}

}  // namespace plimsoll::kube
