#include <gmock/gmock.h>
#include <tiffany/pal/output.hpp>

#include "logs.hpp"

namespace tiffany::pal::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string sleep_line() {
    return R"({"v":1,"ts":"2026-11-23T15:43:08.9Z","instance":"5f3a9c1e07b2","worker":1,"seq":41,"tid":7,"step":9,)"
           R"("event":"Sleep","run_ns":5120,"dur_ns":1000000})";
}
constexpr std::string_view kBegin = "{\"v\":1,\"event\":\"Begin\"}\n";
constexpr std::string_view kEndOf1 = "{\"v\":1,\"event\":\"End\",\"records\":1,\"lost\":0}\n";

std::string log_of(const std::string& line) {
    return std::string{kBegin} + line + "\n" + std::string{kEndOf1};
}

/// The error of reading `content`, on one line; empty if there is none.
std::string whole_error_of(std::string_view content, EntrySink& sink) {
    const Folder folder;
    const std::string path = folder.file_with("log", content);
    try {
        read_log(path, sink);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::content);
        EXPECT_THAT(error.one_line(), HasSubstr(path));
        EXPECT_EQ(error.one_line().find('\n'), std::string::npos);
        return error.one_line();
    }
    return {};
}

/// The same without the byte, which depends on what is before the line that a test is about.
std::string error_of(std::string_view content, EntrySink& sink) {
    constexpr std::string_view kByte = " at byte ";
    std::string said = whole_error_of(content, sink);
    if (const std::size_t at = said.find(kByte); at != said.npos)
        said.erase(at, said.find_first_not_of("0123456789", at + kByte.size()) - at);
    return said;
}
std::string error_of(std::string_view content) {
    Kept kept;
    return error_of(content, kept);
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
    const std::size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), with);
}

TEST(LogReader, GivesBackByteForByteWhatTheWriterWroteOfEveryEvent) {
    std::vector<Record> records = every_event();
    Record unknown;
    unknown.unknown = "task_paused";
    unknown.ts_ns = kTs;
    unknown.worker = {kInstance, 2};
    unknown.seq = 5;
    records.push_back(unknown);
    for (const catalogue::EventInfo& event : catalogue::events())
        records.push_back(make(event.id));  // all zero
    Begin begin{kTs, "paltrace 0.1.0", "run \xC3\xA4", "monotonic", {"task_failed"}, 1};
    const std::string first = written(records, begin, {{kTs, {kInstance, 3}, 5, 9, 4, false}});
    ASSERT_EQ(std::count(first.begin(), first.end(), '\n'), static_cast<std::ptrdiff_t>(records.size() + 3));

    const Folder folder;
    Text again;
    LogWriter writer{again};
    const LogSummary summary = read_log(folder.file_with("log", first), writer);

    EXPECT_EQ(again.text, first);
    EXPECT_EQ(summary.records, records.size());
    EXPECT_EQ(summary.transitions, 2 * kTransitions + 1);
    EXPECT_EQ(summary.gaps, 1u);
    EXPECT_EQ(summary.unknown_events, (std::map<std::string, std::uint64_t>{{"task_paused", 1}}));
}

TEST(LogReader, ReadsEveryFieldIntoItsPlace) {
    const std::vector<Record> records = every_event();
    Kept kept;
    ASSERT_EQ(error_of(written(records), kept), "");
    ASSERT_EQ(kept.records.size(), records.size());
    for (std::size_t i = 0; i < records.size(); ++i) {
        EXPECT_EQ(kept.records[i].info, records[i].info);
        EXPECT_EQ(kept.records[i].numbers, records[i].numbers) << records[i].info->name;
        EXPECT_EQ(kept.records[i].texts, records[i].texts) << records[i].info->name;
        EXPECT_EQ(kept.records[i].host, "web1");
        EXPECT_EQ(kept.records[i].pid, 812u);
        EXPECT_EQ(kept.records[i].worker, records[i].worker);
        EXPECT_EQ(kept.records[i].seq, records[i].seq);
        EXPECT_EQ(kept.records[i].tid, records[i].tid);
        EXPECT_EQ(kept.records[i].step, records[i].step);
    }
}

TEST(LogReader, NamesTheByteAtWhichTheLineBegins) {
    Kept kept;
    std::string log{kBegin};
    // more than the reader holds at a time, in lines of all lengths
    for (const std::size_t more : std::initializer_list<std::size_t>{0, 1, 300'000, 900'000, 5, 262'144, 500'000, 0}) {
        const std::string at = std::to_string(log.size());
        const std::string line = std::to_string(std::count(log.begin(), log.end(), '\n') + 1);
        const std::string where = "line " + line + " at byte " + at;
        EXPECT_THAT(whole_error_of(log + "{\n", kept), HasSubstr(where + ": not JSON"));
        EXPECT_THAT(whole_error_of(log + "{", kept), HasSubstr(where + ": the log was cut here"));
        EXPECT_THAT(whole_error_of(log + std::string(kMaxLine + 1, ' '), kept), HasSubstr(where + ": the line is too"));
        log += replaced(sleep_line(), "{", "{" + std::string(more, ' ')) + "\n";
        EXPECT_THAT(whole_error_of(log, kept), HasSubstr("no End, " + where + " is the last one"));
    }
    EXPECT_THAT(whole_error_of("{}\n", kept), HasSubstr("line 1 at byte 0: "));
}

TEST(LogReader, TakesKeysInAnyOrder) {
    Kept kept;
    ASSERT_EQ(error_of(log_of(R"({"dur_ns":7,"event":"Sleep","run_ns":5,"step":9,"tid":7,"seq":41,"worker":1,)"
                              R"("instance":"5f3a9c1e07b2","ts":"2026-11-23T15:43:08Z","v":1})"),
                       kept),
              "");
    EXPECT_EQ(kept.records.at(0).number("dur_ns"), 7u);
    EXPECT_EQ(kept.records.at(0).number("run_ns"), 5u);
}

TEST(LogReader, TakesAKindThatComesAfterTheOwnFields) {
    Kept kept;
    ASSERT_EQ(error_of(log_of(R"({"v":1,"ts":"2026-11-23T15:43:08Z","instance":"5f3a9c1e07b2","worker":1,)"
                              R"("event":"Park","park_ns":12,"kind":"end"})"),
                       kept),
              "");
    EXPECT_EQ(kept.records.at(0).info->id, EventId::ParkEnd);
    EXPECT_EQ(kept.records.at(0).number("park_ns"), 12u);
}

TEST(LogReader, IgnoresKeysThatItDoesNotKnow) {
    Kept kept;
    ASSERT_EQ(
        error_of(log_of(replaced(sleep_line(), "\"run_ns\"", R"("colour":{"a":[1,{"b":"}"}]},"x":1e99,"run_ns")")),
                 kept),
        "");
    EXPECT_EQ(kept.records.at(0).number("run_ns"), 5120u);
}

TEST(LogReader, KeepsEventsAndKindsThatItDoesNotKnow) {
    Kept kept;
    ASSERT_EQ(error_of(log_of(replaced(sleep_line(), "\"Sleep\"", "\"task_paused\"")), kept), "");
    ASSERT_EQ(error_of(log_of(replaced(sleep_line(), "\"Sleep\"", R"("Worker","kind":"moved")")), kept), "");
    EXPECT_EQ(kept.records.at(0).unknown, "task_paused");
    EXPECT_TRUE(kept.records.at(0).is_transition());
    EXPECT_EQ(kept.records.at(0).seq, 41u);
    EXPECT_EQ(kept.records.at(1).unknown, "Worker.moved");
}

TEST(LogReader, TakesALabelThatItDoesNotKnowOnlyFromANewerCatalogue) {
    const std::string line = R"({"v":1,"ts":"2026-11-23T15:43:08Z","instance":"5f3a9c1e07b2","worker":1,"seq":1,)"
                             R"("tid":1,"step":2,"event":"Ready","cause":"magic","waker":0,"late_ns":0})";
    EXPECT_THAT(error_of(log_of(line)),
                HasSubstr("line 2: \"cause\": expected a label of wake_cause, found \"magic\""));
    Kept kept;
    ASSERT_EQ(error_of(replaced(log_of(line), "\"Begin\"", R"("Begin","catalogue":999)"), kept), "");
    EXPECT_EQ(kept.records.at(0).number("cause"), 255u);
}

TEST(LogReader, SaysWhatIsWrongWithALine) {
    const auto error_with = [](std::string_view what, std::string_view with) {
        return error_of(log_of(replaced(sleep_line(), what, with)));
    };
    EXPECT_THAT(error_with("\"seq\":41,", ""), HasSubstr("line 2: \"seq\" is missing"));
    EXPECT_THAT(error_with("\"dur_ns\":1000000", "\"x\":1"), HasSubstr("line 2: \"dur_ns\" is missing"));
    EXPECT_THAT(error_with("\"instance\":\"5f3a9c1e07b2\",", ""), HasSubstr("line 2: \"instance\" is missing"));
    EXPECT_THAT(error_with("\"event\":\"Sleep\",", ""), HasSubstr("line 2: \"event\" is missing"));
    EXPECT_THAT(error_with("\"ts\":\"2026-11-23T15:43:08.9Z\",", ""), HasSubstr("line 2: \"ts\" is missing"));
    EXPECT_THAT(error_with("{\"v\":1,", "{"), HasSubstr("line 2: \"v\" is missing"));
    EXPECT_THAT(error_with("{\"v\":1,", "{\"v\":2,"), HasSubstr("line 2: this is version 2"));
    EXPECT_THAT(error_with("41", "\"41\""),
                HasSubstr("\"seq\": expected a whole number from 0 to 18446744073709551615, "
                          "found \"41\""));
    EXPECT_THAT(error_with("41", "-1"), HasSubstr("found -1"));
    EXPECT_THAT(error_with("41", "1.5"), HasSubstr("found 1.5"));
    EXPECT_THAT(error_with("41", "18446744073709551616"), HasSubstr("found 18446744073709551616"));
    EXPECT_THAT(error_with("\"worker\":1", "\"worker\":65536"), HasSubstr("from 0 to 65535, found 65536"));
    EXPECT_THAT(error_with("5f3a9c1e07b2", "5f3a9c1e07b"), HasSubstr("expected 12 hexadecimal digits"));
    EXPECT_THAT(error_with("5f3a9c1e07b2", "5f3a9c1e07bx"), HasSubstr("expected 12 hexadecimal digits"));
    EXPECT_THAT(error_with("2026-11-23", "2026-02-30"), HasSubstr("\"ts\": expected an instant"));
    EXPECT_THAT(error_with("08.9Z", "08.9+01:00"), HasSubstr("\"ts\": expected an instant"));
    EXPECT_THAT(error_with("2026", "2555"), HasSubstr("\"ts\": expected an instant"));
    EXPECT_THAT(error_with("2026", "1969"), HasSubstr("\"ts\": expected an instant"));
    EXPECT_THAT(error_with("\"seq\"", "seq"), HasSubstr("line 2: not JSON"));
    EXPECT_THAT(error_with("1000000}", "1000000} x"), HasSubstr("line 2: not JSON"));
    EXPECT_THAT(error_with("Sleep", "Sl\xFF"), HasSubstr("line 2: not UTF-8"));
    EXPECT_THAT(error_of(log_of("[1]")), HasSubstr("line 2: expected a JSON object"));
    EXPECT_THAT(error_of(log_of("")), HasSubstr("line 2: not JSON"));
    EXPECT_THAT(error_of(log_of(std::string(100'000, '['))), HasSubstr("line 2: "));
}

TEST(LogReader, SaysWhatIsWrongWithAGap) {
    const std::string gap = R"({"v":1,"ts":"2026-11-23T15:43:08Z","instance":"5f3a9c1e07b2","worker":1,"event":"Gap",)"
                            R"("from_seq":5,"to_seq":9,"lost":4})";
    EXPECT_THAT(error_of(log_of(replaced(gap, "\"to_seq\":9", "\"to_seq\":4"))),
                HasSubstr("expected at least 5, found 4"));
    EXPECT_THAT(error_of(log_of(replaced(gap, "\"lost\":4", "\"lost\":6"))), HasSubstr("expected at most 5, found 6"));
    EXPECT_THAT(error_of(log_of(replaced(gap, ":5", ":0"))), HasSubstr("expected at least 1, found 0"));
    EXPECT_THAT(error_of(log_of(replaced(gap, ",\"lost\":4", ""))), HasSubstr("\"lost\" is missing"));
}

TEST(LogReader, TakesFromTheEndWhatMayBeMissing) {
    const auto log_with = [](const std::string& uncounted) {
        return std::string{kBegin} + "{\"v\":1,\"event\":\"End\",\"records\":0,\"lost\":0,\"uncounted\":" + uncounted +
               "}\n";
    };
    Kept kept;
    EXPECT_EQ(error_of(log_with(R"(["a \"b\"","c"])"), kept), "");
    EXPECT_THAT(kept.ends.at(0).uncounted, ElementsAre("a \"b\"", "c"));
    EXPECT_THAT(error_of(log_with("3")), HasSubstr("\"uncounted\": expected a list of sentences"));
    EXPECT_THAT(error_of(log_with("[3]")), HasSubstr("\"uncounted\": expected"));
}

TEST(LogReader, RefusesWhatIsNoLog) {
    EXPECT_THAT(error_of(""), HasSubstr("this is no PAL log: it is empty"));
    EXPECT_THAT(error_of("hello\n"), HasSubstr("this is no PAL log: line 1: expected a JSON object"));
    EXPECT_THAT(error_of("{\"a\":1}\n"), HasSubstr("this is no PAL log: line 1: \"v\" is missing"));
    EXPECT_THAT(error_of(sleep_line() + "\n"), HasSubstr("this is no PAL log: line 1: expected Begin"));
    EXPECT_THAT(error_of(std::string_view{"\0\0\0\0\n", 5}), HasSubstr("this is no PAL log"));
}

TEST(LogReader, RefusesEntriesInTheWrongOrder) {
    EXPECT_THAT(error_of(log_of(sleep_line()) + sleep_line() + "\n"), HasSubstr("line 4: expected nothing after End"));
    EXPECT_THAT(error_of(std::string{kBegin} + log_of(sleep_line())), HasSubstr("line 2: a second Begin"));
    EXPECT_THAT(error_of(std::string{kBegin} + std::string{kEndOf1}), HasSubstr("End tells of 1 records, found 0"));
}

TEST(LogReader, PushesEverythingBeforeItSaysThatTheLogWasCut) {
    Kept kept;
    EXPECT_THAT(error_of(std::string{kBegin} + sleep_line() + "\n", kept), HasSubstr("the log was cut: it has no End"));
    EXPECT_EQ(kept.records.size(), 1u);
    EXPECT_TRUE(kept.ends.empty());
}

TEST(LogReader, AcceptsALastLineWithoutItsNewline) {
    std::string log = log_of(sleep_line());
    log.pop_back();
    EXPECT_EQ(error_of(log), "");
}

/// A log with every kind of entry, short enough to be broken at each of its bytes.
std::string short_log() {
    Record spawned = step(TaskEvent::Spawned, 1, 7, 1, {{"state", 1}});
    spawned.set_text("name", "gr\xC3\xBC\xC3\x9F \"x\"\n");
    return written({spawned, step(TaskEvent::Sleep, 2, 7, 2, {{"run_ns", 5}}), make(EventId::ParkEnd)},
                   {kTs, "tool", "trace", "monotonic", {"task_done"}, 1}, {{kTs, {kInstance, 3}, 5, 9, 4, false}});
}

TEST(LogReader, FindsALogCutAtAnyByte) {
    const std::string log =
        written(every_event(), {kTs, "tool", "trace", "monotonic", {}, 1}, {{kTs, {kInstance, 3}, 5, 9, 4, false}});
    for (std::size_t size = 0; size + 1 < log.size(); ++size) {
        Kept kept;
        const std::string cut = log.substr(0, size);
        EXPECT_NE(error_of(cut, kept), "") << size;
        // every whole line was pushed, but for the one cut right at its newline, which may have been
        const auto lines = static_cast<std::size_t>(std::count(cut.begin(), cut.end(), '\n'));
        const std::size_t pushed = kept.begins.size() + kept.records.size() + kept.gaps.size() + kept.ends.size();
        EXPECT_GE(pushed, lines) << size;
        EXPECT_LE(pushed, lines + 1) << size;
    }
}

TEST(LogReader, SurvivesAnyByteThatWasChanged) {
    const std::string log = short_log();
    const Folder folder;
    for (std::size_t at = 0; at < log.size(); ++at)
        for (const char byte : {'"', '\xFF', '9'}) {
            std::string bad = log;
            bad[at] = byte;
            Kept kept;
            try {
                read_log(folder.file_with("log", bad), kept);
            } catch (const Error& error) {
                EXPECT_EQ(error.kind(), ErrorKind::content) << at;
            }
        }
}

TEST(LogReader, ReadsALineOnTheBoundAndRefusesALongerOne) {
    const auto padded = [](std::size_t bytes) {
        std::string line = replaced(sleep_line(), "{", R"({"x":"",)");
        return replaced(line, R"("x":"")", "\"x\":\"" + std::string(bytes - line.size(), 'x') + '"');
    };
    EXPECT_EQ(error_of(log_of(padded(kMaxLine))), "");
    EXPECT_THAT(error_of(log_of(padded(kMaxLine + 1))), HasSubstr("line 2: the line is too long"));
    EXPECT_THAT(error_of(std::string{kBegin} + std::string(5 * kMaxLine, ' ')),
                HasSubstr("line 2: the line is too long"));
}

TEST(LogReader, ReadsLogsLargerThanItsBuffer) {
    std::vector<Record> records;
    for (std::uint64_t i = 1; i <= 20'000; ++i)
        records.push_back(step(TaskEvent::Yield, i, i % 7, i));
    Kept kept;
    ASSERT_EQ(error_of(written(records), kept), "");
    ASSERT_EQ(kept.records.size(), records.size());
    for (std::uint64_t i = 0; i < records.size(); ++i)
        ASSERT_EQ(kept.records[i].seq, i + 1);
}

TEST(LogReader, DoesNotBlameTheLogForWhatItsSinkThrows) {
    struct Full : Kept {
        void record(const Record&) override {
            throw Error{ErrorKind::system, "cannot write x: No space left on device"};
        }
    };
    const Folder folder;
    Full sink;
    try {
        read_log(folder.file_with("log", log_of(sleep_line())), sink);
        FAIL() << "no error";
    } catch (const Error& error) {
        EXPECT_EQ(error.one_line(), "cannot write x: No space left on device");
    }
}

TEST(LogReader, SaysThatAFileIsMissingOrIsAFolder) {
    Kept kept;
    const Folder folder;
    for (const std::string& path : {folder.file("missing"), folder.file("")}) {
        try {
            read_log(path, kept);
            FAIL() << "no error";
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::system);
            EXPECT_THAT(error.one_line(), HasSubstr("cannot read " + path));
        }
    }
}

TEST(CompressedLog, IsReadWhateverItsNameSays) {
    const std::string log = written(every_event());
    const Folder folder;
    OutputFile file{folder.file("log.zst")};
    file.write(log);
    file.commit();
    std::filesystem::rename(folder.file("log.zst"), folder.file("log"));
    ASSERT_LT(content_of(folder.file("log")).size(), log.size());
    EXPECT_TRUE(looks_like_log(folder.file("log")));

    Text again;
    LogWriter writer{again};
    read_log(folder.file("log"), writer);
    EXPECT_EQ(again.text, log);
}

TEST(CompressedLog, CutAtAnyByteIsAnErrorOrIsKnownToBeCut) {
    const Folder folder;
    OutputFile file{folder.file("log.zst")};
    file.write(written(every_event()));
    file.commit();
    const std::string bytes = content_of(folder.file("log.zst"));
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_NE(error_of(bytes.substr(0, size)), "") << size;
    EXPECT_EQ(error_of(bytes), "");
    EXPECT_EQ(error_of(bytes + std::string(1, '\0')).empty(), false);
}

TEST(CompressedLog, IsBoundedWhenItSaysThatItNeedsMuchMemory) {
    // a frame header that asks for a window of 2 GiB
    EXPECT_THAT(error_of(std::string_view{"\x28\xB5\x2F\xFD\x00\xA8\x01\x00\x00", 9}), HasSubstr("corrupt"));
}

TEST(LooksLikeLog, TellsALogFromATrace) {
    const Folder folder;
    EXPECT_TRUE(looks_like_log("-"));
    EXPECT_TRUE(looks_like_log(folder.file_with("log", kBegin)));
    EXPECT_TRUE(looks_like_log(folder.file_with("empty", "")));
    EXPECT_FALSE(looks_like_log(folder.file_with("metadata", "/* CTF 1.8 */")));
    EXPECT_FALSE(looks_like_log(folder.file("")));
    EXPECT_FALSE(looks_like_log(folder.file("missing")));
}

}  // namespace
}  // namespace tiffany::pal::test
