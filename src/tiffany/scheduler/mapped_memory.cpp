#include "mapped_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace tiffany::detail {
namespace {

/// As most processors have them. Where they are larger, or switched off, there are small ones.
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

MappedMemory::MappedMemory(std::size_t bytes, std::size_t alignment) {
    const bool huge = bytes >= kHugePage;
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    alignment = std::max(alignment, huge ? std::max(page, kHugePage) : page);
    bytes_ = (bytes + page - 1) / page * page;
    // more than is wanted, so that there is a begin so aligned in it; the rest goes back
    const std::size_t mapped = bytes_ + alignment;
    void* const memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc{};
    auto* const first = static_cast<std::byte*>(memory);
    const std::size_t before = -reinterpret_cast<std::uintptr_t>(memory) & (alignment - 1);
    begin_ = first + before;
    if (before != 0) munmap(first, before);
    munmap(begin_ + bytes_, mapped - before - bytes_);
    if (huge) madvise(begin_, bytes_, MADV_HUGEPAGE);  // refused: small ones do it, too
}

MappedMemory::~MappedMemory() {
    if (begin_ != nullptr) munmap(begin_, bytes_);
}

}  // namespace tiffany::detail
