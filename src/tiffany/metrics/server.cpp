#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <prometheus/collectable.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <string_view>
#include <tiffany/metrics/server.hpp>
#include <utility>
#include <vector>

namespace tiffany {
namespace {

[[noreturn]] void cannot_serve(const std::string& where, const std::string& cause) {
    throw std::runtime_error{"cannot serve metrics on " + where + ": " + cause};
}

/// A socket, closed unless it was given away.
class Socket {
  public:
    explicit Socket(int fd) noexcept : fd_{fd} {}
    ~Socket() {
        if (fd_ >= 0) close(fd_);
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

struct Address {
    sockaddr_storage storage{};
    socklen_t bytes = 0;
    std::string text;  // as in a URL: "127.0.0.1", "[::1]"

    sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

Address parse(const std::string& address, std::uint16_t port) {
    Address parsed;
    auto* v4 = reinterpret_cast<sockaddr_in*>(&parsed.storage);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&parsed.storage);
    if (inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        parsed.bytes = sizeof *v4;
        parsed.text = address;
    } else if (inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        parsed.bytes = sizeof *v6;
        parsed.text = "[" + address + "]";
    } else {
        cannot_serve(address, "it is not an IP address");
    }
    return parsed;
}

// Our own socket, not libmicrohttpd's: it tells why it cannot have the address, and which port it got.
int listen_on(Address& address, const std::string& where) {
    Socket socket{::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const int on = 1;
    if (socket.get() < 0 || setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(socket.get(), address.get(), address.bytes) != 0 || listen(socket.get(), 64) != 0)
        cannot_serve(where, std::strerror(errno));
    return socket.release();
}

std::uint16_t port_of(int fd) noexcept {
    sockaddr_storage bound{};
    socklen_t bytes = sizeof bound;
    getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &bytes);
    return ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
}

MHD_Result answer(MHD_Connection* connection, unsigned status, const std::string& body, const char* type) {
    MHD_Response* response =
        MHD_create_response_from_buffer(body.size(), const_cast<char*>(body.data()), MHD_RESPMEM_MUST_COPY);
    if (response == nullptr) return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    const MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

}  // namespace

struct MetricsServer::Impl {
    MHD_Daemon* daemon = nullptr;
    std::uint16_t port = 0;
    std::string url;
    std::mutex mutex;
    std::vector<std::weak_ptr<prometheus::Collectable>> collectables;

    ~Impl() {
        if (daemon != nullptr) MHD_stop_daemon(daemon);
    }

    std::string scrape() {
        std::vector<std::shared_ptr<prometheus::Collectable>> held;
        {
            const std::lock_guard lock{mutex};
            std::erase_if(collectables, [](const auto& weak) { return weak.expired(); });
            for (const auto& weak : collectables)
                if (auto collectable = weak.lock()) held.push_back(std::move(collectable));
        }
        std::vector<prometheus::MetricFamily> families;
        for (const auto& collectable : held)
            for (prometheus::MetricFamily& family : collectable->Collect())
                merge(families, std::move(family));
        return prometheus::TextSerializer{}.Serialize(families);
    }

    /// Two schedulers have the same families: the text format wants each name once.
    static void merge(std::vector<prometheus::MetricFamily>& families, prometheus::MetricFamily family) {
        for (prometheus::MetricFamily& have : families) {
            if (have.name != family.name) continue;
            for (auto& metric : family.metric)
                have.metric.push_back(std::move(metric));
            return;
        }
        families.push_back(std::move(family));
    }

    /// libmicrohttpd calls this twice for a request: when its header is there, and when it is whole.
    static MHD_Result handle(void* self, MHD_Connection* connection, const char* path, const char* method,
                             const char* /*version*/, const char* /*body*/, std::size_t* body_bytes,
                             void** seen) noexcept try {
        static int once;
        if (*seen == nullptr) {
            *seen = &once;
            return MHD_YES;
        }
        if (*body_bytes != 0) {
            *body_bytes = 0;  // nothing here takes a body: it is read and thrown away
            return MHD_YES;
        }
        const std::string_view asked{method};
        if (asked != "GET" && asked != "HEAD")
            return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n", "text/plain; charset=utf-8");
        if (std::string_view{path} != "/metrics")
            return answer(connection, MHD_HTTP_NOT_FOUND, "see /metrics\n", "text/plain; charset=utf-8");
        return answer(connection, MHD_HTTP_OK, static_cast<Impl*>(self)->scrape(),
                      "text/plain; version=0.0.4; charset=utf-8");
    } catch (...) {
        return MHD_NO;  // no memory, or a foreign collectable threw: this connection is closed, nothing else
    }
};

MetricsServer::MetricsServer(const ServerOptions& options) : impl_{std::make_unique<Impl>()} {
    Address address = parse(options.address, options.port);
    const std::string where = address.text + ":" + std::to_string(options.port);
    Socket socket{listen_on(address, where)};
    impl_->port = port_of(socket.get());
    impl_->url = "http://" + address.text + ":" + std::to_string(impl_->port) + "/metrics";
    impl_->daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, nullptr, nullptr, &Impl::handle, impl_.get(),
                         MHD_OPTION_LISTEN_SOCKET, socket.get(), MHD_OPTION_CONNECTION_LIMIT, options.connections,
                         MHD_OPTION_CONNECTION_TIMEOUT, options.timeout_s, MHD_OPTION_END);
    if (impl_->daemon == nullptr) cannot_serve(where, "the HTTP server does not start");
    socket.release();  // the daemon closes it
}

MetricsServer::~MetricsServer() = default;

std::unique_ptr<MetricsServer> MetricsServer::from_environment() {
    const char* value = secure_getenv("TIFFANY_METRICS");
    if (value == nullptr || *value == '\0') return nullptr;
    const std::string_view text{value};
    const std::size_t colon = text.rfind(':');
    const auto not_so = [&] {
        throw std::runtime_error{"cannot read TIFFANY_METRICS: expected ADDRESS:PORT, found " + std::string{text}};
    };
    if (colon == std::string_view::npos) not_so();
    ServerOptions options;
    std::string_view address = text.substr(0, colon);
    if (address.size() > 2 && address.front() == '[' && address.back() == ']')
        address = address.substr(1, address.size() - 2);
    if (!address.empty()) options.address = address;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, options.port);
    if (error != std::errc{} || stop != end) not_so();
    return std::make_unique<MetricsServer>(options);
}

void MetricsServer::add(const std::weak_ptr<prometheus::Collectable>& collectable) {
    const std::lock_guard lock{impl_->mutex};
    impl_->collectables.push_back(collectable);
}

std::uint16_t MetricsServer::port() const noexcept {
    return impl_->port;
}
const std::string& MetricsServer::url() const noexcept {
    return impl_->url;
}

}  // namespace tiffany
