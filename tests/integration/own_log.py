"""The process's own log, `TIFFANY_PAL`, in real processes: what its tests have in common."""

import json
import os
import subprocess

from kit import DEADLINE, checked, program

PALTRACE = program("paltrace")
ITSELF = program("log_itself")
DEMO = program("tiffany-demo")


def environment(target, **more):
    return dict(os.environ, TIFFANY_LTTNG="0", TIFFANY_PAL=str(target), **{k: str(v) for k, v in more.items()})


def run(target, action, count, cwd, code=0, **more):
    done = subprocess.run(
        [ITSELF, action, str(count)], env=environment(target, **more), cwd=cwd, text=True, capture_output=True, timeout=DEADLINE
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert target == "-" or done.stderr == "", "nothing is printed"
    return [json.loads(line) for line in done.stdout.splitlines()], done


def start(target, action, count, cwd, **more):
    return subprocess.Popen(
        [ITSELF, action, str(count)],
        env=environment(target, **more),
        cwd=cwd,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def check(path, code=0):
    done = subprocess.run([PALTRACE, "check", path], text=True, capture_output=True, timeout=DEADLINE)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def entries(path):
    if str(path).endswith(".zst"):
        text = checked(["zstdcat", path]).stdout
    else:
        text = path.read_text()
    return [json.loads(line) for line in text.splitlines()]


def transitions(records):
    return [(r["instance"], r["worker"], r["seq"]) for r in records if "step" in r and r["event"] != "State"]


def files(directory):
    return sorted(path.name for path in directory.iterdir())


def problem(target, cwd, **more):
    [said], _ = run(target, "return", 10, cwd, **more)
    assert not said["active"]
    return said["problem"]


def tell(process, line="\n"):
    process.stdin.write(line)
    process.stdin.flush()
