#include "record_file.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <tiffany/pal/error.hpp>

#include "run_tool.hpp"

namespace tiffany::paltrace {
namespace {

using Json = nlohmann::ordered_json;

std::string utc(std::chrono::system_clock::time_point when) {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch());
    const std::time_t whole = since.count() / 1000;
    std::tm parts{};
    gmtime_r(&whole, &parts);
    std::array<char, 32> date{};
    std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::array<char, 48> text{};
    std::snprintf(text.data(), text.size(), "%s.%03dZ", date.data(), static_cast<int>(since.count() % 1000));
    return text.data();
}

Json channel(BufferSize size) {
    return {{"subbuffer_bytes", size.bytes}, {"subbuffers", size.count}};
}

Json processes(const RecordFacts& facts) {
    Json all = Json::array();
    for (const RecordedProcess& process : facts.processes)
        all.push_back({{"pid", process.pid},
                       {"name", process.name},
                       {"records", facts.found ? Json(process.records) : Json(nullptr)},
                       {"transitions", facts.found ? Json(process.transitions) : Json(nullptr)},
                       {"ended", process.ended ? Json(*process.ended) : Json(nullptr)},
                       {"tail_unknown", process.tail_unknown()}});
    return all;
}

Json document(const RecordOptions& options, const RecordFacts& facts) {
    // null, not 0: what has not ended, or was not read back, is not known
    const auto when_read = [&](const auto& value) { return facts.read_back ? Json(value) : Json(nullptr); };
    const auto at_end = [&](const auto& value) { return facts.ended ? Json(value) : Json(nullptr); };
    const int command_status = facts.command_end_known ? shell_status(facts.command_wait_status) : 0;
    const bool by_signal = facts.ended && facts.command_end_known && WIFSIGNALED(facts.command_wait_status);
    const int own_status = static_cast<int>(facts.own);
    Json json{{"paltrace", TIFFANY_VERSION}, {"command", options.command}};
    json["started"] = utc(facts.started);
    json["ended"] = facts.ended ? Json(utc(*facts.ended)) : Json(nullptr);
    json["seconds"] = options.seconds ? Json(*options.seconds) : Json(nullptr);
    json["command_status"] =
        options.command.empty() || !facts.command_end_known ? Json(nullptr) : at_end(command_status);
    json["command_signal"] = by_signal ? Json(WTERMSIG(facts.command_wait_status)) : Json(nullptr);
    json["own_status"] = when_read(own_status);
    json["exit_status"] = when_read(command_status != 0 ? command_status : own_status);
    json["lttng"] = {{"version", facts.lttng_version}, {"session_daemon", facts.private_daemon ? "private" : "system"}};
    json["options"] = {{"ticks", options.ticks},
                       {"lossless", options.lossless},
                       {"crash_safe", options.crash_safe},
                       {"follow_fork", options.follow_fork}};
    Json channels{{"transitions", channel(facts.buffers.transitions)},
                  {"others", channel(facts.buffers.others)},
                  {"workers", channel(facts.buffers.workers)}};
    if (facts.buffers.ticks) channels["ticks"] = channel(*facts.buffers.ticks);
    json["buffers"] = {{"per", "process and CPU"},
                       {"cpus", facts.cpus},
                       {"process_bytes", facts.buffers.process_bytes},
                       {"channels", channels}};
    const auto count = [&](std::uint64_t ctf::ReadSummary::*member) {
        return facts.found ? Json((*facts.found).*member) : Json(nullptr);
    };
    json["records"] = count(&ctf::ReadSummary::records);
    json["transitions"] = count(&ctf::ReadSummary::transitions);
    json["lost"] = count(&ctf::ReadSummary::lost);
    json["lost_at_most"] = facts.found && facts.found->at_most;
    json["lost_others"] = facts.found ? facts.found->lost_others : 0;
    json["not_traced"] = count(&ctf::ReadSummary::untraced);
    json["processes_without_buffers"] = facts.found ? Json(facts.found->without_buffers) : Json(nullptr);
    std::size_t missed = 0;
    for (const auto& [cause, number] : facts.missed_processes)
        missed += number;
    json["missed_processes"] = at_end(missed);
    json["missed_causes"] = at_end(facts.missed_processes);
    json["shm_was_full"] = at_end(facts.shm_was_full);
    json["disk_was_full"] = at_end(facts.disk_was_full);
    json["consumer_found"] = facts.consumer_found;
    json["dead_daemon"] = facts.dead_daemon ? Json(name_of(*facts.dead_daemon)) : Json(nullptr);
    json["hung_daemon"] = facts.hung_daemon ? Json(name_of(*facts.hung_daemon)) : Json(nullptr);
    json["hangs_on"] = facts.hangs_on;
    json["read_back"] = facts.read_back;
    json["tail_unknown"] = facts.tail_unknown();
    json["processes"] = facts.read_back && !facts.processes_unknown ? processes(facts) : Json(nullptr);
    json["bad_parts"] = facts.found ? Json(facts.found->bad_parts) : Json::array();
    return json;
}

}  // namespace

bool RecordFacts::tail_unknown() const {
    // killed in the middle of an event: what lay behind that, or found no room, nobody counted
    return !ended || !read_back || (WIFSIGNALED(command_wait_status) && WTERMSIG(command_wait_status) == SIGKILL) ||
           (disk_was_full && !found) ||  // and nobody could look
           hangs_on || std::ranges::any_of(processes, &RecordedProcess::tail_unknown);
}

std::string record_text(const RecordOptions& options, const RecordFacts& facts) {
    // A command line is bytes, JSON is UTF-8: what is none is replaced.
    return document(options, facts).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_record_file(const std::string& path, const RecordOptions& options, const RecordFacts& facts) {
    const std::string text = record_text(options, facts);
    const std::string temporary = path + ".tmp";
    const auto fail = [&] {
        Error error{ErrorKind::system, "cannot write " + path + ": " + std::strerror(errno)};
        unlink(temporary.c_str());
        return error;
    };
    unlink(temporary.c_str());
    const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) throw fail();
    std::size_t written = 0;
    while (written < text.size()) {
        const ssize_t bytes = write(file, text.data() + written, text.size() - written);
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes <= 0) {
            const Error error = fail();
            close(file);
            throw error;
        }
        written += static_cast<std::size_t>(bytes);
    }
    if (close(file) != 0 || rename(temporary.c_str(), path.c_str()) != 0) throw fail();
}

}  // namespace tiffany::paltrace
