"""Clients of the metrics that want none keep no scrape waiting."""

import os
import subprocess
import sys
import threading
import time
import urllib.request

from kit import DEADLINE, end_process
from prometheus import serving_demo

SECONDS = 60 if os.environ.get("TIFFANY_PART") == "whole" else 3
LATE = 1  # s, for a scrape
TIMES_AS_SLOW = 10  # as one of a demo that nobody attacks, at the same time: where that is slow, too, the machine stood still
LEAST = 100  # scrapes, on a slow machine, too

# A process of its own: in the test's they and the scrapes would wait for each other. Whoever is thrown out comes again, 32 in a
# round, which the test asks for: against more than 64 within one scrape's time the server promises nothing.
BAD_CLIENTS = r"""
import contextlib, random, resource, socket, sys
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
chance = random.Random(1)
junk = [b"", b"GET /metrics HT", b"\0" * 64, b"POST /metrics HTTP/1.1\r\nContent-Length: 9\r\n\r\n", b"\x16\x03\x01"]

def connect():
    client = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
    client.setblocking(False)
    return client

def is_thrown_out(client):
    try:
        return client.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True

clients = [connect() for _ in range(1000)]
print("a thousand", flush=True)
for _ in sys.stdin:
    for client in chance.sample(clients, 200):
        with contextlib.suppress(OSError):
            client.send(chance.choice(junk))
    leave = [number for number, client in enumerate(clients) if is_thrown_out(client)] + chance.sample(range(1000), 10)
    for number in chance.sample(leave, min(len(leave), 32)):
        clients[number].close()
        clients[number] = connect()
    print("a round", flush=True)
"""


def scrape(address):
    """When it began, when it ended."""
    begin = time.monotonic()
    text = urllib.request.urlopen(f"http://{address}/metrics", timeout=DEADLINE).read().decode()
    assert "scheduler_workers" in text
    return begin, time.monotonic()


class Beside:
    """A thread that scrapes a demo which nobody attacks, over and over."""

    def __init__(self, address):
        self._scrapes, self._ends = [], False
        self._thread = threading.Thread(target=self._scrape, args=(address,))

    def _scrape(self, address):
        while not self._ends:
            self._scrapes.append(scrape(address))
            time.sleep(0.01)

    def slowest(self, begin, end):
        """Of those at the same time, s."""
        seen = len(self._scrapes)
        while self._thread.is_alive() and len(self._scrapes) == seen:  # the one that goes on
            time.sleep(0.01)
        return max((last - first for first, last in self._scrapes if first < end and last > begin), default=0)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ends = True
        self._thread.join()


def test_a_thousand_bad_clients_keep_no_scrape_waiting():
    demo_options = ("--seconds", 0, "--tasks", 10)
    with serving_demo(*demo_options) as (demo, address), serving_demo(*demo_options) as (_, quiet), Beside(quiet) as beside:
        command = [sys.executable, "-c", BAD_CLIENTS, *address.split(":")]
        bad = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        asked, rounds, scrapes = 0, [], []
        reader = threading.Thread(target=lambda: rounds.extend(bad.stdout))
        try:
            assert bad.stdout.readline() == "a thousand\n"
            reader.start()
            end = time.monotonic() + SECONDS
            while time.monotonic() < end or len(scrapes) < LEAST or len(rounds) < LEAST // 10:
                if len(rounds) == asked:  # one at a time
                    asked += 1
                    bad.stdin.write("\n")
                    bad.stdin.flush()
                scrapes.append(scrape(address))
                took = scrapes[-1][1] - scrapes[-1][0]
                assert took <= LATE or took <= TIMES_AS_SLOW * beside.slowest(*scrapes[-1]), (len(scrapes), took)
                assert demo.poll() is None and bad.poll() is None
        finally:
            end_process(bad)
            if reader.ident is not None:
                reader.join()
    slowest = max(last - first for first, last in scrapes)
    print(f"{len(scrapes)} good scrapes, the slowest {slowest:.2f} s; {len(rounds)} rounds of bad clients")
