"""What reads bytes of others takes any: libFuzzer's targets (tests/fuzz/), each from the inputs that were kept and for a
number of runs that is always the same, with AddressSanitizer and UndefinedBehaviorSanitizer.

The build is kept beside the one under test, so that a second run only builds what changed.
"""

import os
import subprocess

import pytest
from kit import BIN, BUILD_DEADLINE, QUICK_BUILD, SOURCE, checked, lacking, need_program

RUNS = {"pal_log": 1500, "pal_line": 3000, "frames": 30_000, "babeltrace2_reader": 1500, "native_reader": 3000, "trace_files": 20_000}
MOST_BYTES = {"babeltrace2_reader": 8192, "native_reader": 8192}  # of an input: a trace says first what its events are
ALSO = {"babeltrace2_reader": ["native_reader"]}  # whose inputs are of the same form: those of its own are what only it takes
TIMES = 100 if os.environ.get("TIFFANY_PART") == "long" else 1
CORPUS = SOURCE / "tests/fuzz/corpus"


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    """The folder with the programs."""
    need_program("clang++")
    source = tmp_path_factory.mktemp("fuzzer") / "empty.cpp"
    source.write_text('extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n')
    tried = subprocess.run(
        ["clang++", "-fsanitize=fuzzer", source, "-o", source.with_suffix("")], capture_output=True, text=True
    )
    if tried.returncode != 0:
        lacking(f"clang++ has no libFuzzer: {tried.stderr.splitlines()[-1]}")
    folder = BIN.parent / "fuzz"
    options = [f"-D{name}={value}" for name, value in QUICK_BUILD.items()]
    checked(["cmake", "--preset", "fuzz", "-B", folder, *options], cwd=SOURCE, timeout=BUILD_DEADLINE)
    checked(["cmake", "--build", folder, "--target", "fuzz_all"], timeout=BUILD_DEADLINE)
    return folder / "bin"


def test_each_target_has_inputs_and_each_is_run():
    names = {path.stem for path in (SOURCE / "tests/fuzz").glob("*.cpp")}
    assert names == set(RUNS) == {path.name for path in CORPUS.iterdir()}


@pytest.mark.parametrize("name", RUNS)
def test_a_target_survives_what_was_kept_and_what_is_made_of_it(targets, tmp_path, name):
    found = tmp_path / "found"
    found.mkdir()
    runs = RUNS[name] * TIMES
    seed = 1 if runs == RUNS[name] else 0  # with each change the same inputs; a long run has others each time, and prints its seed
    command = [targets / f"fuzz_{name}", f"-runs={runs}", f"-seed={seed}", f"-max_len={MOST_BYTES.get(name, 4096)}", "-timeout=60"]
    command += ["-rss_limit_mb=1024", f"-artifact_prefix={tmp_path}/", found]
    command += [CORPUS / corpus for corpus in (name, *ALSO.get(name, []))]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=BUILD_DEADLINE,
                          errors="replace", env={**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1"})
    kept = [path.read_bytes().hex() for path in tmp_path.iterdir() if path != found]
    assert done.returncode == 0, f"{done.stderr[-6000:]}\nthe input, in hexadecimal: {kept}"
    assert f"Done {runs} runs" in done.stderr, done.stderr[-2000:]
