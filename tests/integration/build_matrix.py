"""The probes and tracepoints survive every way to build: a probe that a compiler flag, a linker or strip silently drops is
the classic failure of this field. Each build is looked at with readelf, stripped, looked at again, and run under lttng and
bpftrace.

What was compiled is kept beside the build under test, and linked once for each linker, so that a second run only links.
"""

import os
import re
import shutil

import pytest
from catalogue_kit import (
    Catalogue,
    check_bpftrace,
    compare_probes,
    compare_recording,
    probe_notes,
)
from kit import (
    BIN,
    BUILD_DEADLINE,
    QUICK_BUILD,
    SOURCE,
    Bpftrace,
    PrivateLttng,
    checked,
    counting,
    need_bpftrace,
    need_program,
    private_copy,
)

COMPILERS = ("g++", "clang++")
OPTIMISED = {
    "O0": {"CMAKE_BUILD_TYPE": "Debug"},
    "O2": {"CMAKE_BUILD_TYPE": "Release", "CMAKE_CXX_FLAGS_RELEASE": "-O2 -DNDEBUG"},
    # with -O3, as CMake has it: what inlines, unrolls and clones most
    "LTO": {"CMAKE_BUILD_TYPE": "Release"},
}
LTO_FLAGS = {
    # lld cannot read what g++ keeps for LTO; it takes the machine code beside it, as in packages (dpkg-buildflags)
    "g++": "-flto=auto -ffat-lto-objects",
    "clang++": "-flto",
}
# an archiver that understands what the compiler keeps for LTO
ARCHIVERS = {"g++": ("gcc-ar", "gcc-ranlib"), "clang++": ("llvm-ar", "llvm-ranlib")}
LINKERS = ("bfd", "gold", "lld")
KINDS = ("static", "shared")
BUILDS = [
    (compiler, optimised, linker, kind)
    for compiler in COMPILERS
    for optimised in OPTIMISED
    for linker in LINKERS
    for kind in KINDS
]
# Each is a test of its own to ctest, tests/integration/CMakeLists.txt; all others are the part "others", nightly.
PARTS = ("g++ O2 bfd", "clang++ LTO lld")
PART = os.environ.get("TIFFANY_PART") or ""
# The others differ in nothing that could change what a probe's argument points to: of them the arguments are enough,
# and bpftrace takes 6 s to make its 60 programs.
WHOLE_STRUCT = {("g++", "O2", "bfd", "shared"), ("clang++", "LTO", "lld", "static"), ("clang++", "LTO", "lld", "shared")}
ROUNDS = 2
PROGRAMS = ("fire_all", "steady")


def part_of(build):
    part = " ".join(build[:3])
    return part if part in PARTS else "others"


def of_this_part():
    return [build for build in BUILDS if PART in ("", part_of(build))]


def built(compiler, optimised, linker, kind):
    """Builds the telemetry, its provider and two programs; returns the folder with them."""
    need_program(compiler)
    need_program(f"ld.{linker}")
    lto = optimised == "LTO"
    # what the linker may drop: each function and each variable that nothing refers to
    flags = f"-ffunction-sections -fdata-sections {LTO_FLAGS[compiler] if lto else ''}"
    options = {
        **OPTIMISED[optimised],
        "CMAKE_CXX_COMPILER": compiler,
        "CMAKE_CXX_FLAGS": flags.strip(),
        **{f"CMAKE_{what}_LINKER_FLAGS": f"-fuse-ld={linker} -Wl,--gc-sections" for what in ("EXE", "SHARED", "MODULE")},
        "CMAKE_BUILD_RPATH_USE_ORIGIN": "ON",  # what is copied finds the library beside it
        "BUILD_SHARED_LIBS": "ON" if kind == "shared" else "OFF",
        "TIFFANY_TOOLS": "OFF",
        "TIFFANY_EXAMPLES": "OFF",
        "TIFFANY_BENCHMARKS": "OFF",
        "TIFFANY_INSTALL": "OFF",
        # each file for itself, as CMake does it unasked, in the others all of a target at once
        **({} if (compiler, optimised) == ("g++", "O0") else QUICK_BUILD),
    }
    if lto:
        for name, archiver in zip(("AR", "RANLIB"), ARCHIVERS[compiler]):
            need_program(archiver)
            options[f"CMAKE_{name}"] = shutil.which(archiver)
    # bpftrace 0.17 cannot attach to a file whose path has a plus
    tree = BIN.parent / "matrix" / f"{compiler}-{optimised}-{kind}".replace("+", "x")
    definitions = [f"-D{key}={value}" for key, value in options.items()]
    checked(["cmake", "-G", "Ninja", "-S", SOURCE, "-B", tree, *definitions], timeout=BUILD_DEADLINE)
    checked(["cmake", "--build", tree, "--target", *PROGRAMS, "tiffany_lttng"], timeout=BUILD_DEADLINE)
    return tree / "bin"


def stripped(folder, directory):
    """The same without symbols: what a package ships."""
    directory.mkdir()
    for file in (*(folder / name for name in PROGRAMS), *folder.glob("*.so")):
        checked(["strip", private_copy(file, directory)])
    return directory


def linker_of(elf):
    """Which linker made it, as it says itself."""
    said = checked(["readelf", "--wide", "--sections", "--string-dump=.comment", elf]).stdout
    return "lld" if re.search(r"Linker: .*LLD", said) else "gold" if ".note.gnu.gold" in said else "bfd"


@pytest.fixture(scope="module")
def catalogue():
    return Catalogue()


def test_every_build_is_in_one_part_that_ctest_runs():
    assert len(BUILDS) == 36 and {part_of(build) for build in BUILDS} == {*PARTS, "others"}
    listed = (SOURCE / "tests" / "integration" / "CMakeLists.txt").read_text()
    assert [part for part in PARTS if f'build_matrix.py "{part}")' not in listed] == []
    assert "build_matrix.py others NIGHTLY)" in listed


@pytest.mark.parametrize("build", of_this_part(), ids=" ".join)
def test_every_event_is_seen_in_a_build_by(build, catalogue, tmp_path):
    *_, linker, kind = build
    folder = built(*build)
    with_probes = [folder / name for name in (PROGRAMS if kind == "static" else ["libtiffany_telemetry.so"])]
    for elf in with_probes:
        assert linker_of(elf) == linker
        compare_probes(catalogue, elf)
    bare = stripped(folder, tmp_path / "bare")
    for elf in with_probes:
        compare_probes(catalogue, bare / elf.name)
        assert "no symbols" in checked(["readelf", "--symbols", bare / elf.name]).stdout + checked(["nm", bare / elf.name]).stderr
    if kind == "shared":
        assert [name for name in PROGRAMS if probe_notes(bare / name)] == []

    trace = tmp_path / "trace"
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "all", f"--output={trace}")
        for provider in ("tiffany", "tiffany_tick"):
            lttng.lttng("enable-event", "--userspace", f"{provider}:*")
        lttng.lttng("start")
        lttng.run([bare / "fire_all", ROUNDS])
        lttng.lttng("destroy", "all")
    compare_recording(catalogue, trace, ROUNDS)

    need_bpftrace()
    probes = {name: bare / (name if kind == "static" else "libtiffany_telemetry.so") for name in PROGRAMS}
    check_bpftrace(catalogue, bare / "fire_all", probes["fire_all"], ROUNDS, whole=build in WHOLE_STRUCT)
    check_hooks(bare / "steady", probes["steady"])


def check_hooks(steady, probes):
    """fire_all goes past the hooks, which ask the probes' semaphore first: the variable that the notes name, or no event."""
    with Bpftrace(counting(probes)) as tracer:
        said = checked([steady, 1000], env={"TIFFANY_LTTNG": "0"}).stdout
        tracer.wait_for_printed(1)
        maps = tracer.stop().maps
    made = int(re.search(r"^transitions (\d+)$", said, re.M)[1])
    told = [number for name in ("@runs", "@yields") for number in maps[name].values()]
    assert len(told) == 2 and sum(told) == made - 2, "all but the first, Spawned, and the last, Done"
