#pragma once
// What is made from the catalogue for readers that are no C++ compiler. Each prints the whole product.

#include <ostream>

namespace tiffany::catalogue {

/// tiffany_bpf.h: the event structs in C, as bpftrace 0.17 can parse them.
void print_bpf_header(std::ostream& out);

/// docs/events.md: every event, its fields and the closed sets.
void print_events_page(std::ostream& out);

/// The catalogue as one JSON document, for tests and scripts.
void print_json(std::ostream& out);

}  // namespace tiffany::catalogue
