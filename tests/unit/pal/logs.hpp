#pragma once
// What the tests of pal share: logs in memory, files that end with the test, records made in one line.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/reader.hpp>
#include <tiffany/pal/record.hpp>
#include <tiffany/pal/writer.hpp>
#include <utility>
#include <vector>

#include "../temporary_folder.hpp"

namespace tiffany::pal::test {

class Text : public ByteSink {
  public:
    void write(std::string_view bytes) override { text += bytes; }
    std::string text;
};

/// Keeps what is pushed.
class Kept : public EntrySink {
  public:
    void begin(const Begin& entry) override { begins.push_back(entry); }
    void record(const Record& entry) override { records.push_back(entry); }
    void gap(const Gap& entry) override { gaps.push_back(entry); }
    void end(const End& entry) override { ends.push_back(entry); }
    std::vector<Begin> begins;
    std::vector<Record> records;
    std::vector<Gap> gaps;
    std::vector<End> ends;
};

/// A folder that is removed with the test.
class Folder {
  public:
    std::string file(const std::string& name) const { return (folder_.path() / name).string(); }
    std::string file_with(const std::string& name, std::string_view content) const {
        std::ofstream{file(name), std::ios::binary} << content;
        return file(name);
    }
    std::size_t entries() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator{folder_.path()}, {}));
    }

  private:
    tiffany::test::TemporaryFolder folder_;
};

inline std::string content_of(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
}

using Numbers = std::vector<std::pair<std::string_view, std::uint64_t>>;

inline constexpr std::uint64_t kInstance = 0x5f3a9c1e07b2;
inline constexpr std::uint64_t kTs = 1'795'448'588'947'684'687;  // 2026-11-23T15:43:08.947684687Z

inline Record make(EventId id, const Numbers& numbers = {}) {
    Record record;
    record.info = &catalogue::info(id);
    record.ts_ns = kTs;
    record.worker = {kInstance, 1};
    for (const auto& [field, value] : numbers)
        if (!record.set_number(field, value)) throw std::logic_error{"no field " + std::string{field}};
    return record;
}

/// A transition of task `tid`.
inline Record step(TaskEvent event, std::uint64_t seq, std::uint64_t tid, std::uint64_t step_number,
                   const Numbers& numbers = {}, std::uint16_t worker = 1) {
    Record record = make(static_cast<EventId>(event), numbers);
    record.seq = seq;
    record.tid = tid;
    record.step = step_number;
    record.worker.index = worker;
    record.ts_ns += seq;
    return record;
}

/// One record of every event of the catalogue, with another value in every field.
inline std::vector<Record> every_event() {
    std::vector<Record> records;
    std::uint64_t value = 1'000;
    for (const catalogue::EventInfo& event : catalogue::events()) {
        Record record = make(event.id);
        record.host = "web1";
        record.pid = 812;
        for (const catalogue::FieldInfo& field : event.fields) {
            using Role = catalogue::FieldRole;
            if (field.role == Role::seq) record.seq = ++value;
            if (field.role == Role::tid) record.tid = ++value;
            if (field.role == Role::step) record.step = ++value;
            if (field.role != Role::own) continue;
            if (field.is_string())
                record.set_text(field.name, "text \"" + std::to_string(++value) + "\" \xC3\xA4\n");
            else if (field.enumeration != nullptr)
                record.set_number(field.name, field.enumeration->values.back().number);
            else
                record.set_number(field.name, field.max_bytes == 8   ? ~std::uint64_t{0} - ++value
                                              : field.max_bytes == 4 ? 0xffff'ffff
                                              : field.max_bytes == 2 ? 0xffff
                                                                     : 0xff);
        }
        records.push_back(std::move(record));
    }
    return records;
}

inline std::string written(const std::vector<Record>& records, const Begin& begin = {},
                           const std::vector<Gap>& gaps = {}) {
    Text out;
    LogWriter writer{out};
    writer.begin(begin);
    for (const Record& record : records)
        writer.record(record);
    for (const Gap& gap : gaps)
        writer.gap(gap);
    End end;
    end.ts_ns = kTs;
    end.records = records.size();
    writer.end(end);
    return out.text;
}

}  // namespace tiffany::pal::test
