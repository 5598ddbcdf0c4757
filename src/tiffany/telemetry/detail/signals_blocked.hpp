#pragma once
/// A library's thread takes none of the program's signals.

#include <pthread.h>
#include <signal.h>

namespace tiffany::detail {

/// While it lives this thread has all signals blocked, and a thread that it starts inherits that for good.
class AllSignalsBlocked {
  public:
    AllSignalsBlocked() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~AllSignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    AllSignalsBlocked(const AllSignalsBlocked&) = delete;
    AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

  private:
    sigset_t before_{};
};

}  // namespace tiffany::detail
