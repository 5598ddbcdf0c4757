"""The trace's disk, or /dev/shm, fills while a program is recorded: the program makes what it always makes, and the
recording says what it lacks."""

import json
import pathlib
import re
import tempfile
import time

import pytest
from held_thread import FORBIDDEN
from kit import DEADLINE, SOURCE, lacking, need_program, program, run_to_end
from recording import PROMISED_END, check, mount_namespace, record, small_shm

SPIN = str(program("spin_transitions"))


def test_a_dev_shm_that_fills_during_the_run_costs_no_event(tmp_path):
    script = "\n".join([
        f"{SPIN} 0 --gently --announce {tmp_path}/go & spin=$!",
        f"until [ -e {tmp_path}/go ]; do sleep 0.02; done",
        "head -c 100M /dev/zero > /dev/shm/fill 2>/dev/null || true",
        "sleep 1; kill -TERM $spin; wait $spin",
    ])
    done = record(tmp_path / "run", "--", "sh", "-c", script, prefix=small_shm("64M"))
    assert done.file["command_status"] == 0
    assert (done.file["transitions"], done.file["lost"]) == (done.transitions(), 0)
    # of this program nothing is missing, but one that had started then would be, and nobody would count it
    assert done.code == 3 and done.file["shm_was_full"] is True


def record_on_a_small_disk(directory, size, *options, then, spin="", beside=":"):
    """Far more than it holds, and a shell script beside that; then one, in whose mount namespace the disk is ($small), too; in
    it there is `check`."""
    small = directory / "small"
    small.mkdir()
    inside = f"""
        export small={small} PATH={program('paltrace').parent}:$PATH
        check() {{ paltrace check $small/run; echo "check $?"; }}
        ({beside}) </dev/null >/dev/null 2>&1 &
        paltrace record -o $small/run {' '.join(options)} -- sh -c '{SPIN} 800000 {spin}; echo "command ended $(date +%s.%N)"'
        echo "record $?"
        echo "record ended $(date +%s.%N)"
        cat $small/run/record.json
        check
        echo "more room"
        {then}
    """
    prefix = mount_namespace(f"mount -t tmpfs -o size={size} tmpfs {small}")
    done = run_to_end([*prefix, "sh", "-c", inside], timeout=3 * DEADLINE)
    made = int(re.search(r"^transitions (\d+)$", done.stdout, re.M)[1])
    assert made > 800_000, "the program itself is unharmed"
    assert "record 3\n" in done.stdout and "its disk is full" in done.stderr, done
    command, ended = (float(re.search(rf"^{who} ended (\S+)$", done.stdout, re.M)[1]) for who in ("command", "record"))
    print(f"paltrace ends {ended - command:.1f} s later")
    assert ended - command < PROMISED_END
    full, _, later = done.stdout.partition("more room\n")
    (told,) = (json.loads(text) for text in re.findall(r"^\{$.*?^\}$", full, re.M | re.S))
    assert told["disk_was_full"] is True
    verdict = full.splitlines()[-2:]
    assert verdict[0].startswith(("bad", "good, but ")) and verdict[1] in ("check 0", "check 1", "check 4"), done
    return made, told, later, done.stderr


def transitions_and_lost(checked):
    return tuple(int(re.search(name + r": (?:at (?:most|least) )?(\d+)", checked)[1]) for name in ("of them transitions", "lost"))


def test_a_trace_on_a_full_disk_is_a_part_that_says_so_or_nothing(tmp_path):
    """Whatever of it can be read is told as such, and nothing hangs on the rest."""
    convert = f'paltrace convert $small/run -o {tmp_path}/run.pal; echo "convert $?"'
    made, told, later, _ = record_on_a_small_disk(tmp_path, "6M", "--buffers", "64kx16", then=convert)
    assert int(re.search(r"^convert (\d)$", later, re.M)[1]) in (0, 1, 4)
    if (tmp_path / "run.pal").exists() and told["transitions"] is not None:
        transitions, lost = transitions_and_lost(check(tmp_path / "run.pal").stdout)
        assert transitions == told["transitions"] and transitions + lost <= made


# Once LTTng has written what the events mean, what comes before the disk is full can be read. A check of a trace whose metadata is
# cut, or not there yet, is no 0.
AFTER_ITS_METADATA = """
for look in $(seq 600); do paltrace check $small/run/trace && break; sleep 0.1; done
touch $small/go
"""


@pytest.mark.parametrize("log", [[], ["--convert"]], ids=["", "with a log that has no room"])
def test_a_trace_whose_metadata_was_written_before_the_disk_was_full_is_a_part_that_says_so(tmp_path, log):
    convert = f'ls $small/run; paltrace convert $small/run/trace -o {tmp_path}/run.pal; echo "convert $?"'
    options = {"spin": "--hold $small/go", "beside": AFTER_ITS_METADATA}
    made, told, later, said = record_on_a_small_disk(tmp_path, "6M", "--buffers", "64kx16", *log, then=convert, **options)
    assert ("the trace is kept, convert it to another disk" in said) is bool(log) and "tiffany.pal\n" not in later, said
    print(f"{told['transitions']} of {made} transitions")
    assert 0 < told["transitions"] <= told["transitions"] + told["lost"] < made and told["tail_unknown"] is True
    (process,) = told["processes"]
    missing = f"what process {process['pid']} (spin_transition) did after the disk was full is missing, and not counted"
    assert f"paltrace: {missing}\n" in said
    assert int(re.search(r"^convert (\d)$", later, re.M)[1]) in (0, 4)
    checked = check(tmp_path / "run.pal").stdout
    assert transitions_and_lost(checked) == (told["transitions"], told["lost"])
    assert f"note: {missing}\n" in checked, "the log says so itself"


def test_a_recording_that_could_not_be_read_back_on_a_full_disk_is_not_good(tmp_path):
    (tmp_path / "trace").mkdir()
    (tmp_path / "tiffany.pal").write_bytes((SOURCE / "tests/golden/v1/lives/log.pal").read_bytes())
    told = {"ended": "2026-01-01T00:00:00.000Z", "disk_was_full": True, "records": None, "processes": None}
    (tmp_path / "record.json").write_text(json.dumps(told))
    judged = check(tmp_path / "tiffany.pal")
    assert "note: the disk was full, and what was recorded could not be read back then: what was done after that is missing" in judged.stdout
    assert judged.stdout.splitlines()[-1].endswith("some may be missing, uncounted"), judged


def test_a_crash_safe_recording_on_a_full_disk_keeps_the_buffers_that_it_has_no_room_to_recover(tmp_path):
    """LTTng gives a stream up that the disk took a part of a packet of: the buffers have what came after."""
    need_program("lttng-crash")
    rescue = f"mount -o remount,size=200M $small; paltrace check $small/run | sed -n 's/.*recording is over: //p' > {tmp_path}/line"
    then = f"{rescue}; sh -ec \"$(cat {tmp_path}/line)\"; check"
    made, told, later, said = record_on_a_small_disk(tmp_path, "16M", "--crash-safe", then=then)
    assert told["transitions"] > 0 and told["bad_parts"] == []
    assert "cannot recover what is still in the buffers" in said and "they are kept, and this reads them: lttng-crash" in said
    transitions, lost = transitions_and_lost(later)
    print(f"{told['transitions']} transitions, {transitions} with the buffers")
    assert told["transitions"] < transitions <= transitions + lost <= made


# A process that meets a full disk, goes on, and ends. Then, with --crash-safe, a while in which paltrace looks at the buffers, as it
# does at those of any process (it has looked at all when it has given the second of two files a second name). Then there is room.
ENDS_EARLY = r"""
spin=$1 run=$2 go=$3 counter=$4
made() { od -An -td8 $counter; }
$spin 0 --gently --announce $go --counter $counter & process=$!
until [ -e $go ] && grep -q worker_stopped $run/trace/ust/pid/*/metadata; do sleep 0.05; done
head -c 100M /dev/zero > $run/fill 2>/dev/null
until grep -q 'Error in write mmap' $TMPDIR/paltrace-*/lttng-sessiond.log; do sleep 0.05; done
before=$(made)
until [ $(made) -gt $((before + 20000)) ]; do sleep 0.05; done
kill -INT $process; wait $process
# with --crash-safe
while ls $run/shm/*/ust/pid/*/transitions_* >/dev/null 2>&1; do sleep 0.05; done
for look in 1 2; do
    mkdir -p $run/shm/look/ust/pid/look-$look-0-0
    touch $run/shm/look/ust/pid/look-$look-0-0/file
    until [ -e $run/shm-kept/look/ust/pid/look-$look-0-0/file ]; do sleep 0.05; done
done
rm -r $run/shm/look $run/shm-kept/look
# whatever
rm $run/fill
"""


@pytest.mark.parametrize("crash_safe", [True, False], ids=["crash-safe", "memory"])
def test_a_disk_that_was_full_for_a_while_is_told_and_crash_safe_has_what_one_that_ended_then_had_in_its_buffers(tmp_path, crash_safe):
    """LTTng may leave no half packet then, and its commands succeed: its log alone tells."""
    need_program("lttng-crash")
    small, paltrace = tmp_path / "small", program("paltrace")
    small.mkdir()
    first, looks, last = re.split(r"(?m)^# .*\n", ENDS_EARLY)
    (tmp_path / "ends_early").write_text(first + (looks if crash_safe else "") + last)
    with tempfile.TemporaryDirectory() as home:  # a short name: else paltrace takes another
        inside = f"""
            TMPDIR={home} timeout {DEADLINE} {paltrace} record -o {small}/run {'--crash-safe' if crash_safe else ''} --buffers 64kx4 \\
                -- sh {tmp_path}/ends_early {SPIN} {small}/run {tmp_path}/go {tmp_path}/counter
            echo "record $?"
            cat {small}/run/record.json
            ls {small}/run
        """
        prefix = mount_namespace(f"mount -t tmpfs -o size=16M tmpfs {small}")
        done = run_to_end([*prefix, "sh", "-c", inside], timeout=2 * DEADLINE)
    assert "record 3\n" in done.stdout and "its disk was full for a while" in done.stderr, done
    told = json.loads(re.search(r"^\{$.*?^\}$", done.stdout, re.M | re.S)[0])
    assert told["disk_was_full"] is True and told["bad_parts"] == []
    made = int(re.search(r"^transitions (\d+)$", done.stdout, re.M)[1])
    print(f"{told['transitions']} of {made} transitions, {told['lost']} lost")
    assert 0 < told["transitions"] <= told["transitions"] + told["lost"] <= made
    if crash_safe:
        assert done.stdout.splitlines()[-3:] == ["record.json", "recovered", "trace"], done
        assert told["lost"] > 0, "the packet that was not written lies between what was and what is recovered"


# All of a process but its first thread stand still until this ends: as one that hangs, and is not stopped as a whole.
HOLDER = """
import os, pathlib, sys, time
process, held, modules = sys.argv[1:]
sys.path.insert(0, modules)
from held_thread import FORBIDDEN, HeldThread, take_ends
try:
    threads = [HeldThread(int(thread)) for thread in os.listdir(f"/proc/{process}/task") if thread != process]
except PermissionError:
    sys.exit(FORBIDDEN)
pathlib.Path(held).touch()
while os.path.exists(f"/proc/{process}") and take_ends():
    time.sleep(0.02)
"""

# A session daemon that answers nobody any more, and the disk is full. Should it be waited for it goes on later.
STOPS_ANSWERING = r"""
spin=$1 run=$2 room_later=$3 looks=$4 directory=$5 modules=$6
$spin 1000
for process in /proc/[0-9]*; do
    [ "$(cat $process/comm 2>/dev/null)" = lttng-sessiond ] && grep -qz "^LTTNG_HOME=$LTTNG_HOME$" $process/environ && daemon=$process
done
head -c 100M /dev/zero > $run/fill 2>/dev/null
/usr/bin/python3 $directory/holder ${daemon#/proc/} $directory/held $modules </dev/null >/dev/null & holder=$!
until [ -e $directory/held ]; do sleep 0.05; kill -0 $holder || exit 99; done
(
    for look in $(seq $looks); do [ -e $daemon ] || exit 0; [ $look -eq 2 ] && [ $room_later = yes ] && rm $run/fill; sleep 0.1; done
    kill $holder
) </dev/null >/dev/null 2>&1 &
"""


@pytest.mark.parametrize("room_later", ["no", "yes"], ids=["full", "full for a moment"])
def test_a_session_daemon_that_does_not_answer_is_given_up_only_while_the_disk_is_full(tmp_path, room_later):
    """One that is stopped as a whole is given up anyway (faults_daemons)."""
    small = tmp_path / "small"
    small.mkdir()
    (tmp_path / "holder").write_text(HOLDER)
    (tmp_path / "stops_answering").write_text(STOPS_ANSWERING)
    looks = 250 if room_later == "no" else 100  # of 0.1 s
    command = ["sh", tmp_path / "stops_answering", SPIN, small / "run", room_later, looks, tmp_path, pathlib.Path(__file__).parent]
    prefix = mount_namespace(f"mount -t tmpfs -o size=16M tmpfs {small}")
    command = [*prefix, program("paltrace"), "record", "-o", small / "run", "--buffers", "64kx4", "--", *command]
    done = run_to_end(command, timeout=2 * DEADLINE)
    if FORBIDDEN in done.stderr:
        lacking(FORBIDDEN)
    print(f"over {time.time() - (tmp_path / 'held').stat().st_mtime:.1f} s after the daemon had stopped answering")
    if room_later == "no":
        assert done.returncode == 3 and "cannot end the recording: lttng stop: no answer" in done.stderr, done
        assert "cannot hold the trace in " in done.stderr and "its disk is full (0 bytes left)" in done.stderr, done
    else:
        assert done.returncode == 0 and "no answer" not in done.stderr and "lost no transition" in done.stderr, done


def test_a_process_that_begins_on_a_full_disk_is_counted_with_its_cause(tmp_path):
    """LTTng tells in its log alone that it made no trace for it."""
    small, paltrace = tmp_path / "small", program("paltrace")
    small.mkdir()
    buffers = f"$(find {small}/run/shm {small}/run/shm-kept -type f 2>/dev/null)"  # of the first, which would be room for the next
    full = f"while [ -n \"{buffers}\" ]; do sleep 0.05; done; head -c 100M /dev/zero > {small}/fill 2>/dev/null"
    late = f"{SPIN} 10; {full}; {SPIN} 10; {SPIN} 10; rm {small}/fill"
    inside = f"""
        {paltrace} record -o {small}/run --crash-safe --buffers 64kx4 -- sh -c '{late}'
        echo "record $?"
        cat {small}/run/record.json
        {paltrace} check {small}/run
    """
    prefix = mount_namespace(f"mount -t tmpfs -o size=6M tmpfs {small}")
    done = run_to_end([*prefix, "sh", "-c", inside], timeout=DEADLINE)
    said = "LTTng made no trace for 2 processes (Error appending to metadata file: No space left on device): they are missing, uncounted"
    assert f"cannot tell of every process: {said}\n" in done.stderr and "record 3\n" in done.stdout, done
    told = json.loads(re.search(r"^\{$.*?^\}$", done.stdout, re.M | re.S)[0])
    assert (told["missed_processes"], list(told["missed_causes"].values()), len(told["processes"])) == (2, [2], 1)
    assert f"note: {said}\n" in done.stdout
    assert done.stdout.splitlines()[-1] == "good, but some may be missing, uncounted"
