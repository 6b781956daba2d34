"""Steps of a long bench are kept, found again for other code, and left out on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bench import kept
from bench.kept import Steps


class Work:
    """Counts how often it is done."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> dict[str, Any]:
        self.times += 1
        return {"value": (1, 2.5), "time": self.times}


def test_a_step_is_found_once_and_then_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = Work()
    first = Steps("that", folder=tmp_path, code="a").run("one", work)
    again = Steps("that", folder=tmp_path, code="a").run("one", work)
    assert first == again == {"value": [1, 2.5], "time": 1}
    assert work.times == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("that: step 1, one: ")
    assert lines[1] == "that: step 1, one: kept from an earlier run"


def test_other_code_other_benches_and_other_steps_are_found_anew(tmp_path: Path) -> None:
    work = Work()
    for bench, code, name in (("that", "a", "one"), ("that", "b", "one"), ("other", "a", "one"), ("that", "a", "two")):
        Steps(bench, folder=tmp_path, code=code).run(name, work)
    assert work.times == 4


def test_an_interruption_loses_its_own_step_alone(tmp_path: Path) -> None:
    def interrupted() -> dict[str, Any]:
        raise KeyboardInterrupt

    steps, work = Steps("that", folder=tmp_path, code="a"), Work()
    steps.run("one", work)
    with pytest.raises(KeyboardInterrupt):
        steps.run("two", interrupted)
    again = Steps("that", folder=tmp_path, code="a")
    again.run("one", work)
    assert work.times == 1
    assert again.run("two", work) == {"value": [1, 2.5], "time": 2}


def test_only_the_steps_with_the_word_are_run(tmp_path: Path) -> None:
    steps, work = Steps("that", only="Cookie", folder=tmp_path, code="a"), Work()
    assert steps.run("circuit board / fold 1", work) is None
    assert steps.run("cookie / fold 1", work) is not None
    assert (work.times, steps.done) == (1, 1)


def test_the_fingerprint_is_of_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "ROOT", tmp_path)
    files = {"src/relook/vision/train.py": "a", "src/relook/vision/pretrain/distill.py": "b", "bench/report.py": "c"}
    files |= {f"bench/{name}.py": name for name in ("accuracy", "fewshot", *kept._SHARED)}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    before = kept.fingerprint("accuracy")
    for name in ("src/relook/vision/pretrain/distill.py", "bench/report.py", "bench/fewshot.py"):
        (tmp_path / name).write_text("altered")
        assert kept.fingerprint("accuracy") == before, name
    seen = {before}
    for name in ("src/relook/vision/train.py", "bench/accuracy.py", "bench/judge.py"):
        (tmp_path / name).write_text("altered")
        seen.add(kept.fingerprint("accuracy"))
    assert len(seen) == 4
    monkeypatch.setattr(kept, "processor", lambda: "another one, 2 cores, bf16")
    assert kept.fingerprint("accuracy") not in seen


@pytest.mark.parametrize("bench", ["detectors", "detectors_peer", "many"])
def test_sets_with_boxes_and_the_time_for_them_count_for_what_learns_from_them(
    bench: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "ROOT", tmp_path)
    (tmp_path / "bench").mkdir()
    for name in (bench, *kept._SHARED, *kept._OWN[bench]):
        (tmp_path / "bench" / f"{name}.py").write_text(name)
    before = kept.fingerprint(bench)
    (tmp_path / "bench" / "boxed.py").write_text("altered")
    assert kept.fingerprint(bench) != before


def test_what_is_drawn_counts_for_the_bench_that_draws_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "ROOT", tmp_path)
    drawn = tmp_path / "bench" / "drawn" / "parts.py"
    drawn.parent.mkdir(parents=True)
    for name in ("accuracy", "products", *kept._SHARED):
        (tmp_path / "bench" / f"{name}.py").write_text(name)
    drawn.write_text("a")
    before = [kept.fingerprint(name) for name in ("accuracy", "products")]
    drawn.write_text("altered")
    after = [kept.fingerprint(name) for name in ("accuracy", "products")]
    assert after[0] == before[0]
    assert after[1] != before[1]
