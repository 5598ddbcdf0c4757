#include "watch_command.hpp"

#include <poll.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <ostream>

#include "notice.hpp"

namespace tiffany::paltrace {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::chrono::seconds kTimeToEnd{10};
constexpr std::chrono::seconds kImpatience{2};
constexpr int kImpatientSignals = 3;
constexpr std::chrono::milliseconds kLook{200};  // at /dev/shm
// What the library reserves there before it loads LTTng, which would end a program that finds no page (SIGBUS).
constexpr unsigned long kLeastShm = 64 * 1024;

bool shm_is_full() {
    struct statvfs space {};
    return statvfs("/dev/shm", &space) == 0 && space.f_bavail * space.f_frsize < kLeastShm;
}

class Watch {
  public:
    Watch(KeptChild& command, const SessionDaemon& daemon, EndSignals& signals, BufferKeeper& buffers,
          std::ostream& talk)
        : command_{command},
          signals_{signals},
          buffers_{buffers},
          talk_{talk},
          daemon_{daemon},
          waiting_{{{command.fd(), POLLIN, 0},
                    {signals.fd(), POLLIN, 0},
                    {daemon.fd(), POLLIN, 0},
                    {daemon.consumer_fd(), POLLIN, 0}}} {}

    CommandEnd run() {
        for (;;) {
            poll(waiting_.data(), waiting_.size(), timeout_ms());
            buffers_.look(command_.pid());
            end_.shm_was_full = end_.shm_was_full || shm_is_full();
            if (const std::optional<int> status = command_.wait(0ms)) {
                end_.status = *status;
                end_.known = command_.ending_is_known();
                poll(waiting_.data(), waiting_.size(), 0);  // a daemon may have died just before
                look_at_daemons(daemon_.consumer_is_dead());
                return end_;
            }
            while (const std::optional<EndSignals::Got> got = signals_.take())
                answer(*got);
            look_at_daemons(daemon_.consumer_fd() < 0 && daemon_.consumer_is_dead());
            if (deadline_ && Clock::now() >= *deadline_) kill_command();
        }
    }

  private:
    int timeout_ms() const {
        std::chrono::milliseconds left = kLook;
        if (deadline_) left = std::min(left, std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - Clock::now()));
        return static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
    }

    void look_at_daemons(bool consumer_is_dead) {
        if (end_.dead_daemon) return;
        if (waiting_[2].revents != 0)
            daemon_died(Daemon::session);
        else if (waiting_[3].revents != 0 || consumer_is_dead)
            daemon_died(daemon_.is_dead() ? Daemon::session : Daemon::consumer);  // the latter follows the former
    }

    void answer(const EndSignals::Got& got) {
        if (!got.from_terminal) command_.signal(got.number);
        if (got.number == SIGTERM || got.number == SIGHUP) {
            set_deadline();
            return;
        }
        const auto now = Clock::now();
        if (now - first_asked_ > kImpatience) {
            first_asked_ = now;
            asked_ = 0;
        }
        if (++asked_ >= kImpatientSignals) kill_command();
    }

    void daemon_died(Daemon which) {
        // One is enough: the other follows it, and the descriptors stay readable.
        waiting_[2].fd = waiting_[3].fd = -1;
        waiting_[2].revents = waiting_[3].revents = 0;
        end_.dead_daemon = which;
        buffers_.daemon_died();
        Notice{talk_} << "the " << name_of(which) << " daemon ended: what COMMAND does from now on is not recorded"
                      << (which == Daemon::consumer ? ", but for what finds room in the buffers" : "");
    }

    void set_deadline() {
        if (!deadline_) deadline_ = Clock::now() + kTimeToEnd;
    }

    void kill_command() {
        deadline_.reset();
        end_.forced = true;
        command_.end();
    }

    KeptChild& command_;
    EndSignals& signals_;
    BufferKeeper& buffers_;
    std::ostream& talk_;
    const SessionDaemon& daemon_;
    std::array<pollfd, 4> waiting_;
    std::optional<Clock::time_point> deadline_;
    Clock::time_point first_asked_{};
    int asked_ = 0;
    CommandEnd end_;
};

}  // namespace

CommandEnd watch_command(KeptChild& command, const SessionDaemon& daemon, EndSignals& signals, BufferKeeper& buffers,
                         std::ostream& talk) {
    return Watch{command, daemon, signals, buffers, talk}.run();
}

}  // namespace tiffany::paltrace
