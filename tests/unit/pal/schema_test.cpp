// docs/pal.schema.json is written by hand: it is held against the catalogue, and real output against it.

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

#include "logs.hpp"

namespace tiffany::pal::test {
namespace {

using nlohmann::json;
using Names = std::set<std::string>;

const json& schema() {
    static const json document = json::parse(std::ifstream{TIFFANY_PAL_SCHEMA});
    return document;
}

/// The rule for a record; null if there is none.
json rule_for(std::string_view record, std::string_view kind) {
    for (const json& rule : schema().at("allOf")) {
        const json& condition = rule.at("if").at("properties");
        const std::string has_kind = condition.contains("kind") ? condition["kind"]["const"].get<std::string>() : "";
        if (condition.at("event").at("const") == record && has_kind == kind) return rule.at("then");
    }
    return nullptr;
}

std::string type_name(const catalogue::FieldInfo& field) {
    switch (field.type) {
        case catalogue::FieldType::u8:
            return "u8";
        case catalogue::FieldType::u16:
            return "u16";
        case catalogue::FieldType::u32:
            return "u32";
        case catalogue::FieldType::u64:
            return "u64";
        case catalogue::FieldType::duration:
            return "duration";
        case catalogue::FieldType::enumeration:
            return std::string{field.enumeration->name};
        case catalogue::FieldType::string:
            break;
    }
    return "";
}

TEST(PalSchema, HasARuleForEveryEventWithItsFieldsAndNoOther) {
    for (const catalogue::EventInfo& event : catalogue::events()) {
        const json rule = rule_for(event.record, event.kind);
        ASSERT_FALSE(rule.is_null()) << event.name;
        json properties = json::object();
        Names required{"ts", "instance", "worker"};
        for (const catalogue::FieldInfo& field : event.fields) {
            const std::string name{field.name};
            using Role = catalogue::FieldRole;
            if (field.role == Role::seq || field.role == Role::tid || field.role == Role::step) required.insert(name);
            if (field.role != Role::own) continue;
            if (field.type != catalogue::FieldType::duration) required.insert(name);
            properties[name] =
                field.is_string() ? json{{"type", "string"}} : json{{"$ref", "#/definitions/" + type_name(field)}};
        }
        EXPECT_EQ(rule.at("properties"), properties) << event.name;
        EXPECT_EQ(rule.at("required").get<Names>(), required) << event.name;
    }
}

TEST(PalSchema, HasNoRuleForAnEventThatTheCatalogueDoesNotHave) {
    std::set<std::pair<std::string, std::string>> known = {{"Begin", ""}, {"Gap", ""}, {"End", ""}};
    for (const catalogue::EventInfo& event : catalogue::events()) {
        known.emplace(event.record, event.kind);
        if (!event.kind.empty()) known.emplace(event.record, "");  // the rule that a kind is there
    }
    for (const json& rule : schema().at("allOf")) {
        const json& condition = rule.at("if").at("properties");
        EXPECT_EQ(known.erase({condition.at("event").at("const").get<std::string>(),
                               condition.contains("kind") ? condition["kind"]["const"].get<std::string>() : ""}),
                  1u)
            << condition;
    }
    EXPECT_TRUE(known.empty());
}

TEST(PalSchema, HasTheLabelsOfEveryEnumeration) {
    for (const catalogue::EnumInfo& enumeration : catalogue::enumerations()) {
        std::vector<std::string> labels;
        for (const catalogue::EnumValue& value : enumeration.values)
            labels.emplace_back(value.label);
        const json& definition = schema().at("definitions").at(std::string{enumeration.name});
        EXPECT_EQ(definition.at("anyOf").at(0).at("enum").get<std::vector<std::string>>(), labels) << enumeration.name;
    }
}

/// Validates a log line by line with the reference implementation. Returns what it says.
std::string validated(const std::string& log) {
    constexpr std::string_view kScript =
        "import json, sys, jsonschema\n"
        "schema = json.load(open(sys.argv[1]))\n"
        "jsonschema.Draft7Validator.check_schema(schema)\n"
        "check = jsonschema.Draft7Validator(schema)\n"
        "for number, line in enumerate(open(sys.argv[2], encoding='utf-8'), 1):\n"
        "    for error in check.iter_errors(json.loads(line)):\n"
        "        print(number, error.message)\n"
        "print('checked', number)\n";
    const Folder folder;
    const std::string command = std::string{TIFFANY_PYTHON} + " " + folder.file_with("validate.py", kScript) + " " +
                                TIFFANY_PAL_SCHEMA + " " + folder.file_with("log", log) + " > " + folder.file("said") +
                                " 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << content_of(folder.file("said"));
    return content_of(folder.file("said"));
}

TEST(PalSchema, AcceptsWhatTheWriterWrites) {
    std::vector<Record> records = every_event();
    for (const catalogue::EventInfo& event : catalogue::events())
        records.push_back(make(event.id));  // all zero
    Record unknown;
    unknown.unknown = "task_paused";
    records.push_back(unknown);
    Record foreign = step(TaskEvent::Ready, 1, 1, 2, {{"cause", 99}});
    records.push_back(foreign);
    const std::string log = written(records, {kTs, "tool", "trace", "monotonic", {"task_done"}, 1},
                                    {{kTs, {kInstance, 3}, 5, 9, 4, false}});
    EXPECT_EQ(validated(log), "checked " + std::to_string(records.size() + 3) + "\n");
}

TEST(PalSchema, RefusesWhatTheReaderRefuses) {
    const std::string good = written({step(TaskEvent::Sleep, 41, 7, 9)});
    const auto broken = [&](std::string_view what, std::string_view with) {
        std::string log = good;
        return log.replace(log.find(what), what.size(), with);
    };
    EXPECT_THAT(validated(broken("\"dur_ns\":0", "\"x\":0")), testing::HasSubstr("'dur_ns' is a required property"));
    EXPECT_THAT(validated(broken("\"seq\":41", "\"seq\":\"41\"")), testing::HasSubstr("2 '41' is not of type"));
    EXPECT_THAT(validated(broken("\"worker\":1", "\"worker\":65536")), testing::HasSubstr("2 65536 is greater"));
    EXPECT_THAT(validated(broken("\"v\":1", "\"v\":2")), testing::HasSubstr("1 1 was expected"));
    EXPECT_THAT(validated(broken("\"records\":1", "\"x\":1")),
                testing::HasSubstr("3 'records' is a required property"));
}

}  // namespace
}  // namespace tiffany::pal::test
