#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "event_layout.hpp"
#include "plain_metadata.hpp"
#include "stream_reader.hpp"

namespace tiffany::ctf {
namespace {

/// Bytes of a packet, without its header.
class PacketBytes {
  public:
    template <typename Number>
    PacketBytes& put(Number value) {
        const auto* from = reinterpret_cast<const unsigned char*>(&value);
        bytes_.insert(bytes_.end(), from, from + sizeof value);
        return *this;
    }
    PacketBytes& text(const char* value) {
        bytes_.insert(bytes_.end(), value, value + std::strlen(value) + 1);
        return *this;
    }
    PacketBytes& compact(std::uint32_t id, std::uint32_t time) { return put(time << 5U | id); }
    Bytes view() const { return bytes_; }

  private:
    std::vector<unsigned char> bytes_;
};

TraceLayout layout(PlainMetadata metadata = {}) {
    return lay_out(tsdl::parse(metadata.text()), false);
}

TEST(EventDecoder, DecodesAnEventOfOurs) {
    const TraceLayout trace = layout();
    EventDecoder decoder{trace.streams[0]};
    PacketBytes bytes;
    bytes.compact(3, 100).put(std::uint64_t{0xABC'0001}).put(std::uint64_t{42}).text("unit");
    decoder.begin(bytes.view(), 0, 90);
    pal::Record record;
    ASSERT_TRUE(decoder.next(record));
    EXPECT_TRUE(decoder.at_end());
    EXPECT_EQ(decoder.cycles(), 100u);
    ASSERT_NE(record.info, nullptr);
    EXPECT_EQ(record.info->id, EventId::TaskSpawned);
    EXPECT_EQ(record.worker, (pal::WorkerId{0xABC, 1}));
    EXPECT_EQ(record.tid, 42u);
    EXPECT_EQ(record.text("name"), "unit");
}

TEST(EventDecoder, GoesRoundWithTheClocksLowBits) {
    const TraceLayout trace = layout();
    EventDecoder decoder{trace.streams[0]};
    constexpr std::uint64_t kRound = std::uint64_t{1} << 27U;
    PacketBytes bytes;
    for (const std::uint32_t time : {5U, 5U, 4U})
        bytes.compact(3, time).put(std::uint64_t{1}).put(std::uint64_t{1}).text("");
    bytes.compact(31, 0);  // 31: a long header follows the first byte
    const std::uint64_t start = 7 * kRound + 5;
    decoder.begin(bytes.view().first(3 * 21), 0, start);
    pal::Record record;
    std::vector<std::uint64_t> times;
    while (!decoder.at_end()) {
        decoder.next(record);
        times.push_back(decoder.cycles() - start);
    }
    EXPECT_THAT(times, testing::ElementsAre(0, 0, kRound - 1));
}

TEST(EventDecoder, ReadsTheLongFormOfBothHeaders) {
    for (const bool compact : {true, false}) {
        PlainMetadata metadata;
        if (!compact) metadata.header = "struct event_header_large";
        const TraceLayout trace = layout(metadata);
        EventDecoder decoder{trace.streams[0]};
        PacketBytes bytes;
        if (compact)
            bytes.put(std::uint8_t{31});
        else
            bytes.put(std::uint16_t{65'535});
        bytes.put(std::uint32_t{3}).put(std::uint64_t{1'000'000'000'000}).put(std::uint64_t{1}).put(std::uint64_t{2});
        bytes.text("x");
        decoder.begin(bytes.view(), 0, 5);
        pal::Record record;
        EXPECT_TRUE(decoder.next(record));
        EXPECT_EQ(decoder.cycles(), 1'000'000'000'000u);
        EXPECT_EQ(record.tid, 2u);
    }
}

TEST(EventDecoder, PassesOverContextsArraysAndFieldsItDoesNotKnow) {
    PlainMetadata metadata;
    metadata.context = "event.context := struct { uint32_t _vtid; string _procname; };";
    metadata.fields =
        "integer { size = 8; align = 8; signed = 1; } _colour; uint16_t _mean[3]; uint8_t __n_length;"
        "uint32_t _n[ __n_length ]; floating_point { exp_dig = 8; mant_dig = 24; align = 8; } _f; uint64_t _worker;";
    const TraceLayout trace = layout(metadata);
    EventDecoder decoder{trace.streams[0]};
    PacketBytes bytes;
    bytes.compact(3, 1).put(std::uint32_t{9}).text("demo");
    bytes.put(std::int8_t{-1}).put(std::uint16_t{1}).put(std::uint32_t{2}).put(std::uint8_t{2});
    bytes.put(std::uint64_t{3}).put(1.0F).put(std::uint64_t{1} << 16U);
    decoder.begin(bytes.view(), 0, 0);
    pal::Record record;
    EXPECT_TRUE(decoder.next(record));
    EXPECT_EQ(record.worker.instance, 1u);
    EXPECT_TRUE(decoder.at_end());
    Counts events;
    Counts fields;
    trace.add_unknown(events, fields);
    EXPECT_TRUE(events.empty());
    EXPECT_EQ(fields.size(), 5u);
    EXPECT_EQ(fields.at("task_spawned.colour"), 1u);
}

TEST(EventDecoder, RefusesEveryCut) {
    PlainMetadata metadata;
    metadata.context = "event.context := struct { uint8_t __n_length; uint32_t _n[ __n_length ]; };";
    const TraceLayout trace = layout(metadata);
    EventDecoder decoder{trace.streams[0]};
    PacketBytes whole;
    whole.compact(3, 1).put(std::uint8_t{2}).put(std::uint64_t{7}).put(std::uint64_t{1}).put(std::uint64_t{2});
    whole.text("name");
    pal::Record record;
    for (std::size_t size = 1; size < whole.view().size(); ++size) {
        const std::vector<unsigned char> cut(whole.view().begin(), whole.view().begin() + static_cast<long>(size));
        decoder.begin(cut, 0, 0);
        EXPECT_THROW(decoder.next(record), NotPlain) << size;
    }
    decoder.begin(whole.view(), 0, 0);
    EXPECT_TRUE(decoder.next(record));
}

// For the sanitizers: whatever the bytes are, none is read behind them, and it ends.
TEST(EventDecoder, EndsOnAnyBytes) {
    std::mt19937 random{20'261'128};
    PlainMetadata metadata;
    metadata.context = "event.context := struct { uint32_t __n_length; uint64_t _n[ __n_length ]; string _s; };";
    for (const char* header : {"struct event_header_compact", "struct event_header_large",
                               "struct { uint32_t id; uint64_clock_monotonic_t timestamp; }"}) {
        metadata.header = header;
        const TraceLayout trace = layout(metadata);
        EventDecoder decoder{trace.streams[0]};
        pal::Record record;
        std::size_t refused = 0;
        for (int i = 0; i < 5'000; ++i) {
            std::vector<unsigned char> bytes(random() % 200);
            for (unsigned char& byte : bytes)
                byte = static_cast<unsigned char>(random() % 4 == 0 ? random() : random() % 8);
            decoder.begin(bytes, 0, 0);
            try {
                while (!decoder.at_end())
                    decoder.next(record);
            } catch (const NotPlain&) {
                ++refused;
            }
        }
        EXPECT_GT(refused, 0u);
    }
}

}  // namespace
}  // namespace tiffany::ctf
