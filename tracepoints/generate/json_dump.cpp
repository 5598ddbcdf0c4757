// The catalogue as JSON. The catalogue's own strings need no escape but those of the quote and the backslash.

#include <string>

#include "layout.hpp"
#include "products.hpp"

namespace tiffany::catalogue {
namespace {

std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c;
    }
    return result += '"';
}

std::string_view type_name(FieldType type) {
    switch (type) {
        case FieldType::u8:
            return "u8";
        case FieldType::u16:
            return "u16";
        case FieldType::u32:
            return "u32";
        case FieldType::u64:
            return "u64";
        case FieldType::duration:
            return "duration";
        case FieldType::enumeration:
            return "enumeration";
        case FieldType::string:
            return "string";
    }
    return "";
}

void print_states(std::ostream& out, const StateSet& states) {
    out << '[';
    const char* comma = "";
    for (const EnumValue& value : enumeration("task_state").values)
        if (states.has(static_cast<TaskState>(value.number))) {
            out << comma << quoted(value.label);
            comma = ", ";
        }
    out << ']';
}

void print_json_of(std::ostream& out, const EventInfo& event) {
    out << "    {\"name\": " << quoted(event.name) << ", \"id\": " << static_cast<unsigned>(event.id)
        << ", \"transition\": " << (event.is_transition() ? "true" : "false")
        << ", \"provider\": " << quoted(event.provider) << ", \"tracepoint\": " << quoted(event.tracepoint)
        << ", \"probe\": " << quoted(event.probe) << ", \"struct\": " << quoted(event.struct_name)
        << ",\n     \"record\": " << quoted(event.record) << ", \"kind\": " << quoted(event.kind)
        << ", \"level\": " << quoted(event.level) << ", \"from\": ";
    print_states(out, event.from);
    out << ", \"to\": ";
    print_states(out, event.to);
    const auto offset = offsets(event);
    out << ", \"size\": " << offset.back() << ",\n     \"fields\": [";
    for (std::size_t i = 0; i < event.fields.size(); ++i) {
        const FieldInfo& field = event.fields[i];
        out << (i == 0 ? "\n" : ",\n") << "      {\"name\": " << quoted(field.name)
            << ", \"type\": " << quoted(type_name(field.type)) << ", \"bytes\": " << size_of(field)
            << ", \"offset\": " << offset[i] << ", \"own\": " << (field.role == FieldRole::own ? "true" : "false")
            << ", \"enumeration\": "
            << (field.enumeration == nullptr ? std::string{"null"} : quoted(field.enumeration->name)) << '}';
    }
    out << "]}";
}

}  // namespace

void print_json(std::ostream& out) {
    out << "{\"version\": " << kVersion << ",\n  \"enumerations\": {\n";
    const char* comma = "";
    for (const EnumInfo& info : enumerations()) {
        out << comma << "    " << quoted(info.name) << ": {";
        const char* inner = "";
        for (const EnumValue& value : info.values) {
            out << inner << quoted(value.label) << ": " << int{value.number};
            inner = ", ";
        }
        out << '}';
        comma = ",\n";
    }
    out << "},\n  \"events\": [\n";
    comma = "";
    for (const EventInfo& event : events()) {
        out << comma;
        print_json_of(out, event);
        comma = ",\n";
    }
    out << "]}\n";
}

}  // namespace tiffany::catalogue
