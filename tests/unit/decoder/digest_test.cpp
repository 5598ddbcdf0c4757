#include "digest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <functional>
#include <limits>
#include <new>
#include <sstream>
#include <string>

#include "tsdl.hpp"

namespace tiffany::ctf {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kTrace = TIFFANY_GOLDEN "/v1/lives/trace";

/// Writes a line for each record, long enough that more than one block comes together.
class Lines : public Digest, private pal::EntrySink {
  public:
    using OnRecord = std::function<void(std::uint64_t number, std::string& line)>;

    explicit Lines(pal::ByteSink& out, OnRecord on_record = nullptr) : out_{out}, on_record_{std::move(on_record)} {}

    pal::EntrySink& entries() override { return *this; }
    std::uint64_t finish(const ReadSummary& seen) override {
        out_.write("end of " + std::to_string(seen.records));
        return 7;
    }
    std::uint64_t taken() const { return taken_; }

  private:
    void begin(const pal::Begin&) override {}
    void record(const pal::Record& record) override {
        std::string line = std::to_string(record.ts_ns) + std::string(50'000, '.') + '\n';
        if (on_record_) on_record_(taken_, line);
        ++taken_;
        out_.write(line);
    }
    void gap(const pal::Gap&) override {}
    void end(const pal::End&) override {}

    pal::ByteSink& out_;
    OnRecord on_record_;
    std::uint64_t taken_ = 0;
};

struct Made {
    Digested digested;
    std::string text;
    std::string told;              // of a bad end of the other process
    std::uint64_t taken_here = 0;  // records that this process' own digest was given
};

Made digest(Reader reader, Lines::OnRecord on_record = nullptr,
            std::uint64_t most_of_another = std::numeric_limits<std::uint64_t>::max()) {
    std::ostringstream text;
    pal::OutputFile file{"-", text};
    Outlet out{file, most_of_another};
    Lines lines{out, std::move(on_record)};
    ReadOptions options;
    options.of_traces.reader = reader;
    Made made;
    options.tell = [&made](const std::string& what) { made.told += what + '\n'; };
    made.digested = digest_inputs({kTrace}, options, lines, out);
    made.text = text.str();
    made.taken_here = lines.taken();
    return made;
}

bool is_child_of(pid_t parent) {
    return ::getpid() != parent;
}

TEST(Digest, OfAPlainTraceIsMadeInAnotherProcess) {
    const Made here = digest(Reader::babeltrace2);
    const Made there = digest(Reader::automatic);
    EXPECT_GT(here.taken_here, 10u);
    EXPECT_EQ(there.taken_here, 0u);
    EXPECT_EQ(there.text, here.text);
    EXPECT_EQ(there.told, "");
    EXPECT_EQ(there.digested.findings, 7u);
}

TEST(Digest, BringsWhatWasSeenAlong) {
    const ReadSummary here = digest(Reader::babeltrace2).digested.seen;
    const ReadSummary there = digest(Reader::native).digested.seen;
    EXPECT_GT(there.records, 10u);
    EXPECT_EQ(there.records, here.records);
    EXPECT_EQ(there.transitions, here.transitions);
    EXPECT_EQ(there.lost, here.lost);
    EXPECT_EQ(there.unknown_events, here.unknown_events);
    EXPECT_EQ(there.bad_parts, here.bad_parts);
    EXPECT_EQ(there.uncounted, here.uncounted);
    ASSERT_EQ(there.traces.size(), 1u);
    EXPECT_EQ(there.traces[0].directory, here.traces.at(0).directory);
    EXPECT_EQ(there.traces[0].records, here.traces.at(0).records);
    EXPECT_EQ(there.traces[0].open_workers, here.traces.at(0).open_workers);
}

TEST(Digest, IsMadeOnceMoreWhereTheProcessDies) {
    const Made whole = digest(Reader::babeltrace2);
    for (const std::uint64_t at : {0u, 9u}) {
        const Made again =
            digest(Reader::automatic, [at, parent = ::getpid()](std::uint64_t number, std::string& /*line*/) {
                if (number == at && is_child_of(parent)) ::raise(SIGKILL);
            });
        EXPECT_EQ(again.taken_here, whole.taken_here) << at;
        EXPECT_EQ(again.text, whole.text) << at;
        EXPECT_THAT(again.told, StartsWith("cannot decode " + kTrace)) << at;
        EXPECT_THAT(again.told,
                    EndsWith(": its decoder was killed by signal 9 (Killed); it is read once more, in another way\n"))
            << at;
    }
}

TEST(Digest, IsMadeHereWhereTheProcessSendsTooMuch) {
    const Made whole = digest(Reader::babeltrace2);
    const std::uint64_t bytes = whole.text.size();
    const Made made = digest(Reader::automatic, nullptr, bytes);
    EXPECT_EQ(made.taken_here, 0u);
    EXPECT_EQ(made.text, whole.text);
    const Made again = digest(Reader::automatic, nullptr, bytes - 1);
    EXPECT_EQ(again.taken_here, whole.taken_here);
    EXPECT_EQ(again.text, whole.text);
    EXPECT_THAT(again.told, HasSubstr("sent more than " + std::to_string(bytes - 1) + " bytes"));
}

TEST(Digest, TakesNoControlCharactersFromTheProcess) {
    for (const char control : {'\x1b', '\r', '\0', '\t'}) {
        const Made made = digest(Reader::automatic, [control, parent = ::getpid()](std::uint64_t, std::string& line) {
            if (is_child_of(parent)) line.front() = control;
        });
        EXPECT_GT(made.taken_here, 10u);
        EXPECT_THAT(made.told, HasSubstr("sent what is no text"));
        EXPECT_EQ(made.text.find(control), std::string::npos);
    }
}

TEST(Digest, OfATraceThatIsNotPlainIsMadeHereInSilence) {
    const Made whole = digest(Reader::babeltrace2);
    const Made made = digest(Reader::automatic, [parent = ::getpid()](std::uint64_t number, std::string&) {
        if (number == 9 && is_child_of(parent)) throw NotPlain{"odd"};
    });
    EXPECT_EQ(made.taken_here, whole.taken_here);
    EXPECT_EQ(made.text, whole.text);
    EXPECT_EQ(made.told, "");
}

TEST(Digest, IsMadeOnceMoreWhereMemoryEnds) {
    const Made made = digest(Reader::automatic, [parent = ::getpid()](std::uint64_t number, std::string&) {
        if (number == 9 && is_child_of(parent)) throw std::bad_alloc{};
    });
    EXPECT_GT(made.taken_here, 10u);
    EXPECT_THAT(made.told, HasSubstr("cannot decode: "));
}

TEST(Digest, OfTwoReadersThatDoNotAgreeIsAnError) {
    try {
        digest(Reader::automatic, [parent = ::getpid()](std::uint64_t number, std::string& line) {
            if (!is_child_of(parent)) return;
            if (number == 2) line.front() = 'x';
            if (number == 9) ::raise(SIGKILL);
        });
        FAIL() << "no error";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::system);
        EXPECT_THAT(error.one_line(), HasSubstr("gave something else"));
    }
}

/// The process has written three blocks, 7 records and a part of one, when it dies; then `second` is what happens at
/// each record here.
std::string end_of_two_readers(const Lines::OnRecord& second) {
    std::ostringstream text;
    pal::OutputFile file{"-", text};
    Outlet out{file};
    Lines lines{out, [&second, parent = ::getpid()](std::uint64_t number, std::string& line) {
                    if (!is_child_of(parent)) return second(number, line);
                    if (number == 9) ::raise(SIGKILL);
                }};
    try {
        digest_inputs({kTrace}, {}, lines, out);
    } catch (const Error& error) {
        try {
            out.finish_after(error);
        } catch (const Error& wider) {
            return wider.one_line();
        }
        return "good after " + error.one_line();
    }
    return "good";
}

TEST(Digest, WhoseSecondReaderEndsBeforeTheFirstOneIsNotWhole) {
    const auto ends_at = [](std::uint64_t end) {
        return end_of_two_readers([end](std::uint64_t number, std::string&) {
            if (number == end) throw Error{ErrorKind::content, "cut"};
        });
    };
    EXPECT_THAT(ends_at(1), AllOf(HasSubstr("gave something else"), EndsWith(": cut")));
    EXPECT_THAT(ends_at(7), AllOf(HasSubstr("gave something else"), EndsWith(": cut")));
    EXPECT_EQ(ends_at(8), "good after cut");  // it has given all that the first one had, and more
}

TEST(Digest, WhoseSecondReaderGivesLessIsAnError) {
    EXPECT_THAT(end_of_two_readers([](std::uint64_t number, std::string& line) {
                    if (number > 1) line.clear();
                }),
                HasSubstr("gave something else"));
}

TEST(Digest, ThatCannotBeWrittenIsNotMadeOnceMore) {
    pal::OutputFile file{"/dev/full"};
    Outlet out{file};
    Lines lines{out};
    try {
        digest_inputs({kTrace}, {}, lines, out);
        FAIL() << "no error";
    } catch (const Error& error) {
        EXPECT_THAT(error.one_line(), HasSubstr("cannot write /dev/full"));
    }
    EXPECT_EQ(lines.taken(), 0u);
}

}  // namespace
}  // namespace tiffany::ctf
