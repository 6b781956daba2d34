"""The documents' tables, made from the result files: docs/benchmarks.md, and the figures in the README."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.results import RESULTS, ROOT

ORDER = (
    "accuracy",
    "products",
    "fewshot",
    "contaminated",
    "peer",
    "detect",
    "labels",
    "classifiers",
    "detectors",
    "detectors_tiny",
    "many",
    "latency",
    "training",
    "scaling",
    "startup",
    "load",
    "precision",
    "gpu",
    "transform",
    "invoke",
    "hosting",
)
STEPPED = (
    "accuracy",
    "products",
    "fewshot",
    "contaminated",
    "peer",
    "classifiers",
    "detectors",
    "detectors_tiny",
    "many",
    "scaling",
    "precision",
)
"""Those that keep each step in .cache/bench, and so can be interrupted, or asked for a part."""
START, END = "<!-- figures -->", "<!-- /figures -->"
_names = ", ".join(f"`{name}`" for name in STEPPED)
_HEAD = f"""# Benchmarks

`make bench` measures on your machine and writes `bench/results/*.json`; `python -m bench report` makes this page and
the README's table from those files. One bench alone: `python -m bench NAME`. Real pictures and ImageNet weights are
taken from `../shared`; where that is absent, pictures are drawn and the built-in weights used, and the result says so.
The long ones ({_names}) keep each step in `.cache/bench`: interrupted, they go on where
they were, as long as the engine's code is the same; `--only WORD` does a part of them. `peer` needs anomalib:
`make .cache/anomalib/.installed`. `detectors` and
`detectors_tiny` train YOLOX-tiny, too, where its environment is:
`make .cache/peer-detector/.installed`.
"""


def main(*, check: bool) -> int:
    """Write the documents, or with `check` only say which are out of date; the exit code."""
    stale = [path for path, text in documents(ROOT).items() if path.read_text("utf-8") != text]
    for path in stale:
        if check:
            print(
                f"{path.relative_to(ROOT)} is not what bench/results say: run python -m bench report", file=sys.stderr
            )
        else:
            path.write_text(documents(ROOT)[path], "utf-8")
            print(f"{path.relative_to(ROOT)} brought up to date", file=sys.stderr)
    return int(check and bool(stale))


def documents(root: Path) -> dict[Path, str]:
    """What each generated document should say."""
    found = read_all(root / RESULTS.relative_to(ROOT))
    readme = root / "README.md"
    return {
        root / "docs" / "benchmarks.md": "\n".join([_HEAD, *(section(each) + "\n" for each in found)]),
        readme: with_figures(readme.read_text("utf-8"), found),
    }


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def read_all(folder: Path) -> list[dict[str, Any]]:
    """Every result file, in the order in which they are reported."""
    found = {path.stem: read(path) for path in folder.glob("*.json")}
    unknown = set(found) - set(ORDER)
    if unknown:
        raise ValueError(f"{folder}: no bench writes {', '.join(sorted(unknown))}.json: remove it, or add it to ORDER")
    return [found[name] for name in ORDER if name in found]


def section(result: dict[str, Any]) -> str:
    """One result as a section of Markdown."""
    figures = [[each["what"], quantity(each), target(each), verdict(each)] for each in result["figures"]]
    parts = [f"## {result['title']}", table(("figure", "measured", "target", ""), figures)]
    for each in result["tables"]:
        parts += [f"{each['title']}:", table(each["columns"], each["rows"])]
    parts += ["\n".join(f"- {note}" for note in result["notes"])] if result["notes"] else []
    return "\n\n".join([*parts, provenance(result)])


def provenance(result: dict[str, Any]) -> str:
    """Where, when and how it was measured."""
    machine = result["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    seeds = ", ".join(f"{name} {seed}" for name, seed in result["seeds"].items()) or "none"
    return (
        f"`{result['command']}` on {result['date']} at {result['commit']}; {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['precision']}, {machine['system']}; load average at the end "
        f"{machine['load_average']}. Seeds: {seeds}. Python {machine['python']}, {libraries}."
    )


def with_figures(text: str, results: Iterable[dict[str, Any]]) -> str:
    """The README with the table of figures between its markers. Raises ValueError when a marker is missing."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"README.md needs the lines {START} and {END}: the figures go between them")
    found = list(results)
    parts = [headlines(found), targets(found)] if found else ["Nothing has been measured yet."]
    body = "\n\n".join(part for part in parts if part)
    return f"{before}{START}\n\n{body}\n\n{END}{after}"


def headlines(results: Iterable[dict[str, Any]]) -> str:
    """The figures that a bench says are its first; nothing where none has any."""
    rows = []
    for result in results:
        for each in result["figures"]:
            if each["headline"]:
                wanted = f"{target(each)}: {verdict(each)}" if verdict(each) else ""
                rows.append([each["what"], quantity(each), wanted, f"`{result['command']}`"])
    return table(("what", "figure", "target", "measured by"), rows) if rows else ""


def targets(results: Iterable[dict[str, Any]]) -> str:
    """Of each bench, how many targets are met, and where and when that was measured."""
    rows = []
    for result in results:
        verdicts = [verdict(each) for each in result["figures"] if verdict(each)]
        met = f"{verdicts.count('met')} of {len(verdicts)}" if verdicts else "none set"
        machine = f"{result['machine']['cpu']}, {result['machine']['precision']}"
        link = f"[{result['title']}](docs/benchmarks.md#{anchor(result['title'])})"
        rows.append([link, met, f"{result['date'].split()[0]}, {machine}", f"`{result['command']}`"])
    return table(("bench", "targets met", "measured", "again by"), rows)


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def quantity(figure: dict[str, Any]) -> str:
    return f"{figure['value']:,} {figure['unit']}".strip()


def target(figure: dict[str, Any]) -> str:
    """`<= 5.0 ms`, `>= 0.93`, or nothing."""
    for sign, limit in (("<=", figure["at_most"]), (">=", figure["at_least"])):
        if limit is not None:
            return f"{sign} {limit:g} {figure['unit']}".strip()
    return ""


def verdict(figure: dict[str, Any]) -> str:
    """Whether the target is met; nothing where there is none."""
    value, most, least = figure["value"], figure["at_most"], figure["at_least"]
    if most is None and least is None:
        return ""
    fine = (most is None or value <= most) and (least is None or value >= least)
    return "met" if fine else "**not met**"


def table(columns: Sequence[str], rows: Iterable[Sequence[str | float]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
