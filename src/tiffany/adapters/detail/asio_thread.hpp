#pragma once
// What the adapter knows of a thread: the run on its stack, its loop, the operation that completes on it.

#include <cstdint>
#include <optional>
#include <tiffany/telemetry/hooks.hpp>
#include <utility>

namespace tiffany::asio {
class Telemetry;
}

namespace tiffany::detail {

class AsioLoop;
class AsioRun;

/// Whether an operation of Asio completes, and its handler, which resumes a coroutine, has yet to be called.
enum class AsioCompleting : std::uint8_t { nothing, coroutine, aborted_coroutine };

struct AsioThread {
    AsioRun* run = nullptr;  // the innermost
    AsioLoop* loop = nullptr;
    std::uint32_t upcalls = 0;
    AsioCompleting completing = AsioCompleting::nothing;
    bool begins = false;  // see AsioBeginning
};

// constinit: else each use in another file calls a function that looks whether it has been made
extern thread_local constinit AsioThread asio_thread;

/// While a coroutine that is spawned runs as far as its first suspension: what runs here, and spawned it, goes on.
class AsioBeginning {
  public:
    AsioBeginning() noexcept : outer_{std::exchange(asio_thread.begins, true)} {}
    ~AsioBeginning() { asio_thread.begins = outer_; }
    AsioBeginning(const AsioBeginning&) = delete;
    AsioBeginning& operator=(const AsioBeginning&) = delete;

    /// Whether this suspension is that one.
    static bool ends() noexcept { return std::exchange(asio_thread.begins, false); }

  private:
    bool outer_;
};

/// A thread's loop: a worker of its own, ticks and parks.
class AsioLoop {
  public:
    explicit AsioLoop(asio::Telemetry& telemetry);
    ~AsioLoop();
    AsioLoop(const AsioLoop&) = delete;
    AsioLoop& operator=(const AsioLoop&) = delete;

    /// Returns how long the thread may block, ns.
    std::uint64_t park() noexcept;
    void unpark() noexcept {
        if (parked_) end_park();
    }

    bool is_of(const asio::Telemetry* telemetry) const noexcept { return telemetry == telemetry_; }
    Worker& worker() const noexcept { return *lease_; }
    void begin_tick(const TaskTimes& times) noexcept { tick_.emplace(*lease_, times); }
    void end_tick() noexcept { tick_.reset(); }

  private:
    void end_park() noexcept;

    const asio::Telemetry* telemetry_;
    WorkerLease lease_;
    AsioLoop* outer_;  // a handler of that one, another telemetry's, runs this one
    bool parked_ = false;
    std::optional<Worker::Tick> tick_;
};

}  // namespace tiffany::detail
