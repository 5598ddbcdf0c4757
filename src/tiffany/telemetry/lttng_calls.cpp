#include "lttng_calls.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <new>
#include <string_view>
#include <tiffany/tracepoints/unseen.hpp>

#include "kernel_time.hpp"

namespace tiffany::detail {
namespace {

constexpr std::uint64_t kNoticedNs = 10'000'000;      // a shorter wait for a worker is not counted
constexpr std::uint64_t kStoodStillNs = 100'000'000;  // no look comes later but where the program stood still
constexpr std::uint64_t kLeastShare = 4096;  // with more than 384 workers a look at all of them would cost too much

/// Whether a thread of this process sleeps, as `S` in proc(5). Not where the kernel does not tell.
bool is_asleep(pid_t thread) noexcept {
    char text[64];
    std::snprintf(text, sizeof text, "/proc/self/task/%d/stat", thread);
    const int file = open(text, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    const ssize_t size = read(file, text, sizeof text);
    close(file);
    const std::string_view stat{text, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
    const std::size_t name_end = stat.rfind(')');  // a name is at most 15 bytes, whatever they are
    return name_end != std::string_view::npos && name_end + 2 < stat.size() && stat[name_end + 2] == 'S';
}

}  // namespace

LttngCalls::~LttngCalls() {
    for (std::atomic<Chunk*>& chunk : chunks_)
        delete chunk.load();
}

LttngCall* LttngCalls::of(std::uint16_t index) noexcept {
    const std::size_t number = index / kEach;
    Chunk* chunk = chunks_[number].load(std::memory_order_acquire);
    if (chunk == nullptr) {
        Chunk* const made = new (std::nothrow) Chunk;
        if (made == nullptr) return nullptr;
        if (chunks_[number].compare_exchange_strong(chunk, made, std::memory_order_acq_rel)) {
            chunk = made;
            std::size_t used = used_.load(std::memory_order_relaxed);
            while (used <= number && !used_.compare_exchange_weak(used, number + 1, std::memory_order_release)) {
            }
            const std::uint64_t workers = kEach * used_.load(std::memory_order_relaxed);
            share_.store(std::max(kUntoldBytes / workers, kLeastShare), std::memory_order_relaxed);
        } else {
            delete made;  // another thread was first
        }
    }
    return &(*chunk)[index % kEach];
}

bool LttngCalls::makes_way(LttngCall& mine, LttngPatience& patience) noexcept {
    const std::uint64_t told = mine.untold < kLookAgain ? mine.untold : 0;
    const std::uint64_t written = written_.fetch_add(told, std::memory_order_relaxed) + told;
    mine.untold = 0;
    const Unseen unseen;
    std::uint64_t waited = 0;  // for all of them together
    const std::size_t used = used_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) {
        Chunk* const chunk = chunks_[i].load(std::memory_order_acquire);
        if (chunk == nullptr) continue;
        for (const LttngCall& other : *chunk) {
            if (&other == &mine || waits_for(other, mine, written, patience, waited)) continue;
            mine.untold = kLookAgain;
            return false;
        }
    }
    return true;
}

/// Returns whether nobody would write round it any more; if not, that was in vain.
bool LttngCalls::waits_for(const LttngCall& other, LttngCall& mine, std::uint64_t written, LttngPatience& patience,
                           std::uint64_t& waited) noexcept {
    const auto is_far_behind = [&](std::uint64_t since) {
        return since != 0 && static_cast<std::int64_t>(written - since) > static_cast<std::int64_t>(kRoomBytes);
    };
    std::uint64_t looked = 0;  // kernel_ns(); 0 = no wait yet
    for (;;) {
        const std::uint64_t since = other.since.load(std::memory_order_acquire);
        if (!is_far_behind(since)) return true;
        if (mine.held_by == &other && mine.held_by_since == since) return false;
        const bool asleep = is_asleep(other.thread.load(std::memory_order_relaxed));
        // who has waited does not add what LTTng would wait for the consumer
        if (asleep && waited < kNoticedNs) return true;
        if (waited >= patience.left_ns()) {
            if (asleep) patience.waited({}, waited);
            mine.held_by = &other;
            mine.held_by_since = since;
            return false;
        }
        if (looked == 0) looked = kernel_ns();
        rest();
        const std::uint64_t now = kernel_ns();
        waited += std::min(now - looked, kStoodStillNs);
        looked = now;
    }
}

void LttngCalls::become_child() noexcept {
    for (std::atomic<Chunk*>& chunk : chunks_)
        if (chunk.load() != nullptr)
            for (LttngCall& call : *chunk.load())
                call.since.store(0, std::memory_order_relaxed);
}

}  // namespace tiffany::detail
