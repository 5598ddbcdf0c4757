// A scrape without memory: all of the page, or none. A program of its own, because it has the allocator of all of it.

#include <gtest/gtest.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/scrape_text.hpp>
#include <tiffany/telemetry/hooks.hpp>

namespace {
thread_local long allocations_left = -1;  // of this thread, until one fails; -1: none does
}

void* operator new(std::size_t bytes) {
    if (allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc{};
    if (void* const memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc{};
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace tiffany {
namespace {

std::size_t families_in(const std::string& page) {
    std::size_t found = 0;
    for (std::size_t at = page.find("# TYPE "); at != std::string::npos; at = page.find("# TYPE ", at + 1))
        ++found;
    return found;
}

TEST(NoMemory, AScrapeIsWholeOrAnErrorWhereverItRunsOut) {
    const SchedulerTelemetry telemetry{"scraped", {}};
    const std::vector<std::shared_ptr<prometheus::Collectable>> all{make_collectable(telemetry),
                                                                    make_process_collectable()};
    const std::size_t whole = families_in(scrape_text(all));
    ASSERT_GT(whole, 10u);
    long most = 0;
    for (bool refused = true; refused; ++most) {
        std::string page;
        refused = false;
        allocations_left = most;
        try {
            page = scrape_text(all);
        } catch (const std::bad_alloc&) {
            refused = true;
        }
        allocations_left = -1;
        if (!refused) {
            EXPECT_EQ(families_in(page), whole) << "allocation " << most << " failed";
        }
    }
    EXPECT_GT(most, 50) << "it did run out in many places";
}

// prometheus-cpp's Exposer calls it where an exception ends the process.
TEST(NoMemory, CollectGivesNothingInsteadOfAnError) {
    const SchedulerTelemetry telemetry{"scraped", {}};
    for (const auto& one : {make_collectable(telemetry), make_process_collectable()}) {
        const std::size_t whole = one->Collect().size();
        for (long most = 0; most < 50; ++most) {
            allocations_left = most;
            const std::size_t given = one->Collect().size();
            allocations_left = -1;
            EXPECT_TRUE(given == 0 || given == whole) << given << " of " << whole;
        }
    }
}

}  // namespace
}  // namespace tiffany
