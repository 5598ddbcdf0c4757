#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <prometheus/collectable.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <list>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>
#include <tiffany/metrics/scrape_text.hpp>
#include <tiffany/metrics/server.hpp>
#include <tiffany/telemetry/detail/signals_blocked.hpp>
#include <tiffany/telemetry/setting_values.hpp>
#include <tiffany/tracepoints/unseen.hpp>
#include <utility>
#include <vector>

namespace tiffany {
namespace {

[[noreturn]] void cannot_serve(const std::string& where, const std::string& cause) {
    throw std::runtime_error{"cannot serve metrics on " + where + ": " + cause};
}

/// A descriptor, closed unless it was given away.
class Descriptor {
  public:
    explicit Descriptor(int fd) noexcept : fd_{fd} {}
    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
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
    Descriptor socket{::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const int on = 1;
    if (socket.get() < 0 || setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(socket.get(), address.get(), address.bytes) != 0 || listen(socket.get(), SOMAXCONN) != 0)
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

struct DestroyResponse {
    void operator()(MHD_Response* response) const noexcept { MHD_destroy_response(response); }
};
using Response = std::unique_ptr<MHD_Response, DestroyResponse>;

/// Null: no memory.
Response make_response(std::string_view body, const char* type, MHD_ResponseMemoryMode mode) noexcept {
    Response response{MHD_create_response_from_buffer(body.size(), const_cast<char*>(body.data()), mode)};
    // one request a connection: its age is the request's
    const bool whole = response != nullptr &&
                       MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
                       MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES;
    return whole ? std::move(response) : nullptr;
}

Response fixed_response(std::string_view literal) {
    Response response = make_response(literal, "text/plain; charset=utf-8", MHD_RESPMEM_PERSISTENT);
    if (response == nullptr) throw std::bad_alloc{};
    return response;
}

Response only_get() {
    Response response = fixed_response("only GET\n");
    if (MHD_add_response_header(response.get(), MHD_HTTP_HEADER_ALLOW, "GET, HEAD") != MHD_YES) throw std::bad_alloc{};
    return response;
}

/// Made ahead, and queued for each request that gets them: nothing is allocated where there may be no memory.
struct FixedResponses {
    const Response healthy = fixed_response("ok\n");
    const Response not_allowed = only_get();
    const Response not_found = fixed_response("see /metrics\n");
    const Response failed = fixed_response("cannot collect: a collectable threw, or there is no memory\n");
};

using SteadyClock = std::chrono::steady_clock;

/// The connections that are open. libmicrohttpd's own time-out starts anew at each byte, and at its own limit it leaves
/// further clients waiting: both would let slow clients keep a scrape out.
/// Not shared: the server's thread calls everything, libmicrohttpd's callbacks too.
class Connections {
  public:
    Connections(unsigned most, unsigned timeout_s) noexcept : most_{most}, timeout_{timeout_s} {}

    /// libmicrohttpd tells of a new one, and of one that is closed.
    static void notify(void* self, MHD_Connection* connection, void** entry,
                       MHD_ConnectionNotificationCode what) noexcept {
        auto& connections = *static_cast<Connections*>(self);
        if (what == MHD_CONNECTION_NOTIFY_STARTED) {
            *entry = connections.opened(fd_of(connection));
            return;
        }
        connections.closed_one_ = true;
        connections.open_.remove_if([&](const Open& open) { return &open == *entry; });
    }

    /// Its request is whole: for reading the answer it has the time once more.
    void answering(MHD_Connection* connection) noexcept {
        const MHD_ConnectionInfo* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        if (info != nullptr && info->socket_context != nullptr)
            static_cast<Open*>(info->socket_context)->since = SteadyClock::now();
    }

    /// Ends those whose time is over. How long it is until the next one's is, ms, for poll: -1 = none's.
    int end_late_ones() noexcept {
        if (timeout_ == timeout_.zero()) return -1;
        const auto now = SteadyClock::now();
        auto next = SteadyClock::duration::max();
        for (Open& open : open_) {
            if (open.ended) continue;
            const auto left = open.since + timeout_ - now;
            if (left <= left.zero())
                end(open);
            else
                next = std::min<SteadyClock::duration>(next, left);
        }
        if (next == next.max()) return -1;
        constexpr std::chrono::milliseconds kLongest{1'000'000};
        return static_cast<int>(std::min(std::chrono::ceil<std::chrono::milliseconds>(next), kLongest).count());
    }

    bool none() const noexcept { return open_.empty(); }
    /// Whether any was closed since this was asked last.
    bool closed_one() noexcept { return std::exchange(closed_one_, false); }

  private:
    struct Open {
        int fd;
        SteadyClock::time_point since;  // accepted; then: answered
        bool ended = false;             // libmicrohttpd closes it when it looks at it next
    };

    static int fd_of(MHD_Connection* connection) noexcept {
        return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    }
    // libmicrohttpd sees the end of the stream, both ways, and closes: the descriptor is its own
    static void end(Open& open) noexcept {
        open.ended = true;
        shutdown(open.fd, SHUT_RDWR);
    }
    Open* opened(int fd) noexcept try {
        Open& added = open_.emplace_back(Open{fd, SteadyClock::now()});
        const auto live = [](const Open& open) { return !open.ended; };
        if (static_cast<std::size_t>(std::count_if(open_.begin(), open_.end(), live)) > most_)
            end(*std::find_if(open_.begin(), open_.end(), live));
        return &added;
    } catch (...) {  // no memory
        shutdown(fd, SHUT_RDWR);
        return nullptr;
    }

    const std::size_t most_;
    const std::chrono::seconds timeout_;
    std::list<Open> open_;  // the oldest first
    bool closed_one_ = false;
};

// libmicrohttpd accepts at most so many before it looks at the others again; those that were ended leave then
constexpr unsigned kAcceptedAtOnce = 10;

}  // namespace

struct MetricsServer::Impl {
    Impl(unsigned connections, unsigned timeout_s) : open{connections, timeout_s} {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    const pid_t owner = getpid();
    int listening = -1;
    MHD_Daemon* daemon = nullptr;
    const FixedResponses fixed;
    Connections open;
    bool one_waits = false;  // the thread's: there was a client after libmicrohttpd had run, and it had accepted none
    Descriptor wake{eventfd(0, EFD_CLOEXEC)};
    std::thread thread;
    std::uint16_t port = 0;
    std::string url;
    std::mutex mutex;
    std::vector<std::weak_ptr<prometheus::Collectable>> collectables;

    ~Impl() {
        if (thread.joinable()) {
            eventfd_write(wake.get(), 1);
            thread.join();
        }
        if (daemon != nullptr) MHD_stop_daemon(daemon);
    }

    /// The server's thread, until `wake` is written to. libmicrohttpd has a thread of its own to offer, which knows no
    /// deadline of ours.
    void run() noexcept {
        // not epoll_wait: the events are libmicrohttpd's to take
        pollfd fds[] = {{MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, POLLIN, 0},
                        {wake.get(), POLLIN, 0}};
        while (fds[1].revents == 0) {
            const int ours_ms = open.end_late_ones();
            MHD_UNSIGNED_LONG_LONG its_ms = 1;
            const bool at_once = MHD_get_timeout(daemon, &its_ms) == MHD_YES && its_ms == 0;
            // at its limit it listens no more, and takes that up again only when it begins to run
            const bool has_room_again = open.closed_one();
            poll(fds, 2, at_once || has_room_again ? 0 : ours_ms);
            MHD_run(daemon);
            rest_if_none_is_accepted();
        }
    }

    /// Without a descriptor for the first connection libmicrohttpd tries again at once, and again, on a CPU of the
    /// program's. The client waits meanwhile.
    void rest_if_none_is_accepted() noexcept {
        constexpr int kRestMs = 100;
        pollfd waiting{listening, POLLIN, 0};
        const bool was_tried = std::exchange(one_waits, open.none() && poll(&waiting, 1, 0) == 1);
        pollfd woken{wake.get(), POLLIN, 0};
        if (was_tried && one_waits) poll(&woken, 1, kRestMs);
    }

    /// Null: a foreign collectable threw, or there is no memory. Half a page would look like series that ceased.
    Response scrape() noexcept try {
        std::vector<std::shared_ptr<prometheus::Collectable>> held;
        {
            const std::lock_guard lock{mutex};
            std::erase_if(collectables, [](const auto& weak) { return weak.expired(); });
            for (const auto& weak : collectables)
                if (auto collectable = weak.lock()) held.push_back(std::move(collectable));
        }
        return make_response(scrape_text(held), kScrapeType, MHD_RESPMEM_MUST_COPY);
    } catch (...) {
        return nullptr;
    }

    /// libmicrohttpd calls this twice for a request: when its header is there, and when it is whole.
    static MHD_Result handle(void* self, MHD_Connection* connection, const char* path, const char* method,
                             const char* /*version*/, const char* /*body*/, std::size_t* body_bytes,
                             void** seen) noexcept {
        static int once;
        if (*seen == nullptr) {
            *seen = &once;
            return MHD_YES;
        }
        if (*body_bytes != 0) {
            *body_bytes = 0;  // nothing here takes a body: it is read and thrown away
            return MHD_YES;
        }
        auto& server = *static_cast<Impl*>(self);
        const MHD_Result queued = server.respond(connection, path, method);
        server.open.answering(connection);  // after the scrape, whose time is not the client's
        return queued;
    }

    MHD_Result respond(MHD_Connection* connection, std::string_view path, std::string_view asked) noexcept {
        if (asked != "GET" && asked != "HEAD")
            return MHD_queue_response(connection, MHD_HTTP_METHOD_NOT_ALLOWED, fixed.not_allowed.get());
        if (path == "/healthz") return MHD_queue_response(connection, MHD_HTTP_OK, fixed.healthy.get());
        if (path != "/metrics") return MHD_queue_response(connection, MHD_HTTP_NOT_FOUND, fixed.not_found.get());
        const Response page = scrape();
        if (page == nullptr) return MHD_queue_response(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, fixed.failed.get());
        return MHD_queue_response(connection, MHD_HTTP_OK, page.get());
    }
};

MetricsServer::MetricsServer(const ServerOptions& options)
    : impl_{std::make_unique<Impl>(options.connections, options.timeout_s)} {
    const detail::Unseen unseen;
    Address address = parse(options.address, options.port);
    const std::string where = address.text + ":" + std::to_string(options.port);
    if (options.connections == 0) cannot_serve(where, "0 connections at once serve nobody");
    Descriptor socket{listen_on(address, where)};
    Impl& impl = *impl_;
    if (impl.wake.get() < 0) cannot_serve(where, std::strerror(errno));
    impl.port = port_of(socket.get());
    impl.url = "http://" + address.text + ":" + std::to_string(impl.port) + "/metrics";
    const unsigned limit = options.connections + std::min(kAcceptedAtOnce, ~options.connections);
    impl.daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, nullptr, nullptr, &Impl::handle, &impl, MHD_OPTION_LISTEN_SOCKET,
                                   socket.get(), MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_NOTIFY_CONNECTION,
                                   &Connections::notify, &impl.open, MHD_OPTION_END);
    if (impl.daemon == nullptr) cannot_serve(where, "the HTTP server does not start");
    impl.listening = socket.release();  // the daemon closes it
    const detail::AllSignalsBlocked blocked;
    try {
        impl.thread = std::thread{[&impl] { impl.run(); }};
    } catch (const std::system_error& error) {
        cannot_serve(where, error.what());
    }
    pthread_setname_np(impl.thread.native_handle(), "tiffany-http");
}

MetricsServer::~MetricsServer() {
    const detail::Unseen unseen;  // a cancellation in a destructor would end the program
    if (impl_->owner == getpid()) {
        impl_.reset();
        return;
    }
    // In a forked child the thread is not there, and what the daemon would undo is the parent's as well: both have one
    // epoll set. Nothing may be touched but the child's own descriptor of the port.
    close(impl_->listening);
    static_cast<void>(impl_.release());
}

std::unique_ptr<MetricsServer> MetricsServer::from_environment() {
    const char* value = secure_getenv("TIFFANY_METRICS");
    if (value == nullptr || *value == '\0') return nullptr;
    const std::string_view text{value};
    const std::optional<detail::AddressAndPort> asked = detail::parse_address(text);
    if (!asked)
        throw std::runtime_error{"cannot read TIFFANY_METRICS: expected ADDRESS:PORT, found " + std::string{text}};
    ServerOptions options;
    if (!asked->address.empty()) options.address = asked->address;
    options.port = asked->port;
    return std::make_unique<MetricsServer>(options);
}

void MetricsServer::add(const std::weak_ptr<prometheus::Collectable>& collectable) {
    if (impl_->owner != getpid()) return;  // the mutex may be held by a thread that is not here
    const std::lock_guard lock{impl_->mutex};
    // those that have gone, before there would be more room for them: nobody may ever scrape
    if (impl_->collectables.size() == impl_->collectables.capacity())
        std::erase_if(impl_->collectables, [](const auto& weak) { return weak.expired(); });
    impl_->collectables.push_back(collectable);
}

std::uint16_t MetricsServer::port() const noexcept {
    return impl_->port;
}
const std::string& MetricsServer::url() const noexcept {
    return impl_->url;
}

}  // namespace tiffany
