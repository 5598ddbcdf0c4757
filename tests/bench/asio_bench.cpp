// What the adapter for Boost.Asio costs a server: CPU time a request.
//
//     asio_bench [--connections N] [--requests N] [--rounds N] [--json FILE]
//     paltrace record -o DIR -- asio_bench --recording
//
// An echo server in two threads, 64 bytes a request; its clients are in a third thread, whose time is not counted. Each
// way runs in a process of its own, by turns, in each round; ratios are taken within a round.
//   stripped     compiled without telemetry: boost::asio::co_spawn and context.run()
//   off          with hooks; nothing listens
//   metrics      with metrics
//   recorded     metrics off, and LTTng records all of it

#include <dlfcn.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "echo_case.hpp"
#include "rounds.hpp"

namespace {

int connections = 1'000;
int requests = 100;
int rounds = 9;

[[noreturn]] void fail(const std::string& why, int status = 3) {
    std::fprintf(stderr, "asio_bench: %s\n", why.c_str());
    std::exit(status);
}

using EchoCase = bench::EchoSpent (*)(const bench::EchoSetup&);

EchoCase stripped_case() {
    const auto beside_us = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    void* const module = dlopen((beside_us / "asio_bench_stripped.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    void* const found = module == nullptr ? nullptr : dlsym(module, "tiffany_echo_case");
    if (found == nullptr) fail(std::string{"cannot load the stripped server: "} + dlerror());
    return reinterpret_cast<EchoCase>(found);
}

/// In a process of its own: prints ns a request.
void run_here(std::string_view way) {
    bench::EchoSetup setup{connections, requests, way == "metrics", way == "off, context.run()"};
    // two descriptors a connection
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (way != "recorded") setenv("TIFFANY_LTTNG", "0", 1);
    const double ns = (way == "stripped" ? stripped_case()(setup) : tiffany_echo_case(setup)).server_ns;
    if (ns < 0) fail("not all requests were answered");
    std::printf("%.4f\n", ns);
}

int number(const char* text) {
    char* end = nullptr;
    const long value = std::strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < 1 || value > 1'000'000)
        fail("expected a number from 1 to 1000000, found " + std::string{text}, 2);
    return static_cast<int>(value);
}

void compare(const std::vector<std::string>& ways, const std::string& json) {
    static constexpr const char* kFlatteredBy = "clients on the same machine, one kind of request";
    bench::Results results;
    const bench::Measured ns = bench::by_turns(ways, rounds, [](const std::string& way) {
        return bench::run_self(
                   {"--connections", std::to_string(connections), "--requests", std::to_string(requests), "--way", way})
            .numbers.front();
    });
    const std::vector<double>& stripped = ns.at(ways.front());
    for (std::size_t i = 1; i < ways.size(); ++i) {
        const std::vector<double>& above = ns.at(ways[i]);
        const std::vector<double> ratios = bench::ratios(above, stripped);
        results.add({"Request: " + ways[i] + " / " + ways.front(), above, stripped, kFlatteredBy});
        std::printf(
            "Request: %s / %s = %.3f (MAD %.3f, %d pairs; best to best %.3f), %.0f ns / %.0f ns; "
            "flattered by: %s\n",
            ways[i].c_str(), ways.front().c_str(), bench::median(ratios), bench::median_deviation(ratios), rounds,
            bench::best(above) / bench::best(stripped), bench::median(above), bench::median(stripped), kFlatteredBy);
    }
    results.write(json);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string json = bench::take_json_file(argc, argv);
    bool recording = false;
    const char* way = nullptr;
    for (int i = 1; i < argc; ++i) {
        const std::string_view option{argv[i]};
        if (option == "--recording") {
            recording = true;
            continue;
        }
        const char* const value = i + 1 < argc ? argv[++i] : "";
        if (option == "--connections")
            connections = number(value);
        else if (option == "--requests")
            requests = number(value);
        else if (option == "--rounds")
            rounds = number(value);
        else if (option == "--way")
            way = value;
        else
            fail("usage: asio_bench [--recording] [--connections N] [--requests N] [--rounds N] [--json FILE]", 2);
    }
    if (way != nullptr)
        run_here(way);
    else if (recording)
        compare({"stripped", "off", "recorded"}, json);
    else
        compare({"stripped", "off, context.run()", "off", "metrics"}, json);
    return 0;
}
