#include "pal_socket.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "kernel_time.hpp"
#include "process.hpp"
#include "setting_values.hpp"

namespace tiffany::detail {
namespace {

constexpr std::size_t kMostReaders = 64;
constexpr std::size_t kBatch = std::size_t{64} << 10;
constexpr int kBacklog = 16;
constexpr std::int64_t kEndMs = 2000;  // for readers to take what is kept, when the process ends
constexpr int kEndStepMs = 20;

std::int64_t now_ms() noexcept {
    return static_cast<std::int64_t>(kernel_ns() / 1'000'000);
}

}  // namespace

class PalSocket::Reader : private PalPipe {
  public:
    Reader(Descriptor socket, const PalStreamNames& names, PalLines& lines)
        : socket_{std::move(socket)}, stream_{names, lines, kKeptBytes, nullptr} {}

    int fd() const noexcept { return socket_.get(); }
    bool gone() const noexcept { return gone_; }
    void leave() noexcept { gone_ = true; }
    void close() noexcept { socket_.close(); }
    /// A request, of curl: unread, it would make the end of the log an error to who sent it (ECONNRESET).
    void hear() noexcept {
        std::array<char, 4096> said;
        if (socket_.is_ours()) std::ignore = recv(socket_.get(), said.data(), said.size(), MSG_DONTWAIT);
    }
    PalStream& stream() noexcept { return stream_; }
    PalPipe& pipe() noexcept { return *this; }
    bool ended = false;  // it was told

  private:
    std::size_t write(std::string_view bytes) noexcept override {
        const std::size_t all = bytes.size();
        gone_ = gone_ || !socket_.is_ours();
        while (!bytes.empty() && !gone_) {
            const ssize_t sent = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0) {
                gone_ = errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS;
                break;
            }
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return all - bytes.size();
    }

    Descriptor socket_;
    PalStream stream_;
    bool gone_ = false;
};

PalSocket::PalSocket(const Place& place, const PalStreamNames& names, std::shared_ptr<PalLines> lines,
                     std::shared_ptr<LogCounters> counters, NameProblem& problem)
    : names_{names}, lines_{std::move(lines)}, counters_{std::move(counters)} {
    readers_.reserve(kMostReaders);
    const std::string pid = "." + std::to_string(place.pid);
    for (int attempt = place.add_pid ? 1 : 0; attempt <= kMoreNames; ++attempt) {
        problem = {};
        name_ = place.name + (attempt == 0 ? "" : attempt == 1 ? pid : pid + "-" + std::to_string(attempt));
        if (listen_at(name_, problem)) counters_->set_where(std::string{kSocketScheme} + name_);
        if (problem.problem != PalProblem::in_use) return;
    }
}

PalSocket::~PalSocket() = default;

/// Whoever holds the lock beside it may take a socket's name from one that is dead.
bool PalSocket::listen_at(const std::string& name, NameProblem& problem) {
    if (name.size() >= sizeof sockaddr_un{}.sun_path) {
        problem = {PalProblem::bad_target, ENAMETOOLONG};
        return false;
    }
    lock_file_ = take_lock_file(name + kLockEnding, problem);
    if (!lock_file_.is_open()) return false;
    if (listen_with_lock(name, problem)) return true;
    unlink((name + kLockEnding).c_str());
    lock_file_.close();
    return false;
}

bool PalSocket::listen_with_lock(const std::string& name, NameProblem& problem) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
    struct stat there {};
    if (lstat(name.c_str(), &there) == 0) {
        if (!S_ISSOCK(there.st_mode)) {
            problem = {S_ISLNK(there.st_mode) ? PalProblem::symbolic_link : PalProblem::not_a_log, 0};
            return false;
        }
        const Descriptor probe{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        // another program's socket has no lock of ours: it is dead only if nobody listens
        const bool dead = connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
                          errno == ECONNREFUSED;
        if (!dead) {
            problem = {PalProblem::in_use, EADDRINUSE};
            return false;
        }
        unlink(name.c_str());
    }
    Descriptor listener{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    // the mode that bind gives the name: the process's umask is not ours to change
    if (!listener.is_open() || fchmod(listener.get(), 0600) != 0 ||
        bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener.get(), kBacklog) != 0) {
        problem = {PalProblem::refused, errno};
        return false;
    }
    if (lstat(name.c_str(), &there) == 0) inode_ = there.st_ino;
    listener_ = std::move(listener);
    return true;
}

std::size_t PalSocket::batch_bytes() const noexcept {
    return kBatch;
}

void PalSocket::meet(std::uint16_t index, std::uint64_t position) noexcept {
    for (const auto& reader : readers_)
        reader->stream().meet(index, position);
}

void PalSocket::take(const PalBatch& batch, const PalWorkers& workers) noexcept {
    for (const auto& reader : readers_)
        reader->stream().take(reader->pipe(), batch, workers);
    count();
}

void PalSocket::tend(const PalWorkers& workers, std::uint64_t ts_ns) noexcept {
    for (const auto& reader : readers_)
        if (reader->stream().retry(reader->pipe())) reader->stream().tell_left_out(reader->pipe(), workers, ts_ns);
    drop_gone();
    bool came = false;
    for (Accepted one = accept_one(workers, ts_ns); one != Accepted::none; one = accept_one(workers, ts_ns))
        came = came || one == Accepted::taken;
    count();
    // whoever comes late is told of what lives: a state dump
    if (came) Process::get().bump();
}

PalSocket::Accepted PalSocket::accept_one(const PalWorkers& workers, std::uint64_t ts_ns) noexcept try {
    const std::lock_guard lock{mutex_};
    if (!listener_.is_ours()) return Accepted::none;
    Descriptor socket{accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!socket.is_open()) return Accepted::none;
    if (readers_.size() == kMostReaders) {
        raise(counters_->readers_refused, 1);
        return Accepted::refused;
    }
    auto reader = std::make_unique<Reader>(std::move(socket), names_, *lines_);
    reader->stream().begin(reader->pipe(), workers, ts_ns);
    readers_.push_back(std::move(reader));
    return Accepted::taken;
} catch (...) {  // no memory: this reader is turned away
    raise(counters_->readers_refused, 1);
    return Accepted::refused;
}

/// A reader that has gone is noticed when something is sent to it, or here.
void PalSocket::drop_gone() noexcept {
    for (const auto& reader : readers_) {
        pollfd state{reader->fd(), 0, 0};
        if (::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0) reader->leave();
    }
    if (std::none_of(readers_.begin(), readers_.end(), [](const auto& reader) { return reader->gone(); })) return;
    const std::lock_guard lock{mutex_};
    std::erase_if(readers_, [this](const std::unique_ptr<Reader>& reader) {
        if (!reader->gone()) return false;
        gone_bytes_ += reader->stream().written();
        gone_left_out_ += reader->stream().left_out();
        return true;
    });
}

void PalSocket::end(const PalWorkers& workers, std::uint64_t ts_ns) noexcept {
    while (accept_one(workers, ts_ns) != Accepted::none) {  // who came before the end gets a log that is whole
    }
    const std::int64_t until_ms = now_ms() + kEndMs;
    while (!end_of_all(workers, ts_ns) && now_ms() < until_ms)
        ::poll(nullptr, 0, kEndStepMs);
    count();
    for (const auto& reader : readers_)
        reader->hear();
    const std::lock_guard lock{mutex_};
    readers_.clear();
    struct stat there {};
    if (lstat(name_.c_str(), &there) == 0 && there.st_ino == inode_) unlink(name_.c_str());
    listener_.close();
    unlink((name_ + kLockEnding).c_str());  // with its lock: who waits for it looks at its name again
    lock_file_.close();
}

/// Tells each reader that it is over. Returns whether all have it, or are gone.
bool PalSocket::end_of_all(const PalWorkers& workers, std::uint64_t ts_ns) noexcept {
    bool all = true;
    for (const auto& reader : readers_) {
        if (reader->gone()) continue;
        const bool empty = reader->stream().retry(reader->pipe());
        if (!reader->ended) reader->ended = reader->stream().end(reader->pipe(), workers, ts_ns, EndOf::process);
        all = all && reader->ended && (empty || reader->stream().empty());
    }
    return all;
}

void PalSocket::count() noexcept {
    std::uint64_t bytes = gone_bytes_;
    std::uint64_t left_out = gone_left_out_;
    for (const auto& reader : readers_) {
        bytes += reader->stream().written();
        left_out += reader->stream().left_out();
    }
    set(counters_->bytes, bytes);
    set(counters_->readers_left_out, left_out);
    set(counters_->readers, readers_.size());
}

void PalSocket::become_child() noexcept {
    for (const auto& reader : readers_)
        reader->close();
    listener_.close();
    lock_file_.close();
}

}  // namespace tiffany::detail
