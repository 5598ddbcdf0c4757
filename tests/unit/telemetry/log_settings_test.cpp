// What the settings of the log mean, and which are refused.

#include <gtest/gtest.h>

#include <cstdlib>
#include <telemetry/log_settings.hpp>
#include <telemetry/setting_values.hpp>

namespace tiffany::detail {
namespace {

TEST(LogSettings, ASizeIsANumberWithOrWithoutASuffix) {
    EXPECT_EQ(parse_size("0"), 0u);
    EXPECT_EQ(parse_size("65536"), 65536u);
    EXPECT_EQ(parse_size("64K"), 65536u);
    EXPECT_EQ(parse_size("3M"), 3'145'728u);
    EXPECT_EQ(parse_size("1G"), 1'073'741'824u);
    EXPECT_EQ(parse_size("18446744073709551615"), ~std::uint64_t{0});
    for (const char* bad :
         {"", "K", "1k", "1KB", "-1", " 1", "1 ", "1.5G", "18446744073709551616", "17179869184G", "0x10"})
        EXPECT_EQ(parse_size(bad), std::nullopt) << bad;
}

TEST(LogSettings, ATimeIsAWholeNumberWithAUnit) {
    using namespace std::chrono_literals;
    EXPECT_EQ(parse_time("250ms"), 250ms);
    EXPECT_EQ(parse_time("1s"), 1s);
    EXPECT_EQ(parse_time("2min"), 120s);
    EXPECT_EQ(parse_time("0s"), 0s);
    EXPECT_EQ(parse_time("9223372036s"), 9223372036s) << "an int64 holds as many ns";
    for (const char* bad : {"", "1", "s", "1 s", "1.5s", "-1s", "1sec", "1m", "1h", "1us", " 1s", "1s ", "9223372037s",
                            "18446744073709551616ms", "0x1s"})
        EXPECT_EQ(parse_time(bad), std::nullopt) << bad;
}

TEST(LogSettings, AnAddressIsWhatStandsBeforeTheLastColon) {
    const auto is = [](std::string_view text, std::string_view address, std::uint16_t port) {
        const std::optional<AddressAndPort> parsed = parse_address(text);
        return parsed && parsed->address == address && parsed->port == port;
    };
    EXPECT_TRUE(is("127.0.0.1:9464", "127.0.0.1", 9464));
    EXPECT_TRUE(is("[::1]:0", "::1", 0));
    EXPECT_TRUE(is("::1:65535", "::1", 65535));
    EXPECT_TRUE(is(":80", "", 80));
    for (const char* bad : {"", "9464", "127.0.0.1", "a:", "a:65536", "a:-1", "a: 1", "a:1 ", "a:0x1"})
        EXPECT_FALSE(parse_address(bad)) << bad;
}

TEST(LogSettings, ANameTakesThePidAndTheHost) {
    EXPECT_EQ(expand_name("/run/%h/%p.pal", "812", "web1"), "/run/web1/812.pal");
    EXPECT_EQ(expand_name("100%%", "812", "web1"), "100%");
    EXPECT_EQ(expand_name("%h", "1", "a/../b"), "a_.._b") << "a host's name is no way to another folder";
    EXPECT_EQ(expand_name("%q", "1", "h"), std::nullopt);
    EXPECT_EQ(expand_name("run%", "1", "h"), std::nullopt);
    EXPECT_TRUE(names_process("a%p"));
    EXPECT_FALSE(names_process("a%%p"));
    EXPECT_FALSE(names_process("%h"));
}

TEST(LogSettings, BadOnesAreRefusedWithTheirReason) {
    EXPECT_EQ(why_bad({}), "");
    EXPECT_EQ(why_bad({.pal = "run.pal"}), "");
    EXPECT_EQ(why_bad({.pal = "-"}), "");
    EXPECT_EQ(why_bad({.pal = "unix:/run/pal"}), "");
    EXPECT_EQ(why_bad({.pal = "unix:"}), "cannot write a log to \"unix:\": the socket has no name");
    EXPECT_EQ(why_bad({.pal = "run/"}), "cannot write a log to \"run/\": a file's name is missing");
    EXPECT_NE(why_bad({.pal = "run%d"}).find("another %"), std::string::npos);
    EXPECT_NE(why_bad({.pal = std::string{"a\0b", 3}}).find("NUL"), std::string::npos);
    EXPECT_NE(why_bad({.pal = "unix:/" + std::string(107, 'x')}).find("at most 107 bytes"), std::string::npos);
    EXPECT_EQ(why_bad({.pal = "unix:/" + std::string(106, 'x')}), "");
    EXPECT_NE(why_bad({.pal = "x", .pal_max_bytes = 65535}).find("at least 65536"), std::string::npos);
    EXPECT_NE(why_bad({.pal = "x", .pal_ring_bytes = 1}).find("ring of 1 bytes"), std::string::npos);
    EXPECT_EQ(why_bad({.stall = std::chrono::nanoseconds{-1}}),
              "cannot watch for runs of more than -1 ns: expected 0, for none, or more");
}

class FromEnvironment : public ::testing::Test {
  protected:
    ~FromEnvironment() override {
        for (const char* name : {"TIFFANY_PAL", "TIFFANY_PAL_MAX", "TIFFANY_PAL_RING", "TIFFANY_STALL"})
            unsetenv(name);
    }
};

TEST_F(FromEnvironment, ItComesBeforeTheProgramUnlessTheProgramForbidsIt) {
    setenv("TIFFANY_PAL", "operator.pal", 1);
    setenv("TIFFANY_PAL_MAX", "10M", 1);
    const ResolvedSettings both = with_environment({.pal = "program.pal", .pal_max_bytes = 1 << 20});
    EXPECT_EQ(both.settings.pal, "operator.pal");
    EXPECT_EQ(both.settings.pal_max_bytes, 10u << 20);
    EXPECT_EQ(both.problem, PalProblem::none);
    const ResolvedSettings alone =
        with_environment({.pal = "program.pal", .pal_max_bytes = 1 << 20, .environment = false});
    EXPECT_EQ(alone.settings.pal, "program.pal");
    EXPECT_EQ(alone.settings.pal_max_bytes, 1u << 20);
}

TEST_F(FromEnvironment, ABadStallMeansThatNobodyWatchesAndLeavesTheLogAlone) {
    using namespace std::chrono_literals;
    EXPECT_EQ(with_environment({.stall = 3s}).settings.stall, 3s);
    setenv("TIFFANY_STALL", "250ms", 1);
    EXPECT_EQ(with_environment({.stall = 3s}).settings.stall, 250ms);
    EXPECT_EQ(with_environment({.stall = 3s, .environment = false}).settings.stall, 3s);
    setenv("TIFFANY_STALL", "0s", 1);
    EXPECT_EQ(with_environment({.stall = 3s}).settings.stall, 0s) << "the operator wants none";
    setenv("TIFFANY_STALL", "1", 1);
    const ResolvedSettings bad = with_environment({.pal = "run.pal", .stall = 3s});
    EXPECT_TRUE(bad.bad_stall);
    EXPECT_EQ(bad.settings.stall, 0s);
    EXPECT_EQ(bad.problem, PalProblem::none);
}

TEST_F(FromEnvironment, WhatIsBadIsSaidAndNothingThrown) {
    setenv("TIFFANY_PAL", "run%z", 1);
    EXPECT_EQ(with_environment({}).problem, PalProblem::bad_target);
    setenv("TIFFANY_PAL", "run.pal", 1);
    setenv("TIFFANY_PAL_MAX", "much", 1);
    EXPECT_EQ(with_environment({}).problem, PalProblem::bad_size);
    setenv("TIFFANY_PAL_MAX", "1K", 1);
    EXPECT_EQ(with_environment({}).problem, PalProblem::bad_size);
    setenv("TIFFANY_PAL_MAX", "", 1);
    EXPECT_EQ(with_environment({}).problem, PalProblem::none);
}

}  // namespace
}  // namespace tiffany::detail
