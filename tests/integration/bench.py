"""The benchmark runs to its end and prints its ratios. How large they are is for people to judge, not for a test."""

import re
import shutil
import subprocess

from kit import checked, program

DEADLINE = 600  # seconds: it takes about 10 on a machine that has nothing else to do

NUMBER = r"-?\d+\.\d\d"
RATIO = re.compile(rf"Transition: (.+) = {NUMBER} \(MAD {NUMBER}, 15 pairs\), [+-]\d+\.\d\d ns "
                   rf"\({NUMBER} - {NUMBER}\); flattered by: .+")


RATIOS = ["hooks off / no hooks", "metrics / hooks off", "a sink / hooks off"]


def told(output):
    ratios = [RATIO.fullmatch(line) for line in output.splitlines()]
    assert all(ratios), output
    return [ratio.group(1) for ratio in ratios]


def test_the_transition_benchmark_prints_its_ratios():
    assert told(checked([program("transition_bench")], timeout=DEADLINE).stdout) == RATIOS


def test_the_transition_benchmark_prints_the_ratio_of_a_recording_too(tmp_path):
    run = tmp_path / "run"
    command = [program("paltrace"), "record", "-o", run, "--", program("transition_bench"), "--recording"]
    done = subprocess.run(command, text=True, capture_output=True, timeout=DEADLINE)
    recorded = sum(stream.stat().st_size for stream in run.rglob("*") if stream.is_file())
    shutil.rmtree(run, ignore_errors=True)  # some hundred MB
    # 4: something was lost, because the machine was busy
    assert done.returncode in (0, 4), f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert told(done.stdout) == [*RATIOS, "LTTng records / hooks off"]
    assert recorded > 15 * 1_000_000, "and a recording it was"
