#include "daemon_log.hpp"

#include <istream>
#include <string_view>
#include <utility>

namespace tiffany::paltrace {
namespace {

/// Of "PERROR - 20:12:07.173685506 [UST registration dispatch]: Opening metadata file: No such file or directory (in
/// ust_registry_session_init() at ust-registry.c:937)" what it says.
std::string said_in(std::string_view line) {
    if (const std::size_t begin = line.find("]: "); begin != line.npos) line.remove_prefix(begin + 3);
    return std::string{line.substr(0, line.rfind(" (in "))};
}

}  // namespace

const std::string kDirectoryRemoved = "Opening metadata file: No such file or directory";

DaemonComplaints read_daemon_log(std::istream& log) {
    DaemonComplaints found;
    std::string metadata_trouble;  // what comes before the process is given up
    for (std::string line; std::getline(log, line);) {
        const auto has = [&line](std::string_view words) { return line.find(words) != line.npos; };
        if (has("Error creating UST channel")) ++found.refused_channels;
        if (has("(in lttng_consumer_on_read_subbuffer")) ++found.failed_writes;
        if (has("(in ust_registry_session_init()")) ++found.missed[said_in(line)];
        if (has("(in lttng_metadata_printf()")) metadata_trouble = said_in(line);
        if (has("Failed to generate session metadata")) ++found.missed[std::exchange(metadata_trouble, {})];
    }
    return found;
}

std::string missed(std::size_t processes, const std::string& cause) {
    const bool one = processes == 1;
    const std::string count = std::to_string(processes) + (one ? " process" : " processes");
    const std::string end = one ? ": it is missing, uncounted" : ": they are missing, uncounted";
    if (cause == kDirectoryRemoved)
        return "LTTng removed the directory for the buffers of " + count + " that began while " +
               (one ? "another" : "others") + " ended" + end;
    return "LTTng made no trace for " + count + (cause.empty() ? "" : " (" + cause + ")") + end;
}

}  // namespace tiffany::paltrace
