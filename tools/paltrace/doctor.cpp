#include "doctor.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <system_error>

#include "examine_machine.hpp"
#include "examine_process.hpp"
#include "printable.hpp"

namespace tiffany::paltrace {
namespace {

const char* word_for(Health health) {
    switch (health) {
        case Health::good:
            return "good";
        case Health::limited:
            return "limited";
        case Health::wrong:
            return "wrong";
    }
    return "?";
}

void print_text(const Findings& findings, std::ostream& out) {
    for (const Finding& finding : findings) {
        out << word_for(finding.health) << ": " << printable(finding.what) << ": " << printable(finding.found);
        if (finding.health != Health::good)
            out << "; " << printable(finding.cost) << "; mend: " << printable(finding.mend);
        out << '\n';
    }
}

void print_json(const Findings& findings, std::ostream& out) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const Finding& finding : findings) {
        nlohmann::ordered_json one{
            {"what", finding.what}, {"health", word_for(finding.health)}, {"found", finding.found}};
        if (finding.health != Health::good) {
            one["cost"] = finding.cost;
            one["mend"] = finding.mend;
        }
        all.push_back(std::move(one));
    }
    // a path may be no UTF-8
    out << all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}

/// CLI::PositiveNumber would give the range of a double, in all its digits.
std::string need_pid(const std::string& text) {
    pid_t pid = 0;
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), pid);
    const bool good = failure == std::errc{} && stop == text.data() + text.size() && pid > 0;
    return good ? "" : "expected a process number, found " + text;
}

}  // namespace

ExitCode run_doctor(const DoctorOptions& options, Streams& streams) {
    Findings findings = examine_machine();
    const auto add = [&findings](const Findings& more) { findings.insert(findings.end(), more.begin(), more.end()); };
    if (!options.file.empty()) add(examine_file(options.file));
    if (options.pid != 0) add(examine_process(options.pid));
    if (options.json)
        print_json(findings, streams.out);
    else
        print_text(findings, streams.out);
    for (const Finding& finding : findings)
        if (finding.health == Health::wrong) return ExitCode::system;
    return ExitCode::good;
}

void add_doctor(CLI::App& app, Command& chosen) {
    CLI::App* command =
        app.add_subcommand("doctor", "What is missing here for tracing, and the command that mends it.");
    auto options = std::make_shared<DoctorOptions>();
    command->add_option("FILE", options->file, "a program or library: its USDT probes");
    command->add_option("--pid", options->pid, "a process: its probes, who is attached to them, LTTng in it")
        ->type_name("PID")
        ->check(need_pid);
    command->add_flag("--json", options->json, "a JSON array of {what, health, found, cost, mend}");
    command->footer(
        "It changes nothing. One line for each thing that tracing needs: good, limited (tracing works, with less than "
        "it\n"
        "could have) or wrong, with what that costs and the command that mends it.\n"
        "Exit status: 0 nothing is wrong; 3 something is.\n\nExample: paltrace doctor --pid $(pgrep -n tiffany-demo)");
    command->callback(
        [options, &chosen] { chosen = [options](Streams& streams) { return run_doctor(*options, streams); }; });
}

}  // namespace tiffany::paltrace
