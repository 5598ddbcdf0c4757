"""The page of all ratios is what tools/performance measured, and nothing else."""

import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from kit import BIN, SOURCE, need_program, program

DEADLINE = 600  # seconds: each takes some, on a machine that has nothing else to do


def performance(*arguments, docs=None, env=None):
    command = [sys.executable, SOURCE / "tools" / "performance", *arguments, *(["--docs", docs] if docs else [])]
    return subprocess.run([str(part) for part in command], text=True, capture_output=True, timeout=DEADLINE, check=False, env=env)


def page():
    sys.path.insert(0, str(SOURCE / "tests" / "bench"))
    import performance_page

    return performance_page


def test_the_page_of_figures_says_what_its_json_says_and_each_bar_is_met_or_has_its_cause():
    made = page()
    docs = SOURCE / "docs"
    measured = json.loads((docs / "performance.json").read_text())
    catalogue = made.read_catalogue()
    text = (docs / "performance.md").read_text()
    assert text == made.rendered(text, measured, catalogue), "tools/performance --table writes it again"
    rows = [(bar, made.row_of(measured, bar)) for bar in catalogue["bars"]]
    missed = [bar for bar, row in rows if row and "missed" in made.verdict(bar, row)]
    assert [bar["what"] for bar in missed if not bar.get("cause")] == []
    # no path and no name of the machine that measured
    assert not re.search(r"/(home|root|tmp|work)\b", (docs / "performance.json").read_text() + text)


def wanted_rows(catalogue):
    """Each row that the catalogue names."""
    for bar in catalogue["bars"]:
        yield bar
        if "beside" in bar:
            yield {**bar, "row": bar["beside"]}
    for peer in catalogue["peers"]:
        yield from peer.get("ours", [])


def test_each_bar_and_each_peer_has_its_row_among_what_was_measured():
    made = page()
    measured = json.loads((SOURCE / "docs" / "performance.json").read_text())
    catalogue = made.read_catalogue()
    wanted = list(wanted_rows(catalogue))
    assert {one["bench"] for one in wanted} <= {bench["name"] for bench in catalogue["benches"]}
    assert [(one["bench"], one["row"]) for one in wanted if made.row_of(measured, one) is None] == []


def test_the_page_has_the_commit_of_each_benchmark_and_says_where_other_work_ran_beside_it():
    made = page()
    measured = json.loads((SOURCE / "docs" / "performance.json").read_text())
    benches = measured["benches"]
    assert [bench["name"] for bench in benches if not re.fullmatch(r"[0-9a-f]{10}", bench.get("commit", ""))] == []
    lines = (SOURCE / "docs" / "performance.md").read_text().splitlines()
    for bench in benches:
        (line,) = [line for line in lines if line.startswith(f"| `{bench['name']}` |")]
        assert (bench["load"] > made.QUIET) == (made.LOADED in line), line


def test_each_cause_stands_alone_and_leads_to_pages_that_are_there():
    causes = [bar["cause"] for bar in page().read_catalogue()["bars"] if "cause" in bar]
    links = re.findall(r"\]\(([^)#]+)", " ".join(causes))
    assert links and [link for link in links if not (SOURCE / "docs" / link).exists()] == []
    assert [cause for cause in causes if "reads through libbabeltrace2" in cause] == []
    # what stands above may be met, and then has no cause on the page
    assert [cause for cause in causes if re.search(r"\bas (above|for)\b", cause)] == []


def test_a_benchmark_that_was_measured_is_on_the_page_and_the_others_stay(tmp_path):
    need_program("lttng-sessiond")
    program("babeltrace-plugin-tiffany.so")
    for name in ("performance.md", "performance.json"):
        shutil.copy(SOURCE / "docs" / name, tmp_path)
    store = tmp_path / "performance.json"
    before = json.loads(store.read_text())
    done = performance("--quick", "--only", "trace", docs=tmp_path)
    if done.returncode == 2:  # this is another machine than the page's: then all of it goes
        assert "measured on another machine" in done.stderr
        store.unlink()
        before = {"benches": []}
        done = performance("--quick", "--only", "trace", docs=tmp_path)
    assert done.returncode == 0, done.stderr
    measured = json.loads(store.read_text())
    benches = {bench["name"]: bench for bench in measured["benches"]}
    others = [bench for bench in before["benches"] if bench["name"] != "trace"]
    assert others == [bench for bench in measured["benches"] if bench["name"] != "trace"]
    assert [row["name"] for row in benches["trace"]["rows"]] == [
        f"{way} / sink.utils.dummy{clock}"
        for clock in ("", ", wall")
        for way in (
            "Plugin: to /dev/null",
            "Plugin: to a file",
            *(
                f"{who}: {what}"
                for who in ("paltrace", "paltrace through babeltrace2")
                for what in ("convert to /dev/null", "convert to a file", "stats", "check")
            ),
            "A copy of the log's bytes",
        )
    ]
    assert {len(row) for row in benches["trace"]["rows"]} == {10} and all(row["pairs"] == 2 for row in benches["trace"]["rows"])
    assert re.fullmatch(r"[0-9a-f]{10}(, changed)?|unknown", benches["trace"]["commit"])
    text = (tmp_path / "performance.md").read_text()
    row = benches["trace"]["rows"][0]
    assert f"| {row['ratio']:.3f}, 2 pairs | at most 1.2 x |" in text  # too few for a spread
    assert text == page().rendered(text, measured, page().read_catalogue())



def test_the_page_tells_the_commit_of_each_benchmark_and_how_long_all_took():
    def run(name, **more):
        return {"name": name, "date": "2026-01-02", "load": 0.5, "rows": [], **more}

    measured = {
        "machine": {"CPU": "some", "virtual": True, "packages": {}},
        "benches": [run("trace", commit="0123456789, changed", load=9.5, seconds=40), run("pal", seconds=2), run("log", left_out="no zstd")],
    }
    *_, trace, pal, log, in_all = page().machine_table(measured, page().read_catalogue())
    assert trace.endswith("| 2026-01-02 | 0123456789, changed | 9.5, **other work ran beside it** | 40 s |")
    assert pal.endswith("| 2026-01-02 | not noted | 0.5 | 2 s |")
    assert log.endswith("| left out: no zstd |") and in_all.endswith("| 42 s |")



@pytest.fixture
def tool(tmp_path, monkeypatch):
    """tools/performance as a module, whose one benchmark is tmp_path/some.py, recorded by tmp_path/paltrace."""
    monkeypatch.syspath_prepend(str(SOURCE / "tests" / "bench"))
    loader = importlib.machinery.SourceFileLoader("performance_tool", str(SOURCE / "tools" / "performance"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    monkeypatch.setattr(module, "BENCH", tmp_path)
    monkeypatch.setattr(module, "BIN", tmp_path)
    return module


SOME = {"name": "some", "program": "some.py", "what": "something", "arguments": [], "quick": []}
ROW = {"name": "a / b", "ratio": 1.0, "mad": 0.0, "pairs": 1, "flattered_by": "nothing", "a": 1.0, "b": 1.0, "unit": "ns",
       "a_mad": 0.0, "difference_mad": 0.0}


def test_a_benchmark_that_does_not_end_is_ended_and_has_failed(tool, tmp_path, monkeypatch):
    (tmp_path / "some.py").write_text("import subprocess; subprocess.run(['sleep', '1000'])")
    monkeypatch.setattr(tool, "LIMIT", 1)
    told = tool.measured(SOME, False)
    assert told["failed"] and told["left_out"] == "it did not end within 1 s" and told["rows"] == []


RECORDED = """#!/bin/sh
folder=$3; shift 4
"$@" || exit 1
mkdir "$folder" && echo '{"transitions": %d}' > "$folder/record.json"
exit %d
"""


@pytest.mark.parametrize(
    "seen, status, said",
    [
        (7, 0, "nothing"),
        (6, 4, "nothing; some events were lost"),
        (6, 0, "fired were 7 transitions, recorded 6"),
        (7, 1, "it failed with status 1"),
    ],
)
def test_rows_of_a_recording_are_told_if_all_was_recorded_or_is_said_to_be_lost(tool, tmp_path, seen, status, said):
    (tmp_path / "some.py").write_text(f"import sys; open(sys.argv[-1], 'w').write({json.dumps([ROW])!r}); print('Fired: 7')")
    (tmp_path / "paltrace").write_text(RECORDED % (seen, status))
    (tmp_path / "paltrace").chmod(0o755)
    told = tool.measured({**SOME, "recorded": True}, False)
    assert [row["flattered_by"] for row in told["rows"]] == ([] if "left_out" in told else [said])
    assert told.get("left_out", said) == said and told.get("failed", False) == ("left_out" in told)


def git(folder, *arguments):
    return subprocess.run(["git", "-C", folder, "-c", "user.name=n", "-c", "user.email=e", *arguments], check=True, capture_output=True)


def test_what_was_not_built_from_a_commit_is_not_measured(tool, tmp_path, monkeypatch):
    source, build = tmp_path / "source", tmp_path / "build"
    for folder in (source, build / "bin"):
        folder.mkdir(parents=True)
    git(source, "init")
    (source / "a").write_text("one")
    git(source, "add", "a")
    git(source, "commit", "-m", "one")
    rule = f"rule cp\n  command = cp $in $out\nbuild bin/a: cp {source}/a\n"
    (build / "build.ninja").write_text(rule)
    monkeypatch.setattr(tool, "SOURCE", source)
    monkeypatch.setattr(tool, "BIN", build / "bin")
    assert "were not built from" in tool.why_not_of_the_commit()
    subprocess.run(["ninja", "-C", build], check=True, capture_output=True)
    assert tool.why_not_of_the_commit() is None
    (source / "a").write_text("two")
    assert "commit first" in tool.why_not_of_the_commit()
    git(source, "commit", "-a", "-m", "two")
    assert "were not built from" in tool.why_not_of_the_commit()


def test_what_was_measured_is_on_the_page_when_the_next_one_is_interrupted(tool, tmp_path, monkeypatch):
    def measured(bench, quick):
        if bench["name"] == "trace":
            raise KeyboardInterrupt
        return {"name": bench["name"], "date": "2026-01-02", "load": 0.5, "rows": [ROW], "seconds": 7}

    program("paltrace")
    monkeypatch.setattr(tool, "BIN", BIN)
    monkeypatch.setattr(tool, "measured", measured)
    monkeypatch.setattr(tool, "why_not_of_the_commit", lambda: None)
    shutil.copy(SOURCE / "docs" / "performance.md", tmp_path)
    monkeypatch.setattr(sys, "argv", ["performance", "--only", "trace", "--only", "pal", "--docs", str(tmp_path)])
    with pytest.raises(KeyboardInterrupt):
        tool.main()
    stored = json.loads((tmp_path / "performance.json").read_text())
    text = (tmp_path / "performance.md").read_text()
    assert [bench["name"] for bench in stored["benches"]] == ["pal"] and "2026-01-02" in text
    assert text == page().rendered(text, stored, page().read_catalogue())



def test_without_a_build_nothing_is_measured_and_the_page_stays(tmp_path):
    docs = tmp_path / "docs"
    shutil.copytree(SOURCE / "docs", docs, ignore=lambda folder, names: [name for name in names if "performance" not in name])
    before = {path: path.read_bytes() for path in docs.iterdir()}
    done = performance("--docs", docs, env={**os.environ, "TIFFANY_BIN": str(tmp_path)})
    assert done.returncode == 2 and "there is no paltrace in the build" in done.stderr
    assert len(before) == 2 and {path: path.read_bytes() for path in docs.iterdir()} == before


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_the_page_is_refused_before_anything_is_measured(tmp_path, there):
    docs = tmp_path / "docs"
    if there:
        docs.mkdir()
    done = performance("--only", "attached", "--quick", "--docs", docs)
    assert done.returncode == 2 and f"there is no {docs}/performance.md" in done.stderr, done
    assert "performance: attached" not in done.stderr and "Traceback" not in done.stderr, done
    assert "performance.md" in performance("--help").stdout.partition("--docs")[2]


@pytest.mark.parametrize("bench", ["sustained.py", "log_bench.py"])
@pytest.mark.parametrize("there, why", [(["zstd"], "was not built"), ([], "zstd is not installed")])
def test_a_benchmark_whose_tools_are_not_there_is_left_out(bench, there, why, tmp_path):
    for name in there:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    command = [sys.executable, SOURCE / "tests" / "bench" / bench, "--bin", tmp_path, *([tmp_path] if bench == "sustained.py" else [])]
    done = subprocess.run(command, text=True, capture_output=True, env={**os.environ, "PATH": str(tmp_path)}, timeout=DEADLINE, check=False)
    assert done.returncode == 77 and re.search(rf"^{bench}: left out: .*{why}$", done.stderr, re.M), done.stderr


@pytest.mark.parametrize("bench, rounds", [("sustained", 7), ("long", 1)])
def test_the_page_says_how_many_transitions_are_sustained_and_they_are_measured_often_enough(bench, rounds):
    catalogue = page().read_catalogue()
    (arguments,) = [one["arguments"] for one in catalogue["benches"] if one["name"] == bench]
    given = dict(zip(arguments, arguments[1:]))
    assert int(given["--rounds"]) >= rounds
    said = next(bar["what"] for bar in catalogue["bars"] if bar["bench"] == bench)
    assert int(re.search(r"(\d+) million", said).group(1)) * 1_000_000 == int(given["--transitions"])


def test_what_is_measured_for_a_look_only_does_not_go_onto_the_page():
    done = performance("--quick", "--only", "trace")
    assert done.returncode == 2 and "--quick wants --docs" in done.stderr
    assert performance("--only", "no-such").returncode == 2


def test_the_pages_commands_are_there_and_the_list_has_every_benchmark():
    lines = re.findall(r"^    (\S.*)$", (SOURCE / "docs" / "performance.md").read_text(), re.M)
    assert lines == ["tools/performance --list", "tools/performance"]
    listed = subprocess.run(lines[0].split(), cwd=SOURCE, text=True, capture_output=True, timeout=DEADLINE, check=True).stdout
    assert [line.partition(":")[0] for line in listed.splitlines()] == [bench["name"] for bench in page().read_catalogue()["benches"]]


def test_a_verdict_holds_at_the_limit_and_says_when_it_is_within_the_spread():
    verdict = page().verdict
    row = {"ratio": 1.2, "mad": 0.01, "a": 3.0, "b": 2.0, "pairs": 7, "a_mad": 0.5, "difference_mad": 0.05}
    assert verdict({"at_most": 1.2}, row) == "met, within the spread"
    assert verdict({"at_most": 1.15}, row) == "**missed**"
    assert verdict({"at_most": 1.195}, row) == "**missed**, within the spread"
    assert verdict({"at_least": 1.1}, row) == "met"
    assert verdict({"at_most": 1.1, "value": "difference"}, row) == "met"
    assert verdict({"at_most": 1.04, "value": "difference"}, row) == "met, within the spread"
    assert verdict({"at_most": 0.9, "value": "difference"}, row) == "**missed**"
    assert verdict({"at_most": 2.6, "value": "a"}, row) == "**missed**, within the spread"
    assert verdict({"at_most": 1.2}, {**row, "pairs": 6}) == "met"  # of so few no spread is told


def test_a_value_is_shown_with_its_own_spread_and_with_none_of_a_few_rounds():
    seen = page().seen_of
    row = {"ratio": 1.5, "mad": 0.01, "a": 3.0, "b": 2.0, "unit": "ns", "pairs": 7, "a_mad": 0.5, "difference_mad": 0.05}
    assert seen({"at_most": 1}, row) == "1.500, MAD 0.010, 7 pairs"
    assert seen({"at_most": 1, "value": "a"}, row) == "3.000 ns, MAD 0.500, 7 pairs (ratio 1.500)"
    assert seen({"at_most": 1, "value": "difference"}, row) == "1.000 ns, MAD 0.050, 7 pairs (ratio 1.500)"
    assert seen({"at_most": 1}, {**row, "pairs": 3}) == "1.500, 3 pairs"


def test_the_benchmark_of_what_a_program_feels_compares_each_way(tmp_path):
    need_program("lttng-sessiond")
    output = tmp_path / "rows.json"
    script = SOURCE / "tests" / "bench" / "app_bench.py"
    command = [sys.executable, script, "--quick", "--rounds", "1", "--only", "demo", "--json", output]
    environment = {**os.environ, "TIFFANY_BIN": str(BIN), "TIFFANY_SOURCE": str(SOURCE)}
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, env=environment, timeout=DEADLINE, check=False)
    assert done.returncode == 0, done.stderr
    names = [row["name"] for row in json.loads(output.read_text())]
    ways = ["off", "metrics", "PAL file", "LTTng", *([] if "left out: bpftrace" in done.stderr else ["bpftrace"])]
    requests = [*(f"Request, demo: {way} / stripped" for way in ways), "Request, demo: metrics / off"]
    assert names == requests + [f"Start and end, demo: {way} / stripped" for way in ("off", "PAL file", "LTTng")]
