// paltrace: records, converts, checks and counts what the tasks of a program did.

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <iostream>
#include <string>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/output.hpp>
#include <vector>

#include "callers_signals.hpp"
#include "check.hpp"
#include "command.hpp"
#include "convert.hpp"
#include "doctor.hpp"
#include "exit_code.hpp"
#include "notice.hpp"
#include "record.hpp"
#include "stats.hpp"

namespace {

using namespace tiffany;
using namespace tiffany::paltrace;

int status(ExitCode code) {
    return static_cast<int>(code);
}

int usage_error(const std::string& sentence) {
    Notice{std::cerr} << sentence;
    return status(ExitCode::usage);
}

bool takes_one_input(const CLI::App& command) {
    const CLI::Option* const input = command.get_option_no_throw("INPUT");
    return input != nullptr && input->get_items_expected_max() == 1;
}

/// What the parser left over. Its own sentence has the words in no order, and the "--" before COMMAND among them.
std::string not_expected(const CLI::App& app) {
    std::string words;
    bool options = false;
    for (const std::string& word : app.remaining(true)) {
        if (word == "--") continue;
        words += (words.empty() ? "" : " ") + word;
        options = options || (word.starts_with('-') && word != "-");
    }
    const std::vector<CLI::App*> given = app.get_subcommands();
    if (options || given.empty() || !takes_one_input(*given.front())) return "not expected: " + words;
    return given.front()->get_name() + " takes one INPUT, so not expected: " + words +
           "; give each by itself, or what `paltrace convert` makes of all";
}

int run(int argc, char** argv) try {
    CLI::App app{"Records, converts, checks and counts what the tasks of a program did."};
    app.name("paltrace");
    app.set_version_flag("--version", "paltrace " TIFFANY_VERSION);
    app.require_subcommand(1);
    app.footer(
        "Exit status: 0 good; 1 the input is bad, or a part of it; 2 wrong usage; 3 the system refused; 4 events were "
        "lost.\n\n"
        "Example: paltrace record -o run1 --convert -- tiffany-demo --tasks 100 --seconds 2 && paltrace check "
        "run1/tiffany.pal");
    Command chosen;
    add_record(app, chosen);
    add_convert(app, chosen);
    add_check(app, chosen);
    add_stats(app, chosen);
    add_doctor(app, chosen);
    const auto is_first_word = [&](const CLI::App* command) { return command->check_name(argv[1]); };
    if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(is_first_word).empty())
        return usage_error("there is no command '" + std::string{argv[1]} + "' (paltrace --help tells more)");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ExtrasError& error) {
        return usage_error(not_expected(app) + " (paltrace --help tells more)");
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {  // --help, --version
            app.exit(error);
            pal::flush_standard_output();
            return status(ExitCode::good);
        }
        return usage_error(std::string{error.what()} + " (paltrace --help tells more)");
    }
    Streams streams{std::cout, std::cerr};
    const ExitCode code = chosen(streams);
    pal::flush_standard_output();
    return status(code);
} catch (const Error& error) {
    Notice{std::cerr} << error.one_line();
    return status(exit_code(error.kind()));
} catch (const std::exception& error) {
    Notice{std::cerr} << error.what();
    return status(ExitCode::system);
}

/// Where files have a limit (ulimit -f) a write is to fail, not to end us. A handler, not SIG_IGN: COMMAND would
/// inherit that, too.
void fail_at_file_size_limit() {
    if (std::signal(SIGXFSZ, [](int) {}) == SIG_IGN) std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace

int main(int argc, char** argv) {
    take_callers_signals();
    fail_at_file_size_limit();
    const PrintableStream all_of_it{std::cerr};
    return run(argc, argv);
}
