// What PlainLine takes must be what the reader of all JSON would make of it. A blank before a line changes nothing to
// that reader, and PlainLine leaves it: so each line is read twice, with and without.
#include <gtest/gtest.h>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/log_line.hpp>

#include "logs.hpp"

namespace tiffany::pal::test {
namespace {

/// With its newline, and what must be readable behind it.
std::string padded(const std::string& line) {
    std::string out = line + '\n';
    out.resize(out.size() + LineParser::kPadding);
    return out;
}

/// What came of a line, as text: its values, or the error.
class Reader {
  public:
    std::string read(const std::string& line) {
        const std::string text = padded(line);
        try {
            if (parser_.take({text.data(), line.size() + 1}) == line.size() + 1) return told(parser_.record());
            const EntryKind kind = parser_.parse({text.data(), line.size()});
            return kind == EntryKind::record ? told(parser_.record()) : std::to_string(static_cast<int>(kind));
        } catch (const Error& error) {
            return error.one_line();
        }
    }
    std::string read_as_json(const std::string& line) { return read(' ' + line); }

  private:
    static std::string told(const Record& record) {
        std::string text = record.info != nullptr ? std::string{record.info->tracepoint} : "?" + record.unknown;
        text += ' ' + record.host + ' ' + record.texts[0] + ' ' + record.texts[1];
        for (const std::uint64_t number : {record.ts_ns, std::uint64_t{record.pid}, record.worker.instance,
                                           std::uint64_t{record.worker.index}, record.seq, record.tid, record.step})
            text += ' ' + std::to_string(number);
        for (const std::uint64_t number : record.numbers)
            text += ' ' + std::to_string(number);
        return text;
    }

    LineParser parser_;
};

/// The lines of `records`, as our writer writes them.
std::vector<std::string> lines_of(const std::vector<Record>& records) {
    std::vector<std::string> out;
    const std::string log = written(records, {}, {});
    for (std::size_t begin = 0, end = 0; (end = log.find('\n', begin)) != log.npos; begin = end + 1) {
        const std::string line = log.substr(begin, end - begin);
        if (line.find("\"instance\":") != line.npos) out.push_back(line);
    }
    return out;
}

/// Every event, with values as a run has them.
std::vector<Record> usual() {
    std::vector<Record> records = every_event();
    for (Record& record : records) {
        for (std::uint64_t& number : record.numbers)
            number = number < 1'000 ? number : 5'120;
        for (const catalogue::FieldInfo& field : record.info->fields)
            if (field.is_string()) record.set_text(field.name, "a text");
        for (const catalogue::FieldInfo& field : record.info->fields)
            if (field.max_bytes == 1 && field.enumeration == nullptr) record.set_number(field.name, 10);
    }
    for (const catalogue::EventInfo& event : catalogue::events())
        records.push_back(make(event.id));  // all zero
    return records;
}

std::vector<std::string> lines() {
    std::vector<std::string> out = lines_of(usual());
    for (std::string& line : lines_of(every_event()))
        out.push_back(std::move(line));
    return out;
}

TEST(PlainLine, TakesEveryEventAsARunHasIt) {
    PlainLine plain;
    Record record;
    const std::vector<std::string> usual_lines = lines_of(usual());
    EXPECT_GE(usual_lines.size(), 2 * catalogue::events().size());
    const auto read = [&](const std::string& line) {
        const std::string text = padded(line);
        return plain.read({text.data(), line.size() + 1}, record);
    };
    for (const std::string& line : usual_lines)
        EXPECT_EQ(read(line), line.size() + 1) << line;
    EXPECT_EQ(read(' ' + usual_lines.front()), 0u) << "what the other tests compare with";
}

TEST(PlainLine, MakesOfEveryLineWhatTheReaderOfJsonMakesOfIt) {
    Reader fast, json;
    for (const std::string& line : lines())
        EXPECT_EQ(fast.read(line), json.read_as_json(line)) << line;
}

TEST(PlainLine, AgreesOnEveryByteThatWasChangedAddedOrLost) {
    Reader fast, json;
    std::vector<std::string> of_all = lines_of(every_event());
#ifdef __SANITIZE_ADDRESS__  // an exception takes a millisecond there, and nearly every line throws one
    of_all.resize(2);        // Spawned and Running: texts, a label, durations
#endif
    for (const std::string& line : of_all) {
        for (std::size_t at = 0; at < line.size(); ++at) {
            for (const char byte : {'0', 'a', '"', '\\', '}', '\x7f'}) {
                std::string other = line;
                other[at] = byte;
                ASSERT_EQ(fast.read(other), json.read_as_json(other)) << other;
                other = line;
                other.insert(at, 1, byte);
                ASSERT_EQ(fast.read(other), json.read_as_json(other)) << other;
            }
            ASSERT_EQ(fast.read(line.substr(0, at)), json.read_as_json(line.substr(0, at))) << line.substr(0, at);
            ASSERT_EQ(fast.read(line), json.read_as_json(line)) << "after a line that was left";
        }
    }
}

/// Where each member of the object begins; a comma in a text makes one more, which is as good.
std::vector<std::size_t> members_of(const std::string& line) {
    std::vector<std::size_t> out{1};
    for (std::size_t at = 0; (at = line.find(",\"", at)) != line.npos; ++at)
        out.push_back(at + 1);
    out.push_back(line.size());
    return out;
}

TEST(PlainLine, AgreesOnEveryMemberThatIsMissingOrThereTwiceOrElsewhere) {
    Reader fast, json;
    for (const std::string& line : lines_of(usual())) {
        const std::vector<std::size_t> members = members_of(line);
        for (std::size_t i = 0; i + 1 < members.size(); ++i) {
            const std::string member = line.substr(members[i], members[i + 1] - members[i] - 1);
            std::string without = line;
            without.erase(members[i], member.size() + 1);
            if (without.back() != '}') without.back() = '}';
            const std::string doubled = line.substr(0, members[i]) + member + ',' + line.substr(members[i]);
            const std::string last = without.substr(0, without.size() - 1) + ',' + member + '}';
            for (const std::string& other : {without, doubled, last})
                ASSERT_EQ(fast.read(other), json.read_as_json(other)) << other;
        }
    }
}

TEST(PlainLine, KeepsNoOriginThatAnotherOnlyBeginsWith) {
    Reader fast, json;
    const auto line = [](const std::string& origin) {
        return R"({"v":1,"ts":"2026-11-23T15:43:08.000000001Z",)" + origin +
               R"(,"seq":41,"tid":7,"step":9,"event":"Yield","run_ns":5120})";
    };
    const std::string one = line(R"("host":"a","pid":7,"instance":"5f3a9c1e07b2","worker":1)");
    for (const char* const origin :
         {R"("host":"a","pid":7,"instance":"5f3a9c1e07b2","worker":12)", R"("instance":"5f3a9c1e07b2","worker":1)",
          R"("host":"","pid":0,"instance":"5f3a9c1e07b2","worker":1)",
          R"("pid":7,"instance":"5f3a9c1e07b2","worker":65536)",
          R"("pid":4294967296,"instance":"5f3a9c1e07b2","worker":1)",
          R"("host":"b","pid":7,"instance":"5F3A9C1E07B2","worker":1)"}) {
        EXPECT_EQ(fast.read(one), json.read_as_json(one));
        EXPECT_EQ(fast.read(line(origin)), json.read_as_json(line(origin))) << origin;
    }
}

TEST(PlainLine, TakesWorkersAndProcessesByTurns) {
    PlainLine plain;
    Record record;
    for (const auto& [origin, pid, worker] :
         {std::tuple{R"("host":"a","pid":7,"instance":"5f3a9c1e07b2","worker":1)", 7u, 1},
          {R"("host":"a","pid":7,"instance":"5f3a9c1e07b2","worker":12)", 7u, 12},
          {R"("host":"a","pid":7,"instance":"5f3a9c1e07b2","worker":1)", 7u, 1},
          {R"("host":"a","pid":70,"instance":"5f3a9c1e07b2","worker":1)", 70u, 1},
          {R"("host":"a","pid":70,"instance":"5f3a9c1e07b2","worker":65535)", 70u, 65535},
          {R"("host":"a","pid":70,"instance":"5f3a9c1e07b2","worker":0)", 70u, 0}}) {
        const std::string text = padded(std::string{R"({"v":1,"ts":"2026-11-23T15:43:08.000000001Z",)"} + origin +
                                        R"(,"seq":41,"tid":7,"step":9,"event":"Yield","run_ns":5120})");
        ASSERT_NE(plain.read({text.data(), text.find('\n') + 1}, record), 0u) << origin;
        EXPECT_EQ(record.host, "a");
        EXPECT_EQ(record.pid, pid);
        EXPECT_EQ(record.worker, (WorkerId{0x5f3a9c1e07b2, static_cast<std::uint16_t>(worker)})) << origin;
    }
}

TEST(PlainLine, AgreesOnNumbersOfEveryLength) {
    Reader fast, json;
    const std::string digits = "184467440737095516150";
    for (std::size_t size = 1; size <= digits.size(); ++size)
        for (const std::string& number : {digits.substr(0, size), std::string(size, '9'), '0' + digits.substr(0, size),
                                          '1' + std::string(size - 1, '0'), digits.substr(0, size) + ".5"}) {
            const std::string line =
                R"({"v":1,"ts":"2026-11-23T15:43:08.000000001Z","instance":"5f3a9c1e07b2","worker":1,"seq":)" + number +
                R"(,"tid":7,"step":9,"event":"Spawned","state":"Ready","name":"","site":"","priority":)" +
                number.substr(0, 2) + R"(,"group":1,"parent":)" + number + '}';
            EXPECT_EQ(fast.read(line), json.read_as_json(line)) << line;
        }
}

TEST(PlainLine, LeavesALineWhoseEndIsNotThereYet) {
    PlainLine plain;
    Record record;
    const std::string line = lines_of(usual()).front();
    for (std::size_t size = 0; size < line.size(); ++size) {
        std::string text = line.substr(0, size) + '\n' + line.substr(size) + '\n';
        text.resize(text.size() + PlainLine::kPadding);
        EXPECT_EQ(plain.read({text.data(), size + 1}, record), 0u) << text;
    }
    EXPECT_EQ(plain.read({padded(line).data(), line.size()}, record), 0u) << "its newline is no part of the text";
}

TEST(PlainLine, KeepsNoSecondThatAnotherInstantHasNot) {
    Reader fast, json;
    for (const char* ts :
         {"2026-11-23T15:43:08.999999999Z", "2026-11-23T15:43:08.000000000Z", "2026-11-23T15:43:09.000000000Z",
          "2026-02-30T15:43:09.000000000Z", "1969-12-31T23:59:59.000000000Z", "2554-07-21T23:34:33.709551615Z",
          "2554-07-21T23:34:33.709551616Z", "2554-07-21T23:34:33.000000000Z", "2554-07-21T23:34:33.999999999Z"}) {
        const std::string line = R"({"v":1,"ts":")" + std::string{ts} +
                                 R"(","instance":"5f3a9c1e07b2","worker":1,"seq":1,"tid":1,"step":1,"event":"Yield"})";
        EXPECT_EQ(fast.read(line), json.read_as_json(line)) << ts;
    }
}

TEST(PlainPlan, RefusesWhatDoesNotFit) {
    EXPECT_EQ(Token{std::string(16, 'x')}.size(), 16u);
    EXPECT_THROW(Token{std::string(17, 'x')}, std::length_error);
    WordSet words;
    words.add(std::string(15, 'x'), 1);
    EXPECT_THROW(words.add(std::string(16, 'x'), 2), std::length_error);
}

}  // namespace
}  // namespace tiffany::pal::test
