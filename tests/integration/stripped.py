"""TIFFANY_TELEMETRY=OFF and tiffany::telemetry_off: what is stripped leaves nothing behind, and is not mixed.

The build without telemetry is kept beside the one under test, so that a second run only builds what changed.
"""

import hashlib
import os
import re
import subprocess

import pytest
from kit import BIN, BUILD_DEADLINE, QUICK_BUILD, SOURCE, checked, need_program

MARK = "tiffany_telemetry_on_and_off_are_mixed"
PAGE = (SOURCE / "docs" / "stripped.md").read_text()
PROGRAMS = ["first_tasks", "callback_queue", "shared_queue", "tiffany-demo"]


def configured(folder, **options):
    definitions = [f"-D{key}={value}" for key, value in {**QUICK_BUILD, **options}.items()]
    checked(["cmake", "-G", "Ninja", "-S", SOURCE, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", *definitions], timeout=BUILD_DEADLINE)
    return folder


@pytest.fixture(scope="module")
def stripped():
    folder = configured(BIN.parent / "stripped", TIFFANY_TELEMETRY="OFF")
    installed = ["paltrace", "tiffany_babeltrace_plugin", "tiffany_bpf_header", "tiffany_analysis"]
    checked(["cmake", "--build", folder, "--target", *PROGRAMS, "stripped_tests", *installed], timeout=BUILD_DEADLINE)
    return folder


@pytest.fixture(scope="module")
def prefixes(stripped, tmp_path_factory):
    directory = tmp_path_factory.mktemp("prefixes")
    for name, build in (("on", BIN.parent), ("off", stripped)):
        checked(["cmake", "--install", build, "--prefix", directory / name])
    return directory


def flags(prefix, component, *more):
    folder = next(prefix.rglob("pkgconfig"))
    environment = dict(os.environ, PKG_CONFIG_PATH=str(folder))
    return checked(["pkg-config", *(more or ["--cflags", "--libs"]), f"tiffany-{component}"], env=environment).stdout.split()


def symbols(file, *options):
    return set(checked(["nm", "--format=just-symbols", *options, file]).stdout.split())


# ---- what is stripped ----


def test_the_stripped_build_passes_its_own_tests(stripped):
    unit = checked(["ctest", "--test-dir", stripped, "--output-on-failure", "--tests-regex", "^stripped_", "-j", "2"], timeout=BUILD_DEADLINE)
    assert "StrippedHooks.AddNoByteToATask" in unit.stdout
    assert "StrippedScheduler.KnowsTheStateOfATaskAllItsLife" in unit.stdout


def test_nothing_of_telemetry_is_in_the_stripped_build(stripped):
    telemetry = symbols(BIN.parent / "lib" / "libtiffany_telemetry.a", "--extern-only", "--defined-only")
    # what the standard library's templates leave is anybody's; so is the mark
    telemetry = {symbol for symbol in telemetry if "tiffany" in symbol and symbol != MARK}
    # an inline function of pal's headers may be inlined in pal itself
    telemetry = {symbol for symbol in telemetry if not symbol.startswith("_ZN7tiffany3pal")}
    # inline functions of the records and of the metrics' model, which is empty here
    for others in ("pal", "metrics"):
        telemetry -= symbols(BIN.parent / "lib" / f"libtiffany_{others}.a", "--defined-only")

    def found(file):
        sections = checked(["readelf", "--sections", "--wide", file]).stdout
        return {
            "probes": checked(["readelf", "--notes", file]).stdout.count("stapsdt") + sections.count(".probes"),
            "the name of the module": checked(["strings", "-a", file]).stdout.count("libtiffany-lttng"),
            "undefined symbols of LTTng": len([name for name in symbols(file, "--undefined-only") if "lttng" in name]),
            "symbols of telemetry": len(symbols(file) & telemetry),
        }

    nothing = {"probes": 0, "the name of the module": 0, "undefined symbols of LTTng": 0, "symbols of telemetry": 0}
    library = found(stripped / "lib" / "libtiffany_scheduler.a")
    assert library == nothing
    for name in PROGRAMS:
        assert found(stripped / "bin" / name) == nothing, name
        # the same search finds what is there; that the module is loaded, and not linked, is why one stays 0
        hooked = found(BIN / name)
        assert hooked.pop("undefined symbols of LTTng") == 0 and all(hooked.values()), f"{name}: {hooked}"
    assert not list(stripped.rglob("libtiffany-lttng.so"))
    assert (BIN / "libtiffany-lttng.so").exists()


HOOKS = """
#include <tiffany/telemetry/hooks.hpp>
extern "C" int use(int);
extern "C" int run(tiffany::Worker& worker, tiffany::TaskTimes& task, int argument) {
    const tiffany::Worker::Tick tick{worker, task};
    worker.running(task);
    const int result = use(argument);
    worker.sleep(task, 1000);
    worker.ready(task, tiffany::WakeCause::timer);
    return result;
}
"""
NO_HOOKS = 'extern "C" int use(int); extern "C" int run(int&, int&, int argument) { return use(argument); }'

# a runtime's loop with every hook that there is; compiled with HOOK(code) as nothing, one in which nobody wrote them
LOOP = """
#ifdef HOOKED
#include <tiffany/telemetry/hooks.hpp>
#define HOOK(code) code
using Worker = tiffany::Worker;
struct Task { [[no_unique_address]] tiffany::TaskTimes times; long what; Task* next; };
#else
#define HOOK(code)
struct Worker;
struct Task { long what; Task* next; };
#endif
extern "C" long use(Task&);
extern "C" long run(Worker& worker, Task* task, long tasks) {
    long sum = 0;
    HOOK(worker.unpark();)
    for (long i = 0; i < tasks; ++i) {
        HOOK(const Worker::Tick tick(worker, task->times);)
        HOOK(const tiffany::Stamp now = worker.now();)
        HOOK(worker.spawned(task->times, {.name = "task"});)
        HOOK(worker.running(task->times, now);)
        HOOK(worker.note(task->times, "key", "value");)
        sum += use(*task);
        switch (task->what) {
            case 0: HOOK(worker.yield(task->times, now);) break;
            case 1: HOOK(worker.sleep(task->times, 1000);) break;
            case 2: HOOK(worker.iowait(task->times, 3);) break;
            case 3: HOOK(worker.join(task->times, 4);) break;
            case 4: HOOK(worker.wait(task->times, tiffany::WaitReason::lock, 5);) break;
            case 5: HOOK(worker.throttled(task->times, 6);) break;
            case 6: HOOK(worker.done(task->times);) break;
            case 7: HOOK(worker.failed(task->times, "error");) break;
            case 8: HOOK(worker.cancelled(task->times, tiffany::CancelCause::asked);) break;
        }
        task = task->next;
        HOOK(worker.ready(task->times, tiffany::WakeCause::timer, 0, 0, now);)
    }
    HOOK(worker.park();)
    return sum;
}
"""


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize("optimised", ["-O2", "-O3"])
def test_a_loop_with_every_hook_is_the_loop_without(prefixes, compiler, optimised, tmp_path):
    need_program(compiler)
    (tmp_path / "loop.cpp").write_text(LOOP)

    def instructions(*options):
        checked([compiler, "-std=c++20", optimised, "-c", "loop.cpp", "-o", "loop.o", *options], cwd=tmp_path)
        listing = checked(["objdump", "-d", "-r", "--no-addresses", "--no-show-raw-insn", tmp_path / "loop.o"]).stdout
        return listing.partition("<run>:\n")[2].splitlines()

    without = instructions()
    assert any("use" in line for line in without), without
    assert instructions("-DHOOKED", *flags(prefixes / "on", "telemetry_off", "--cflags")) == without
    assert instructions("-DHOOKED", *flags(prefixes / "off", "telemetry", "--cflags")) == without
    assert len(instructions("-DHOOKED", *flags(prefixes / "on", "telemetry", "--cflags"))) > len(without)


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_the_hooks_leave_no_instruction(prefixes, compiler, tmp_path):
    need_program(compiler)

    def instructions(name, source, *options):
        (tmp_path / f"{name}.cpp").write_text(source)
        checked([compiler, "-std=c++20", "-O2", "-c", f"{name}.cpp", "-o", f"{name}.o", *options], cwd=tmp_path)
        listing = checked(["objdump", "-d", "--no-addresses", "--no-show-raw-insn", tmp_path / f"{name}.o"]).stdout
        return listing.partition("<run>:\n")[2].split("\n\n")[0].splitlines()

    without = instructions("without", NO_HOOKS)
    assert instructions("off", HOOKS, *flags(prefixes / "on", "telemetry_off", "--cflags")) == without
    assert instructions("off", HOOKS, *flags(prefixes / "off", "telemetry", "--cflags")) == without
    assert len(instructions("on", HOOKS, *flags(prefixes / "on", "telemetry", "--cflags"))) > len(without)


def test_the_stripped_demo_works_and_says_what_it_is(stripped):
    run = checked([stripped / "bin" / "tiffany-demo", "--seconds", "0.3", "--tasks", "10"])
    assert run.stdout == "0 transitions\n"
    endless = subprocess.run(
        [stripped / "bin" / "tiffany-demo", "--transitions", "5"], capture_output=True, text=True, timeout=60
    )
    assert endless.returncode == 2
    assert endless.stderr == "tiffany-demo: built with TIFFANY_TELEMETRY=OFF, it counts no transitions; use --seconds\n"


# ---- its page ----


def page_block(language):
    return re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S).group(1)


def test_the_commands_of_the_page(stripped):
    lines = re.findall(r"^    (\S.*)$", PAGE[: PAGE.index("```")], re.M)
    assert len(lines) == 3
    for line in lines:
        done = checked(["bash", "-ec", line.replace("build/stripped", str(stripped))], cwd=SOURCE, timeout=BUILD_DEADLINE)
    assert done.stdout.endswith("0 transitions\n")


def test_the_code_of_the_page(prefixes, tmp_path):
    project = page_block("cmake").replace("target_link_libraries", "add_executable(my_runtime main.cpp)\ntarget_link_libraries")
    (tmp_path / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.25)\nproject(stripped LANGUAGES CXX)\n{project}"
    )
    (tmp_path / "main.cpp").write_text(
        "#include <tiffany/telemetry/hooks.hpp>\n"
        + page_block("cpp").replace("// ...", "int number;")
        + "static_assert(sizeof(MyTask) == sizeof(int));\n"
        + "int main() { return label(tiffany::tracing_status()) == \"stripped\" ? TIFFANY_TELEMETRY : 2; }\n"
    )
    checked(["cmake", "-G", "Ninja", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefixes / 'on'}"])
    checked(["cmake", "--build", tmp_path / "build"], timeout=BUILD_DEADLINE)
    checked([tmp_path / "build" / "my_runtime"])


# ---- what is mixed ----

RUNTIME = """
#include <tiffany/telemetry/hooks.hpp>
int {name}() {{
    struct Task {{ [[no_unique_address]] tiffany::TaskTimes times; }} task;
    tiffany::SchedulerTelemetry telemetry{{"{name}"}};
    telemetry.here().spawned(task.times, {{}});
    return static_cast<int>(telemetry.transitions());
}}
"""
MAIN = "int a(); int b(); int main() { return a() + b(); }"

LINKERS = {
    "g++": ["g++"],
    "clang++": ["clang++"],
    "g++ lld": ["g++", "-fuse-ld=lld"],
    "g++ gold": ["g++", "-fuse-ld=gold"],
    "g++ LTO": ["g++", "-O2", "-flto=auto"],
    "clang++ lld": ["clang++", "-fuse-ld=lld"],
    "clang++ lld gc-sections": ["clang++", "-O2", "-ffunction-sections", "-fuse-ld=lld", "-Wl,--gc-sections"],
    "clang++ LTO": ["clang++", "-O2", "-flto", "-fuse-ld=lld"],
    "clang++ ThinLTO": ["clang++", "-O2", "-flto=thin", "-fuse-ld=lld"],
}


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """Where the linkers find what they have in common."""
    return tmp_path_factory.mktemp("objects")


def compiled_once(objects, compiler, options, source):
    key = hashlib.sha256("\0".join([compiler, *options, source.name]).encode()).hexdigest()
    output = objects / f"{key}.o"
    if not output.exists():
        checked([compiler, "-std=c++20", *options, "-c", source, "-o", output])
    return output


@pytest.mark.parametrize("name", LINKERS)
def test_files_that_disagree_do_not_link(prefixes, objects, name, tmp_path):
    compiler, *options = LINKERS[name]
    need_program(compiler)
    if "-fuse-ld=lld" in options:
        need_program("ld.lld")
    if "-fuse-ld=gold" in options:
        need_program("ld.gold")
    on, off = (flags(prefixes / "on", component) for component in ("telemetry", "telemetry_off"))
    (tmp_path / "main.cpp").write_text(MAIN)
    for function in "ab":
        (tmp_path / f"{function}.cpp").write_text(RUNTIME.format(name=function))

    def compiled(function, choice):
        # the linker's options are none of the compiler's
        chosen = [option for option in [*options, *choice] if not option.startswith(("-l", "-L", "-Wl", "-fuse-ld"))]
        return compiled_once(objects, compiler, chosen, tmp_path / f"{function}.cpp")

    def linked(a, b):
        libraries = on if on in (a, b) else off
        files = [compiled("a", a), compiled("b", b)]
        command = [compiler, "-std=c++20", *options, "main.cpp", *files, "-o", "program", *libraries]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=BUILD_DEADLINE)

    together = linked(on, on)
    assert together.returncode == 0, together.stderr
    run = subprocess.run([tmp_path / "program"], env={"TIFFANY_LTTNG": "0"}, timeout=60)
    assert run.returncode == 2, "both files fired one transition"
    stripped = linked(off, off)
    assert stripped.returncode == 0, stripped.stderr
    assert subprocess.run([tmp_path / "program"], timeout=60).returncode == 0
    for a, b in ((on, off), (off, on)):
        mixed = linked(a, b)
        assert mixed.returncode != 0 and MARK in mixed.stderr, mixed.stderr


USES_SCHEDULER = """
#include <tiffany/scheduler/scheduler.hpp>
int main() { tiffany::Scheduler scheduler; scheduler.run(); }
"""


def test_a_stripped_program_does_not_link_a_scheduler_with_hooks(prefixes, tmp_path):
    (tmp_path / "main.cpp").write_text(USES_SCHEDULER)

    def linked(*libraries):
        command = ["g++", "-std=c++20", "main.cpp", "-o", "program", *libraries]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=BUILD_DEADLINE)

    on, off = (flags(prefixes / choice, "scheduler") for choice in ("on", "off"))
    for libraries in (on, off):
        assert linked(*libraries).returncode == 0, linked(*libraries).stderr
    mixed = linked("-DTIFFANY_TELEMETRY=0", *on)
    assert mixed.returncode != 0 and MARK in mixed.stderr, mixed.stderr

    # each shared library has a mark of its own, and types of other names
    archives = [f"-l{library}" for library in ("tiffany_scheduler", "tiffany_telemetry")]
    rest = [flag for flag in on if flag.startswith("-l") and flag not in archives]
    folder = [flag for flag in on if flag.startswith("-L")]
    whole = ["-Wl,--whole-archive", *archives, "-Wl,--no-whole-archive", *rest]
    checked(["g++", "-shared", "-o", "libruntime.so", *folder, *whole], cwd=tmp_path)
    include = [flag for flag in on if flag.startswith("-I")]
    assert linked(*include, "libruntime.so").returncode == 0
    mixed = linked(*include, "-DTIFFANY_TELEMETRY=0", "libruntime.so")
    assert mixed.returncode != 0
    assert re.search(r"undefined reference to `tiffany::Scheduler::Scheduler\(.*off::SchedulerTelemetry", mixed.stderr), mixed.stderr


PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES CXX)
find_package(tiffany 0.1 REQUIRED COMPONENTS {components})
add_executable(consumer main.cpp)
target_link_libraries(consumer PRIVATE {libraries})
"""


def test_a_switch_that_is_no_number_is_an_error(prefixes, tmp_path):
    (tmp_path / "main.cpp").write_text(RUNTIME.format(name="a") + MAIN)
    include = flags(prefixes / "on", "telemetry", "--cflags")
    for word in ("ON", "TRUE", "2"):
        command = ["g++", "-std=c++20", *include, f"-DTIFFANY_TELEMETRY={word}", "-fsyntax-only", "main.cpp"]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=BUILD_DEADLINE).returncode != 0, word


def test_cmake_refuses_both_in_one_program_and_builds_either(prefixes, tmp_path):
    (tmp_path / "main.cpp").write_text(RUNTIME.format(name="a") + "int main() { return a(); }")

    def built(folder, prefix, *components):
        libraries = " ".join(f"tiffany::{component}" for component in components)
        (tmp_path / "CMakeLists.txt").write_text(PROJECT.format(components=" ".join(components), libraries=libraries))
        configure = ["cmake", "-G", "Ninja", "-S", tmp_path, "-B", tmp_path / folder, f"-DCMAKE_PREFIX_PATH={prefixes / prefix}"]
        found = subprocess.run(configure, capture_output=True, text=True, timeout=BUILD_DEADLINE)
        if found.returncode == 0:
            checked(["cmake", "--build", tmp_path / folder], timeout=BUILD_DEADLINE)
        return found

    def fired(folder):
        return subprocess.run([tmp_path / folder / "consumer"], env={"TIFFANY_LTTNG": "0"}, timeout=60).returncode

    for folder, prefix, component, transitions in (
        ("hooks", "on", "telemetry", 1),
        ("own", "on", "telemetry_off", 0),
        ("whole", "off", "telemetry", 0),
    ):
        run = built(folder, prefix, component)
        assert run.returncode == 0, run.stderr
        assert fired(folder) == transitions, folder
    both = built("both", "on", "telemetry_off", "scheduler")
    assert both.returncode != 0 and "TIFFANY_TELEMETRY" in both.stderr, both.stderr
