"""What is installed can be used: by CMake, by pkg-config, by babeltrace2, by bpftrace."""

import json
import os
import re
import subprocess
import urllib.request

import pytest
from kit import (
    BIN,
    BUILD_DEADLINE,
    DEADLINE,
    QUICK_BUILD,
    SOURCE,
    PrivateLttng,
    checked,
    end_process,
    lacking,
    need_bpftrace,
    need_program,
    need_root,
    taken_port,
)

CONSUMER = """
#include <iostream>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/telemetry/scheduler_telemetry.hpp>

int main() {
    tiffany::SchedulerTelemetry telemetry{"consumer"};
    tiffany::TaskTimes task;
    tiffany::Worker& worker = telemetry.here();
    worker.spawned(task, {.name = "only task"});
    worker.running(task);
    worker.done(task);
    std::cout << telemetry.transitions() << ' ' << label(tiffany::tracing_status()) << std::endl;
}
"""

LOG_READER = """
#include <iostream>
#include <tiffany/pal/record.hpp>
#include <tiffany/scheduler/scheduler.hpp>

int main() {
    tiffany::pal::Record record;
    record.info = &tiffany::catalogue::info(tiffany::TaskEvent::Done);
    std::cout << record.is_transition() << std::endl;
}
"""


def program_of(page):
    """A page's program, and the lines that link it."""
    text = (SOURCE / page).read_text()
    return re.search(r"^```cpp\n(.*?)^```\n+```cmake\n(.*?)^```", text, re.M | re.S).groups()


(LINKS_HOOKS,) = re.findall(r"^```cmake\n(.*?)^```", (SOURCE / "docs/instrumenting.md").read_text(), re.M | re.S)
METRICS, LINKS_METRICS = program_of("docs/metrics.md")
ADAPTERS = {  # the page's program, the lines that link it, and what it prints
    "asio": (*program_of("docs/asio.md"), "300 words\n14 transitions\n"),
    "tbb": (*program_of("docs/tbb.md"), "4 leaves, 30 transitions\n"),
}
LINKS_ADAPTERS = "\n".join(
    f"""
find_package(tiffany 0.1 COMPONENTS {name})
if(tiffany_{name}_FOUND)
  add_executable({name} {name}.cpp)
{re.sub(r"my_[a-z]+", name, links)}
endif()"""
    for name, (_, links, _) in ADAPTERS.items()
)

KIT = """
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/testing/conformance_suite.hpp>
#include <tiffany/testing/matchers.hpp>
#include <tiffany/testing/memory_sink.hpp>

using namespace tiffany::testing;

TEST(Installed, ARunIsLegal) {
    const ScopedSink sink;
    {
        tiffany::SchedulerTelemetry telemetry{"kit"};
        tiffany::TaskTimes task;
        tiffany::Worker& worker = telemetry.here();
        worker.spawned(task, {.name = "only task"});
        worker.running(task);
        worker.done(task);
    }
    EXPECT_THAT(sink.recording(), LifecycleIsLegal());
    EXPECT_THAT(sink.recording().task("only task"), EventsAre("Spawned", "Running", "Done"));
}

struct Nothing : Driver {
    Model model() const override { return {}; }
    void run(Stage&) override {}
};
const int tests = register_conformance<Nothing>("Nothing");
"""

PROJECT = f"""
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES CXX)
add_executable(consumer consumer.cpp)
{LINKS_HOOKS.replace("my_runtime", "consumer")}
if(TARGET tiffany::pal OR TARGET tiffany::metrics)
  message(FATAL_ERROR "a component that was not asked for")
endif()
add_executable(metrics metrics.cpp)
{LINKS_METRICS.replace("my_runtime", "metrics")}
find_package(tiffany 0.1 REQUIRED COMPONENTS analysis scheduler)
add_executable(log_reader log_reader.cpp)
target_link_libraries(log_reader PRIVATE tiffany::pal tiffany::scheduler)
if(TARGET GTest::gtest)
  message(FATAL_ERROR "GoogleTest where nobody tests")
endif()
find_package(tiffany 0.1 REQUIRED COMPONENTS testing)
add_executable(kit kit.cpp)
target_link_libraries(kit PRIVATE tiffany::testing GTest::gtest_main)
{LINKS_ADAPTERS}
find_package(tiffany 0.1 QUIET COMPONENTS no_such_component)
if(tiffany_FOUND)
  message(FATAL_ERROR "a component that does not exist was found")
endif()
install(TARGETS consumer)
"""

# the hooks as a part of somebody's own build
PART = """
cmake_minimum_required(VERSION 3.25)
project(part_of LANGUAGES CXX)
add_subdirectory("${TIFFANY_SOURCE}" tiffany)
if(NOT TARGET tiffany::telemetry)
  message(FATAL_ERROR "no hooks")
endif()
if(TARGET tiffany::metrics)
  message(STATUS "with metrics")
endif()
"""


def installed(build, directory):
    """The package where neither its configuration nor its installation put it: `--prefix` says another place, and then
    the tree is moved."""
    checked(["cmake", "--install", build, "--prefix", directory / "first"])
    return (directory / "first").rename(directory / "prefix")


def lib_of(prefix):
    return next(prefix.rglob("libtiffany-lttng.so")).parent


def built_with_cmake(prefix, directory):
    (directory / "CMakeLists.txt").write_text(PROJECT)
    (directory / "consumer.cpp").write_text(CONSUMER)
    (directory / "log_reader.cpp").write_text(LOG_READER)
    (directory / "metrics.cpp").write_text(METRICS)
    (directory / "kit.cpp").write_text(KIT)
    for name, (source, _, _) in ADAPTERS.items():
        (directory / f"{name}.cpp").write_text(source)
    build = directory / "build"
    checked(["cmake", "-G", "Ninja", "-S", directory, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"])
    checked(["cmake", "--build", build], timeout=BUILD_DEADLINE)
    return build


def built_with_pkg_config(prefix, directory, *more):
    need_program("pkg-config")
    (directory / "consumer.cpp").write_text(CONSUMER)
    environment = dict(os.environ, PKG_CONFIG_PATH=str(lib_of(prefix) / "pkgconfig"))
    flags = checked(["pkg-config", "--cflags", "--libs", "tiffany-telemetry"], env=environment).stdout.split()
    compile_ = ["g++", "-std=c++20", directory / "consumer.cpp", "-o", directory / "consumer", *flags, *more]
    checked(compile_, timeout=BUILD_DEADLINE)
    return directory / "consumer"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    return installed(BIN.parent, tmp_path_factory.mktemp("static"))


@pytest.fixture(scope="module")
def library_dir(prefix):
    return lib_of(prefix)


@pytest.fixture(scope="module")
def consumer(prefix, tmp_path_factory):
    return built_with_cmake(prefix, tmp_path_factory.mktemp("consumer"))


@pytest.fixture(scope="module")
def shared_prefix(tmp_path_factory):
    """The same with shared libraries; the build is kept beside the one under test."""
    build = BIN.parent / "matrix" / "installed-shared"
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON"]
    options += [f"-DTIFFANY_{part}=OFF" for part in ("TOOLS", "TESTS", "EXAMPLES", "BENCHMARKS")]
    options += [f"-D{key}={value}" for key, value in QUICK_BUILD.items()]
    checked(["cmake", "-G", "Ninja", "-S", SOURCE, "-B", build, *options], timeout=BUILD_DEADLINE)
    checked(["cmake", "--build", build], timeout=BUILD_DEADLINE)
    return installed(build, tmp_path_factory.mktemp("shared"))


def assert_recorded(prefix, program, directory):
    """The installed paltrace records the program, to which nobody said where libtiffany-lttng.so is."""
    environment = {name: value for name, value in os.environ.items() if name not in ("LD_LIBRARY_PATH", "PATH")}
    environment["PATH"] = os.defpath
    run = checked([prefix / "bin" / "paltrace", "record", "-o", directory / "run", "--", program], env=environment)
    assert run.stdout == "3 available\n", run.stdout + run.stderr
    assert json.loads((directory / "run" / "record.json").read_text())["transitions"] == 3


def test_find_package_with_components(consumer):
    assert checked([consumer / "consumer"], env={"TIFFANY_LTTNG": "0"}).stdout == "3 disabled\n"
    assert checked([consumer / "log_reader"]).stdout == "1\n"


def test_the_kit_for_tests_by_find_package_and_by_pkg_config(prefix, consumer, tmp_path):
    assert "[  PASSED  ]" in checked([consumer / "kit", "--gtest_filter=Installed.*"]).stdout
    need_program("pkg-config")
    (tmp_path / "kit.cpp").write_text(KIT)
    environment = dict(os.environ, PKG_CONFIG_PATH=str(lib_of(prefix) / "pkgconfig"))
    flags = checked(["pkg-config", "--cflags", "--libs", "tiffany-testing"], env=environment).stdout.split()
    command = ["g++", "-std=c++20", tmp_path / "kit.cpp", "-o", tmp_path / "kit", *flags, "-lgtest_main"]
    checked(command, timeout=300)
    assert "the driver cannot: yield" in checked([tmp_path / "kit", "--gtest_filter=Nothing.AYield*"]).stdout


@pytest.mark.parametrize("adapter", list(ADAPTERS))
def test_an_adapter_by_find_package_and_by_pkg_config(prefix, consumer, adapter, tmp_path):
    *_, printed = ADAPTERS[adapter]
    if not (consumer / adapter).exists():
        lacking("the library that it adapts is missing (libboost-dev, libtbb-dev)")
    assert checked([consumer / adapter], env={"TIFFANY_LTTNG": "0"}).stdout == printed
    need_program("pkg-config")
    environment = dict(os.environ, PKG_CONFIG_PATH=str(lib_of(prefix) / "pkgconfig"))
    flags = checked(["pkg-config", "--cflags", "--libs", f"tiffany-{adapter}"], env=environment).stdout.split()
    source = consumer.parent / f"{adapter}.cpp"
    checked(["g++", "-std=c++20", source, "-o", tmp_path / adapter, *flags], timeout=BUILD_DEADLINE)
    assert checked([tmp_path / adapter], env={"TIFFANY_LTTNG": "0"}).stdout == printed


def test_pkg_config(prefix, tmp_path):
    program = built_with_pkg_config(prefix, tmp_path)
    assert checked([program], env={"TIFFANY_LTTNG": "0"}).stdout == "3 disabled\n"


def scraped(command, **environment):
    """What the page's program, which tells where its metrics are and goes on until its input's end, answers there."""
    environment = {**os.environ, "TIFFANY_METRICS": "127.0.0.1:0", **environment}
    served = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        with urllib.request.urlopen(served.stderr.readline().split()[2], timeout=DEADLINE) as answer:
            text = answer.read().decode()
        served.communicate("", timeout=DEADLINE)
        assert served.returncode == 0
        return text
    finally:
        end_process(served)


def test_metrics_by_find_package_and_by_pkg_config(consumer, library_dir, tmp_path):
    need_program("pkg-config")
    one_worker = 'scheduler_workers{scheduler="jobs"} '
    assert one_worker in scraped([consumer / "metrics"])
    unasked = {name: value for name, value in os.environ.items() if name != "TIFFANY_METRICS"}
    assert checked([consumer / "metrics"], env=unasked, stdin=subprocess.DEVNULL).stderr == ""
    with taken_port() as port:
        asked = {**unasked, "TIFFANY_METRICS": f"127.0.0.1:{port}"}
        done = subprocess.run([consumer / "metrics"], env=asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
    assert (done.returncode, done.stderr) == (1, f"my_runtime: cannot serve metrics on 127.0.0.1:{port}: Address already in use\n")
    (tmp_path / "metrics.cpp").write_text(METRICS)
    environment = dict(os.environ, PKG_CONFIG_PATH=str(library_dir / "pkgconfig"))
    flags = checked(["pkg-config", "--cflags", "--libs", "tiffany-metrics"], env=environment).stdout.split()
    checked(["g++", "-std=c++20", tmp_path / "metrics.cpp", "-o", tmp_path / "metrics", *flags], timeout=BUILD_DEADLINE)
    assert one_worker in scraped([tmp_path / "metrics"], LD_LIBRARY_PATH=str(library_dir))


def test_a_part_of_another_build_needs_what_the_metrics_need_only_for_the_metrics(tmp_path):
    need_program("pkg-config")
    (tmp_path / "CMakeLists.txt").write_text(PART)
    # pkg-config as on a machine that has all the rest
    packages = tmp_path / "packages"
    packages.mkdir()
    searched = checked(["pkg-config", "--variable", "pc_path", "pkg-config"]).stdout.strip().split(":")
    for directory in filter(os.path.isdir, reversed(searched)):
        for entry in os.scandir(directory):
            if not entry.name.startswith(("prometheus-cpp", "libmicrohttpd")):
                (packages / entry.name).unlink(missing_ok=True)
                (packages / entry.name).symlink_to(entry.path)

    def configured(build, *options, **environment):
        command = ["cmake", "-G", "Ninja", "-S", tmp_path, "-B", tmp_path / build, f"-DTIFFANY_SOURCE={SOURCE}", *options]
        environment = {**os.environ, **environment}
        return subprocess.run(command, capture_output=True, text=True, timeout=BUILD_DEADLINE, env=environment)

    lacks = {"PKG_CONFIG_LIBDIR": str(packages)}
    without = configured("without", "-DTIFFANY_LTTNG=OFF", **lacks)
    assert without.returncode == 0, without.stderr
    assert "with metrics" not in without.stdout
    asked = configured("asked", "-DTIFFANY_LTTNG=OFF", "-DTIFFANY_METRICS_LIBRARY=ON", **lacks)
    assert asked.returncode != 0 and "prometheus-cpp-core" in asked.stdout + asked.stderr
    there = configured("there", "-DTIFFANY_LTTNG=OFF")
    assert there.returncode == 0 and "with metrics" in there.stdout, there.stderr


def test_the_runtime_component_is_what_running_needs(tmp_path):
    checked(["cmake", "--install", BIN.parent, "--component", "runtime", "--prefix", tmp_path])
    checked([tmp_path / "bin" / "tiffany-demo", "--seconds", "0.1", "--tasks", "1"])
    checked([tmp_path / "bin" / "paltrace", "--help"])
    installed = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {"libtiffany-lttng.so", "LICENSE"} <= installed
    development = (".hpp", ".h", ".def", ".a", ".cmake", ".pc")
    assert [name for name in sorted(installed) if name.endswith(development)] == []


def test_a_program_built_by_cmake_is_recorded(prefix, consumer, tmp_path):
    assert_recorded(prefix, consumer / "consumer", tmp_path)


def test_a_program_that_was_installed_in_turn_is_recorded(prefix, consumer, tmp_path):
    checked(["cmake", "--install", consumer, "--prefix", tmp_path / "theirs"])
    assert_recorded(prefix, tmp_path / "theirs" / "bin" / "consumer", tmp_path)


def test_a_program_built_by_pkg_config_is_recorded(prefix, tmp_path):
    assert_recorded(prefix, built_with_pkg_config(prefix, tmp_path), tmp_path)


def test_a_program_with_the_shared_library_is_recorded(prefix, shared_prefix, tmp_path):
    for how in ("cmake", "pkg-config"):
        (tmp_path / how).mkdir()
    by_cmake = built_with_cmake(shared_prefix, tmp_path / "cmake") / "consumer"
    run_path = f"-Wl,-rpath,{lib_of(shared_prefix)}"  # as with any shared library: the linker has to find it
    by_pkg_config = built_with_pkg_config(shared_prefix, tmp_path / "pkg-config", run_path)
    assert_recorded(prefix, by_cmake, tmp_path / "cmake")
    assert_recorded(prefix, by_pkg_config, tmp_path / "pkg-config")


def test_the_installed_demo_is_recorded(prefix, tmp_path):
    demo = [prefix / "bin" / "tiffany-demo", "--seconds", "0.2"]
    checked([prefix / "bin" / "paltrace", "record", "-o", tmp_path / "run", "--", *demo])
    assert json.loads((tmp_path / "run" / "record.json").read_text())["transitions"] > 0


def test_where_lttng_is_not_installed_the_module_is_still_known_to_be_there(consumer, tmp_path):
    need_root()
    ust = re.search(r"liblttng-ust\.so\.\d+ => (\S+)", checked(["ldd", BIN / "libtiffany-lttng.so"]).stdout).group(1)
    hide = f"mount --bind /dev/null {os.path.realpath(ust)}"
    isolated = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", hide + '\nexec "$@"', "sh"]
    assert checked([*isolated, consumer / "consumer"]).stdout == "3 no_lttng\n"


def project(directory, lines):
    directory.mkdir()
    (directory / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.25)\nproject(consumer LANGUAGES CXX)\n{lines}\n"
    )
    return ["cmake", "-G", "Ninja", "-S", directory, "-B", directory / "build"]


def test_a_build_whose_programs_are_in_the_path_is_no_package(prefix, tmp_path):
    environment = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}")
    quiet = 'find_package(tiffany 0.1 QUIET)\nmessage(STATUS "found=${tiffany_CONSIDERED_CONFIGS}")'
    done = checked(project(tmp_path / "none", quiet), env=environment)
    assert str(BIN.parent) not in re.search(r"found=(.*)", done.stdout).group(1)
    environment["PATH"] += f":{prefix / 'bin'}"
    needed = 'find_package(tiffany 0.1 REQUIRED)\nmessage(STATUS "dir=${tiffany_DIR}")'
    done = checked(project(tmp_path / "installed", needed), env=environment)
    assert f"dir={prefix}" in done.stdout


def test_a_component_that_is_not_there_is_named(prefix, tmp_path):
    command = project(tmp_path / "project", "find_package(tiffany 0.1 REQUIRED COMPONENTS telemetry no_such_component)")
    done = subprocess.run(
        [*map(str, command), f"-DCMAKE_PREFIX_PATH={prefix}"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    said = " ".join(done.stderr.split())  # CMake breaks lines as it likes
    assert "it has no component no_such_component; it has" in said and "telemetry" in said, done.stderr


def test_the_installed_provider_records_a_program_built_against_the_package(consumer, tmp_path):
    trace = tmp_path / "trace"
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "one", f"--output={trace}")
        lttng.lttng("enable-event", "--userspace", "tiffany:*")
        lttng.lttng("start")
        run = lttng.run([consumer / "consumer"])
        lttng.lttng("destroy", "one")
    assert run.stdout == "3 available\n"
    recorded = checked(["babeltrace2", trace]).stdout
    for event in ("worker_started", "task_spawned", "task_running", "task_done", "worker_stopped"):
        assert recorded.count(f"tiffany:{event}:") == 1, recorded


def test_babeltrace2_finds_the_installed_plugin(library_dir):
    plugins = library_dir / "babeltrace2" / "plugins"
    listed = subprocess.run(
        ["babeltrace2", f"--plugin-path={plugins}", "list-plugins"], capture_output=True, text=True, check=True
    )
    assert "tiffany" in listed.stdout


def test_what_the_installed_readme_links_to_is_there(prefix):
    readme = next(prefix.rglob("README.md"))
    links = re.findall(r"\]\(([^)#]+)", readme.read_text())
    near = [link for link in links if "://" not in link]
    assert len(near) > 10 and [link for link in near if not (readme.parent / link).exists()] == []


def test_the_installed_programs_run_and_the_header_for_bpftrace_is_there(prefix):
    assert "paltrace" in checked([prefix / "bin" / "paltrace", "--help"]).stdout
    checked([prefix / "bin" / "tiffany-demo", "--help"])
    assert "struct tiffany_task_spawned" in (prefix / "include/tiffany/tracepoints/tiffany_bpf.h").read_text()


def test_the_installed_rules_and_the_dashboard_are_whole(prefix):
    share = prefix / "share" / "tiffany"
    for folder in ("prometheus", "grafana"):
        here = {path.name: path.read_bytes() for path in (SOURCE / "tools" / folder).iterdir()}
        assert here and {path.name: path.read_bytes() for path in (share / folder).iterdir()} == here
    need_program("promtool")
    checked(["promtool", "check", "config", share / "prometheus" / "prometheus.yml"])


def test_the_installed_doctor_finds_the_installed_provider(prefix, library_dir):
    done = subprocess.run([prefix / "bin" / "paltrace", "doctor", "--json"], capture_output=True, text=True, timeout=DEADLINE)
    found = {finding["what"]: finding for finding in json.loads(done.stdout)}["provider module"]
    assert found == {"what": "provider module", "health": "good", "found": str(library_dir / "libtiffany-lttng.so")}


def test_an_installed_bpftrace_script_finds_the_installed_header(prefix):
    need_bpftrace()
    demo = subprocess.Popen([prefix / "bin" / "tiffany-demo", "--wait"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        pid = demo.stderr.readline().split()[2].decode()
        script = subprocess.Popen(
            [prefix / "share" / "tiffany" / "bpftrace" / "runs", pid],
            env={**os.environ, "__BPFTRACE_NOTIFY_PROBES_ATTACHED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            any(line.startswith("__BPFTRACE_NOTIFY_PROBES_ATTACHED") for line in script.stderr)
            demo.communicate(b"\n", timeout=DEADLINE)
            seen, errors = script.communicate(timeout=DEADLINE)
        finally:
            end_process(script)
        assert script.returncode == 0 and "@run_us[ticker]:" in seen, seen + errors
    finally:
        end_process(demo)
