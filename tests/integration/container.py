"""The image that the Dockerfile makes: built and run by buildah, in a storage of its own, without a container engine.

The base is a Debian 12 that debootstrap makes from the archive that this machine's apt is configured with.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
from end_bpftrace import end_bpftrace
from kit import (
    BIN,
    DEADLINE,
    SOURCE,
    Bpftrace,
    PrivateLttng,
    alive,
    checked,
    children,
    end_process,
    need_bpftrace,
    need_files_of,
    need_program,
    need_root,
    poll,
)

SUITE = "bookworm"
IMAGE = "localhost/tiffany-demo"
PAGE = (SOURCE / "docs" / "container.md").read_text()
BUILD_DEADLINE = 1500
# Whatever is started so ends with us: it dies with its parent, and everything in its pid namespace with it. Its mounts
# are in a namespace that ends then, too.
CONTAINED = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
# As the network of a container: nothing but its own loopback, so that every port is free.
LOOPBACK_UP = """
import fcntl, os, socket, struct, sys
with socket.socket() as any_socket:
    SIOCSIFFLAGS, IFF_UP = 0x8914, 1
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
os.execvp(sys.argv[1], sys.argv[1:])
"""
OWN_NETWORK = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", sys.executable, "-c", LOOPBACK_UP]
# The root of a container engine's kind: chroot isolation leaves the mount namespace with the host's, where bpftrace
# looks for a process's files.
PIVOT = """
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
pivot_root . .
umount -l .
cd "$2"
shift 2
exec "$@"
"""
FETCH = "import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1], timeout=10).read().decode())"


class Buildah:
    """buildah with a storage of its own."""

    def __init__(self, directory):
        storage = ["--root", directory / "storage", "--runroot", directory / "run", "--storage-driver", "vfs"]
        self._command = [*CONTAINED, "buildah", *map(str, storage)]

    def command(self, *arguments):
        return [*self._command, *map(str, arguments)]

    def run(self, *arguments, timeout=DEADLINE):
        """Its standard output. Fails unless it returns 0."""
        return checked(self.command(*arguments), timeout=timeout).stdout.strip()


def last_words(process):
    return " / ".join((process.stdout + process.stderr).strip().splitlines()[-3:])


def apt_sources():
    """[(address, release, component), ...] of this machine's apt for Debian 12; the release itself comes first."""
    fields = "$(CODENAME) $(REPO_URI) $(RELEASE) $(COMPONENT)"
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", fields, "Created-By: Packages", "Origin: Debian"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    targets = [line.split() for line in listed.splitlines()]
    targets = [target for target in targets if len(target) == 4 and target[0].partition("-")[0] == SUITE]
    targets.sort(key=lambda target: target[0] != SUITE)  # stable
    if not targets or targets[0][0] != SUITE:
        pytest.skip(f"apt has no source of Debian's {SUITE} here, or no `apt-get update` was run")
    return [tuple(target[1:]) for target in targets]


def configure_apt(root, sources):
    """apt in this root gets its packages as this machine's does: the same archive, by the same proxy."""
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    lines = [f"deb [signed-by={keyring}] {' '.join(source)}\n" for source in sources]
    (root / "etc/apt/sources.list").write_text("".join(lines))
    settings = checked(["apt-config", "dump"]).stdout.splitlines(keepends=True)
    way = [line for line in settings if re.match(r"Acquire::(http|https|Retries|ForceIPv|Languages)", line)]
    (root / "etc/apt/apt.conf.d/90-as-outside").write_text("".join(way))
    (root / "etc/dpkg/dpkg.cfg.d/fast").write_text("force-unsafe-io\n")  # as in the base images that people use


def make_base(buildah, name):
    """An image of a minimal Debian; skips where there cannot be one."""
    sources = apt_sources()
    container = buildah.run("from", "scratch")
    root = pathlib.Path(buildah.run("mount", container))
    made = subprocess.run(
        [*CONTAINED, "debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, root, sources[0][0]],
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_DEADLINE,
    )
    if made.returncode != 0:
        pytest.skip(f"debootstrap cannot make a base image here: {last_words(made)}")
    configure_apt(root, sources)
    tried = subprocess.run(
        buildah.command("run", "--isolation", "chroot", container, "--", "true"),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    if tried.returncode != 0:
        pytest.skip(f"nothing can be run in an image here: {last_words(tried)}")
    buildah.run("commit", "--quiet", "--rm", container, name, timeout=BUILD_DEADLINE)


@pytest.fixture(scope="module")
def buildah(tmp_path_factory):
    need_root()
    for name in ("buildah", "debootstrap", "apt-get", "unshare", "setpriv", "promtool"):
        need_program(name)
    directory = tmp_path_factory.mktemp("images")
    if shutil.disk_usage(directory).free < 4e9:
        pytest.skip(f"images need 4 GB in {directory}")
    try:
        yield Buildah(directory)
    finally:
        shutil.rmtree(directory)  # some GB


@pytest.fixture(scope="module")
def image(buildah):
    """The configuration of IMAGE, which is made."""
    make_base(buildah, "localhost/base")
    built = subprocess.run(
        ["nice", *buildah.command("bud", "--isolation", "chroot", "--jobs", "2", "--pull-never")]
        + ["--build-arg", "BASE=localhost/base", "--tag", IMAGE, SOURCE],
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_DEADLINE,
    )
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr[-4000:]
    return json.loads(buildah.run("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]


@pytest.fixture(scope="module")
def container(buildah, image):
    return buildah.run("from", "--pull-never", IMAGE)


@pytest.fixture(scope="module")
def root(buildah, container):
    """The folder that is the container's root."""
    return pathlib.Path(buildah.run("mount", container))


class Demo:
    """A command that runs the demo somewhere below itself, in a network of its own."""

    def __init__(self, command, log, start=subprocess.Popen):
        self._log = log
        with open(log, "wb") as output:
            self.process = start([*OWN_NETWORK, *map(str, command)], stdout=output, stderr=output)

    def __enter__(self):
        try:
            self.pid = poll(self._find, "the demo runs")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        end_process(self.process, signal.SIGKILL)

    def _find(self):
        assert self.process.poll() is None, f"exit {self.process.returncode}: {self._log.read_text()}"
        for pid in children(self.process.pid):
            try:
                if pathlib.Path(f"/proc/{pid}/comm").read_text() == "tiffany-demo\n":
                    return pid
            except (FileNotFoundError, ProcessLookupError):
                pass
        return None

    def status(self, name):
        """A line of /proc/PID/status, as words."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return re.search(rf"^{name}:(.*)$", text, re.M).group(1).split()

    def fetch(self, url):
        """What is answered there in the demo's network; None where nobody answers."""
        inside = ["nsenter", f"--target={self.pid}", "--net", sys.executable, "-c", FETCH, url]
        done = subprocess.run(inside, capture_output=True, text=True, check=False, timeout=DEADLINE)
        return done.stdout if done.returncode == 0 else None

    def metrics(self):
        """The metrics, once transitions were counted: asked for at an address that is not the one of `localhost`."""

        def counted():
            text = self.fetch("http://127.0.0.2:9464/metrics") or ""
            return text if transitions(text) > 0 else None

        return poll(counted, f"transitions are counted; it said {self._log.read_text()!r}")

    def work_on(self):
        """Waits until it has done more than when this was called."""
        before = transitions(self.metrics())
        poll(lambda: transitions(self.metrics()) > before + 1000, "it works on")

    def stop(self):
        """As `docker stop` asks for it. Returns the exit status."""
        os.kill(self.pid, signal.SIGTERM)
        poll(lambda: not alive(self.pid), "the demo ends on SIGTERM", 10)  # docker kills it then
        return self.process.wait(DEADLINE)


def transitions(text):
    return sum(float(value) for value in re.findall(r"^task_transitions_total\{.*\} (\S+)$", text, re.M))


def as_configured(buildah, image, container, *options):
    """Runs the image's own command, as its own user."""
    return buildah.command("run", "--isolation", "chroot", *options, container, "--", *image["Cmd"])


def as_process_1(image, root):
    """As a container engine runs it: it is process 1 of its namespace, and the image is the root of its mounts."""
    user, group = image["User"].split(":")
    as_user = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "env", "-i", *image["Env"]]
    return [*CONTAINED, "sh", "-ec", PIVOT, "sh", root, image["WorkingDir"], *as_user, *image["Cmd"]]


def test_it_serves_its_metrics_not_as_root_and_ends_when_told_to(buildah, image, container, tmp_path):
    assert list(image["ExposedPorts"]) == ["9464/tcp"] and "-p 9464:9464 " in PAGE
    with Demo(as_configured(buildah, image, container), tmp_path / "log") as demo:
        text = demo.metrics()
        linted = subprocess.run(
            ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=DEADLINE
        )
        assert linted.returncode == 0, linted.stdout + linted.stderr
        assert "tasks_running_total{" in text
        demo.work_on()
        for ids in (demo.status("Uid"), demo.status("Gid")):
            assert ids == ["10001"] * 4
        assert "0" not in demo.status("Groups")
        assert int(demo.status("CapEff")[0], 16) == 0
        assert demo.stop() == 0
    log = (tmp_path / "log").read_text()
    assert re.search(r"^tiffany-demo: metrics on http://0\.0\.0\.0:9464/metrics$", log, re.M), log
    assert re.search(r"^[1-9]\d* transitions$", log, re.M), log


def test_as_process_1_it_ends_when_told_to(image, root, tmp_path):
    # process 1 gets no signal that it did not arrange for
    with Demo(as_process_1(image, root), tmp_path / "log") as demo:
        assert demo.status("NSpid")[-1] == "1"
        demo.metrics()
        assert demo.stop() == 0


def test_it_holds_what_running_needs_and_nothing_else(root):
    programs = {path.name for place in ("usr/bin", "usr/sbin", "usr/local/bin") for path in (root / place).iterdir()}
    assert {"tiffany-demo", "paltrace", "lttng-sessiond"} <= programs
    building = re.compile(r"(.*-)?(cc|c\+\+|gcc|g\+\+|cpp|ld|as|clang|clang\+\+|cmake|ninja|make)(-\d+)?")
    assert [name for name in sorted(programs) if building.fullmatch(name)] == []
    files = [path for path in (root / "usr/local").rglob("*") if path.is_file()]
    files += [path for place in ("src", "home") for path in (root / place).rglob("*")]
    sources = re.compile(r".*\.(cpp|hpp|h|def|a|o|cmake|pc|py)|CMakeLists\.txt|Dockerfile|\.git")
    assert [str(path) for path in files if sources.fullmatch(path.name)] == []
    packages = re.findall(r"^Package: (\S+)$", (root / "var/lib/dpkg/status").read_text(), re.M)
    assert "liblttng-ust1" in packages
    assert [name for name in packages if name.endswith("-dev")] == []
    lists = root / "var/lib/apt/lists"
    assert not lists.exists() or list(lists.iterdir()) == []


def test_a_recording_inside_needs_nothing_of_the_host(buildah, container):
    script = re.search(r"tiffany-demo sh -c '(.+)'$", PAGE, re.M).group(1)
    inside = buildah.command("run", "--isolation", "chroot", container, "--", "sh", "-ec", script)
    assert checked([*OWN_NETWORK, *inside], timeout=120).stdout.endswith("good\n")


def test_the_hosts_lttng_traces_it_when_it_shares_its_directory(buildah, image, container, tmp_path):
    need_program("babeltrace2")
    trace = tmp_path / "trace"
    with PrivateLttng(tmp_path) as lttng:
        lttng.lttng("create", "host", f"--output={trace}")
        lttng.lttng("enable-channel", "-u", "--buffers-pid", "--subbuf-size=1M", "--num-subbuf=4", "transitions")
        lttng.lttng("enable-event", "-u", "tiffany:*", "-c", "transitions")
        lttng.lttng("start")
        volume = re.search(r"-v (\S+) tiffany-demo$", PAGE, re.M).group(1)
        shared = as_configured(buildah, image, container, "--volume", volume)
        with Demo(shared, tmp_path / "log", start=lttng.popen) as demo:
            poll(lambda: "tiffany:task_done" in lttng.lttng("list", "-u").stdout, "it is registered with the daemon")
            demo.metrics()
            assert demo.stop() == 0
        lttng.lttng("destroy", "host")
        recorded = lttng.run(["babeltrace2", trace], timeout=120).stdout
    assert recorded.count("tiffany:worker_started:") >= 1 and recorded.count("tiffany:task_done:") > 1


def test_the_hosts_bpftrace_sees_it(image, root, tmp_path):
    need_bpftrace()
    with Demo(as_process_1(image, root), tmp_path / "log") as demo:
        demo.metrics()
        need_files_of(demo.pid)
        # the worker that looks for tracers sees this one after a while, so a thing that it printed is waited for
        script = re.search(r"^    bpftrace -p .* -e '(.+)'$", PAGE, re.M).group(1)
        # but not all of them: a bpftrace without a CPU loses what finds no room, and says so
        script += ' usdt::tiffany:task__done { if (@said < 200) { @said++; printf("done\\n"); } }'
        with Bpftrace(script, arguments=["-p", demo.pid]) as tracer:
            tracer.wait_for_printed(100)
            assert tracer.stop().maps["@running"] > 0
        printed = tmp_path / "failures"
        with open(printed, "wb") as output:
            ready = subprocess.Popen(
                [SOURCE / "tools" / "bpftrace" / "failures", str(demo.pid)],
                env=dict(os.environ, TIFFANY_INCLUDE=str(BIN.parent / "generated")),
                stdout=output,
                stderr=output,
            )
        try:
            poll(lambda: re.search(r"\(task \d+\) failed: ", printed.read_text()), "a ready script prints failures")
        finally:
            end_bpftrace(ready, DEADLINE)
        assert demo.stop() == 0
