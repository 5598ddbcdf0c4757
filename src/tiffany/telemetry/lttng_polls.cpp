#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <tiffany/telemetry/detail/lttng_polls.hpp>

namespace tiffany::detail {
namespace {

/// A system that counts none says that no thread of the process ever slept: those of LTTng have, since it has them.
bool counts_sleeps() noexcept {
    const int error = errno;
    rusage usage{};
    const bool counts = getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_nvcsw != 0;
    errno = error;
    return counts;
}

}  // namespace

/// Not where a filter forbids to ask.
void LttngPolls::count(std::uint64_t now) noexcept {
    const int error = errno;
    rusage usage{};
    sleeps_ = getrusage(RUSAGE_THREAD, &usage) == 0 ? static_cast<std::uint64_t>(usage.ru_nvcsw) : kNotKnown;
    errno = error;
    counted_ns_ = now;
}

std::uint64_t LttngPolls::most_ns(std::uint64_t began, std::uint64_t now) noexcept {
    const std::uint64_t before = sleeps_;
    count(now);
    const std::uint64_t took = now - began;
    if (before == kNotKnown || sleeps_ == kNotKnown || (sleeps_ == 0 && !counts_sleeps())) return took;
    return std::min(took, (sleeps_ - before) * kPollNs);
}

}  // namespace tiffany::detail
