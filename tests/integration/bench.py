"""The benchmark runs to its end and prints its ratios. How large they are is for people to judge, not for a test."""

import re

from kit import checked, program

DEADLINE = 600  # seconds: it takes about 10 on a machine that has nothing else to do

NUMBER = r"-?\d+\.\d\d"
RATIO = re.compile(rf"Transition: (.+) = {NUMBER} \(MAD {NUMBER}, 15 pairs\), [+-]\d+\.\d\d ns "
                   rf"\({NUMBER} - {NUMBER}\); flattered by: .+")


def test_the_transition_benchmark_prints_its_ratios():
    lines = checked([program("transition_bench")], timeout=DEADLINE).stdout.splitlines()
    told = [RATIO.fullmatch(line) for line in lines]
    assert all(told), lines
    assert [ratio.group(1) for ratio in told] == ["hooks off / no hooks", "metrics / hooks off", "a sink / hooks off"]
