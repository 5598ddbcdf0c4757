#include "tsdl.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event_layout.hpp"
#include "plain_metadata.hpp"

namespace tiffany::ctf {
namespace {

using testing::HasSubstr;

std::string why_not_plain(const std::string& text) {
    try {
        lay_out(tsdl::parse(text), false);
    } catch (const NotPlain& not_plain) {
        return not_plain.why;
    }
    return "plain";
}

TEST(Tsdl, ReadsWhatLttngWrites) {
    const tsdl::Metadata metadata = tsdl::parse(PlainMetadata{}.text());
    EXPECT_EQ(metadata.uuid[15], 0xff);
    EXPECT_EQ(metadata.env_texts.at("hostname"), "h");
    EXPECT_EQ(metadata.env_numbers.at("vpid"), 77);
    ASSERT_TRUE(metadata.clock);
    EXPECT_EQ(metadata.clock->offset, 1000u);
    ASSERT_EQ(metadata.streams.size(), 1u);
    ASSERT_EQ(metadata.streams[0].events.size(), 1u);
    const tsdl::Event& event = metadata.streams[0].events[0];
    EXPECT_EQ(event.name, "tiffany:task_spawned");
    EXPECT_EQ(event.id, 3u);
    ASSERT_EQ(event.payload->members.size(), 3u);
    EXPECT_EQ(event.payload->members[0].name, "worker");
    EXPECT_EQ(event.payload->members[2].type->kind, tsdl::Type::Kind::string);
}

TEST(Tsdl, LaysOutTheHeadersThatLttngWrites) {
    const auto header = [](const char* name) {
        PlainMetadata metadata;
        metadata.header = name;
        return lay_out(tsdl::parse(metadata.text()), false).streams.at(0).header;
    };
    EXPECT_EQ(header("struct event_header_compact"), HeaderKind::compact);
    EXPECT_EQ(header("struct event_header_large"), HeaderKind::large);
    EXPECT_EQ(header("struct { uint32_t id; uint64_clock_monotonic_t timestamp; }"), HeaderKind::flat);
}

TEST(Tsdl, IsNotPlainIfCutWithinADeclaration) {
    const std::string text = PlainMetadata{}.text();
    ASSERT_EQ(why_not_plain(text), "plain");
    std::size_t whole = 0;
    for (std::size_t size = 0; size < text.size(); ++size) {
        const std::string cut = text.substr(0, size);
        if (why_not_plain(cut) != "plain") continue;
        ++whole;  // the declarations that are left are of a trace with fewer streams or events
        EXPECT_EQ(cut.substr(cut.find_last_not_of(" \n")), ";" + cut.substr(cut.find_last_of(';') + 1)) << size;
    }
    EXPECT_LT(whole, 40U);
}

TEST(Tsdl, IsNotPlainIfItSaysWhatLttngDoesNot) {
    const auto with = [](auto change) {
        PlainMetadata metadata;
        change(metadata);
        return why_not_plain(metadata.text());
    };
    EXPECT_THAT(with([](auto& m) { m.trace = "byte_order = be;"; }), HasSubstr("not little-endian"));
    EXPECT_THAT(with([](auto& m) { m.tracer = "barectf"; }), HasSubstr("another tracer"));
    EXPECT_THAT(with([](auto& m) { m.clock = "name = \"monotonic\"; freq = 0;"; }), HasSubstr("odd frequency"));
    EXPECT_THAT(with([](auto& m) { m.header = "struct { uint32_t id; uint64_t timestamp; }"; }), HasSubstr("header"));
    EXPECT_THAT(with([](auto& m) { m.event = "name = \"x\"; id = 3; stream_id = 9;"; }), HasSubstr("not there"));
    EXPECT_THAT(with([](auto& m) { m.more = "event { name = \"y\"; id = 3; stream_id = 0; fields := struct { }; };"; }),
                HasSubstr("an event twice"));
    EXPECT_THAT(with([](auto& m) { m.more = "clock { name = \"b\"; freq = 1; };"; }), HasSubstr("two clocks"));
    EXPECT_THAT(with([](auto& m) { m.more = "callsite { id = 1; };"; }), HasSubstr("unknown declaration"));
    EXPECT_THAT(with([](auto& m) { m.fields = "integer { size = 13; align = 1; } _a;"; }), HasSubstr("whole bytes"));
    EXPECT_THAT(with([](auto& m) { m.fields = "integer { size = 8; align = 8; } _a; string a;"; }),
                HasSubstr("two fields"));
    EXPECT_THAT(with([](auto& m) { m.fields = "string _a[3];"; }), HasSubstr("does not write"));
    EXPECT_THAT(with([](auto& m) { m.fields = "string _b[ a ];"; }), HasSubstr("no field before it"));
    EXPECT_THAT(with([](auto& m) { m.fields = "string { encoding = UTF16; } _a;"; }), HasSubstr("encoding"));
    EXPECT_THAT(with([](auto& m) { m.fields = "enum : uint8_t { \"a\" = 256 } _a;"; }), HasSubstr("does not fit"));
    EXPECT_THAT(with([](auto& m) { m.fields = "string _a\\b;"; }), HasSubstr("not of TSDL"));
}

TEST(Tsdl, IsNotPlainIfASequenceHasAnotherLengthThanTheOneRightBeforeIt) {
    const auto with = [](const char* fields) {
        PlainMetadata metadata;
        metadata.fields = fields;
        return why_not_plain(metadata.text());
    };
    EXPECT_EQ(with("uint8_t _alen; uint8_t _a[ _alen ]; uint8_t _blen; uint8_t _b[ _blen ];"), "plain");
    EXPECT_EQ(with("uint8_t _alen; uint8_t _a[ _alen ]; uint8_t _again[ alen ];"), "plain");
    EXPECT_THAT(with("uint8_t _alen; uint8_t _a[ _alen ]; uint8_t _blen; uint8_t _b[ _blen ]; uint8_t _c[ _alen ];"),
                HasSubstr("not right before it"));
}

TEST(Tsdl, IsNotPlainIfTheShortHeaderBeginsElsewhere) {
    PlainMetadata metadata;
    metadata.header = R"(struct { enum : uint5_t { compact = 0 ... 30, extended = 31 } id;
        variant <id> { struct { uint27_clock_monotonic_t timestamp; } align(8) compact;
                       struct { uint32_t id; uint64_clock_monotonic_t timestamp; } extended; } v; } align(8))";
    EXPECT_THAT(why_not_plain(metadata.text()), HasSubstr("header"));
}

TEST(Tsdl, IsNotPlainIfAFloatingPointNumberIsOfNoSizeThatTheMachineHas) {
    const auto with = [](const std::string& digits) {
        PlainMetadata metadata;
        metadata.fields = "floating_point { " + digits + " align = 8; } _a;";
        return why_not_plain(metadata.text());
    };
    EXPECT_EQ(with("exp_dig = 8; mant_dig = 24;"), "plain");
    EXPECT_EQ(with("mant_dig = 53; exp_dig = 11;"), "plain");
    for (const char* odd : {"exp_dig = 10; mant_dig = 22;", "exp_dig = 24; mant_dig = 8;",
                            "exp_dig = 11; mant_dig = 21;", "exp_dig = 8; mant_dig = 56;", "mant_dig = 32;"})
        EXPECT_THAT(with(odd), HasSubstr("unknown size")) << odd;
}

TEST(Tsdl, DoesNotFollowTypesWithoutEnd) {
    std::string fields = "string _a;";
    for (int i = 0; i < 10'000; ++i)
        fields = "struct { " + fields + " } _s;";
    PlainMetadata metadata;
    metadata.fields = fields;
    EXPECT_THAT(why_not_plain(metadata.text()), HasSubstr("too deep"));
}

TEST(ClockTime, IsComputedAsBabeltrace2DoesIt) {
    EXPECT_EQ((ClockTime{{"m", 1'000'000'000, 2, 1'500'000'000}}).ns(7), 3'500'000'007u);
    EXPECT_EQ((ClockTime{{"m", 3'000'000'000, 1, 3'000'000'001}}).ns(10), 2'000'000'003u);  // cut off, not rounded
    EXPECT_THROW((ClockTime{{"m", 1'000'000'000, 9'300'000'000, 0}}).ns(1), NotPlain);
    EXPECT_THROW((ClockTime{{"m", 1'000'000'000, 1, 0}}).ns(~std::uint64_t{0}), NotPlain);
}

}  // namespace
}  // namespace tiffany::ctf
