#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <tiffany/telemetry/detail/lttng_polls.hpp>

namespace tiffany::detail {

/// Not where the system does not count sleeps, or a filter forbids to ask.
void LttngPolls::count(std::uint64_t now) noexcept {
    const int error = errno;
    rusage usage{};
    sleeps_ = getrusage(RUSAGE_THREAD, &usage) == 0 ? static_cast<std::uint64_t>(usage.ru_nvcsw) : 0;
    errno = error;
    counted_ns_ = now;
}

std::uint64_t LttngPolls::most_ns(std::uint64_t began, std::uint64_t now) noexcept {
    const std::uint64_t before = sleeps_;
    count(now);
    const std::uint64_t took = now - began;
    return sleeps_ == 0 ? took : std::min(took, (sleeps_ - before) * kPollNs);
}

}  // namespace tiffany::detail
