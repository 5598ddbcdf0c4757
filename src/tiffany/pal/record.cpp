#include <tiffany/pal/record.hpp>

namespace tiffany::pal {
namespace {

using catalogue::EventInfo;
using catalogue::FieldInfo;
using catalogue::FieldRole;

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

bool is_own(const FieldInfo& field, std::string_view name, bool string) {
    return field.role == FieldRole::own && field.is_string() == string && field.name == name;
}

std::size_t number_slot(const EventInfo* info, std::string_view name) {
    if (info == nullptr) return kNone;
    for (std::size_t i = 0; i < info->fields.size(); ++i)
        if (is_own(info->fields[i], name, false)) return i;
    return kNone;
}

std::size_t text_slot(const EventInfo* info, std::string_view name) {
    if (info == nullptr) return kNone;
    std::size_t slot = 0;
    for (const FieldInfo& field : info->fields) {
        if (is_own(field, name, true)) return slot;
        if (field.is_string()) ++slot;
    }
    return kNone;
}

}  // namespace

std::uint64_t Record::number(std::string_view field) const {
    const std::size_t slot = number_slot(info, field);
    return slot == kNone ? 0 : numbers[slot];
}

std::string_view Record::text(std::string_view field) const {
    const std::size_t slot = text_slot(info, field);
    return slot == kNone ? std::string_view{} : std::string_view{texts[slot]};
}

bool Record::set_number(std::string_view field, std::uint64_t value) {
    const std::size_t slot = number_slot(info, field);
    if (slot == kNone) return false;
    numbers[slot] = value;
    return true;
}

bool Record::set_text(std::string_view field, std::string_view value) {
    const std::size_t slot = text_slot(info, field);
    if (slot == kNone) return false;
    texts[slot].assign(value);
    return true;
}

}  // namespace tiffany::pal
