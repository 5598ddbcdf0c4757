// A record made from an event's struct has the struct's values, whatever the event: the layout that the decoder walks
// is the compiler's.

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <telemetry/pal_decode.hpp>
#include <tiffany/tracepoints/event_structs.hpp>

namespace tiffany {
namespace {

/// Gives each field a value of its own and remembers it by its name.
class Filler {
  public:
    template <typename Number>
    void fill(const char* name, Number& number) {
        next_ = next_ * 6364136223846793005u + 1442695040888963407u;
        number = static_cast<Number>(next_ >> 8);
        numbers[name] = number;
    }
    template <std::size_t Size>
    void fill(const char* name, char (&text)[Size]) {
        const std::string value = std::string{name} + std::string(Size, 'x');
        std::memcpy(text, value.data(), Size - 1);
        text[Size - 1] = '\0';
        texts[name] = text;
    }
    std::map<std::string, std::uint64_t> numbers;
    std::map<std::string, std::string> texts;

  private:
    std::uint64_t next_ = 1;
};

void expect_same(const Filler& filled, const pal::Record& record, const catalogue::EventInfo& info) {
    EXPECT_EQ(record.info, &info);
    std::size_t checked = 0;
    for (const auto& [name, value] : filled.numbers) {
        ++checked;
        const std::string what = std::string{info.name} + "." + name;
        if (name == "worker")
            EXPECT_EQ(record.worker, pal::WorkerId::from_event(value)) << what;
        else if (name == "tid")
            EXPECT_EQ(record.tid, value) << what;
        else if (name == "seq")
            EXPECT_EQ(record.seq, value) << what;
        else if (name == "step")
            EXPECT_EQ(record.step, value) << what;
        else if (name == "pid")
            EXPECT_EQ(record.pid, value) << what;
        else
            EXPECT_EQ(record.number(name), value) << what;
    }
    for (const auto& [name, value] : filled.texts) {
        ++checked;
        EXPECT_EQ(record.text(name), value) << info.name << '.' << name;
    }
    EXPECT_EQ(checked, info.fields.size()) << info.name;
}

TEST(DecodeEvent, EveryFieldOfEveryEventComesThrough) {
    pal::Record record;  // one for all, as the writer has it: nothing of an earlier event may stay
    std::size_t events = 0;
#define TIFFANY_FILL(name) filled.fill(#name, event.name);
#define TIFFANY_WORKER() TIFFANY_FILL(worker)
#define TIFFANY_TID() TIFFANY_FILL(tid)
#define TIFFANY_SEQ() TIFFANY_FILL(seq)
#define TIFFANY_STEP() TIFFANY_FILL(step)
#define TIFFANY_PID() TIFFANY_FILL(pid)
#define TIFFANY_U8(name, meaning) TIFFANY_FILL(name)
#define TIFFANY_U16(name, meaning) TIFFANY_FILL(name)
#define TIFFANY_U32(name, meaning) TIFFANY_FILL(name)
#define TIFFANY_U64(name, meaning) TIFFANY_FILL(name)
#define TIFFANY_DURATION(name, meaning) TIFFANY_FILL(name)
#define TIFFANY_ENUM(name, enumeration, meaning) TIFFANY_FILL(name)
#define TIFFANY_STRING(name, bytes, meaning) TIFFANY_FILL(name)
#define TIFFANY_CHECK(Struct, Id, fields)                                               \
    {                                                                                   \
        Filler filled;                                                                  \
        Struct event;                                                                   \
        fields const catalogue::EventInfo& info = catalogue::info(Id);                  \
        detail::decode_event(info, reinterpret_cast<const std::byte*>(&event), record); \
        expect_same(filled, record, info);                                              \
        ++events;                                                                       \
    }
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) \
    TIFFANY_CHECK(tiffany_task_##verb, EventId::Task##Name,              \
                  TIFFANY_WORKER() TIFFANY_TID() TIFFANY_SEQ() TIFFANY_STEP() fields)
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) \
    TIFFANY_CHECK(tiffany_##verb, EventId::Name, fields)
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) \
    TIFFANY_CHECK(tiffany_tick_##verb, EventId::Name, fields)
#include <tiffany/tracepoints/task_events.def>
    EXPECT_EQ(events, kEvents);
}

TEST(DecodeEvent, NothingOfAnEarlierEventStays) {
    pal::Record record;
    tiffany_task_failed failed{};
    std::strcpy(failed.error, "late");
    detail::decode_event(catalogue::info(EventId::TaskFailed), reinterpret_cast<const std::byte*>(&failed), record);
    tiffany_worker_park park{};
    detail::decode_event(catalogue::info(EventId::ParkBegin), reinterpret_cast<const std::byte*>(&park), record);
    EXPECT_TRUE(record.texts[0].empty());
    EXPECT_EQ(record.tid, 0u);
}

}  // namespace
}  // namespace tiffany
