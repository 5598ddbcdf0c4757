#!/usr/bin/env python3
"""faults_bench.py: what faults of LTTng, of the disk and of /dev/shm cost the program that is traced.

Prints, for docs/reliability.md, the pace of two workers at full speed (CPU time a transition undisturbed / with the fault;
1 = the fault costs nothing, above 1 = what is not recorded costs less), start-up times, and the longest time without a
transition. Each figure is of runs in turn: undisturbed, faulty, undisturbed, ... The programs are those in TIFFANY_BIN.
Exit 1 if one is beyond its bound, which stderr names.
"""

import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from measure import deviation  # noqa: E402
from kit import PrivateLttng, poll, program  # noqa: E402
from recording import PROMISED_END, Running, mount_namespace, record  # noqa: E402

PAIRS = 9
EACH = 3_000_000  # transitions of each worker
# what the page promises; of starts and paces the median is held against it
START_MS, START_STOPPED_MS = 10, 550
PACE = 0.97
FULL_PACE = 0.85  # where buffers stay full LTTng reads the clock twice for each event: ADR 55
PAUSE_S = 2.5  # 2 s, and what the machine takes to run the worker again, and to see it
beyond = []
SPIN = str(program("spin_transitions"))
STEADY = str(program("steady"))


def hold(what, value, bound, least=False):
    """Notes a figure that is above its bound, or below its least."""
    if value < bound if least else value > bound:
        beyond.append(f"{what}: expected at {'least' if least else 'most'} {bound}, found {value:.2f}")


def said(name, output):
    return float(next(line.split()[1] for line in output.splitlines() if line.startswith(name + " ")))


def run_with(fault, options, directory):
    """CPU ns a transition, and seconds from the end of COMMAND to that of paltrace."""
    go, announce, run = directory / "go", directory / "announce", directory / "run"
    command = [SPIN, EACH, "--workers", "2", "--cpu", "--announce", announce, "--hold", go]
    with Running(run, *options, "--", *command, ready=announce) as running:
        fault(running)
        go.touch()
        command_pid = running.child("spin_transitions")
        poll(lambda: not pathlib.Path(f"/proc/{command_pid}/fd/1").exists(), "COMMAND ends")
        begin = time.monotonic()
        done = running.wait()
    return said("ns", done.out), time.monotonic() - begin


def nothing(_):
    pass


def kill(name):
    def fault(running):
        os.kill(running.child(name), signal.SIGKILL)
        poll(lambda: "daemon ended" in pathlib.Path(f"{running.directory}.err").read_text(), "paltrace has seen it")

    return fault


def print_pace(name, fault, least, options=()):
    ratios, ends = [], []
    for _ in range(PAIRS):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            undisturbed, _ = run_with(nothing, options, pathlib.Path(one))
            faulty, end = run_with(fault, options, pathlib.Path(other))
        ratios.append(undisturbed / faulty)
        ends.append(end)
    print(
        f"Pace: {name} = {statistics.median(ratios):.2f} (MAD {deviation(ratios):.2f}, {PAIRS} pairs); "
        f"paltrace ends after {statistics.median(ends):.1f} s, at most {max(ends):.1f} s",
        flush=True,
    )
    hold(f"pace: {name}", statistics.median(ratios), least, least=True)
    hold(f"s to the end of paltrace: {name}", max(ends), PROMISED_END)


def spin_on(small):
    """On a disk of 8 MiB, or on one with room."""
    with tempfile.TemporaryDirectory() as name:
        prefix = mount_namespace(f"mount -t tmpfs -o size={'8M' if small else '2G'} tmpfs {name}")
        done = record(pathlib.Path(name) / "run", "--", SPIN, EACH, "--workers", "2", "--cpu", prefix=prefix, timeout=600)
    assert done.code == (3 if small else done.code) and done.code in (0, 3, 4), done.err
    return said("ns", done.out)


def print_full_disk():
    ratios = [spin_on(False) / spin_on(True) for _ in range(PAIRS)]
    print(f"Pace: disk of the trace full = {statistics.median(ratios):.2f} (MAD {deviation(ratios):.2f}, {PAIRS} pairs)", flush=True)
    hold("pace: disk of the trace full", statistics.median(ratios), FULL_PACE, least=True)


def longest_pause(counter, process):
    """The longest time in which a worker made no transition, s, while it runs."""
    workers, longest = {}, 0.0
    while process.poll() is None:
        words = counter.read_bytes()
        now = time.monotonic()
        for at in range(0, len(words), 8):
            last, since = workers.get(at, (None, now))
            if words[at : at + 8] != last:
                workers[at] = (words[at : at + 8], now)
            else:
                longest = max(longest, now - since)
        if all(int.from_bytes(word, sys.byteorder) > 20_000_000 for word, _ in workers.values()):
            return longest
        time.sleep(0.005)
    return longest


def print_pauses():
    pauses = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            counter, announce = directory / "counter", directory / "announce"
            command = [SPIN, "0", "--workers", "2", "--counter", counter, "--announce", announce]
            with Running(directory / "run", "--lossless", "--buffers", "1Mx8", "--", *command, ready=announce) as running:
                os.kill(running.child("lttng-consumerd"), signal.SIGKILL)
                pauses.append(longest_pause(counter, running.process))
                os.kill(running.child("spin_transitions"), signal.SIGINT)
                running.wait()
    assert min(pauses) > 1, f"a run in which no worker waited for the consumer daemon, which is dead, says nothing: {pauses}"
    print(f"Pause: --lossless, consumer daemon killed: a worker waited for at most {max(pauses):.2f} s ({len(pauses)} runs)", flush=True)
    hold("s without a transition: --lossless, consumer daemon killed", max(pauses), PAUSE_S)


def start_ms(lttng):
    environment = {**os.environ, "TIFFANY_LTTNG": "1" if lttng else "0"}
    environment.pop("LTTNG_UST_REGISTER_TIMEOUT", None)
    begin = time.monotonic()
    subprocess.run([STEADY, "10"], check=True, capture_output=True, timeout=60, env=environment)
    return (time.monotonic() - begin) * 1000


def print_start(name, pairs, bound_ms):
    differences = [-start_ms(False) + start_ms(True) for _ in range(pairs)]
    print(
        f"Start: {name}, beside TIFFANY_LTTNG=0 = {statistics.median(differences):+.1f} ms (MAD "
        f"{deviation(differences):.1f}, at most {max(differences):+.1f}, {pairs} pairs)",
        flush=True,
    )
    hold(f"ms later: {name}", statistics.median(differences), bound_ms)


def print_start_in(prefix, name, pairs, bound_ms):
    """In other mounts: what these cost themselves, when they are made and when they go, is left out."""
    command = [*prefix, sys.executable, __file__, "--start", name, str(pairs), str(bound_ms)]
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        beyond.append(done.stderr.strip())


def print_starts():
    pairs = 31
    no_daemon = "mount -t tmpfs tmpfs /run/lttng"
    print_start_in(mount_namespace(no_daemon), "no session daemon", pairs, START_MS)
    libraries = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    library = os.path.realpath(next(line.split()[-1] for line in libraries.splitlines() if "liblttng-ust.so." in line))
    print_start_in(mount_namespace(f"{no_daemon}; mount --bind /dev/null {library}"), "no LTTng", pairs, START_MS)
    with tempfile.TemporaryDirectory() as name, PrivateLttng(name) as lttng:
        inside = ["nsenter", "--mount", f"--target={lttng.daemon.pid}", "--root", "--wdns=/"]
        lttng.daemon.send_signal(signal.SIGSTOP)
        try:
            print_start_in(inside, "session daemon stopped", PAIRS, START_STOPPED_MS)
        finally:
            lttng.daemon.send_signal(signal.SIGCONT)


def end():
    sys.exit("\n".join(beyond) or None)


def main():
    if "--start" in sys.argv:
        name, pairs, bound_ms = sys.argv[-3:]
        print_start(name, int(pairs), float(bound_ms))
        end()
    os.makedirs("/run/lttng", exist_ok=True)
    print_starts()
    print_pace("session daemon killed", kill("lttng-sessiond"), PACE)
    print_pace("consumer daemon killed", kill("lttng-consumerd"), FULL_PACE)
    print_pace("consumer daemon killed, small buffers", kill("lttng-consumerd"), FULL_PACE, ["--buffers", "256kx4"])
    print_full_disk()
    print_pauses()
    end()


if __name__ == "__main__":
    main()
