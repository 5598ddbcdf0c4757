#pragma once
/// What a task's awaits, and spawns, throw.

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <tiffany/tracepoints/catalogue.hpp>
#include <utility>

namespace tiffany {

/// Thrown in a task that was cancelled, at the await where it is suspended, or at its next one. Let it pass, and the
/// task ends as Cancelled; catch it, and the task goes on.
class TaskCancelled : public std::exception {
  public:
    TaskCancelled(std::uint64_t tid, CancelCause cause, std::uint64_t canceller = 0) noexcept
        : tid_{tid}, canceller_{canceller}, cause_{cause} {}
    const char* what() const noexcept override { return "the task was cancelled"; }
    std::uint64_t tid() const noexcept { return tid_; }              ///< of the task that was cancelled
    std::uint64_t canceller() const noexcept { return canceller_; }  ///< tid of the task that asked; 0 = no task
    CancelCause cause() const noexcept { return cause_; }

  private:
    std::uint64_t tid_;
    std::uint64_t canceller_;
    CancelCause cause_;
};

/// Thrown by a join: the other task did not finish well.
class JoinError : public std::runtime_error {
  public:
    JoinError(std::uint64_t target, const std::string& what_happened)
        : std::runtime_error{what_happened}, target_{target} {}
    std::uint64_t target() const noexcept { return target_; }  ///< tid of the task that was joined

  private:
    std::uint64_t target_;
};

/// The joined task failed.
class TargetFailed : public JoinError {
  public:
    static constexpr const char* kWhat = "the joined task failed: ";
    TargetFailed(std::uint64_t target, std::string message, std::exception_ptr error)
        : JoinError{target, kWhat + message}, message_{std::move(message)}, error_{std::move(error)} {}
    const std::string& message() const noexcept { return message_; }     ///< what its exception said
    const std::exception_ptr& error() const noexcept { return error_; }  ///< its exception

  private:
    std::string message_;
    std::exception_ptr error_;
};

/// The joined task was cancelled.
class TargetCancelled : public JoinError {
  public:
    explicit TargetCancelled(std::uint64_t target) : JoinError{target, "the joined task was cancelled"} {}
};

/// Thrown by a join without a time-out that would never end: the tasks, each waiting for the next, named in what().
class JoinCycle : public std::logic_error {
  public:
    using std::logic_error::logic_error;
};

/// Thrown by a spawn: there is no task, and nothing has begun.
class SpawnRefused : public std::runtime_error {
  public:
    enum class Reason : std::uint8_t { too_many, shutting_down, closed };
    SpawnRefused(Reason reason, const std::string& what) : std::runtime_error{what}, reason_{reason} {}
    Reason reason() const noexcept { return reason_; }

  private:
    Reason reason_;
};

}  // namespace tiffany
