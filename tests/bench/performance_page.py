"""The tables of docs/performance.md, made from what was measured (docs/performance.json) and from bars.json: which benchmark there
is, which bar it is held against, what others publish. What a person writes stands around the tables, between them nothing."""

import json
import pathlib
import re

FEWEST = 7  # pairs of which a spread is told
LOADED = "other work ran beside it"
QUIET = 1.5  # load, of two CPUs, up to which nothing is said of it
CATALOGUE = pathlib.Path(__file__).parent / "bars.json"


def read_catalogue():
    return json.loads(CATALOGUE.read_text())


def row_of(measured, wanted):
    """The row that a bar or a peer names: by its benchmark and its name, in which * is anything. None: it was not measured."""
    pattern = ".*".join(map(re.escape, wanted["row"].split("*")))
    for bench in measured["benches"]:
        if bench["name"] == wanted["bench"]:
            return next((row for row in bench["rows"] if re.fullmatch(pattern, row["name"])), None)
    return None


def value_of(bar, row):
    """What is held against the bar."""
    if bar.get("value") == "difference":
        return row["a"] - row["b"]
    if bar.get("value") == "a":
        return row["a"]
    return row["ratio"]


def spread_of(bar, row):
    """The MAD of what is held against the bar; None where there are too few rounds for one."""
    if row["pairs"] < FEWEST:
        return None
    return row.get({"difference": "difference_mad", "a": "a_mad"}.get(bar.get("value"), "mad"))


def verdict(bar, row):
    """met or missed; and whether the bar lies within the spread, so that another run may say otherwise."""
    value, spread = value_of(bar, row), spread_of(bar, row)
    met = value <= bar["at_most"] if "at_most" in bar else value >= bar["at_least"]
    limit = bar.get("at_most", bar.get("at_least"))
    close = spread is not None and abs(value - limit) <= spread
    return ("met" if met else "**missed**") + (", within the spread" if close else "")


def number(value):
    """Three digits that say something, and no exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def limit_of(bar):
    unit = f" {bar['unit']}" if "unit" in bar else " x" if bar.get("value") is None else ""
    return f"at most {bar['at_most']}{unit}" if "at_most" in bar else f"at least {bar['at_least']}{unit}"


def table(head, lines):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(line) + " |" for line in lines)]


def seen_of(bar, row):
    """The value that is held against a bar, and its spread."""
    spread = spread_of(bar, row)
    pairs = f"{row['pairs']} {'pair' if row['pairs'] == 1 else 'pairs'}"
    if bar.get("value") is None:
        return f"{row['ratio']:.3f}, {pairs}" if spread is None else f"{row['ratio']:.3f}, MAD {spread:.3f}, {pairs}"
    mad = "" if spread is None else f", MAD {number(spread)}"
    ratio = "" if row["ratio"] is None else f" (ratio {row['ratio']:.3f})"
    return f"{number(value_of(bar, row))} {row['unit']}{mad}, {pairs}{ratio}"


def bars_table(measured, catalogue):
    lines, causes = [], []
    for bar in catalogue["bars"]:
        row = row_of(measured, bar)
        if row is None:
            lines.append([bar["bar"], bar["what"], "not measured", limit_of(bar), "", ""])
            continue
        seen = seen_of(bar, row)
        if "beside" in bar:
            beside = row_of(measured, {**bar, "row": bar["beside"]})
            seen += "" if beside is None else f"; by the clock on the wall {beside['ratio']:.3f}"
        told = verdict(bar, row)
        lines.append([bar["bar"], bar["what"], seen, limit_of(bar), told, row["flattered_by"]])
        if "missed" in told:
            causes.append(f"- **{bar['bar']}**, {bar['what']}: {bar.get('cause', 'the cause is not known.')}")
    text = table(["bar", "what / than what", "measured", "limit", "", "flattered by"], lines)
    return text + (["", "Why those were missed:", "", *causes] if causes else [])


def medians(row):
    both = number(row["a"]) if row["b"] is None else f"{number(row['a'])} / {number(row['b'])}"
    return f"{both} {row['unit']}"


def other_rows(measured, catalogue):
    held = [id(row_of(measured, bar)) for bar in catalogue["bars"]]
    text = []
    for bench in measured["benches"]:
        lines = []
        for row in bench["rows"]:
            if id(row) in held:
                continue
            mad = "" if row["ratio"] is None or row["pairs"] < FEWEST else f"{row['mad']:.3f}"
            ratio = ["", ""] if row["ratio"] is None else [f"{row['ratio']:.3f}", mad]
            lines.append([row["name"], *ratio, str(row["pairs"]), medians(row), row["flattered_by"]])
        if lines:
            head = ["what / than what", "ratio", "MAD", "pairs", "medians", "flattered by"]
            text += [f"`{bench['name']}`:", "", *table(head, lines), ""]
    return text[:-1] if text else ["Nothing else was measured."]


def machine_table(measured, catalogue):
    facts = dict(measured["machine"])
    packages = ", ".join(f"{name} {version}" for name, version in facts.pop("packages").items())
    said = {True: "yes", False: "no"}
    lines = [[name, said[value] if isinstance(value, bool) else str(value)] for name, value in facts.items()]
    what = {bench["name"]: bench["what"] for bench in catalogue["benches"]}
    runs = []
    for bench in measured["benches"]:
        took = f"{bench['seconds']} s" if "seconds" in bench else f"left out: {bench['left_out']}"
        commit = bench.get("commit", "not noted")
        load = str(bench["load"]) + (f", **{LOADED}**" if bench["load"] > QUIET else "")
        runs.append([f"`{bench['name']}`", what[bench["name"]], bench["date"], commit, load, took])
    runs.append(["in all", "", "", "", "", f"{sum(bench.get('seconds', 0) for bench in measured['benches'])} s"])
    head = ["benchmark", "what it measures", "when", "commit", "load before", "took"]
    return [*table(["", ""], [*lines, ["packages", packages]]), "", *table(head, runs)]


def ours_of(measured, wanted):
    """One figure of ours beside another's."""
    row = row_of(measured, wanted)
    if row is None:
        return "not measured"
    times = wanted.get("times", 1)
    said = f"{wanted['says']}: " if "says" in wanted else ""
    if wanted.get("value") == "percent":
        return f"{said}{(row['ratio'] - 1) * 100:+.1f} %: {row['name']}"
    if wanted.get("value") == "difference":
        return f"{said}{number(times * (row['a'] - row['b']))} {row['unit']}: {row['name'].replace(' / ', ' minus ')}"
    return f"{said}{number(times * row['a'])} {row['unit']}: {row['name'].partition(' / ')[0]}"


def peers_table(measured, catalogue):
    lines = []
    for peer in catalogue["peers"]:
        ours = "; ".join(ours_of(measured, wanted) for wanted in peer.get("ours", [])) or "nothing to set beside it"
        if "remark" in peer:
            ours += f". {peer['remark']}"
        lines.append([peer["name"], peer["says"], f"<{peer['source']}>", ours])
    return table(["who", "publishes", "where", "ours, another machine and another program"], lines)


BLOCKS = {"machine": machine_table, "bars": bars_table, "others": other_rows, "peers": peers_table}


def marks_of(name):
    return f"<!-- {name}: written by tools/performance -->", f"<!-- end of {name} -->"


def need_places(page):
    """Exits unless the page's text has a place for each table."""
    for begin, end in map(marks_of, BLOCKS):
        if page.count(begin) != 1 or page.count(end) != 1:
            raise SystemExit(f"the page has no place for a table: it wants the lines {begin} and {end}")


def rendered(page, measured, catalogue):
    """The page's text with its tables as they are to be."""
    need_places(page)
    for name, make in BLOCKS.items():
        begin, end = marks_of(name)
        text = "\n".join(make(measured, catalogue))
        page = re.sub(f"{re.escape(begin)}\n.*?{re.escape(end)}", lambda _, t=text: f"{begin}\n{t}\n{end}", page, flags=re.S)
    return page


def rewrite(path, measured, catalogue):
    path.write_text(rendered(path.read_text(), measured, catalogue))
