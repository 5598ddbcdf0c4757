// The line that the process's own log makes of an event, where it lies in a ring, is the line that the log's writer
// makes of the record, to the byte.

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <telemetry/pal_decode.hpp>
#include <telemetry/pal_line.hpp>
#include <tiffany/pal/writer.hpp>

namespace tiffany::detail {
namespace {

struct Text : pal::ByteSink {
    void write(std::string_view bytes) override { text += bytes; }
    std::string text;
};

constexpr const char* kHost = "we\"b\n1";
constexpr std::uint32_t kPid = 812;

/// Any event, as bytes.
class Bytes {
  public:
    void number(std::size_t bytes, std::uint64_t value) {
        at_ = (at_ + bytes - 1) / bytes * bytes;
        std::memcpy(bytes_.data() + at_, &value, bytes);  // little endian
        at_ += bytes;
    }
    void text(std::size_t max_bytes, const std::string& text) {
        std::memset(bytes_.data() + at_, 0, max_bytes + 1);
        std::memcpy(bytes_.data() + at_, text.data(), std::min(max_bytes, text.size()));
        at_ += max_bytes + 1;
    }
    const std::byte* data() const { return bytes_.data(); }

  private:
    alignas(16) std::array<std::byte, 1024> bytes_{};
    std::size_t at_ = 0;
};

void expect_same_line(PalLines& lines, const catalogue::EventInfo& info, const Bytes& event, std::uint64_t ts_ns) {
    std::array<char, PalLines::kMaxLine> out{};
    const char* const end = lines.put(out.data(), {info.id, ts_ns, event.data()});

    pal::Record record;
    record.host = kHost;
    record.pid = kPid;
    record.ts_ns = ts_ns;
    decode_event(info, event.data(), record);
    record.pid = kPid;  // of an event that tells it itself, too: it is this process
    Text text;
    pal::LogWriter writer{text};
    writer.record(record);
    writer.flush();
    EXPECT_EQ(std::string(static_cast<const char*>(out.data()), end), text.text) << info.name;
}

TEST(PalLines, AreWhatTheWriterMakesOfTheRecordsWhateverTheNumbersAre) {
    PalLines lines{kHost, kPid};
    // each power of ten and its neighbours: where the number of digits changes
    std::vector<std::uint64_t> numbers{0, 1, 2, ~std::uint64_t{0}, ~std::uint64_t{0} - 1};
    for (std::uint64_t power = 10; power < 10'000'000'000'000'000'000u; power *= 10)
        numbers.insert(numbers.end(), {power - 1, power, power + 1, power * 3 + 7});
    std::size_t compared = 0;
    for (const catalogue::EventInfo& info : catalogue::events())
        for (std::size_t first = 0; first < numbers.size(); ++first) {
            Bytes event;
            std::size_t next = first;
            for (const catalogue::FieldInfo& field : info.fields)
                if (field.is_string())
                    event.text(field.max_bytes, "fetch");
                else
                    event.number(field.max_bytes, numbers[next++ % numbers.size()]);
            // below the year 2262, which is as far as the writer's calendar reaches
            expect_same_line(lines, info, event, numbers[first] % 9'000'000'000'000'000'000u);
            ++compared;
        }
    EXPECT_GT(compared, 1'000u);
}

TEST(PalLines, EscapeWhatJsonEscapesAndLeaveUtf8AsItIs) {
    PalLines lines{kHost, kPid};
    std::string every;
    for (char byte = 1; byte < 127; ++byte)
        every += byte;
    for (const std::string& text :
         {std::string{}, std::string{"\"\\\n\t\r\b\x1f\x7f"},
          std::string{"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80"}, every, std::string(255, '\x01')})
        for (const catalogue::EventInfo& info : catalogue::events()) {
            Bytes event;
            for (const catalogue::FieldInfo& field : info.fields)
                if (field.is_string())
                    // cut between two characters, as the hooks cut it
                    event.text(field.max_bytes, text.size() > field.max_bytes ? text.substr(0, 31) : text);
                else
                    event.number(field.max_bytes, 5);
            expect_same_line(lines, info, event, 1'700'000'000'123'456'789);
        }
}

TEST(PalLines, TellGapsAsTheWriterDoes) {
    PalLines lines{kHost, kPid};
    for (const bool explained : {true, false}) {
        const pal::Gap gap{1'700'000'000'000'000'001, {0x5f3a9c1e07b2, 7}, 42, 1'000'000'000'000, 9, explained};
        std::array<char, PalLines::kMaxLine> out{};
        const char* const end = lines.put(out.data(), gap);
        Text text;
        pal::LogWriter writer{text};
        writer.gap(gap);
        writer.flush();
        EXPECT_EQ(std::string(static_cast<const char*>(out.data()), end), text.text);
    }
}

TEST(PalLines, NoLineIsLongerThanItsRoom) {
    PalLines lines{std::string(64, '"'), 4'294'967'295};
    for (const catalogue::EventInfo& info : catalogue::events()) {
        Bytes event;
        for (const catalogue::FieldInfo& field : info.fields)
            if (field.is_string())
                event.text(field.max_bytes, std::string(field.max_bytes, '\x01'));  // six bytes each
            else
                event.number(field.max_bytes, ~std::uint64_t{0});
        std::vector<char> out(PalLines::kMaxLine * 2, 'x');
        const char* const end = lines.put(out.data(), {info.id, ~std::uint64_t{0} / 2, event.data()});
        EXPECT_LT(end - out.data(), static_cast<std::ptrdiff_t>(PalLines::kMaxLine)) << info.name;
    }
}

}  // namespace
}  // namespace tiffany::detail
