#pragma once
/// Memory for many small things that are visited in any order.

#include <cstddef>
#include <utility>

namespace tiffany::detail {

/// Owns pages of zeros, of which only those that are touched take memory. Of many bytes the kernel is asked to make
/// huge pages: else most visits walk the page tables, which in a virtual machine costs more than the memory itself.
/// Moved, not copied.
class MappedMemory {
  public:
    MappedMemory() = default;
    /// @param alignment  of its begin: a power of two
    /// Errors: std::bad_alloc.
    MappedMemory(std::size_t bytes, std::size_t alignment);
    MappedMemory(MappedMemory&& other) noexcept
        : begin_{std::exchange(other.begin_, nullptr)}, bytes_{std::exchange(other.bytes_, 0)} {}
    MappedMemory& operator=(MappedMemory&& other) noexcept {
        std::swap(begin_, other.begin_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~MappedMemory();

    /// Null: there is none.
    std::byte* begin() const noexcept { return begin_; }

  private:
    std::byte* begin_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace tiffany::detail
