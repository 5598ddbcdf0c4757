#pragma once
/// A thread that stands still in the middle of an event, as one does that LTTng lets wait.

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <utility>

#include "recorded.hpp"

namespace tiffany::testing {

constexpr std::chrono::seconds kHeldHang{20};  // a guard: who waits for a held event would do so for ever

/// A thread that does what fires an event, and stands still in it.
class Held {
  public:
    template <typename Do>
    Held(EventId id, Do what) {
        recording().is_held = recording().released = false;
        recording().hold = static_cast<int>(id);
        thread_ = std::thread{std::move(what)};
        const auto until = std::chrono::steady_clock::now() + kHeldHang;
        while (!recording().is_held && std::chrono::steady_clock::now() < until)
            std::this_thread::yield();
        EXPECT_TRUE(recording().is_held) << "the event did not fire";
    }
    ~Held() { end(); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    void end() {
        recording().released = true;
        if (thread_.joinable()) thread_.join();
    }

  private:
    std::thread thread_;
};

}  // namespace tiffany::testing
