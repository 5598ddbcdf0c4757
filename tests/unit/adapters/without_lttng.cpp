// A session daemon on the machine is no part of these tests; and LTTng's own threads free what ThreadSanitizer, which
// does not see into them, calls a race.

#include <cstdlib>

[[maybe_unused]] static const int without_lttng = setenv("TIFFANY_LTTNG", "0", 1);
