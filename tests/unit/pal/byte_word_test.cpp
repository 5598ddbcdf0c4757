#include <gtest/gtest.h>
#include <tiffany/pal/byte_word.hpp>
#include <tiffany/pal/field.hpp>

#include <algorithm>
#include <string>

namespace tiffany::pal::test {
namespace {

/// `text`, with any byte at `at`.
std::string with(std::string text, std::size_t at, unsigned byte) {
    text[at] = static_cast<char>(byte);
    return text;
}

TEST(ByteWord, FindsTheFirstOfEveryByteAtEveryPlace) {
    for (unsigned byte = 0; byte < 256; ++byte)
        for (std::size_t at = 0; at < kWord; ++at) {
            const std::uint64_t word = word_at(with("\xff\xff\xff\xff\xff\xff\xff\xff", at, byte).data());
            const auto is_there = [](bool is, std::size_t where) { return is ? where : kWord; };
            EXPECT_EQ(before_mark(mark_less(word, 0x20)), is_there(byte < 0x20, at)) << byte;
            EXPECT_EQ(before_mark(mark_equal(word, '"')), is_there(byte == '"', at)) << byte;
            const bool is_digit = byte >= '0' && byte <= '9';
            EXPECT_EQ(count_digits(word_at(with("11111111", at, byte).data())), is_there(!is_digit, at)) << byte;
            EXPECT_EQ(is_all_digits(word_at(with("11111111", at, byte).data())), is_digit) << byte;
        }
}

TEST(ByteWord, ReadsNumbersOfEveryLength) {
    for (const char* const text : {"12345678", "98765432", "00000000", "99999999", "10000000"})
        for (std::size_t digits = 1; digits <= kWord; ++digits) {
            std::string cut = std::string{text}.substr(0, digits);
            const std::uint64_t wanted = std::stoull(cut);
            cut.resize(kWord, '\xff');
            EXPECT_EQ(number_in(word_at(cut.data()), digits), wanted) << text << ' ' << digits;
        }
}

TEST(ByteWord, TellsTextsApartByAnyByte) {
    for (std::size_t size = 0; size < 40; ++size) {
        const std::string text(size, 'a');
        EXPECT_TRUE(same_bytes((text + 'b').data(), (text + 'c').data(), size));
        for (std::size_t at = 0; at < size; ++at)
            EXPECT_FALSE(same_bytes(text.data(), with(text, at, 'b').data(), size)) << size << ' ' << at;
    }
}

TEST(Field, LiesWhereTheCatalogueHasIt) {
    const auto check = [](EventId id, std::size_t place, std::string_view name) {
        ASSERT_LT(place, catalogue::info(id).fields.size()) << name;
        EXPECT_EQ(catalogue::info(id).fields[place].name, name) << catalogue::info(id).name;
    };
    check(EventId::TaskRunning, field::Running::ready_ns, "ready_ns");
    check(EventId::TaskRunning, field::Running::wait_ns, "wait_ns");
    check(EventId::TaskRunning, field::Running::waited, "waited");
    check(EventId::TaskSpawned, field::Spawned::state, "state");
    check(EventId::TaskSpawned, field::Spawned::parent, "parent");
    check(EventId::TaskCancelled, field::Cancelled::from_state, "from_state");
    check(EventId::WorkerDumped, field::WorkerDumped::tasks, "tasks");
    check(EventId::Stalled, field::Stalled::run_ns, "run_ns");
    check(EventId::TickEnd, field::TickEnd::run_ns, "run_ns");
}

}  // namespace
}  // namespace tiffany::pal::test
