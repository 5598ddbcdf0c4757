#include "missing_buffers.hpp"

#include <tiffany/tracepoints/catalogue.hpp>

#include "recording_name.hpp"

namespace tiffany::ctf {
namespace {

/// The value of `key = value;` in the block `env`; without its quotes. Empty if it is not there.
std::string_view environment(std::string_view text, std::string_view key) {
    const std::size_t block = text.find("env {");
    if (block == std::string_view::npos) return {};
    std::string_view entries = text.substr(block, text.find("};", block) - block);
    const std::size_t at = entries.find(std::string{"\t"}.append(key).append(" = "));
    if (at == std::string_view::npos) return {};
    entries.remove_prefix(at + 1 + key.size() + 3);
    std::string_view value = entries.substr(0, entries.find(";\n"));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    return value;
}

bool declares(std::string_view text, std::string_view event) {
    return text.find(std::string{"\tname = \"tiffany:"}.append(event).append("\";")) != std::string_view::npos;
}

std::string who(std::string_view text) {
    const std::string_view name = environment(text, "procname");
    if (name.empty()) return "a process";  // buffers for a user: the trace names none
    return std::string{name}.append(" (pid ").append(environment(text, "vpid")).append(")");
}

}  // namespace

MissingBuffers missing_buffers(std::string_view text) {
    if (environment(text, "tracer_name") != "lttng-ust") return {};
    if (text.find("\nstream {") == std::string_view::npos) {
        if (text.find("\nevent {") != std::string_view::npos) return {};  // of no stream: damaged, not missing
        return {who(text) + " got no buffers: nothing that it did was recorded", true};
    }
    if (!is_recording(environment(text, "trace_name"))) return {};
    const bool transitions = declares(text, catalogue::info(EventId::TaskSpawned).tracepoint);
    const bool workers = declares(text, catalogue::info(EventId::WorkerStarted).tracepoint);
    const bool others = declares(text, catalogue::info(EventId::ParkBegin).tracepoint);
    if (!transitions && (workers || others || text.find("\tname = \"tiffany_tick:") != std::string_view::npos))
        return {who(text) + " got no buffers for its transitions: none of them was recorded", false};
    if (transitions && !workers)
        return {who(text) + (others ? " got no buffers for what its workers say as they begin and end: what was lost "
                                      "after their last events is not counted"
                                    : " got no buffers for what is no transition: workers, dumps and notes were not "
                                      "recorded"),
                false};
    if (transitions && !others)
        return {who(text) + " got no buffers for parks, dumps and notes: they were not recorded", false};
    return {};
}

}  // namespace tiffany::ctf
