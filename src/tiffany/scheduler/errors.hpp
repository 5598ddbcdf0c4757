#pragma once
/// What a task's awaits throw.

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <tiffany/tracepoints/catalogue.hpp>

namespace tiffany {

/// Thrown in a task that was cancelled, at the await where it is suspended, or at its next one. Let it pass, and the
/// task ends as Cancelled; catch it, and the task goes on.
class TaskCancelled : public std::exception {
  public:
    TaskCancelled(std::uint64_t tid, CancelCause cause) noexcept : tid_{tid}, cause_{cause} {}
    const char* what() const noexcept override { return "the task was cancelled"; }
    std::uint64_t tid() const noexcept { return tid_; }  ///< of the task that was cancelled
    CancelCause cause() const noexcept { return cause_; }

  private:
    std::uint64_t tid_;
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

/// The joined task failed; `message()` is what its exception said.
class TargetFailed : public JoinError {
  public:
    TargetFailed(std::uint64_t target, std::string message)
        : JoinError{target, "the joined task failed: " + message}, message_{std::move(message)} {}
    const std::string& message() const noexcept { return message_; }

  private:
    std::string message_;
};

/// The joined task was cancelled.
class TargetCancelled : public JoinError {
  public:
    explicit TargetCancelled(std::uint64_t target) : JoinError{target, "the joined task was cancelled"} {}
};

}  // namespace tiffany
