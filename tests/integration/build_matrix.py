"""The probes and tracepoints survive every way to build: a probe that a compiler flag silently drops is the classic
failure of this field. Each build is looked at with readelf, then run under lttng and bpftrace.

The builds are kept beside the one under test, so that a second run only builds what changed.
"""

import os
import shutil

import pytest
from catalogue_kit import (
    Catalogue,
    check_bpftrace,
    compare_probes,
    compare_recording,
)
from kit import BIN, BUILD_DEADLINE, QUICK_BUILD, SOURCE, PrivateLttng, checked, need_bpftrace, need_program

BUILDS = {
    f"{compiler} {build_type} {kind}": {"CMAKE_CXX_COMPILER": compiler, "CMAKE_BUILD_TYPE": build_type}
    for compiler in ("g++", "clang++")
    for build_type in ("Debug", "Release")
    for kind in ("static", "shared")
}
# the linker may drop what nothing refers to, and sees the whole program
LTO = "-flto -fuse-ld=lld -Wl,--gc-sections"
BUILDS |= {
    f"clang++ LTO {kind}": {
        "CMAKE_CXX_COMPILER": "clang++",
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_CXX_FLAGS": "-flto -ffunction-sections -fdata-sections",
        **{f"CMAKE_{what}_LINKER_FLAGS": LTO for what in ("EXE", "SHARED", "MODULE")},
    }
    for kind in ("static", "shared")
}
# each is a test of its own to ctest: tests/integration/CMakeLists.txt
PARTS = ("g++ Debug", "g++ Release", "clang++ Debug", "clang++ Release", "clang++ LTO")
PART = os.environ.get("TIFFANY_PART") or ""
# The others differ in nothing that could change what a probe's argument points to: of them the arguments are enough,
# and bpftrace takes 6 s to make its 60 programs.
WHOLE_STRUCT = ("g++ Release shared", "clang++ LTO static", "clang++ LTO shared")
ROUNDS = 2


def is_shared(name):
    return name.endswith(" shared")


def build(name):
    """Builds the telemetry, its provider and fire_all; returns the folder with them."""
    settings = BUILDS[name]
    need_program(settings["CMAKE_CXX_COMPILER"])
    if "LTO" in name:
        need_program("ld.lld")
    # bpftrace 0.17 cannot attach to a file whose path has a plus
    folder = BIN.parent / "matrix" / name.replace(" ", "-").replace("+", "x")
    options = {
        **settings,
        "BUILD_SHARED_LIBS": "ON" if is_shared(name) else "OFF",
        "TIFFANY_TOOLS": "OFF",
        "TIFFANY_EXAMPLES": "OFF",
        "TIFFANY_BENCHMARKS": "OFF",
        "TIFFANY_INSTALL": "OFF",
        # each file for itself, as CMake does it unasked, in the others all of a target at once
        **({} if name.startswith("g++ Debug") else QUICK_BUILD),
    }
    if "LTO" in name:  # the archiver must understand the compiler's intermediate code
        options["CMAKE_AR"] = shutil.which("llvm-ar")
        options["CMAKE_RANLIB"] = shutil.which("llvm-ranlib")
    definitions = [f"-D{key}={value}" for key, value in options.items()]
    checked(["cmake", "-G", "Ninja", "-S", SOURCE, "-B", folder, *definitions], timeout=BUILD_DEADLINE)
    checked(["cmake", "--build", folder, "--target", "fire_all", "tiffany_lttng"], timeout=BUILD_DEADLINE)
    return folder / "bin"


@pytest.fixture(scope="module")
def catalogue():
    return Catalogue()


def test_every_build_is_in_one_part_that_ctest_runs():
    assert [name for name in BUILDS if sum(name.startswith(part) for part in PARTS) != 1] == []
    listed = (SOURCE / "tests" / "integration" / "CMakeLists.txt").read_text()
    assert [part for part in PARTS if f'"{part}"' not in listed] == []


@pytest.mark.parametrize("name", [name for name in BUILDS if name.startswith(PART)])
def test_every_event_is_seen_in_a_build_by(name, catalogue, tmp_path):
    folder = build(name)
    library = folder / ("libtiffany_telemetry.so" if is_shared(name) else "fire_all")
    compare_probes(catalogue, library)

    trace = tmp_path / "trace"
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "all", f"--output={trace}")
        for provider in ("tiffany", "tiffany_tick"):
            lttng.lttng("enable-event", "--userspace", f"{provider}:*")
        lttng.lttng("start")
        lttng.run([folder / "fire_all", ROUNDS])
        lttng.lttng("destroy", "all")
    compare_recording(catalogue, trace, ROUNDS)

    need_bpftrace()
    check_bpftrace(catalogue, folder / "fire_all", library, ROUNDS, whole=name in WHOLE_STRUCT)
