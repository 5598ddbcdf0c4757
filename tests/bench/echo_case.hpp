#pragma once
/// What asio_bench measures: an echo server on Boost.Asio, in two threads, under the load of many connections.

#include <cstdint>

namespace bench {

struct EchoSetup {
    int connections = 0;
    int requests = 0;        ///< of each connection
    bool metrics = false;    ///< when it has hooks
    bool plain_run = false;  ///< its threads call context.run() instead of tiffany::asio::run
};

/// CPU time, ns.
struct EchoSpent {
    double server_ns = -1;          ///< of the server's threads, a request; negative: it could not be measured
    double clients_ns = 0;          ///< of the clients' thread, in all: it is none of the server's
    std::uint64_t transitions = 0;  ///< that the hooks counted
};

}  // namespace bench

/// Compiled with hooks into the program, and without into a module of its own.
extern "C" __attribute__((visibility("default"))) bench::EchoSpent tiffany_echo_case(const bench::EchoSetup& setup);
