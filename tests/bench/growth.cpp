#include <malloc.h>
#include <unistd.h>

#include <fstream>

#include "scheduler_cases.hpp"

namespace bench {

Growth::Growth() : resident_{0}, allocated_{0} {
    const Bytes now = each(1);
    resident_ = static_cast<std::uint64_t>(now.resident);
    allocated_ = static_cast<std::uint64_t>(now.allocated);
}

Bytes Growth::each(std::size_t operations) const {
    std::uint64_t pages = 0;
    std::ifstream statm{"/proc/self/statm"};
    statm >> pages >> pages;
    const std::uint64_t resident = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    const struct mallinfo2 heap = mallinfo2();
    const auto share = [operations](std::uint64_t now, std::uint64_t before) {
        return static_cast<double>(now - before) / static_cast<double>(operations);
    };
    return {share(resident, resident_), share(heap.uordblks + heap.hblkhd, allocated_)};
}

}  // namespace bench
