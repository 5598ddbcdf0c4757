// The PAL model has room for every event of the catalogue.

#include <gtest/gtest.h>

#include <algorithm>
#include <tiffany/pal/record.hpp>

namespace tiffany {
namespace {

TEST(RecordBounds, ARecordHoldsTheFieldsAndStringsOfEveryEvent) {
    for (const auto& event : catalogue::events()) {
        EXPECT_LE(event.fields.size(), pal::kMaxFields) << event.name;
        EXPECT_LE(static_cast<std::size_t>(std::ranges::count_if(event.fields, &catalogue::FieldInfo::is_string)),
                  pal::kMaxTexts)
            << event.name;
    }
}

TEST(RecordBounds, EveryOwnFieldOfEveryEventCanBeSetAndRead) {
    for (const auto& event : catalogue::events()) {
        pal::Record record;
        record.info = &event;
        std::uint64_t value = 1;
        for (const auto& field : event.fields) {
            if (field.role != catalogue::FieldRole::own) continue;
            const std::string text = "text " + std::to_string(value);
            EXPECT_TRUE(field.is_string() ? record.set_text(field.name, text) : record.set_number(field.name, value))
                << event.name << '.' << field.name;
            ++value;
        }
        value = 1;
        for (const auto& field : event.fields) {
            if (field.role != catalogue::FieldRole::own) continue;
            if (field.is_string()) {
                EXPECT_EQ(record.text(field.name), "text " + std::to_string(value)) << event.name << '.' << field.name;
            } else {
                EXPECT_EQ(record.number(field.name), value) << event.name << '.' << field.name;
            }
            ++value;
        }
    }
}

}  // namespace
}  // namespace tiffany
