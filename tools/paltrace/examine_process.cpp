#include "examine_process.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <tiffany/pal/error.hpp>
#include <tiffany/telemetry/setting_values.hpp>
#include <tiffany/tracepoints/catalogue.hpp>
#include <vector>

#include "as_root.hpp"
#include "examine_log.hpp"
#include "examine_machine.hpp"
#include "examine_settings.hpp"
#include "probe_notes.hpp"
#include "process_table.hpp"
#include "shm_access.hpp"

namespace tiffany::paltrace {
namespace {

/// A line of /proc/PID/maps.
struct Mapping {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t offset = 0;  // in the file
    bool executable = false;
    std::string path;       // what tells files of the same name apart: of one that was removed, with the kernel's mark
    std::string file_name;  // without it
    bool removed = false;   // what has that name now, if anything, is another file
    std::string range;      // as the names in /proc/PID/map_files are
};

constexpr std::string_view kRemovedMark = " (deleted)";

/// The process sees its files from its own root.
std::string seen_from_here(pid_t pid, const std::string& path) {
    return "/proc/" + std::to_string(pid) + "/root" + path;
}

std::vector<Mapping> mappings_of(pid_t pid) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/maps"};
    std::vector<Mapping> mappings;
    for (std::string line; std::getline(file, line);) {
        std::istringstream fields{line};
        Mapping mapping;
        char dash = 0;
        std::string permissions;
        std::string device;
        std::string inode;
        fields >> std::hex >> mapping.begin >> dash >> mapping.end >> permissions >> mapping.offset >> device >> inode;
        std::getline(fields >> std::ws, mapping.path);
        mapping.executable = permissions.find('x') != std::string::npos;
        if (!mapping.path.starts_with('/')) continue;
        mapping.file_name = mapping.path;
        mapping.range = line.substr(0, line.find(' '));
        struct stat about {};
        mapping.removed =
            mapping.path.ends_with(kRemovedMark) && stat(seen_from_here(pid, mapping.path).c_str(), &about) != 0;
        if (mapping.removed) mapping.file_name.resize(mapping.path.size() - kRemovedMark.size());
        mappings.push_back(mapping);
    }
    return mappings;
}

/// What one of its words of two bytes says now, where the file has that offset.
std::optional<unsigned> word_at(pid_t pid, const std::vector<Mapping>& mappings, const std::string& path,
                                std::uint64_t offset) {
    const auto place = std::ranges::find_if(mappings, [&](const Mapping& mapping) {
        return mapping.path == path && !mapping.executable && offset >= mapping.offset &&
               offset - mapping.offset < mapping.end - mapping.begin;
    });
    if (place == mappings.end()) return std::nullopt;
    const int memory = open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
    if (memory < 0) return std::nullopt;
    std::uint16_t word = 0;
    const auto address = static_cast<off_t>(place->begin + (offset - place->offset));
    const bool whole = pread(memory, &word, sizeof word, address) == static_cast<ssize_t>(sizeof word);
    close(memory);
    return whole ? std::optional<unsigned>{word} : std::nullopt;
}

std::string doctor_as_root(pid_t pid) {
    return as_root("paltrace doctor --pid " + std::to_string(pid));
}

std::size_t all_probes() {
    return catalogue::events().size();
}

std::string number_of_probes(const ProbeFile& file) {
    return std::to_string(file.probes.size()) + " of " + std::to_string(all_probes()) + " probes in " + file.path;
}

/// Finishes what is said of a file that was looked into.
Finding about(const ProbeFile& file, const std::string& attach) {
    Finding finding{.what = "USDT probes", .found = number_of_probes(file), .cost = {}, .mend = {}};
    if (file.probes.size() < all_probes() || !file.semaphore_offset) {
        finding.health = Health::wrong;
        if (!file.semaphore_offset) finding.found += ", without a semaphore";
        finding.cost = "what has no probe, or no semaphore, is not seen by bpftrace";
        finding.mend = "build it again with the hooks' own objects whole (docs/bpftrace.md)";
    } else {
        finding.found += "; to count transitions: " + attach;
    }
    return finding;
}

Finding no_probes(const std::string& where) {
    return {.what = "USDT probes",
            .health = Health::wrong,
            .found = "none of Tiffany in " + where,
            .cost = "bpftrace sees nothing of it",
            .mend =
                "link it with tiffany::telemetry (TIFFANY_TELEMETRY=ON), and keep section .note.stapsdt when it is "
                "stripped"};
}

/// As the page says it, with what is known put in.
std::string bpftrace_line(const std::string& option, const std::string& file) {
    return "bpftrace " + option + "-e 'usdt:" + file + ":tiffany:task__running { @running = count(); }'";
}

Finding lttng_in(pid_t pid, const Owner& owner, const std::vector<Mapping>& mappings) {
    Finding finding{.what = "LTTng in the process", .found = {}, .cost = {}, .mend = {}};
    const auto mapped = [&](std::string_view name) {
        return std::ranges::any_of(mappings, [&](const Mapping& mapping) {
            return std::filesystem::path{mapping.path}.filename().string().starts_with(name);
        });
    };
    if (mapped("libtiffany-lttng.so") && mapped("liblttng-ust.so")) {
        finding.found = "its provider is loaded";
        return finding;
    }
    finding.health = Health::limited;
    finding.cost = "lttng sessions do not see it; USDT probes, TIFFANY_PAL=FILE and metrics work";
    if (variable_of(pid, "TIFFANY_LTTNG") == "0") {
        finding.found = "off: it was started with TIFFANY_LTTNG=0";
        finding.mend = "start it again without TIFFANY_LTTNG=0";
    } else if (const auto trouble =
                   shm_trouble("/proc/" + std::to_string(pid) + "/root", owner.user, owner.groups.front())) {
        finding.found = "not loaded: where it runs " + trouble->why;
        finding.mend = trouble->mend + ", where it runs; then start it again";
    } else {
        finding.found =
            "not loaded: it has made no scheduler yet, or found no provider module or no LTTng, or /dev/shm was "
            "full (its metric tiffany_tracing_unavailable says which)";
        finding.mend = linker_knows_lttng_ust()
                           ? "start it again with TIFFANY_LTTNG_MODULE=/path/to/libtiffany-lttng.so"
                           : "apt-get install liblttng-ust1, and start it again; or start it with TIFFANY_PAL=FILE";
    }
    return finding;
}

// ---- runs that do not end ----

/// Whether it began with rights that its caller had not: the dynamic linker and the library do not trust its
/// environment then.
bool is_secure(pid_t pid) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/auxv", std::ios::binary};
    for (Elf64_auxv_t entry{}; file.read(reinterpret_cast<char*>(&entry), sizeof entry);)
        if (entry.a_type == AT_SECURE) return entry.a_un.a_val != 0;
    return false;
}

Finding stall_watch_in(pid_t pid) {
    Finding finding{.what = "stall watch", .found = {}, .cost = {}, .mend = {}};
    const std::string value = variable_of(pid, "TIFFANY_STALL");
    const std::string set = "TIFFANY_STALL=" + value;
    const std::size_t watching = threads_called(pid, "tiffany-stall");
    const std::string who = watching == 0   ? "nobody watches"
                            : watching == 1 ? "a thread watches"
                                            : std::to_string(watching) + " threads watch";
    const std::string watched = who + " for runs that do not end";
    const std::optional<std::chrono::nanoseconds> bound = detail::parse_time(value);
    if (value.empty()) {
        finding.found = watched + " (TIFFANY_STALL is not set)";
    } else if (is_secure(pid)) {
        finding.health = Health::limited;
        finding.found = set + " is ignored: it is a set-uid program, or has more rights than its caller; " + watched;
        finding.cost = "runs that do not end are told of only if the program itself watches";
        finding.mend = "start it as the user whose rights it takes; or let it call tiffany::configure({.stall = 1s})";
    } else if (!bound) {
        finding.health = Health::limited;
        finding.found = set + " is no time (a whole number, and ms, s or min); " + watched;
        finding.cost = "runs that do not end are not told of, also where the program asks for it before its start";
        finding.mend = "start it again with TIFFANY_STALL=1s (whole numbers only: 500ms, not 0.5s)";
    } else if (bound->count() == 0) {
        finding.found = set + ": off; " + watched;
    } else {
        finding.found = set + "; " + watched;
        if (watching != 0) return finding;
        finding.health = Health::limited;
        finding.found += ": it has made no scheduler yet, has turned it off, or the system gave no thread";
        finding.cost = "runs that do not end are not told of";
        finding.mend = "wait until it has a scheduler; else let it print tiffany::stall_status()";
    }
    return finding;
}

/// Where the file of a mapping can be read, also if it has no name any more; bpftrace can be given that name, too.
std::string readable_name_of(pid_t pid, const Mapping& mapping) {
    if (!mapping.removed) return seen_from_here(pid, mapping.path);
    const std::string entry = "/proc/" + std::to_string(pid);
    std::error_code error;
    if (std::filesystem::read_symlink(entry + "/exe", error) == mapping.path) return entry + "/exe";
    return entry + "/map_files/" + mapping.range;
}

bool made_in_memory(const Mapping& mapping) {
    return mapping.path.starts_with("/memfd:") || mapping.path.starts_with("/dev/zero") ||
           mapping.path.starts_with("/dev/shm/");
}

/// A file that its process runs code of, and that has been replaced since.
Finding replaced(pid_t pid, const Mapping& mapping, const std::string& readable_name) {
    return {.what = "replaced file",
            .health = Health::limited,
            .found = mapping.file_name + " was replaced or removed after process " + std::to_string(pid) +
                     " began, which still runs the old one",
            .cost = "bpftrace -p, and with it tools/bpftrace, finds no probes in it",
            .mend = "start it again; or leave out -p: " + bpftrace_line("", readable_name)};
}

Finding replaced_and_closed(pid_t pid, const Mapping& mapping) {
    return {.what = "replaced file",
            .health = Health::limited,
            .found = mapping.file_name + " was replaced or removed after process " + std::to_string(pid) +
                     " began, and this user cannot read the old one",
            .cost = "whether it has probes is not known, and bpftrace -p finds none in it",
            .mend = "start it again; or look into the old one: " + doctor_as_root(pid)};
}

/// That there is nothing to look into.
Finding without_a_program(const std::string& found) {
    return {.what = "process",
            .health = Health::wrong,
            .found = found,
            .cost = "it runs no program that could be traced",
            .mend = "name a process that runs one: paltrace doctor --pid $(pgrep -n NAME)"};
}

/// Nothing can be seen of it, and so nothing is said: what cannot be read would look as if it were not there.
Finding closed_to_us(pid_t pid, const std::string& name, const Owner& owner, int refusal) {
    Finding finding{
        .what = "process",
        .health = Health::wrong,
        .found = {},
        .cost = "neither its probes, its settings nor LTTng in it can be looked at, nor traced, by this user",
        .mend = doctor_as_root(pid)};
    const uid_t user = geteuid();
    if (user != 0 && user != owner.user) {
        finding.found = name + " belongs to " + user_name(owner.user) + ", and this is " + user_name(user);
        return finding;
    }
    finding.found = name + " of " + user_name(owner.user) + " cannot be looked into by " + user_name(user) + ": " +
                    std::strerror(refusal);
    if (user == 0) {
        finding.found += ": this root lacks the capability CAP_SYS_PTRACE, or has fewer rights than it";
        finding.mend = "look from where it was started, or add CAP_SYS_PTRACE (docker run --cap-add SYS_PTRACE)";
    } else {
        finding.found +=
            ": it has more rights than this user, or had (set-uid, capabilities), or asked for that itself "
            "(PR_SET_DUMPABLE)";
    }
    return finding;
}

Finding who_is_attached(pid_t pid, const std::vector<Mapping>& mappings, const ProbeFile& file) {
    Finding finding{.what = "USDT tracers", .found = {}, .cost = {}, .mend = {}};
    const std::optional<unsigned> attached = word_at(pid, mappings, file.path, file.semaphore_offset.value_or(0));
    if (!attached) {
        finding.health = Health::limited;
        finding.found = "the semaphore cannot be read";
        finding.cost = "whether somebody is attached is not known";
        finding.mend = doctor_as_root(pid);
    } else if (*attached == 0) {
        finding.found = "none is attached (semaphore 0)";
    } else {
        finding.found = "attached (semaphore " + std::to_string(*attached) + ": probes, each at most once)";
    }
    return finding;
}

}  // namespace

std::vector<pid_t> processes_with_lttng_off() {
    std::vector<pid_t> off = processes_with_variable("TIFFANY_LTTNG", "0");
    std::erase_if(off, [](pid_t pid) {  // it is inherited by programs that have nothing of ours
        std::set<std::string> seen;
        return std::ranges::none_of(mappings_of(pid), [&](const Mapping& mapping) {
            if (!mapping.executable || !seen.insert(mapping.path).second) return false;
            try {
                return !probes_of_file(readable_name_of(pid, mapping)).probes.empty();
            } catch (const Error&) {
                return false;
            }
        });
    });
    return off;
}

Findings examine_file(const std::string& path) {
    const ProbeFile file = probes_of_file(path);
    if (file.probes.empty()) return {no_probes(path + " itself, which may link a library that has them")};
    return {about(file, bpftrace_line("", std::filesystem::absolute(path).lexically_normal().string()))};
}

Findings examine_process(pid_t pid) {
    const std::optional<Owner> owner = owner_of(pid);
    if (!owner) throw Error{ErrorKind::system, "cannot look at process " + std::to_string(pid) + ": there is none"};
    const std::string name = name_of(pid) + " (pid " + std::to_string(pid) + ")";
    if (state_of(pid) == 'Z')
        return {without_a_program(name + " has ended, and its parent has not asked how (a zombie)")};
    if (is_kernel_thread(pid)) return {without_a_program(name + " is a kernel thread")};
    if (const int refusal = refusal_to_look_into(pid); refusal != 0) return {closed_to_us(pid, name, *owner, refusal)};
    Findings findings;
    findings.push_back({.what = "process", .found = name + " of " + user_name(owner->user), .cost = {}, .mend = {}});
    const std::vector<Mapping> mappings = mappings_of(pid);
    std::set<std::string> seen;
    bool any = false;
    bool all = true;
    for (const Mapping& mapping : mappings) {
        if (!mapping.executable || !seen.insert(mapping.path).second) continue;
        const std::string readable_name = readable_name_of(pid, mapping);
        ProbeFile file;
        try {
            file = probes_of_file(readable_name);
        } catch (const Error& error) {
            // no ELF file has no probes that could be attached to; code that was never in a file has none of ours
            if (!mapping.removed || error.kind() != ErrorKind::system || made_in_memory(mapping)) continue;
            all = false;
            findings.push_back(replaced_and_closed(pid, mapping));
            continue;
        }
        if (file.probes.empty()) continue;
        any = true;
        file.path = mapping.path;
        std::string attach = bpftrace_line("-p " + std::to_string(pid) + " ", mapping.path);
        if (mapping.removed) {
            findings.push_back(replaced(pid, mapping, readable_name));
            attach = bpftrace_line("", readable_name);
        }
        findings.push_back(about(file, attach));
        if (file.semaphore_offset) findings.push_back(who_is_attached(pid, mappings, file));
    }
    if (!any && all) findings.push_back(no_probes(name));
    findings.push_back(lttng_in(pid, *owner, mappings));
    findings.push_back(stall_watch_in(pid));
    findings.push_back(examine_metrics_of(pid, !is_secure(pid)));
    findings.push_back(examine_log_of(pid, !is_secure(pid)));
    return findings;
}

}  // namespace tiffany::paltrace
