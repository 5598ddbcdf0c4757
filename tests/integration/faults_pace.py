"""What a fault of LTTng or of the disk costs the program that is traced: far from twice the CPU time. How little it is,
tests/bench/faults_bench.py measures, on a machine that has nothing else to do."""

import statistics
import sys

import pytest
from kit import SOURCE, need_program

sys.path.append(str(SOURCE / "tests/bench"))

import faults_bench  # noqa: E402

PAIRS = 3
EACH = 500_000  # transitions of each worker
LEAST = 0.5  # of the pace undisturbed: CPU time, so that who is kept waiting costs nothing, and far below what others' caches cost


@pytest.fixture(autouse=True)
def few_transitions(monkeypatch):
    need_program("lttng-sessiond")
    monkeypatch.setattr(faults_bench, "EACH", EACH)


def held_against_its_bound(pairs):
    ratios = [undisturbed / faulty for undisturbed, faulty in pairs]
    print("pace: " + ", ".join(f"{ratio:.2f}" for ratio in ratios))
    assert statistics.median(ratios) >= LEAST


@pytest.mark.parametrize("daemon", ["lttng-sessiond", "lttng-consumerd"])
def test_a_daemon_that_is_killed_makes_no_transition_dearer(tmp_path, daemon):
    pairs = []
    for pair in range(PAIRS):
        costs = []
        for name, fault in (("undisturbed", faults_bench.nothing), ("faulty", faults_bench.kill(daemon))):
            directory = tmp_path / f"{name}{pair}"
            directory.mkdir()
            costs.append(faults_bench.run_with(fault, [], directory)[0])
        pairs.append(costs)
    held_against_its_bound(pairs)


def test_a_full_disk_makes_no_transition_dearer():
    held_against_its_bound([(faults_bench.spin_on(False), faults_bench.spin_on(True)) for _ in range(PAIRS)])
