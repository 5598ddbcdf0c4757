#pragma once
/// Serves metrics over HTTP, for a program that has no server of its own.
///
///     tiffany::MetricsServer server{{.port = 9464}};
///     server.add(metrics = tiffany::make_collectable(telemetry));   // keep `metrics`: it is held weakly
///
/// GET /metrics gives the text format 0.0.4, or 500 if a collectable throws or there is no memory: that scrape is lost,
/// nothing else.
/// GET /healthz says that the server answers, and collects nothing. One request a connection; libmicrohttpd with epoll,
/// in one thread of its own: a client that is slow or silent keeps no other one waiting. A connection ends when its
/// time is over, and the oldest one when there are too many. Not promised: an answer while somebody opens more
/// connections than `ServerOptions::connections` within the time of one scrape, or while a collectable takes its time.
///
/// There is no TLS and no authentication: on another address than the loopback's everybody who reaches it can read the
/// metrics. A proxy that has both goes before it there.

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
    unsigned connections = 64;          ///< at once, at least 1; one more ends the oldest of them
    /// s, for a request to arrive whole, and once more for its answer to be read; a connection that takes longer is
    /// closed. 0 = none is, unless there are too many.
    unsigned timeout_s = 5;
};

/// Thread-safe. The port is closed, and the thread ended, in the destructor.
///
/// A forked child has no thread that serves: the parent goes on serving, whatever the child does, and in the child the
/// server only gives back, in its destructor, the child's hold on the port, which nobody else can have until then
/// (exec gives it back too). A child that wants to be scraped makes a server of its own, on another port.
class MetricsServer {
  public:
    /// Errors: std::runtime_error that names the address and the cause: not an address, taken, not permitted,
    /// 0 connections.
    explicit MetricsServer(const ServerOptions& options = {});
    ~MetricsServer();
    MetricsServer(const MetricsServer&) = delete;
    MetricsServer& operator=(const MetricsServer&) = delete;

    /// The server that TIFFANY_METRICS=ADDRESS:PORT asks for; null when it is not set, or is empty. ADDRESS may be
    /// left out (":9464"); an IPv6 address stands in brackets. Errors: std::runtime_error, as above or what is no such
    /// text.
    static std::unique_ptr<MetricsServer> from_environment();

    /// From now on the collectable is scraped, while somebody else holds it. Schedulers of one name are told as one
    /// (make_collectable); of two others with the same series the first is kept. A `prometheus::Registry` is a
    /// collectable too. In a forked child: nothing.
    void add(const std::weak_ptr<prometheus::Collectable>& collectable);
    /// What nobody else holds would be gone at once, and the page empty: keep it in a variable, and give that.
    template <typename Held>
    void add(const std::shared_ptr<Held>&& collectable) = delete;

    std::uint16_t port() const noexcept;
    /// "http://127.0.0.1:9464/metrics"
    const std::string& url() const noexcept;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace tiffany
