#pragma once
/// What asio_bench measures: an echo server on Boost.Asio, in two threads, under the load of many connections.

namespace bench {

struct EchoSetup {
    int connections = 0;
    int requests = 0;        ///< of each connection
    bool metrics = false;    ///< when it has hooks
    bool plain_run = false;  ///< its threads call context.run() instead of tiffany::asio::run
};

}  // namespace bench

/// Compiled with hooks into the program, and without into a module of its own. Returns the CPU time of the server's
/// threads, ns a request; the clients are not in it. Negative: it could not be measured.
extern "C" __attribute__((visibility("default"))) double tiffany_echo_case(const bench::EchoSetup& setup);
