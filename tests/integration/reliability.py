"""docs/reliability.md: each row names a test that is there and that ctest runs; its commands work."""

import os
import re
import sys

import kit
import pytest
from guides import PATH, commands
from kit import DEADLINE, SOURCE, checked, need_program

PAGE = (SOURCE / "docs/reliability.md").read_text()


def table():
    """The rows of the table of faults, each a list of cells."""
    lines = PAGE.partition("\n## Faults\n")[2].partition("\n## ")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    assert cells[0][:4] == ["fault", "what happens", "test", "seen"] and all(len(row) == 5 for row in cells)
    return cells[1:]


def rows():
    """{fault: (file, test)} of the table of faults; a unit test is (program, Suite.Name)."""
    return {row[0]: re.fullmatch(r"`(\w+\.py|\w+_test)::(test_\w+|\w+\.\w+)`", row[2]) for row in table()}


def is_unit_test(program, name):
    """Whether the program, as tests/unit builds it, has that test."""
    suite, _, case = name.partition(".")
    for lists in (SOURCE / "tests/unit").rglob("CMakeLists.txt"):
        built = re.search(rf"^tiffany_unit_test\({program} SOURCES\s([^)]*?)\sLIBS\s", lists.read_text(), re.M)
        sources = [(lists.parent / source).read_text() for source in built[1].split()] if built else []
        if any(re.search(rf"^TEST(?:_F|_P)?\({suite}, {case}\) ", source, re.M) for source in sources):
            return True
    return False


def test_of_each_fault_it_is_told_what_was_seen():
    assert [row[0] for row in table() if not row[3]] == []


def test_each_fault_has_a_test_that_ctest_runs():
    found = rows()
    assert len(found) > 20 and [fault for fault, test in found.items() if test is None] == []
    registered = (SOURCE / "tests/integration/CMakeLists.txt").read_text()
    for file, name in {test.groups() for test in found.values()}:
        if not file.endswith(".py"):
            assert is_unit_test(file, name), (file, name)
            continue
        assert f"\ndef {name}(" in (SOURCE / "tests/integration" / file).read_text(), (file, name)
        theme = re.fullmatch(r"(?:faults|trust)_(\w+)\.py", file)
        assert re.search(rf"\({re.escape(file)}[ )]", registered) or (
            theme and re.search(rf"(?:theme|subject) IN ITEMS .*\b{theme[1]}\b", registered)
        ), file


def test_every_fault_has_a_row():
    """A file of faults that no row names is a row that was forgotten."""
    named = {test[1] for test in rows().values()}
    assert {path.name for path in (SOURCE / "tests/integration").glob("faults_*.py")} <= named


def test_each_start_pace_and_wait_of_the_table_is_one_of_the_figures():
    table, _, figures = PAGE.partition("\n## Faults\n")[2].partition("\n## Figures\n")
    seen = [line.strip("|").split("|")[3] for line in table.splitlines() if line.startswith("| ")]
    said = {"Start": r"start \+([\d.]+) ms|at most \+([\d.]+) ms", "Pace": r"pace ([\d.]+)|ends ([\d.]+) s later",
            "Pause": r"([\d.]+) s at most without"}
    count = 0
    for kind, pattern in said.items():
        lines = " ".join(re.findall(rf"^    {kind}: (.*)$", figures, re.M))
        measured = [float(number) for number in re.findall(r"(?<![\w.])\d+\.\d+", lines)]
        for number in ("".join(found) for found in re.findall(pattern, "\n".join(seen))):
            count += 1
            digits = len(number.partition(".")[2])
            assert any(f"{figure:.{digits}f}" == number for figure in measured), (kind, number, measured)
    assert count == 9


def test_what_a_row_needs_and_is_not_there_is_a_failure_where_nothing_may_be_lacking(monkeypatch, tmp_path):
    def forbidden(_):
        raise PermissionError

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(kit, "HeldThread", forbidden)
    for allowed, outcome in (("0", pytest.skip.Exception), ("1", pytest.fail.Exception)):
        monkeypatch.setenv("TIFFANY_NO_SKIP", allowed)
        for need in (kit.need_root, kit.need_bpftrace, kit.two_cpus, lambda: kit.held(1), lambda: kit.full_device(tmp_path)):
            with pytest.raises((pytest.skip.Exception, pytest.fail.Exception)) as raised:
                need()
            assert raised.type is outcome


def test_no_row_is_skipped_but_by_who_looks_whether_it_may_be():
    files = {test[1] for test in rows().values() if test[1].endswith(".py")} | {"fuzz.py", "recording.py"}
    texts = {file: (SOURCE / "tests/integration" / file).read_text() for file in files}
    assert [file for file, text in texts.items() if "pytest.skip(" in text or "mark.skip" in text] == []


def test_the_commands_of_the_page(tmp_path):
    need_program("lttng-sessiond")
    lines = commands("docs/reliability.md", "paltrace record", "paltrace check")
    assert len(lines) == 2
    for line in lines:
        done = checked(["bash", "-c", line], cwd=tmp_path, env={**os.environ, **PATH})
    assert done.stdout.endswith("good\n")


@pytest.mark.skipif(os.environ.get("TIFFANY_PART") != "long", reason="takes long: tools/test --nightly")
def test_the_benchmark_prints_each_figure_of_the_page_and_holds_its_bound():
    def names(lines):
        return re.findall(r"^(?:    )?((?:Start|Pace|Pause): .+?)(?: = [-+]?\d|: a worker )", lines, re.M)

    done = checked([sys.executable, SOURCE / "tests/bench/faults_bench.py"], timeout=20 * DEADLINE)
    assert names(done.stdout) == names(PAGE.partition("\n## Figures\n")[2]) and len(names(done.stdout)) == 8
