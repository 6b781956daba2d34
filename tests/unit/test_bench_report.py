"""The documents say what the result files say, and every result file says where it comes from."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bench import report, results
from bench.results import Figure, Result, Table

MACHINE = {
    "cpu": "A processor",
    "cores": 2,
    "memory_gib": 8.0,
    "system": "Linux 6",
    "precision": "f32",
    "load_average": 0.1,
    "python": "3.11.7",
    "libraries": {"numpy": "2.0"},
}
HEADER = {"name": "load", "command": "python -m bench load", "date": "2026-01-01", "commit": "abc", "machine": MACHINE}


def result(*figures: dict[str, Any]) -> dict[str, Any]:
    details = [{"title": "Details", "columns": ["a", "b"], "rows": [["x|y", 1.5]]}]
    return HEADER | {"title": "Load", "figures": figures, "tables": details, "notes": ["A note."], "seeds": {"it": 7}}


def figure(
    value: float, at_most: float | None = None, at_least: float | None = None, unit: str = "s"
) -> dict[str, Any]:
    target = {"at_most": at_most, "at_least": at_least}
    return {"what": "that", "value": value, "unit": unit, "headline": False} | target


def test_the_documents_are_up_to_date() -> None:
    for path, text in report.documents(results.ROOT).items():
        assert path.read_text("utf-8") == text, f"{path.name}: run python -m bench report"


def test_every_result_says_where_it_comes_from() -> None:
    for path in results.RESULTS.glob("*.json"):
        found = report.read(path)
        whole = rf"python -m bench {path.stem}( --cap \d+)?"
        assert re.fullmatch(whole, found["command"]), "figures of a quick run or of a part are not kept"
        assert set(found["machine"]) == set(MACHINE), path
        assert all(found[key] for key in ("date", "commit", "figures")), path
        assert all(isinstance(seed, int) for seed in found["seeds"].values()), path


@pytest.mark.parametrize(
    ("one", "words", "verdict"),
    [
        (figure(2, at_most=2), "<= 2 s", "met"),
        (figure(2.01, at_most=2), "<= 2 s", "**not met**"),
        (figure(0.93, at_least=0.93, unit=""), ">= 0.93", "met"),
        (figure(0.92, at_least=0.93, unit=""), ">= 0.93", "**not met**"),
        (figure(7), "", ""),
    ],
)
def test_a_target_is_met_or_not(one: dict[str, Any], words: str, verdict: str) -> None:
    assert (report.target(one), report.verdict(one)) == (words, verdict)
    quantity = report.quantity(one)
    assert f"| that | {quantity} | {words} | {verdict} |" in report.section(result(one))


def test_a_section_names_the_machine_and_the_command() -> None:
    text = report.section(result(figure(1)))
    for words in (
        "## Load",
        "`python -m bench load`",
        "A processor, 2 cores, 8.0 GiB",
        "numpy 2.0",
        "it 7",
        "- A note.",
    ):
        assert words in text
    assert "| x\\|y | 1.5 |" in text


def test_the_readme_keeps_what_is_around_its_figures() -> None:
    readme = f"before\n{report.START}\nold\n{report.END}\nafter\n"
    measured = [result(figure(3, at_most=2) | {"headline": True})]
    text = report.with_figures(readme, measured)
    assert text.startswith(f"before\n{report.START}\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "old" not in text
    assert "| that | 3 s | <= 2 s: **not met** | `python -m bench load` |" in text
    assert report.with_figures(text, measured) == text


def test_the_readme_shows_headlines_and_of_each_bench_how_many_targets_are_met() -> None:
    headline = figure(1) | {"headline": True, "what": "the headline"}
    results = [
        result(figure(1), headline, figure(4, at_most=5), figure(6, at_most=5), figure(5, at_most=5)),
        result(figure(1)) | {"title": "Load, again"},
    ]
    text = report.with_figures(report.START + report.END, results)
    assert "| that |" not in text
    assert "\n| the headline | 1 s |  | `python -m bench load` |\n" in text
    where = "2026-01-01, A processor, f32 | `python -m bench load`"
    assert f"\n| [Load](docs/benchmarks.md#load) | 2 of 3 | {where} |\n" in text
    assert f"\n| [Load, again](docs/benchmarks.md#load-again) | none set | {where} |\n" in text


def test_a_readme_before_anything_is_measured_says_so() -> None:
    assert "Nothing has been measured yet." in report.with_figures(report.START + report.END, [])


def test_a_readme_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="the figures go between them"):
        report.with_figures("no markers", [])


def test_a_result_of_no_bench_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps(result()))
    with pytest.raises(ValueError, match=r"no bench writes other\.json"):
        report.read_all(tmp_path)


def test_every_bench_of_the_report_is_there() -> None:
    for name in report.ORDER:
        assert "\ndef measure(bed: Bed) -> Result:\n" in (results.ROOT / "bench" / f"{name}.py").read_text("utf-8")


def test_a_stale_document_is_told_and_mended(tmp_path: Path) -> None:
    for name in ("README.md", "docs/benchmarks.md", "bench"):
        source, target = results.ROOT / name, tmp_path / name
        target.parent.mkdir(exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    page = tmp_path / "docs" / "benchmarks.md"
    before = page.read_text("utf-8")
    page.write_text(before + "\nfaster than light\n")
    check = [sys.executable, "-m", "bench", "report", "--check"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (
        1,
        "docs/benchmarks.md is not what bench/results say: run python -m bench report\n",
    )
    subprocess.run(check[:-1], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert page.read_text("utf-8") == before
    assert subprocess.run(check, cwd=tmp_path, check=False, timeout=60).returncode == 0


def test_a_result_is_written_with_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "QUICK", tmp_path)
    measured = Result("Load", [Figure("that", 3, "s", at_most=4)], [Table("Details", ["a"], [[1]])], seeds={"it": 7})
    found = report.read(results.write("load", measured, quick=True))
    assert found["command"] == "python -m bench load --quick"
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["cpu"]
    assert {"openvino", "numpy"} <= set(found["machine"]["libraries"])
    assert "| that | 3 s | <= 4 s | met |" in report.section(found)
