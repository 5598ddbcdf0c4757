#include <gmock/gmock.h>

#include "logs.hpp"

namespace tiffany::pal::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string line_of(const Record& record) {
    Text out;
    LogWriter writer{out};
    writer.record(record);
    writer.flush();
    return out.text;
}

std::string text_written(std::string_view text) {
    Record record = step(TaskEvent::Failed, 1, 1, 1);
    record.set_text("error", text);
    const std::string line = line_of(record);
    const std::size_t at = line.find("\"error\":\"") + 9;
    return line.substr(at, line.size() - at - 3);
}

TEST(LogWriter, WritesTheLineOfTheDesign) {
    Record record = step(TaskEvent::Sleep, 41, 7, 9, {{"run_ns", 5120}, {"dur_ns", 1'000'000}});
    record.ts_ns = kTs;
    record.host = "web1";
    record.pid = 812;
    EXPECT_EQ(line_of(record),
              R"({"v":1,"ts":"2026-11-23T15:43:08.947684687Z","host":"web1","pid":812,"instance":"5f3a9c1e07b2",)"
              R"("worker":1,"seq":41,"tid":7,"step":9,"event":"Sleep","run_ns":5120,"dur_ns":1000000})"
              "\n");
}

TEST(LogWriter, LeavesOutHostAndPidThatAreNotKnown) {
    EXPECT_THAT(line_of(step(TaskEvent::Yield, 1, 2, 3)),
                testing::AllOf(Not(HasSubstr("host")), Not(HasSubstr("pid"))));
}

TEST(LogWriter, LeavesOutADurationOfZeroButNoOtherZero) {
    const std::string line = line_of(step(TaskEvent::Sleep, 1, 2, 3));
    EXPECT_THAT(line, Not(HasSubstr("run_ns")));
    EXPECT_THAT(line, HasSubstr("\"dur_ns\":0"));
}

TEST(LogWriter, LeavesOutTheIdentitiesThatAnEventDoesNotHave) {
    const std::string line = line_of(make(EventId::ParkBegin));
    EXPECT_THAT(line, HasSubstr("\"worker\":1,\"event\":\"Park\",\"kind\":\"begin\"}"));
}

TEST(LogWriter, WritesAnEnumerationByItsLabelAndAnUnknownValueAsANumber) {
    EXPECT_THAT(line_of(step(TaskEvent::Ready, 1, 1, 2, {{"cause", 7}})), HasSubstr("\"cause\":\"external\""));
    EXPECT_THAT(line_of(step(TaskEvent::Ready, 1, 1, 2, {{"cause", 99}})), HasSubstr("\"cause\":99"));
}

TEST(LogWriter, WritesTheFirstAndTheLastInstantThatItCanTell) {
    Record record = make(EventId::ParkBegin);
    record.ts_ns = 0;
    EXPECT_THAT(line_of(record), HasSubstr("1970-01-01T00:00:00.000000000Z"));
    record.ts_ns = ~std::uint64_t{0};
    EXPECT_THAT(line_of(record), HasSubstr("2554-07-21T23:34:33.709551615Z"));
}

TEST(LogWriter, FollowsTheSecondWhenItGoesBackwards) {
    Text out;
    LogWriter writer{out};
    Record record = make(EventId::ParkBegin);
    for (const std::uint64_t ts_ns : {2'000'000'000u, 1'999'999'999u, 2'000'000'001u}) {
        record.ts_ns = ts_ns;
        writer.record(record);
    }
    writer.flush();
    EXPECT_THAT(out.text, HasSubstr("00:00:02.000000000Z"));
    EXPECT_THAT(out.text, HasSubstr("00:00:01.999999999Z"));
    EXPECT_THAT(out.text, HasSubstr("00:00:02.000000001Z"));
}

TEST(LogWriter, WritesEachTimeWhateverTheOneBefore) {
    Text out;
    LogWriter writer{out};
    Record record = make(EventId::ParkBegin);
    constexpr std::uint64_t kPart = 10'000;  // ns, of which a time is remembered up to
    constexpr std::uint64_t kSecond = 1'000'000'000;
    for (const std::uint64_t ts_ns :
         {std::uint64_t{0}, kPart - 1, kPart, kPart - 1, 2 * kPart, kSecond - 1, kSecond, kSecond - 1, 59 * kSecond + 7,
          59 * kSecond + 5 * kPart, 3 * kSecond + 123'456'789, std::uint64_t{0}}) {
        record.ts_ns = ts_ns;
        writer.record(record);
        writer.flush();
        const std::string second = std::to_string(100 + ts_ns / kSecond).substr(1);
        const std::string ns = std::to_string(kSecond + ts_ns % kSecond).substr(1);
        EXPECT_THAT(out.text, testing::StartsWith("{\"v\":1,\"ts\":\"1970-01-01T00:00:" + second + "." + ns +
                                                  "Z\",\"instance\":"));
        out.text.clear();
    }
}

TEST(LogWriter, WritesTheWorkerOfTheFirstRecordWhateverItIs) {
    Record record = step(TaskEvent::Yield, 1, 2, 3);
    for (const auto& [instance, digits] :
         {std::pair{std::uint64_t{0}, "000000000000"}, std::pair{~std::uint64_t{0}, "ffffffffffff"}}) {
        record.worker = {instance, 0};
        EXPECT_THAT(line_of(record),
                    HasSubstr("Z\",\"instance\":\"" + std::string{digits} + "\",\"worker\":0,\"seq\":1,\"tid\":2"));
    }
}

TEST(LogWriter, WritesSmallAndLargeNumbersOfAStep) {
    const std::vector<std::uint64_t> numbers{
        0, 1, 9, 99, 100, 4095, 8191, 8192, 9'999, 10'000, 123'456, 99'999'999, 9'876'543'210, ~std::uint64_t{0}};
    for (const std::uint64_t tid : numbers)
        for (const std::uint64_t number : numbers)
            EXPECT_THAT(line_of(step(TaskEvent::Yield, 1, tid, number)),
                        HasSubstr(",\"seq\":1,\"tid\":" + std::to_string(tid) + ",\"step\":" + std::to_string(number) +
                                  ",\"event\":\"Yield\""));
}

TEST(LogWriter, TellsWorkersOfOneLogApart) {
    Text out;
    LogWriter writer{out};
    Record record = make(EventId::ParkBegin);
    writer.record(record);
    record.worker.index = 65535;
    writer.record(record);
    record.worker.instance = 0xabc;
    record.host = "other";
    writer.record(record);
    writer.flush();
    EXPECT_THAT(out.text, HasSubstr(R"("instance":"5f3a9c1e07b2","worker":1,)"));
    EXPECT_THAT(out.text, HasSubstr(R"("instance":"5f3a9c1e07b2","worker":65535,)"));
    EXPECT_THAT(out.text, HasSubstr(R"("host":"other","instance":"000000000abc","worker":65535,)"));
}

TEST(LogWriter, TellsHostsOfOneLogApartWhateverTheirLength) {
    for (const std::size_t length : {1, 7, 8, 9, 16, 17, 100}) {
        Text out;
        LogWriter writer{out};
        Record record = step(TaskEvent::Yield, 1, 2, 3);
        for (std::size_t changed = 0; changed < length; ++changed) {
            record.host = std::string(length, 'a');
            writer.record(record);
            record.host[changed] = 'b';
            writer.record(record);
            writer.flush();
            EXPECT_THAT(out.text,
                        HasSubstr("\"host\":\"" + record.host + "\",\"instance\":\"5f3a9c1e07b2\",\"worker\":1,"));
            out.text.clear();
        }
    }
}

TEST(LogWriter, EscapesAtEveryPlaceOfALongText) {
    for (std::size_t at = 0; at < 40; ++at) {
        std::string text(40, 'a');
        text[at] = '"';
        EXPECT_EQ(text_written(text), text.substr(0, at) + "\\\"" + text.substr(at + 1));
        text[at] = '\x1f';
        EXPECT_EQ(text_written(text), text.substr(0, at) + "\\u001f" + text.substr(at + 1));
        text[at] = '\xff';
        EXPECT_EQ(text_written(text), text.substr(0, at) + "\xEF\xBF\xBD" + text.substr(at + 1));
    }
}

TEST(LogWriter, EscapesAtEveryPlaceOfATextOfAnyLength) {
    for (std::size_t length = 1; length < 26; ++length) {
        const std::string plain(length, 'a');
        EXPECT_EQ(text_written(plain), plain);
        for (std::size_t at = 0; at < length; ++at)
            EXPECT_EQ(text_written(plain.substr(0, at) + '\n' + plain.substr(at + 1)),
                      plain.substr(0, at) + "\\n" + plain.substr(at + 1));
    }
    EXPECT_EQ(text_written(""), "");
}

TEST(LogWriter, EscapesWhatJsonDoesNotAllow) {
    EXPECT_EQ(text_written("a\"b\\c\nd\te\rf"), R"(a\"b\\c\nd\te\rf)");
    EXPECT_EQ(text_written(std::string_view{"\0\x01\x1f\x7f", 4}), "\\u0000\\u0001\\u001f\x7f");
}

TEST(LogWriter, KeepsValidUtf8) {
    for (const char* text : {"\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
                             "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80"})
        EXPECT_EQ(text_written(text), text);
}

TEST(LogWriter, ReplacesEachInvalidByte) {
    const std::string r = "\xEF\xBF\xBD";
    EXPECT_EQ(text_written("a\x80z"), "a" + r + "z");            // a continuation alone
    EXPECT_EQ(text_written("\xC0\xAF"), r + r);                  // overlong
    EXPECT_EQ(text_written("\xE0\x9F\xBF"), r + r + r);          // overlong
    EXPECT_EQ(text_written("\xED\xA0\x80"), r + r + r);          // a surrogate
    EXPECT_EQ(text_written("\xF4\x90\x80\x80"), r + r + r + r);  // above U+10FFFF
    EXPECT_EQ(text_written("\xF5\xFF"), r + r);
    EXPECT_EQ(text_written("ab\xE2\x82"), "ab" + r + r);    // cut at the end
    EXPECT_EQ(text_written("\xE2\x82\""), r + r + "\\\"");  // cut before a quote
    EXPECT_EQ(text_written("\xF0\x9F\x98x"), r + r + r + "x");
}

TEST(LogWriter, KeepsAnUnknownEventByItsName) {
    Record record;
    record.unknown = "task_paused";
    record.ts_ns = kTs;
    record.worker = {kInstance, 2};
    record.seq = 5;
    EXPECT_THAT(line_of(record), HasSubstr(R"("worker":2,"seq":5,"tid":0,"step":0,"event":"task_paused"})"));
    record.unknown = "weather";
    EXPECT_THAT(line_of(record), HasSubstr(R"("worker":2,"seq":5,"event":"weather"})"));
}

TEST(LogWriter, DoesNotLetAnUnknownEventPassForAKnownOne) {
    Record record;
    record.unknown = "End";
    EXPECT_THAT(line_of(record), HasSubstr(R"("event":"tiffany:End")"));
    record.unknown = "Sleep";
    EXPECT_THAT(line_of(record), HasSubstr(R"("event":"tiffany:Sleep")"));
}

TEST(LogWriter, WritesBeginGapAndEnd) {
    Text out;
    LogWriter writer{out};
    Begin begin;
    begin.tool = "paltrace 0.1.0";
    begin.events = {"task_failed", "task_done"};
    writer.begin(begin);
    Gap gap{kTs, {kInstance, 3}, 5, 9, 4, false};
    writer.gap(gap);
    writer.end({});
    writer.end({.bad_parts = 2, .uncounted = {"it was \"killed\"", "more"}});
    EXPECT_EQ(out.text,
              "{\"v\":1,\"event\":\"Begin\",\"tool\":\"paltrace 0.1.0\",\"events\":[\"task_failed\",\"task_done\"]}\n"
              "{\"v\":1,\"ts\":\"2026-11-23T15:43:08.947684687Z\",\"instance\":\"5f3a9c1e07b2\",\"worker\":3,"
              "\"event\":\"Gap\",\"from_seq\":5,\"to_seq\":9,\"lost\":4,\"explained\":false}\n"
              "{\"v\":1,\"event\":\"End\",\"records\":0,\"lost\":0}\n"
              "{\"v\":1,\"event\":\"End\",\"records\":0,\"lost\":0,\"bad_parts\":2,"
              "\"uncounted\":[\"it was \\\"killed\\\"\",\"more\"]}\n");
}

TEST(Catalogue, HasNoOwnFieldThatIsCalledLikeAKeyOfEveryRecord) {
    const std::vector<std::string_view> keys = {"v",   "ts",  "host", "pid",   "instance", "worker",
                                                "seq", "tid", "step", "event", "kind"};
    for (const catalogue::EventInfo& event : catalogue::events())
        for (const catalogue::FieldInfo& field : event.fields) {
            if (field.role != catalogue::FieldRole::own) continue;
            EXPECT_THAT(keys, Not(testing::Contains(field.name))) << event.name;
        }
}

}  // namespace
}  // namespace tiffany::pal::test
