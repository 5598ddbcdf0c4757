// tiffany_bpf.h. Built-in types only: bpftrace parses it without any system header.

#include <algorithm>
#include <cctype>
#include <string>

#include "layout.hpp"
#include "products.hpp"

namespace tiffany::catalogue {
namespace {

constexpr std::string_view kHeaderOpening =
    R"(/* Made from tracepoints/task_events.def by tiffany-catalogue; do not edit.
 *
 * The structs that Tiffany's USDT probes pass by pointer, for bpftrace. The pointer is the probe's last argument: arg5.
 *
 *   bpftrace -p PID -I DIR --include tiffany_bpf.h -e 'usdt::tiffany:task__spawned {
 *       $e = (struct tiffany_task_spawned *)arg5;
 *       @by_priority[str(arg5 + TIFFANY_AT_TASK_SPAWNED_NAME), $e->priority] = count();
 *   }'
 *
 * DIR is where this file lies. A string is str(arg5 + TIFFANY_AT_...): 64 bytes, unless BPFTRACE_STRLEN says more
 * (str($e->name) is refused). $e->name is the whole array: to be printed, never to be the key of a map, because what
 * lies behind the string's end counts there.
 *
 * The layout is append-only: a struct may grow at its end, nothing in it moves.
 */
#ifndef TIFFANY_BPF_H
#define TIFFANY_BPF_H
)";

std::string upper(std::string_view text) {
    std::string result{text};
    std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return result;
}

std::string_view c_type(const FieldInfo& field) {
    if (field.is_string()) return "char";
    switch (field.max_bytes) {
        case 1:
            return "unsigned char";
        case 2:
            return "unsigned short";
        case 4:
            return "unsigned int";
        default:
            return "unsigned long long";
    }
}

void print_enumeration(std::ostream& out, const EnumInfo& info) {
    out << "\n/* " << info.meaning << " */\n";
    for (const EnumValue& value : info.values)
        out << "#define TIFFANY_" << upper(info.name) << '_' << upper(value.label) << ' ' << int{value.number} << '\n';
}

void print_struct(std::ostream& out, const EventInfo& event) {
    out << "\n/* " << event.provider << ':' << event.probe << ": " << event.meaning << " */\n";
    out << "struct " << event.struct_name << " {\n";
    for (const FieldInfo& field : event.fields) {
        out << "    " << c_type(field) << ' ' << field.name;
        if (field.is_string()) out << '[' << size_of(field) << ']';
        out << "; /* " << field.meaning;
        if (field.enumeration != nullptr) out << ": TIFFANY_" << upper(field.enumeration->name) << "_...";
        out << " */\n";
    }
    out << "};\n";
    const auto offset = offsets(event);
    for (std::size_t i = 0; i < event.fields.size(); ++i)
        if (event.fields[i].is_string())
            out << "#define TIFFANY_AT_" << upper(event.struct_name.substr(sizeof "tiffany_" - 1)) << '_'
                << upper(event.fields[i].name) << ' ' << offset[i] << '\n';
}

}  // namespace

void print_bpf_header(std::ostream& out) {
    out << kHeaderOpening << "\n#define TIFFANY_CATALOGUE_VERSION " << kVersion << '\n';
    for (const EnumInfo& info : enumerations())
        print_enumeration(out, info);
    for (const EventInfo& event : events())
        print_struct(out, event);
    out << "\n#endif\n";
}

}  // namespace tiffany::catalogue
