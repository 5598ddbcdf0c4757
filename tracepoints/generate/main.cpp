// tiffany-catalogue PRODUCT: what is made from the event catalogue, to stdout.

#include <iostream>
#include <string_view>

#include "products.hpp"

int main(int argc, char** argv) {
    using namespace tiffany::catalogue;
    const std::string_view product = argc == 2 ? argv[1] : "";
    if (product == "bpf-header") {
        print_bpf_header(std::cout);
    } else if (product == "events-page") {
        print_events_page(std::cout);
    } else if (product == "json") {
        print_json(std::cout);
    } else {
        std::cerr << "usage: tiffany-catalogue bpf-header|events-page|json\n"
                     "example: tiffany-catalogue events-page > docs/events.md\n";
        return 2;
    }
    std::cout.flush();
    return std::cout ? 0 : 3;
}
