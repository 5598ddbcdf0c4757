#include "examine_machine.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <tiffany/pal/error.hpp>
#include <vector>

#include "as_root.hpp"
#include "buffers.hpp"
#include "examine_log.hpp"
#include "examine_settings.hpp"
#include "find_program.hpp"
#include "process_table.hpp"
#include "run_tool.hpp"
#include "shm_access.hpp"
#include "user_daemon.hpp"

namespace tiffany::paltrace {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kPatience{5};
constexpr const char* kShm = "/dev/shm";

bool is_root() {
    return geteuid() == 0;
}

bool have_program(const std::string& name) try {
    need_program(name);
    return true;
} catch (const Error&) {
    return false;
}

std::string first_line_of(const std::vector<std::string>& argv) {
    const ToolResult told = run_tool(argv, {}, kPatience);
    return told.good() ? told.output.substr(0, told.output.find('\n')) : "";
}

/// As it says itself, unless it takes too long on a machine that is busy.
std::string version_line_of(const std::string& program) {
    const std::string line = first_line_of({program, "--version"});
    return line.empty() ? program + " is there, and did not tell its version" : line;
}

std::optional<long> number_in(const std::string& path) {
    std::ifstream file{path};
    long number = 0;
    return file >> number ? std::optional{number} : std::nullopt;
}

/// What the dynamic linker finds liblttng-ust.so.1 by; empty if it knows none.
std::string line_of_lttng_ust() {
    const char* const ldconfig = have_program("ldconfig") ? "ldconfig" : "/sbin/ldconfig";
    const ToolResult known = run_tool({ldconfig, "-p"}, {}, kPatience);
    const std::size_t at = known.output.find("liblttng-ust.so.1 ");
    return at == std::string::npos ? "" : known.output.substr(at, known.output.find('\n', at) - at);
}

/// Where bpftrace does not work.
std::string what_works() {
    const bool lttng = have_program("lttng") && have_program("lttng-sessiond") && linker_knows_lttng_ust();
    return std::string{lttng ? "LTTng, " : ""} + "TIFFANY_PAL=FILE and metrics work";
}

// ---- LTTng ----

Finding lttng_tools() {
    Finding finding{.what = "lttng-tools", .found = {}, .cost = {}, .mend = {}};
    for (const char* const program : {"lttng", "lttng-sessiond"})
        if (!have_program(program)) {
            finding.health = Health::wrong;
            finding.found = std::string{"there is no "} + program;
            finding.cost = "nothing can be recorded by LTTng, and paltrace record does not work; TIFFANY_PAL=FILE does";
            finding.mend = "apt-get install lttng-tools";
            return finding;
        }
    finding.found = version_line_of("lttng");
    return finding;
}

/// "lttng (LTTng Trace Control) 2.13.9 - a name"
std::string version_of_tools() {
    const std::string said = first_line_of({"lttng", "--version"});
    const std::size_t begin = said.find(") ");
    return begin == std::string::npos ? "" : said.substr(begin + 2, said.find(' ', begin + 2) - begin - 2);
}

/// Of the package that the file is from: neither the library nor its name says it. Empty if no package manager knows.
std::string version_of_package(const std::string& path) {
    std::error_code error;
    const std::string file = std::filesystem::canonical(path, error).string();
    std::string version;
    if (have_program("dpkg-query")) {
        const std::string owner =
            first_line_of({"dpkg-query", "--search", file});  // "liblttng-ust1:amd64: /usr/lib/..."
        const std::string package = owner.substr(0, owner.rfind(": "));
        if (!package.empty()) version = first_line_of({"dpkg-query", "--show", "--showformat=${Version}", package});
    }
    if (version.empty() && have_program("rpm"))
        version = first_line_of({"rpm", "--query", "--queryformat=%{VERSION}\n", "--file", file});
    version.erase(0, version.find(':') + 1);  // an epoch
    return version.substr(0, version.find_first_of("-+~"));
}

std::string major_and_minor(const std::string& version) {
    return version.substr(0, version.find('.', version.find('.') + 1));
}

Finding lttng_ust() {
    Finding finding{.what = "lttng-ust", .found = {}, .cost = {}, .mend = {}};
    if (const std::string line = line_of_lttng_ust(); !line.empty()) {
        const std::string path = line.substr(line.rfind(' ') + 1);
        const std::string version = version_of_package(path);
        finding.found = path + (version.empty() ? ", of no package that tells its version" : ", version " + version);
        const std::string tools = have_program("lttng") ? version_of_tools() : "";
        if (version.empty() || tools.empty() || major_and_minor(version) == major_and_minor(tools)) return finding;
        finding.health = Health::limited;
        finding.found += ", beside lttng-tools " + tools;
        finding.cost = "the session daemon may refuse programs that load an lttng-ust of another minor version";
        finding.mend = "apt-get install lttng-tools liblttng-ust1";
        return finding;
    }
    finding.health = Health::wrong;
    finding.found = "the dynamic linker knows no liblttng-ust.so.1";
    finding.cost = "programs run with their metrics, USDT probes and TIFFANY_PAL=FILE, and without LTTng";
    finding.mend = "apt-get install liblttng-ust1";
    return finding;
}

void session_daemon(Findings& findings) {
    Finding finding{.what = "session daemon", .found = {}, .cost = {}, .mend = {}};
    const UserDaemon used = daemon_of_user();
    if (used.pid == 0) {
        finding.health = Health::limited;
        finding.found = "none runs for " + user_name(geteuid());
        finding.cost =
            "lttng itself records nothing; paltrace record starts a daemon, for COMMAND or for what runs already";
        finding.mend = "lttng-sessiond --daemonize";
        if (!have_program("lttng-sessiond")) {
            finding.cost = "LTTng records nothing, and paltrace record has no daemon to start; TIFFANY_PAL=FILE works";
            finding.mend = "apt-get install lttng-tools";
        }
    } else if (!used.stopped && !have_program("lttng")) {
        finding.health = Health::limited;
        finding.found = user_name(used.user) + "'s (pid " + std::to_string(used.pid) +
                        ") runs, and there is no lttng to ask it whether it answers";
        finding.cost = "nothing can be recorded by it from here";
        finding.mend = "apt-get install lttng-tools";
    } else if (const bool answers = !used.stopped && run_tool({"lttng", "--no-sessiond", "list"}, {}, kPatience).good();
               !answers) {
        finding.health = Health::wrong;
        finding.found = user_name(used.user) + "'s (pid " + std::to_string(used.pid) +
                        (used.stopped ? ") is stopped" : ") does not answer");
        finding.cost = "each traced program starts up to 0.5 s later, and nothing is recorded";
        finding.mend = mend_of(used);
    } else {
        finding.found = user_name(used.user) + "'s (pid " + std::to_string(used.pid) + ") answers";
    }
    findings.push_back(finding);
    if (is_root() || daemon_in(kRootsDirectory).pid == 0) return;
    Finding group{.what = "group tracing", .found = user_name(geteuid()) + " is in it", .cost = {}, .mend = {}};
    if (!in_tracing_group()) {
        group.health = Health::limited;
        group.found = user_name(geteuid()) + " is not in it";
        group.cost =
            "root's session daemon, which runs, takes no command of this user; it would trace everybody's programs";
        group.mend = "usermod --append --groups tracing " + user_name(geteuid());
    }
    findings.push_back(group);
}

Finding shared_memory() {
    Finding finding{.what = kShm, .found = {}, .cost = {}, .mend = {}};
    if (const std::optional<ShmTrouble> trouble = shm_trouble()) {
        finding.health = Health::wrong;
        finding.found = trouble->why;
        finding.cost =
            "LTTng has no place for its buffers: programs run without it, and paltrace record refuses; "
            "TIFFANY_PAL=FILE "
            "works";
        finding.mend = trouble->mend;
        return finding;
    }
    try {
        const BufferRoom room = look_at_room(kShm);
        const std::string free = human_bytes(room.free_bytes) + " free";
        try {
            const BufferPlan plan = plan_buffers({}, room);
            finding.found = free + ", paltrace record takes " + human_bytes(plan.process_bytes) + " a process (" +
                            std::to_string(room.cpus) + " CPUs)";
            if (!plan.shrunk) return finding;
            finding.health = Health::limited;
            finding.cost = "buffers are smaller than what loses nothing at the highest rate";
        } catch (const Error&) {
            finding.health = Health::wrong;
            finding.found = free + ", too little for the buffers of paltrace record";
            finding.cost =
                "it refuses, unless --buffers asks for less, and where buffers do not fit LTTng records nothing and "
                "its "
                "commands succeed all the same; full, it ends programs at their start that load LTTng unprotected";
        }
    } catch (const Error& error) {
        finding.health = Health::wrong;
        finding.found = error.one_line();
        finding.cost = "LTTng has no place for its buffers";
    }
    finding.mend = std::string{"mount -o remount,size=1G "} + kShm;
    return finding;
}

Finding provider_module() {
    Finding finding{.what = "provider module", .found = {}, .cost = {}, .mend = {}};
    const auto is_there = [](const std::string& path) { return access(path.c_str(), R_OK) == 0; };
    if (const char* const named = std::getenv("TIFFANY_LTTNG_MODULE"); named != nullptr) {
        finding.found = std::string{"TIFFANY_LTTNG_MODULE="} + named;
        if (is_there(named)) return finding;
        finding.found += ", where there is none";
        finding.mend = "unset TIFFANY_LTTNG_MODULE";
    } else {
        // beside a program of this build or installation, then where the linker looks
        std::error_code error;
        const auto here = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
        for (const auto& folder : {here, here / ".." / TIFFANY_LIBDIR}) {
            const auto path = (folder / "libtiffany-lttng.so").lexically_normal().string();
            if (!is_there(path)) continue;
            finding.found = path;
            return finding;
        }
        finding.found = "no libtiffany-lttng.so beside paltrace, nor where its package installs it";
        finding.mend = linker_knows_lttng_ust() ? "export TIFFANY_LTTNG_MODULE=/path/to/libtiffany-lttng.so"
                                                : "apt-get install liblttng-ust1, then export "
                                                  "TIFFANY_LTTNG_MODULE=/path/to/libtiffany-lttng.so";
    }
    finding.health = Health::limited;
    finding.cost = "programs that find none run without LTTng; one that was installed elsewhere looks there";
    return finding;
}

// ---- the kernel, bpftrace ----

/// Where the kernel's tracefs is mounted; its directory itself is root's alone.
std::string place_of_tracefs() {
    std::ifstream mounts{"/proc/self/mounts"};
    std::string device, place, type, rest;
    while (mounts >> device >> place >> type && std::getline(mounts, rest))
        if (type == "tracefs") return place;
    return "";
}

Finding tracefs() {
    Finding finding{.what = "tracefs", .found = {}, .cost = {}, .mend = {}};
    if (const std::string place = place_of_tracefs(); !place.empty()) {
        finding.found = "mounted at " + place;
        return finding;
    }
    finding.health = Health::wrong;
    finding.found = "not mounted";
    finding.cost = "bpftrace complains when it attaches to probes, and cannot let go of them cleanly";
    finding.mend = "mount -t tracefs tracefs /sys/kernel/tracing";
    return finding;
}

Finding uprobes() {
    Finding finding{.what = "uprobes", .found = "the kernel has them", .cost = {}, .mend = {}};
    if (access("/sys/bus/event_source/devices/uprobe/type", F_OK) == 0) return finding;
    finding.health = Health::wrong;
    finding.found = "the kernel has none (CONFIG_UPROBE_EVENTS)";
    finding.cost = "USDT probes cannot be attached to; " + what_works();
    finding.mend = "boot a kernel with CONFIG_UPROBE_EVENTS=y";
    return finding;
}

Finding may_probe() {
    Finding finding{.what = "perf_event_paranoid", .found = {}, .cost = {}, .mend = {}};
    const std::optional<long> level = number_in("/proc/sys/kernel/perf_event_paranoid");
    if (!level) {
        finding.health = Health::wrong;
        finding.found = "this kernel has no perf events";
        finding.cost = "USDT probes cannot be attached to; " + what_works();
        finding.mend = "boot a kernel with CONFIG_PERF_EVENTS=y";
        return finding;
    }
    finding.found = std::to_string(*level);
    if (is_root()) {
        finding.found += ", which does not hold root back";
        return finding;
    }
    finding.health = Health::limited;
    finding.found += ", and " + user_name(geteuid()) + " is not root";
    finding.cost = "bpftrace wants root; for this user, " + what_works();
    finding.mend = as_root("paltrace doctor");
    return finding;
}

Finding bpftrace() {
    Finding finding{.what = "bpftrace", .found = {}, .cost = {}, .mend = {}};
    if (have_program("bpftrace")) {
        finding.found = version_line_of("bpftrace");
        return finding;
    }
    finding.health = Health::limited;
    finding.found = "not installed";
    finding.cost = "the USDT probes have no reader here; " + what_works();
    finding.mend = "apt-get install bpftrace";
    return finding;
}

}  // namespace

bool linker_knows_lttng_ust() {
    return !line_of_lttng_ust().empty();
}

Findings examine_machine() {
    Findings findings{lttng_tools(), lttng_ust()};
    session_daemon(findings);
    for (const auto& examine : {shared_memory, provider_module, tracefs, uprobes, may_probe, bpftrace})
        findings.push_back(examine());
    for (Finding& finding : examine_own_settings())
        findings.push_back(std::move(finding));
    findings.push_back(examine_own_log());
    return findings;
}

}  // namespace tiffany::paltrace
