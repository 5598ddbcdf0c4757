#include "lttng_calls.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <new>
#include <string_view>
#include <tiffany/tracepoints/unseen.hpp>

#include "kernel_time.hpp"

namespace tiffany::detail {
namespace {

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

void rest() noexcept {
    constexpr timespec kRest{.tv_sec = 0, .tv_nsec = 100'000};
    nanosleep(&kRest, nullptr);
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

void LttngCalls::make_way(LttngCall& mine) noexcept {
    const std::uint64_t written = written_.fetch_add(mine.untold, std::memory_order_relaxed) + mine.untold;
    mine.untold = 0;
    const Unseen unseen;
    std::uint64_t begin = 0;  // of the first wait: kMostNs are for all of them together
    const std::size_t used = used_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) {
        Chunk* const chunk = chunks_[i].load(std::memory_order_acquire);
        if (chunk == nullptr) continue;
        for (LttngCall& other : *chunk)
            if (&other != &mine) wait_for(other, written, begin);
    }
}

void LttngCalls::wait_for(LttngCall& other, std::uint64_t written, std::uint64_t& begin) const noexcept {
    const auto is_far_behind = [&](std::uint64_t since) {
        return since != 0 && static_cast<std::int64_t>(written - since) > static_cast<std::int64_t>(kRoomBytes);
    };
    for (;;) {
        const std::uint64_t since = other.since.load(std::memory_order_acquire);
        if (!is_far_behind(since) || since == other.given_up.load(std::memory_order_relaxed)) return;
        if (is_asleep(other.thread.load(std::memory_order_relaxed))) return;
        const std::uint64_t now = kernel_ns();
        if (begin == 0) begin = now;
        if (now - begin > kMostNs) {
            other.given_up.store(since, std::memory_order_relaxed);
            return;
        }
        rest();
    }
}

void LttngCalls::become_child() noexcept {
    for (std::atomic<Chunk*>& chunk : chunks_)
        if (chunk.load() != nullptr)
            for (LttngCall& call : *chunk.load())
                call.since.store(0, std::memory_order_relaxed);
}

}  // namespace tiffany::detail
