#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <tiffany/pal/text.hpp>

namespace tiffany::pal::test {
namespace {

std::string time_after(const std::string& before, std::uint64_t ts_ns) {
    TimeFormatter time{before};
    TextBuffer out;
    time.put(out, ts_ns);
    return std::string{out.view()};
}

TEST(TimeFormatter, TakesATextOfUpTo15BytesBeforeATime) {
    for (std::size_t bytes = 0; bytes <= 15; ++bytes) {
        const std::string before(bytes, '"');
        EXPECT_EQ(time_after(before, 0), before + "1970-01-01T00:00:00.000000000Z");
        EXPECT_EQ(time_after(before, 1'763'912'588'947'684'687), before + "2025-11-23T15:43:08.947684687Z");
    }
}

TEST(TimeFormatter, RefusesALongerText) {
    for (const std::size_t bytes : {16, 17, 100})
        EXPECT_THROW(TimeFormatter{std::string(bytes, '"')}, std::length_error) << bytes;
}

}  // namespace
}  // namespace tiffany::pal::test
