// tiffany-catalogue PRODUCT: what is made from the event catalogue, to stdout.

#include <iostream>
#include <string_view>

#include "products.hpp"

namespace {

constexpr std::string_view kUsage =
    "usage: tiffany-catalogue bpf-header|events-page|json\n"
    "Prints what is made from the event catalogue.\n"
    "example: tiffany-catalogue events-page > docs/events.md\n";

}  // namespace

int main(int argc, char** argv) {
    using namespace tiffany::catalogue;
    const std::string_view product = argc == 2 ? argv[1] : "";
    if (product == "bpf-header") {
        print_bpf_header(std::cout);
    } else if (product == "events-page") {
        print_events_page(std::cout);
    } else if (product == "json") {
        print_json(std::cout);
    } else if (product == "--help" || product == "-h") {
        std::cout << kUsage;
    } else {
        std::cerr << kUsage;
        return 2;
    }
    std::cout.flush();
    return std::cout ? 0 : 3;
}
