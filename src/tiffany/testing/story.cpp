#include "story.hpp"

#include <algorithm>

namespace tiffany::testing {
namespace {

constexpr std::size_t kAround = 3;  // steps before and after

}  // namespace

std::string hook_of(TaskEvent event) {
    constexpr std::string_view kPrefix = "task_";
    return std::string{catalogue::info(event).tracepoint.substr(kPrefix.size())} + "()";
}

std::string the_hook(TaskEvent event) {
    return "the hook " + hook_of(event);
}

std::string value_of(const catalogue::EventInfo& event, std::string_view field, std::uint64_t number) {
    for (const catalogue::FieldInfo& info : event.fields) {
        if (info.name != field || info.enumeration == nullptr) continue;
        if (const auto label = info.enumeration->label(number)) return std::string{*label};
    }
    return std::to_string(number);
}

std::string describe(const pal::Record& record) {
    std::string text;
    std::size_t next_text = 0;
    for (std::size_t i = 0; i < record.info->fields.size(); ++i) {
        const catalogue::FieldInfo& field = record.info->fields[i];
        if (field.role != catalogue::FieldRole::own) continue;
        text += text.empty() ? "" : ", ";
        text += std::string{field.name} + ' ';
        text += field.is_string() ? "'" + record.texts[next_text++] + "'"
                                  : value_of(*record.info, field.name, record.numbers[i]);
    }
    return std::string{record.info->name} + (text.empty() ? "" : " (" + text + ")");
}

std::string who(const TaskLife& life) {
    if (life.tid == 0) return "a task that was never spawned (tid 0)";
    return "task '" + life.name + "' (tid " + std::to_string(life.tid) + ")";
}

std::string where(const TaskLife& life, std::size_t index) {
    std::uint64_t step = index + 1;
    if (index < life.steps.size())
        step = life.steps[index].step;
    else if (!life.steps.empty())
        step = life.steps.back().step + 1;
    return who(life) + ", step " + std::to_string(step);
}

std::string around(const TaskLife& life, std::size_t index) {
    if (life.steps.empty()) return {};
    const std::size_t begin = index > kAround ? index - kAround : 0;
    const std::size_t end = std::min(life.steps.size(), index + kAround + 1);
    std::string text;
    for (std::size_t i = begin; i < end; ++i) {
        const std::string step = std::to_string(life.steps[i].step) + ' ' + describe(life.steps[i]);
        text += text.empty() ? "" : ", ";
        text += i == index ? "[" + step + "]" : step;
    }
    return "; around: " + text;
}

}  // namespace tiffany::testing
