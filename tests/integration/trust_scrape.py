"""Clients of the metrics that want none keep no scrape waiting."""

import http.client
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
STOOD_STILL = 0.1  # s, for one that nobody disturbs: the bad clients open 64 connections in that time, and the oldest has to go

# A process of its own: in the test's they and the scrapes would wait for each other. Whoever is thrown out comes again, 640 a second
# at the most: against more than 64 within one scrape's time the server promises nothing.
BAD_CLIENTS = r"""
import contextlib, random, resource, socket, sys, time
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
while True:
    print("a thousand", flush=True)
    for client in chance.sample(clients, 200):
        with contextlib.suppress(OSError):
            client.send(chance.choice(junk))
    leave = [number for number, client in enumerate(clients) if is_thrown_out(client)] + chance.sample(range(1000), 10)
    for number in chance.sample(leave, min(len(leave), 32)):
        clients[number].close()
        clients[number] = connect()
    time.sleep(0.05)
"""


def scrape(address):
    """When it began, when it ended."""
    begin = time.monotonic()
    text = urllib.request.urlopen(f"http://{address}/metrics", timeout=DEADLINE).read().decode()
    assert "scheduler_workers" in text
    return begin, time.monotonic()


def scrape_or_not(address):
    """The same, and why there was no answer."""
    begin = time.monotonic()
    try:
        return *scrape(address), None
    except (OSError, http.client.HTTPException) as error:
        return begin, time.monotonic(), error


class Beside:
    """A thread that scrapes a demo which nobody attacks, over and over: where that is slow, too, the machine stood still."""

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
        bad = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        rounds = []
        reader = threading.Thread(target=lambda: rounds.extend(bad.stdout))
        try:
            assert bad.stdout.readline() == "a thousand\n"
            reader.start()
            scrapes = []
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                scrapes.append(scrape_or_not(address))
                *when, refused = scrapes[-1]
                late = when[1] - when[0] > LATE
                assert not (late or refused) or beside.slowest(*when) > STOOD_STILL, (len(scrapes), when[1] - when[0], refused)
                assert demo.poll() is None and bad.poll() is None
        finally:
            end_process(bad)
            if reader.ident is not None:
                reader.join()
    slowest = max(last - first for first, last, _ in scrapes)
    refused = sum(why is not None for *_, why in scrapes)
    print(f"{len(scrapes)} scrapes, the slowest {slowest:.2f} s, {refused} refused; {len(rounds)} rounds of bad clients")
    assert len(rounds) >= SECONDS and len(scrapes) - refused >= SECONDS, "all had their turns"
