"""What is written: names that act on no terminal, files that are their owner's alone, and links that are not followed."""

import json
import os
import re
import stat
import subprocess

import pytest
from bad_input import GOOD, SYSTEM, USAGE, paltrace, small_trace
from ctf_writer import Trace, catalogue, life, worker
from kit import DEADLINE, end_process, need_program, poll, program

# ---- hostile names ----

NAME = "\x1b]0;owned\x07\x9b31m\x7f\r\n{}\"'$(reboot)\u202e\u2066\u2069\u200e\u061c"
CONTROL = "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]"  # those that turn the direction of a text, too


def test_names_cannot_act_on_a_terminal(tmp_path):
    """A task's, a group's, an event's, a file's."""
    directory = tmp_path / NAME.replace("/", "_")
    events = catalogue()
    events["odd\x1b[2J"] = events["task_ready"]
    trace = Trace(catalogue())
    stream = trace.channel().stream()
    told = life(1, 1, 1, 1, 2000)
    told[0][2]["name"] = NAME
    stream.packet([("worker_started", 1000, {"worker": worker(1), "catalogue": 1, "scheduler": NAME})] + told +
                  [("worker_stopped", 9000, {"worker": worker(1), "seq": 6})])
    trace.write(directory)
    log = directory / "run.pal"
    converted = paltrace("convert", directory, "-o", log)
    assert converted.returncode == GOOD, converted
    lines = log.read_text().splitlines()
    spawned = json.loads(next(line for line in lines if '"Spawned"' in line))
    assert spawned["name"] == NAME
    assert not re.search(r"[\x00-\x1f]", "".join(lines)), "in JSON they are escaped"
    unknown = spawned | {"event": "odd\x1b[2J"}
    odd = tmp_path / "odd.pal"
    odd.write_text("\n".join([lines[0], json.dumps(unknown)]))
    for command in (["stats", log], ["check", log], ["check", odd], ["stats", odd], ["convert", odd, "-o", tmp_path / "x"], [NAME],
                    ["check", directory / "nowhere"], ["record", "-o", directory / "nowhere" / "x", "--", "true"]):
        said = paltrace(*command)
        text = said.stdout + said.stderr
        assert text and not re.search(CONTROL, text), (command, text)
        assert "\n{}" not in text, (command, text)
    assert "?]0;owned?" in paltrace("stats", log).stdout


FORGED = "x\npaltrace: lost no transition"


def test_a_newline_in_a_name_makes_no_line_of_its_own(tmp_path):
    """Of a directory, of a file in it, and of what is given to a command; each line on stderr is paltrace's."""
    recording = tmp_path / FORGED
    trace = small_trace(recording / "trace")
    (recording / "record.json").write_text("[]")
    log = tmp_path / f"log{FORGED}"
    commands = [["convert", trace, "-o", log], ["check", recording], ["stats", recording], ["stats", tmp_path / FORGED / FORGED],
                ["convert", tmp_path, "-o", tmp_path / FORGED / FORGED / "out"], [FORGED], ["check", "--reader", FORGED, recording],
                ["record", "-o", tmp_path / FORGED / FORGED / "run", "--", "true"], ["record", "-o", tmp_path / "run", "--", FORGED],
                ["record", "-o", recording, "--", "true"], ["doctor", "--pid", FORGED]]
    for command in commands:
        said = paltrace(*command)
        assert not re.search("^paltrace: lost no transition", said.stdout + said.stderr, re.M), (command, said)
        assert all(line.startswith("paltrace: ") for line in said.stderr.splitlines()), (command, said)


def test_a_newline_in_the_name_of_a_recording_makes_no_line_of_its_own(tmp_path):
    need_program("lttng-sessiond")
    for options in ([], ["--crash-safe"]):
        said = paltrace("record", "-o", tmp_path / f"{len(options)}{FORGED}", *options, "--", "true")
        assert "x?paltrace: lost no transition" in said.stderr, said
        assert not re.search("^paltrace: lost no transition", said.stderr, re.M), said


# ---- what is written: who can read it, and what a link does ----


def writers(tmp_path):
    """{output: (command, environment)}; `{}` is where it goes"""
    trace = small_trace(tmp_path / "in")
    demo = [program("tiffany-demo"), "--seconds", "0.1"]
    return {
        "convert -o": ([program("paltrace"), "convert", trace, "-o", "{}"], {}),
        "convert -o, compressed": ([program("paltrace"), "convert", trace, "-o", "{}.zst"], {}),
        "demo --report": ([*demo, "--report", "{}"], {}),
        "TIFFANY_PAL": (demo, {"TIFFANY_PAL": "{}"}),
        "TIFFANY_PAL, compressed": (demo, {"TIFFANY_PAL": "{}.zst"}),
    }


OUTPUTS = ["convert -o", "convert -o, compressed", "demo --report", "TIFFANY_PAL", "TIFFANY_PAL, compressed"]


def write(tmp_path, output, place):
    command, variables = writers(tmp_path)[output]
    return subprocess.run(
        [str(part).replace("{}", str(place)) for part in command],
        env={**os.environ, "TIFFANY_LTTNG": "0", **{key: value.replace("{}", str(place)) for key, value in variables.items()}},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        umask=0,
    )


def modes(directory):
    """{mode} of the files, and of the directories, below it."""
    found = [path.lstat().st_mode for path in directory.rglob("*")]
    return ({stat.S_IMODE(mode) for mode in found if stat.S_ISREG(mode)},
            {stat.S_IMODE(mode) for mode in found if stat.S_ISDIR(mode)})


@pytest.mark.parametrize("output", OUTPUTS)
def test_what_is_written_is_its_owners_alone_whatever_the_umask(tmp_path, output):
    place = tmp_path / "out"
    place.mkdir()
    assert write(tmp_path, output, place / "file").returncode == 0
    assert modes(place) == ({0o600}, set())


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("leads_to", ["a file", "nothing"])
def test_a_link_at_an_outputs_path_is_not_followed(tmp_path, output, leads_to):
    ending = ".zst" if "compressed" in output else ""
    victim, place = tmp_path / "victim", tmp_path / "out"
    if leads_to == "a file":
        victim.write_text("dear diary")
    place.mkdir()
    (place / f"file{ending}").symlink_to(victim)
    done = write(tmp_path, output, place / "file")
    if not output.startswith("TIFFANY_PAL"):  # whose program runs on, and tells it in its metrics
        assert done.returncode != 0 and "symbolic link" in done.stderr, done
    assert [path.name for path in place.iterdir()] == [f"file{ending}"] and (place / f"file{ending}").is_symlink()
    assert victim.read_text() == "dear diary" if leads_to == "a file" else not victim.exists()


def test_the_logs_socket_is_its_owners_alone_and_takes_no_links_place(tmp_path):
    victim, place = tmp_path / "victim", tmp_path / "out"
    victim.write_text("")
    place.mkdir()
    (place / "planted").symlink_to(victim)
    def serving(name, seconds):
        return subprocess.Popen(
            [program("tiffany-demo"), "--seconds", str(seconds), "--tasks", "2"],
            env={**os.environ, "TIFFANY_LTTNG": "0", "TIFFANY_PAL": f"unix:{place / name}"},
            stdout=subprocess.DEVNULL,
            umask=0,
        )

    demo = serving("socket", 0)
    try:
        poll(lambda: (place / "socket").exists(), "its socket")
        assert {stat.S_IMODE((place / name).lstat().st_mode) for name in ("socket", "socket.lock")} == {0o600}
    finally:
        end_process(demo)
    assert serving("planted", 0.1).wait(DEADLINE) == 0
    assert (place / "planted").is_symlink() and victim.read_text() == ""


def test_a_recording_is_its_owners_alone_whatever_the_umask(tmp_path):
    need_program("lttng-sessiond")
    run = tmp_path / "run"
    done = subprocess.run(
        [program("paltrace"), "record", "-o", run, "--convert", "--", program("spin_transitions"), "1000"],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        umask=0,
    )
    assert done.returncode == 0, done
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert modes(run) == ({0o600}, {0o700})
    assert (run / "tiffany.pal").exists() and list(run.rglob("metadata"))


def test_a_recording_goes_into_no_directory_that_others_planted(tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o777)
    planted = tmp_path / "planted"
    planted.symlink_to(theirs)
    for name in (planted, f"{planted}/"):
        refused = paltrace("record", "-o", name, "--", program("spin_transitions"), "10")
        assert refused.returncode == USAGE and "symbolic link" in refused.stderr, refused
    if os.geteuid() == 0:
        tmp_path.chmod(0o1777)
        os.chown(theirs, 65534, 65534)
        refused = paltrace("record", "-o", theirs, "--", program("spin_transitions"), "10")
        assert refused.returncode == SYSTEM and "another user has made it" in refused.stderr, refused
    assert list(theirs.iterdir()) == []
