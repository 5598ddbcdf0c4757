#include "catalogue_layout.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "plain_metadata.hpp"
#include "stream_reader.hpp"

namespace tiffany::ctf {
namespace {

using Random = std::mt19937_64;
using EventBytes = std::vector<unsigned char>;

std::string declared(const catalogue::FieldInfo& field) {
    const std::string name{field.name};
    if (field.is_string()) return "string _" + name + ";";
    return "integer { size = " + std::to_string(8 * field.max_bytes) + "; align = 8; signed = 0; } _" + name + ";";
}

/// A trace that declares one event, as the catalogue has it.
TraceLayout layout_of(const catalogue::EventInfo& event, const std::string& more = "") {
    PlainMetadata metadata;
    metadata.event =
        "name = \"" + std::string{event.provider} + ":" + std::string{event.tracepoint} + "\"; id = 3; stream_id = 0;";
    metadata.fields.clear();
    for (const catalogue::FieldInfo& field : event.fields)
        metadata.fields += declared(field);
    metadata.fields += more;
    return lay_out(tsdl::parse(metadata.text()), true);
}

EventLayout& event_in(TraceLayout& trace) {
    return *trace.streams.at(0).events.at(3);
}

EventBytes some_event(const catalogue::EventInfo& event, Random& random) {
    EventBytes bytes{3, 0, 0, 0};  // the compact header
    for (const catalogue::FieldInfo& field : event.fields) {
        const std::size_t size = field.is_string() ? random() % (field.max_bytes + 1) : field.max_bytes;
        for (std::size_t i = 0; i < size; ++i)
            bytes.push_back(static_cast<unsigned char>(field.is_string() ? 'a' + random() % 26 : random()));
        if (field.is_string()) bytes.push_back(0);
    }
    return bytes;
}

/// A record that was used before.
pal::Record used(Random& random) {
    pal::Record record;
    record.unknown = "task_from_tomorrow";
    record.worker = {random(), 7};
    record.tid = record.seq = record.step = random();
    record.pid = 5;
    for (std::uint64_t& number : record.numbers)
        number = random();
    record.texts = {"an old text that has its own memory", "old"};
    return record;
}

pal::Record decoded(const TraceLayout& trace, const EventBytes& bytes, pal::Record record) {
    EventDecoder decoder{trace.streams[0]};
    decoder.begin(bytes, 0, 0);
    EXPECT_TRUE(decoder.next(record));
    EXPECT_TRUE(decoder.at_end());
    return record;
}

void expect_same(const pal::Record& a, const pal::Record& b) {
    EXPECT_EQ(a.info, b.info);
    EXPECT_EQ(a.unknown, b.unknown);
    EXPECT_EQ(a.worker, b.worker);
    EXPECT_EQ(a.tid, b.tid);
    EXPECT_EQ(a.seq, b.seq);
    EXPECT_EQ(a.step, b.step);
    EXPECT_EQ(a.numbers, b.numbers);
    EXPECT_EQ(a.texts, b.texts);
}

TEST(CatalogueLayout, CodeTakesOfEachEventWhatItsStepsTake) {
    Random random{20'261'128};
    for (const catalogue::EventInfo& event : catalogue::events()) {
        SCOPED_TRACE(event.tracepoint);
        const TraceLayout by_code = layout_of(event);
        TraceLayout by_steps = layout_of(event);
        ASSERT_NE(event_in(by_steps).in_code, nullptr);
        event_in(by_steps).in_code = nullptr;
        for (int i = 0; i < 20; ++i) {
            const EventBytes bytes = some_event(event, random);
            const pal::Record before = used(random);
            const pal::Record of_code = decoded(by_code, bytes, before);
            const pal::Record of_steps = decoded(by_steps, bytes, before);
            expect_same(of_code, of_steps);
            if (event_in(by_steps).plan.tells_pid) {
                EXPECT_EQ(of_code.pid, of_steps.pid);
            }
        }
    }
}

TEST(CatalogueLayout, CodeRefusesEveryCut) {
    Random random{1};
    for (const catalogue::EventInfo& event : catalogue::events()) {
        const TraceLayout trace = layout_of(event);
        const EventBytes whole = some_event(event, random);
        for (std::size_t size = 1; size < whole.size(); ++size) {
            const EventBytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            EventDecoder decoder{trace.streams[0]};
            decoder.begin(cut, 0, 0);
            pal::Record record;
            EXPECT_THROW(decoder.next(record), NotPlain) << event.tracepoint << " of " << size << " bytes";
        }
    }
}

TEST(CatalogueLayout, WhatTheCatalogueDoesNotHaveIsLeftToTheSteps) {
    const catalogue::EventInfo& event = catalogue::info(TaskEvent::Done);
    for (const char* more : {"integer { size = 8; align = 8; signed = 0; } _newer;", "string _newer;"}) {
        TraceLayout trace = layout_of(event, more);
        EXPECT_EQ(event_in(trace).in_code, nullptr);
    }
    PlainMetadata without_some;  // TaskSpawned of a few fields
    TraceLayout trace = lay_out(tsdl::parse(without_some.text()), true);
    EXPECT_EQ(event_in(trace).in_code, nullptr);
    PlainMetadata aligned;
    aligned.fields = "integer { size = 64; align = 64; signed = 0; } _worker;";
    aligned.event = "name = \"tiffany:worker_park\"; id = 3; stream_id = 0;";
    trace = lay_out(tsdl::parse(aligned.text()), true);
    EXPECT_EQ(event_in(trace).in_code, nullptr);
    aligned.fields = "integer { size = 64; align = 8; signed = 0; } _worker;";
    trace = lay_out(tsdl::parse(aligned.text()), true);
    EXPECT_NE(event_in(trace).in_code, nullptr);
}

}  // namespace
}  // namespace tiffany::ctf
