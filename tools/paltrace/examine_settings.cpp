#include "examine_settings.hpp"

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <tiffany/telemetry/setting_values.hpp>

#include "process_table.hpp"

namespace tiffany::paltrace {
namespace {

std::string own_variable(const char* name) {
    const char* const value = std::getenv(name);
    return value != nullptr ? value : "";
}

Finding own_lttng() {
    Finding finding{
        .what = "TIFFANY_LTTNG", .found = "not set: programs load LTTng where it is", .cost = {}, .mend = {}};
    const std::string value = own_variable("TIFFANY_LTTNG");
    if (value == "0") {
        finding.health = Health::limited;
        finding.found = "TIFFANY_LTTNG=0: a program that starts here loads nothing of LTTng";
        finding.cost = "paltrace record and lttng sessions do not see it";
        finding.mend = "unset TIFFANY_LTTNG";
    } else if (!value.empty()) {
        finding.found = "TIFFANY_LTTNG=" + value + ": no more than if it were not set, 0 alone switches LTTng off";
    }
    return finding;
}

Finding own_stall() {
    Finding finding{.what = "TIFFANY_STALL", .found = {}, .cost = {}, .mend = {}};
    const std::string value = own_variable("TIFFANY_STALL");
    const std::optional<std::chrono::nanoseconds> bound = detail::parse_time(value);
    if (value.empty()) {
        finding.found = "not set; with TIFFANY_STALL=1s a program tells of each run that lasts longer";
    } else if (!bound) {
        finding.health = Health::limited;
        finding.found = "TIFFANY_STALL=" + value + " is no time (a whole number, and ms, s or min)";
        finding.cost = "a program that starts with it does not tell of runs that do not end";
        finding.mend = "export TIFFANY_STALL=1s";
    } else {
        finding.found =
            "TIFFANY_STALL=" + value +
            (bound->count() == 0 ? ": off" : ": a program that starts here tells of each run that lasts longer");
    }
    return finding;
}

Finding own_metrics() {
    Finding finding{.what = "TIFFANY_METRICS", .found = {}, .cost = {}, .mend = {}};
    const std::string value = own_variable("TIFFANY_METRICS");
    if (value.empty()) {
        finding.found =
            "not set; with TIFFANY_METRICS=127.0.0.1:9464 a program that asks for it serves its metrics there";
    } else if (!detail::parse_address(value)) {
        finding.health = Health::wrong;
        finding.found = "TIFFANY_METRICS=" + value + " is no ADDRESS:PORT";
        finding.cost = "a program that serves metrics by it gets an exception at its start";
        finding.mend = "export TIFFANY_METRICS=127.0.0.1:9464";
    } else {
        finding.found = "TIFFANY_METRICS=" + value +
                        ": a program that starts here, and asks for it (MetricsServer::from_environment), serves its "
                        "metrics there";
    }
    return finding;
}

}  // namespace

Findings examine_own_settings() {
    return {own_lttng(), own_stall(), own_metrics()};
}

Finding examine_metrics_of(pid_t pid, bool trusted) {
    Finding finding{.what = "metrics of the process", .found = {}, .cost = {}, .mend = {}};
    const std::string value = variable_of(pid, "TIFFANY_METRICS");
    const bool serves = threads_called(pid, "tiffany-http") != 0;
    const std::string does = serves ? "it serves metrics" : "it serves none";
    finding.found = (value.empty() ? "TIFFANY_METRICS is not set" : "TIFFANY_METRICS=" + value) + "; " + does;
    if (value.empty() || (serves && trusted)) return finding;
    finding.health = Health::limited;
    finding.cost = "Prometheus finds nothing at that address";
    if (!trusted) {
        finding.found += "; it is a set-uid program, or has more rights than its caller, and does not look at it";
        finding.mend = "let the program open its port itself: tiffany::MetricsServer with options";
    } else {
        finding.mend = detail::parse_address(value) ? "let the program call tiffany::MetricsServer::from_environment()"
                                                    : "start it again with TIFFANY_METRICS=127.0.0.1:9464";
    }
    return finding;
}

}  // namespace tiffany::paltrace
