#pragma once
/// Numbers that one thread changes and others read, each for itself: no order between them is promised.

#include <atomic>
#include <cstdint>

namespace tiffany::detail {

inline void set(std::atomic<std::uint64_t>& number, std::uint64_t value) noexcept {
    number.store(value, std::memory_order_relaxed);
}
inline void raise(std::atomic<std::uint64_t>& number, std::uint64_t by) noexcept {
    number.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace tiffany::detail
