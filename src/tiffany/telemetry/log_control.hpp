#pragma once
/// The log that TIFFANY_PAL or configure() asks for: when it begins, what became of it, what a fork does to it.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <tiffany/telemetry/pal_status.hpp>
#include <tiffany/telemetry/settings.hpp>
#include <tiffany/telemetry/stall_status.hpp>

#include "log_counters.hpp"
#include "log_settings.hpp"

namespace tiffany::detail {

class PalHub;

/// Thread-safe.
class LogControl {
  public:
    /// Errors: see tiffany::configure.
    void configure(const Settings& settings);
    /// Opens the log and installs it in the hub, the first time. Errors: none; see status().
    void start(PalHub& hub) noexcept {
        if (!started_.load(std::memory_order_acquire)) start_once(hub);
    }
    PalStatus status(const PalHub& hub) const;
    /// What each scheduler is to be watched for: what `start` found.
    StallStatus stall_status() const;
    /// There was no thread to be had for it.
    void stall_refused(int error) noexcept;

    // ---- fork ----

    void lock() noexcept { mutex_.lock(); }
    void unlock() noexcept { mutex_.unlock(); }
    /// With the lock.
    void become_child() noexcept;

  private:
    void start_once(PalHub& hub) noexcept;
    void open(PalHub& hub);

    mutable std::mutex mutex_;
    std::atomic<bool> started_{false};  // writer: with the lock
    bool forked_ = false;               // the log that was there before is the parent's
    bool asked_environment_ = false;
    Settings settings_;
    bool active_ = false;
    PalProblem problem_ = PalProblem::none;
    int error_ = 0;
    StallProblem stall_problem_ = StallProblem::none;
    int stall_error_ = 0;
    std::shared_ptr<LogCounters> counters_;
};

}  // namespace tiffany::detail
