#include "rounds.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace bench {
namespace {

[[noreturn]] void fail(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::exit(3);
}

double ns_of(const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_usec) * 1e3;
}

void write_text(std::FILE* file, const std::string& text) {
    std::fputc('"', file);
    for (const char c : text) {
        if (c == '"' || c == '\\') std::fputc('\\', file);
        std::fputc(c, file);
    }
    std::fputc('"', file);
}

void write_object(std::FILE* file, const Comparison& seen) {
    const std::vector<double> all = ratios(seen.above, seen.below);
    std::fputs("{\"name\":", file);
    write_text(file, seen.name);
    std::fprintf(file, ",\"ratio\":%.4f,\"mad\":%.4f,\"pairs\":%zu,\"flattered_by\":", median(all),
                 median_deviation(all), all.size());
    write_text(file, seen.flattered_by);
    std::fprintf(file, ",\"a\":%.4f,\"b\":%.4f,\"unit\":", median(seen.above), median(seen.below));
    write_text(file, seen.unit);
    std::vector<double> differences;
    for (std::size_t i = 0; i < seen.above.size(); ++i)
        differences.push_back(seen.above[i] - seen.below[i]);
    std::fprintf(file, ",\"a_mad\":%.4f,\"difference_mad\":%.4f}", median_deviation(seen.above),
                 median_deviation(differences));
}

}  // namespace

Run run_self(const std::vector<std::string>& arguments) {
    int ends[2];
    if (pipe(ends) != 0) fail("cannot make a pipe");
    const pid_t child = fork();
    if (child < 0) fail("cannot fork");
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        std::vector<char*> argv{const_cast<char*>("measurement")};
        for (const std::string& argument : arguments)
            argv.push_back(const_cast<char*>(argument.c_str()));
        argv.push_back(nullptr);
        execv("/proc/self/exe", argv.data());
        _exit(127);
    }
    close(ends[1]);
    std::string text;
    char part[64];
    for (ssize_t got = 0; (got = read(ends[0], part, sizeof part)) > 0;)
        text.append(part, static_cast<std::size_t>(got));
    close(ends[0]);
    int status = 0;
    rusage used{};
    wait4(child, &status, 0, &used);
    if (text.empty() || status != 0) fail("a measurement failed with status " + std::to_string(status));
    Run run;
    run.cpu_ns = ns_of(used.ru_utime) + ns_of(used.ru_stime);
    char* end = nullptr;
    for (const char* at = text.c_str(); *at != '\0'; at = *end == '\0' ? end : end + 1)
        run.numbers.push_back(std::strtod(at, &end));
    return run;
}

Measured by_turns(const std::vector<std::string>& ways, int rounds,
                  const std::function<double(const std::string& way)>& measure) {
    Measured seen;
    for (std::size_t round = 0; round < static_cast<std::size_t>(rounds); ++round)
        for (std::size_t i = 0; i < ways.size(); ++i) {
            const std::string& way = ways[(round + i) % ways.size()];
            seen[way].push_back(measure(way));
        }
    return seen;
}

std::uint64_t thread_cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

void stay_on_cpu(int nth) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed) || nth-- != 0) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
        return;
    }
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

double median_deviation(const std::vector<double>& values) {
    const double middle = median(values);
    std::vector<double> deviations;
    deviations.reserve(values.size());
    for (const double value : values)
        deviations.push_back(std::abs(value - middle));
    return median(deviations);
}

double best(const std::vector<double>& values) {
    return *std::ranges::min_element(values);
}

std::vector<double> ratios(const std::vector<double>& above, const std::vector<double>& below) {
    std::vector<double> result;
    result.reserve(above.size());
    for (std::size_t i = 0; i < above.size(); ++i)
        result.push_back(above[i] / below[i]);
    return result;
}

void Results::write(const std::string& name) const {
    if (name.empty()) return;
    std::FILE* const file = std::fopen(name.c_str(), "we");
    if (file == nullptr) fail("cannot write " + name);
    for (std::size_t i = 0; i < all_.size(); ++i) {
        std::fputs(i == 0 ? "[" : ",\n ", file);
        write_object(file, all_[i]);
    }
    std::fputs(all_.empty() ? "[]\n" : "]\n", file);
    const bool bad = std::ferror(file) != 0;
    if (std::fclose(file) != 0 || bad) fail("cannot write " + name);
}

std::string take_option(int& argc, char** argv, std::string_view option) {
    std::string value;
    int kept = 1;
    for (int i = 1; i < argc; ++i) {
        if (argv[i] == option && i + 1 < argc)
            value = argv[++i];
        else
            argv[kept++] = argv[i];
    }
    argc = kept;
    return value;
}

std::string take_json_file(int& argc, char** argv) {
    return take_option(argc, argv, "--json");
}

}  // namespace bench
