#include "run_delay.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <tiffany/tracepoints/unseen.hpp>

namespace tiffany::detail {

std::optional<std::uint64_t> run_delay_ns(std::uint32_t thread, const char* tasks) noexcept {
    char path[128];
    const int length = std::snprintf(path, sizeof path, "%s/%u/schedstat", tasks, thread);
    if (length < 0 || static_cast<std::size_t>(length) >= sizeof path) return std::nullopt;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return std::nullopt;
    char text[128];
    const ssize_t bytes = ::read(file, text, sizeof text);
    close(file);
    if (bytes <= 0) return std::nullopt;
    // ns on a CPU, ns runnable without one, time slices: https://docs.kernel.org/scheduler/sched-stats.html
    std::uint64_t numbers[3] = {};
    const char* at = text;
    const char* const end = text + bytes;
    for (std::uint64_t& number : numbers) {
        while (at != end && *at == ' ')
            ++at;
        const auto [stop, error] = std::from_chars(at, end, number);
        if (error != std::errc{}) return std::nullopt;
        at = stop;
    }
    // a kernel that does not count writes "0 0 0"; a thread that is there was given a time slice
    if (numbers[0] == 0 && numbers[2] == 0) return std::nullopt;
    return numbers[1];
}

bool RunDelays::read(std::atomic<std::size_t>& turn) noexcept {
    const Unseen unseen;
    if (all_.empty()) return run_delay_ns(static_cast<std::uint32_t>(gettid())).has_value();
    std::sort(all_.begin(), all_.end(), [](const One& a, const One& b) { return a.hold < b.hold; });
    const std::size_t count = std::min(all_.size(), kMostRead);
    const std::size_t first = count < all_.size() ? turn.fetch_add(count, std::memory_order_relaxed) : 0;
    bool told = false;
    for (std::size_t i = 0; i < count; ++i) {
        One& one = all_[(first + i) % all_.size()];
        one.ns = run_delay_ns(one.thread);
        told = told || one.ns.has_value();
    }
    return told;
}

std::optional<std::uint64_t> RunDelays::of(std::uint64_t hold) const noexcept {
    const auto found = std::lower_bound(all_.begin(), all_.end(), hold,
                                        [](const One& one, std::uint64_t wanted) { return one.hold < wanted; });
    return found != all_.end() && found->hold == hold ? found->ns : std::nullopt;
}

}  // namespace tiffany::detail
