#include "telemetry/text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tiffany::detail {
namespace {

template <std::size_t Size>
std::string copied(std::string_view text) {
    char out[Size];
    const std::size_t bytes = copy_text(out, text);
    EXPECT_EQ(out[bytes], '\0');
    return std::string{out, bytes};
}

TEST(CopyText, KeepsWhatFits) {
    EXPECT_EQ(copied<8>(""), "");
    EXPECT_EQ(copied<8>("1234567"), "1234567");
    EXPECT_EQ(copied<8>("12345678"), "1234567");
}

TEST(CopyText, CutsAtACodePoint) {
    EXPECT_EQ(copied<8>("12345\xC3\xA9"), "12345\xC3\xA9");
    EXPECT_EQ(copied<8>("123456\xC3\xA9"), "123456");
    EXPECT_EQ(copied<8>("\xF0\x9F\x98\x80\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
}

TEST(CopyText, ReplacesEachByteThatIsNotUtf8) {
    EXPECT_EQ(copied<16>("a\xFFz"), "a\xEF\xBF\xBDz");
    EXPECT_EQ(copied<16>("\xC3"), "\xEF\xBF\xBD") << "a sequence that is cut";
    EXPECT_EQ(copied<16>("\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD") << "an overlong form";
    EXPECT_EQ(copied<16>("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD") << "a surrogate";
    EXPECT_EQ(copied<16>("\xF4\x90\x80\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD") << "above U+10FFFF";
    EXPECT_EQ(copied<16>(std::string_view{"a\0b", 3}),
              "a\xEF\xBF\xBD"
              "b")
        << "NUL ends strings in traces";
}

TEST(CopySite, ShowsTheFileWithoutItsFolders) {
    char out[64];
    copy_site(out, "/src/app/server.cpp", 42);
    EXPECT_STREQ(out, "server.cpp:42");
    copy_site(out, "main.cpp", 4294967295u);
    EXPECT_STREQ(out, "main.cpp:4294967295");
}

TEST(CopySite, IsEmptyWithoutAFile) {
    char out[16] = "something else";
    copy_site(out, "", 0);
    EXPECT_STREQ(out, "");
}

TEST(CopySite, CutsTheNameNeverTheLine) {
    char out[16];
    copy_site(out, "a_very_long_file_name.cpp", 12345);
    EXPECT_STREQ(out, "a_very_lo:12345");
}

}  // namespace
}  // namespace tiffany::detail
