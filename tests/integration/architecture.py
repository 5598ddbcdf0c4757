"""Dependencies point one way: what each folder includes is what docs/architecture.md allows."""

import re

from kit import SOURCE

LIBRARIES = {"pal", "analysis", "telemetry", "metrics", "scheduler", "adapters", "testing", "tracepoints"}
ALLOWED = {
    "tracepoints": {"tracepoints"},
    "src/tiffany/pal": {"pal", "tracepoints"},
    "src/tiffany/analysis": {"analysis", "pal", "tracepoints"},
    "src/tiffany/telemetry": {"telemetry", "pal", "tracepoints"},
    "src/tiffany/metrics": {"metrics", "telemetry", "tracepoints"},
    "src/tiffany/scheduler": {"scheduler", "telemetry", "tracepoints"},
    "src/tiffany/adapters": {"adapters", "telemetry", "tracepoints"},
    "src/tiffany/testing": {"testing", "telemetry", "pal", "tracepoints"},
    "tools/babeltrace": {"pal", "tracepoints"},
    "tools/paltrace": {"analysis", "pal", "tracepoints"},
    "tools/demo": LIBRARIES,
    "examples": LIBRARIES,
}
PRIVATE_IN_METRICS = {f"src/tiffany/metrics/{name}.hpp" for name in ("process_collectable", "scheduler_collectable", "text_format")}
# one header of a library that a folder is not built on: it only says what texts mean
ONE_OF = {"tools/paltrace": "tiffany/telemetry/setting_values.hpp"}
# headers of others that stay out of everything but these files
KEPT_IN = {
    "lttng/tracepoint": "tracepoints/lttng_provider",
    "lttng/ust": "tracepoints/lttng_provider",
    "sys/sdt.h": "tracepoints/usdt_probes.cpp",
    "babeltrace2/": "tools/babeltrace/",
    "seccomp.h": "tools/babeltrace/confine.cpp",
    "simdjson": "src/tiffany/pal/",
    "prometheus/": ("src/tiffany/metrics/", "examples/metrics_"),
    "microhttpd": "src/tiffany/metrics/",
    "boost/": ("src/tiffany/adapters/", "examples/asio_"),
    "oneapi/tbb/": "src/tiffany/adapters/",
    "gtest/": "src/tiffany/testing/",
    "gmock/": "src/tiffany/testing/",
}


def includes():
    for folder in ALLOWED:
        for path in sorted((SOURCE / folder).rglob("*")):
            if path.suffix in (".cpp", ".hpp", ".h"):
                for included in re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', path.read_text(), re.M):
                    yield folder, path.relative_to(SOURCE).as_posix(), included


def test_every_folder_includes_only_what_it_is_built_on():
    seen = 0
    for folder, path, included in includes():
        library = re.match(r"tiffany/(\w+)/", included)
        if library and included != ONE_OF.get(folder):
            seen += 1
            assert library.group(1) in ALLOWED[folder], f"{path} includes {included}"
    assert seen > 50  # the pattern still finds them


def test_headers_of_other_projects_stay_where_they_are_wrapped():
    for _, path, included in includes():
        for prefix, home in KEPT_IN.items():
            if included.startswith(prefix):
                assert path.startswith(home), f"{path} includes {included}"


def test_public_headers_include_no_library_but_the_standard_one():
    for folder, path, included in includes():
        if folder.startswith("src/") and path.endswith(".hpp") and "/" in included:
            if path in PRIVATE_IN_METRICS:
                continue  # not installed
            more = {"src/tiffany/testing": "|gtest|gmock", "src/tiffany/adapters": "|boost|oneapi"}.get(folder, "")
            assert re.match(f"(tiffany|sys{more})/", included), f"{path} includes {included}"


def test_the_library_for_tests_brings_no_copy_of_googletest_of_its_own():
    compiled = [(path, included) for _, path, included in includes() if path.endswith(".cpp")]
    assert [path for path, included in compiled if re.match("gtest|gmock", included)] == []
    headers = {"src/tiffany/testing/matchers.hpp", "src/tiffany/testing/conformance_suite.hpp"}
    for path, included in compiled:
        assert f"src/{included}" not in headers, f"{path} includes {included}"
