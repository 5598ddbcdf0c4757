#pragma once
/// The signals that ask paltrace to end (SIGINT, SIGTERM, SIGHUP, SIGQUIT), taken from a file descriptor, so that no
/// handler interrupts the work of ending a session.
///
///     EndSignals signals;
///     ... poll(signals.fd()) ...
///     if (auto got = signals.take()) command.signal(got->number);

#include <sys/types.h>

#include <csignal>
#include <optional>

namespace tiffany::paltrace {

/// While it lives these signals have no other effect. One per process; not shared between threads.
class EndSignals {
  public:
    EndSignals();
    ~EndSignals();
    EndSignals(const EndSignals&) = delete;
    EndSignals& operator=(const EndSignals&) = delete;

    struct Got {
        int number;
        bool from_terminal;  ///< the terminal sent it to the whole group, so COMMAND has it already
    };

    /// Readable when one has come.
    int fd() const noexcept { return fd_; }
    /// The next one, or nothing. Does not wait.
    std::optional<Got> take() noexcept;

  private:
    int fd_;
    sigset_t before_{};
    struct sigaction pipe_before_ {};
};

}  // namespace tiffany::paltrace
