"""Clients of the metrics that want none keep no scrape waiting."""

import contextlib
import os
import random
import resource
import socket
import time
import urllib.request

import pytest
from kit import DEADLINE
from prometheus import serving_demo

NIGHTLY = os.environ.get("TIFFANY_PART") == "whole"


@pytest.mark.skipif(not NIGHTLY, reason="a minute of it is for the night; server_test.cpp has a shorter one")
def test_a_minute_of_a_thousand_bad_clients_keeps_no_scrape_waiting():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    chance = random.Random(1)
    junk = [b"", b"GET /metrics HT", b"\0" * 64, b"POST /metrics HTTP/1.1\r\nContent-Length: 9\r\n\r\n", b"\x16\x03\x01"]
    clients, late, scrapes = [], 0, 0
    with serving_demo("--seconds", 0, "--tasks", 10) as (demo, address):
        host, port = address.split(":")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            while len(clients) < 1000:
                client = socket.create_connection((host, int(port)), timeout=DEADLINE)
                client.setblocking(False)
                clients.append(client)
            for client in chance.sample(clients, 200):
                with contextlib.suppress(OSError):
                    client.send(chance.choice(junk))
            for client in chance.sample(clients, 100):
                client.close()
                clients.remove(client)
            begin = time.monotonic()
            text = urllib.request.urlopen(f"http://{address}/metrics", timeout=DEADLINE).read().decode()
            late = late + 1 if time.monotonic() - begin > 1 else 0
            scrapes += 1
            # a machine may stand still for a second, but hardly for two times in a row
            assert late < 2 and "scheduler_workers" in text, f"scrape {scrapes}"
            assert demo.poll() is None
        for client in clients:
            client.close()
    print(f"{scrapes} scrapes")
