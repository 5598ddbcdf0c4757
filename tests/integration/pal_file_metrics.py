"""What the metrics say of the process's own log."""

import contextlib
import json
import re
import signal
import subprocess
import urllib.request

from kit import DEADLINE, end_process, full_device, poll
from own_log import DEMO, environment, files, transitions


@contextlib.contextmanager
def scraped_demo(target, cwd, *arguments, **more):
    """The demo, and what calls for a metric's samples: {its labels: its value}."""
    demo = subprocess.Popen(
        [DEMO, "--metrics-port", "0", "--stay", *arguments],
        env=environment(target, **more),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = re.search(r"metrics on (http://\S+)", demo.stderr.readline()).group(1)

        def samples(metric):
            text = urllib.request.urlopen(url, timeout=DEADLINE).read().decode()
            return {labels: float(value) for labels, value in re.findall(rf"^{metric}(\{{.*\}})? (\S+)$", text, re.M)}

        yield demo, samples
    finally:
        end_process(demo, signal.SIGTERM)
    assert demo.returncode == 0


def test_the_metrics_say_why_there_is_no_log(tmp_path):
    with scraped_demo("run%q.pal", tmp_path, "--transitions", "100") as (_, samples):
        assert samples("tiffany_pal_unavailable") == {'{reason="bad_target"}': 1}
        assert samples("tiffany_pal_lost_total") == {}
    with scraped_demo("", tmp_path, "--transitions", "100") as (_, samples):
        assert samples("tiffany_pal_unavailable") == samples("tiffany_pal_lost_total") == {}, "nobody asked for one"
    assert files(tmp_path) == []


def test_the_metrics_tell_what_the_log_lacks_and_the_logs_gaps_say_the_same(tmp_path):
    with scraped_demo("run.pal", tmp_path, "--transitions", "300000", TIFFANY_PAL_RING="64K") as (demo, samples):
        demo.stdout.readline()  # its work is finished
        fired = sum(samples("task_transitions_total").values())
        # nothing follows that would tell of it
        poll(lambda: log_so_far(tmp_path / "run.pal")[0] == fired, "the log tells of all")
        assert samples("tiffany_pal_unavailable") == {}
        assert samples("tiffany_pal_lost_total") == {"": log_so_far(tmp_path / "run.pal")[1]}
    with scraped_demo(full_device(tmp_path), tmp_path, "--transitions", "100000", TIFFANY_PAL_RING="64M") as (demo, samples):
        poll(lambda: samples("tiffany_pal_lost_total").get("", 0) > 0, "what a full disk costs is seen")


def log_so_far(path):
    """The transitions that a log tells of while it is written, and how many of them as lost."""
    log = [json.loads(line) for line in path.read_text().rpartition("\n")[0].splitlines()]
    lost = sum(r["lost"] for r in log if r["event"] == "Gap")
    return len(transitions(log)) + lost, lost
