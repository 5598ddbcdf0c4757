#pragma once
/// Serves metrics over HTTP, for a program that has no server of its own.
///
///     tiffany::MetricsServer server{{.port = 9464}};
///     server.add(metrics = tiffany::make_collectable(telemetry));   // keep `metrics`: it is held weakly
///
/// GET /metrics gives the text format 0.0.4. libmicrohttpd with epoll in one thread of its own: clients that connect
/// and keep silent block nobody, and are closed after the time-out.

#include <cstdint>
#include <memory>
#include <string>

namespace prometheus {
class Collectable;
}

namespace tiffany {

struct ServerOptions {
    std::string address = "127.0.0.1";  ///< IPv4, or IPv6 without brackets
    std::uint16_t port = 9464;          ///< 0 = any that is free; MetricsServer::port() tells
    unsigned connections = 64;          ///< at once; further ones are refused
    unsigned timeout_s = 5;             ///< a connection that is silent for so long is closed
};

/// Thread-safe. The port is closed, and the thread ended, in the destructor.
class MetricsServer {
  public:
    /// Errors: std::runtime_error that names the address and the cause: not an address, taken, not permitted.
    explicit MetricsServer(const ServerOptions& options = {});
    ~MetricsServer();
    MetricsServer(const MetricsServer&) = delete;
    MetricsServer& operator=(const MetricsServer&) = delete;

    /// The server that TIFFANY_METRICS=ADDRESS:PORT asks for; null when it is not set, or is empty. ADDRESS may be
    /// left out (":9464"); an IPv6 address stands in brackets. Errors: std::runtime_error, as above or what is no such
    /// text.
    static std::unique_ptr<MetricsServer> from_environment();

    /// From now on the collectable is scraped, while somebody else holds it.
    void add(const std::weak_ptr<prometheus::Collectable>& collectable);

    std::uint16_t port() const noexcept;
    /// "http://127.0.0.1:9464/metrics"
    const std::string& url() const noexcept;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace tiffany
