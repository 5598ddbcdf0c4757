"""The process's own log, where the disk is full."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest
from kit import full_device, need_root, poll
from own_log import ITSELF, check, entries, files, run, transitions


def test_a_device_that_is_full_costs_the_log_and_nothing_else(tmp_path):
    [said], _ = run(full_device(tmp_path), "return", 50_000, tmp_path, TIFFANY_PAL_RING="64M")
    assert said["active"] and said["error"] == 28 and said["lost"] > 0 and said["fired"] == 150_000


class Disk:
    """A tmpfs in a mount namespace of its own, behind a shell that the test talks to."""

    def __init__(self, tmp_path, options):
        self.tmp_path = tmp_path
        self.path = tmp_path / "disk"
        self.options = options

    def __enter__(self):
        self.path.mkdir()
        mount = f"mount -t tmpfs -o {self.options} tmpfs {self.path} && exec sh"
        self.shell = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.inside = pathlib.Path(f"/proc/{self.shell.pid}/root{self.path}")
        return self

    def __exit__(self, *_):
        self.shell.kill()
        self.shell.wait()

    def do(self, command):
        self.shell.stdin.write(f"{command}; echo done\n")
        self.shell.stdin.flush()
        assert self.shell.stdout.readline() == "done\n"

    def burst(self, count, between, **more):
        """A program bursts while the disk has no room, then `between` is done, and it ends. Returns what it said."""
        settings = " ".join(f"{name}={value}" for name, value in more.items())
        self.do(f"cd {self.tmp_path} && mkfifo in out")
        self.do(f"TIFFANY_LTTNG=0 TIFFANY_PAL={self.path}/run.pal TIFFANY_PAL_RING=64M {settings} {ITSELF} burst {count} < in > out & true")
        with open(self.tmp_path / "in", "w") as commands, open(self.tmp_path / "out") as answers:
            commands.write("go\n")
            commands.flush()
            said = json.loads(answers.readline())
            between()
            commands.write("end\n")
            commands.flush()
            self.do("wait")
        for name in files(self.inside):
            shutil.copy(self.inside / name, self.tmp_path / name)
        return said


def lost_in(log):
    assert log[-1]["event"] == "End"
    lost = sum(r["lost"] for r in log if r["event"] == "Gap")
    assert log[-1]["lost"] == lost
    return lost


def test_a_full_disk_becomes_an_exact_gap_when_there_is_room_again(tmp_path):
    need_root()
    with Disk(tmp_path, "size=14m") as disk:
        disk.do(f"head -c 12000000 /dev/zero > {disk.path}/ballast")

        def make_room():
            os.unlink(disk.inside / "ballast")
            before = os.stat(disk.inside / "run.pal").st_size
            poll(lambda: os.stat(disk.inside / "run.pal").st_size > before, "it writes again")

        said = disk.burst(20_000, make_room)
    assert said["fired"] == 120_000 and said["lost"] > 0 and said["error"] == 28, "the disk was full"
    log = entries(tmp_path / "run.pal")
    lost = lost_in(log)
    there = transitions(log)
    assert lost == said["lost"]
    assert len(set(there)) == len(there) == said["fired"] - lost
    assert f"good, but {lost} transitions lost" in check(tmp_path / "run.pal", 4)


@pytest.mark.parametrize("name", ["run.pal", "run.pal.zst"])
def test_a_disk_that_is_full_at_a_turn_hides_no_loss(tmp_path, name):
    need_root()
    with Disk(tmp_path, "size=2m") as disk:
        disk.do(f"head -c 1200000 /dev/zero > {disk.path}/ballast")
        said = disk.burst(
            20_000 if name == "run.pal" else 150_000,
            lambda: os.unlink(disk.inside / "ballast"),
            TIFFANY_PAL_MAX="898K",
            TIFFANY_PAL=f"{disk.path}/{name}",
        )
    assert said["lost"] > 0
    logs = [entries(tmp_path / each) for each in files(tmp_path) if each.startswith("run.")]
    assert sum(lost_in(log) for log in logs) >= said["lost"]
    there = [t for log in logs for t in transitions(log)]
    assert len(set(there)) == len(there) == said["fired"] - sum(lost_in(log) for log in logs)


def test_where_no_file_can_be_made_for_the_next_turn_the_full_one_stays(tmp_path):
    need_root()
    with Disk(tmp_path, "nr_inodes=3") as disk:  # the folder, the ballast and one log
        disk.do(f"touch {disk.path}/ballast")
        said = disk.burst(5_000, lambda: os.unlink(disk.inside / "ballast"), TIFFANY_PAL_MAX="256K")
    assert said["lost"] > 0 and said["error"] == 28 and said["files"] == 1
    old, new = entries(tmp_path / "run.pal.old"), entries(tmp_path / "run.pal")
    assert lost_in(old) == 0 and lost_in(new) == said["lost"]
    there = transitions(old) + transitions(new)
    assert len(transitions(old)) > 1000 and len(set(there)) == len(there) == said["fired"] - said["lost"]
