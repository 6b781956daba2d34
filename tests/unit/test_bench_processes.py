"""Models in processes of their own: ours trains and answers, a dead one is told of; anomalib too where it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import given, peer, results, scaling
from bench.bed import WEIGHTS
from bench.contender import ARTIFACT, Contender
from bench.scaling import Case
from bench.sets import DataSet, without_anomalies
from bench.wire import BenchFailed

from relook.demo.render import Sizes
from relook.vision import artifact
from relook.vision.images import decode
from relook.vision.predict import Predictor

OURS = [sys.executable, "-m", "bench.contender"]
TINY = Sizes(normal=8, each_defect=6, unseen_normal=2, unseen_each=2, defects=("scratch",))


@pytest.fixture(scope="module")
def plates() -> DataSet:
    return given.drawn(TINY)


@pytest.fixture
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(results.ROOT)


@pytest.mark.usefixtures("at_the_root")
def test_ours_trains_in_one_process_and_answers_in_another(plates: DataSet, tmp_path: Path) -> None:
    paths, labels = scaling.make(Case(10, 96), plates.training, tmp_path)
    job: dict[str, Any] = {"training": paths, "labels": labels, "weights": str(tmp_path / "data"), "threads": 1}
    job |= {"seed": 0, "folder": str(tmp_path), "load": ""}
    with Contender(OURS, job) as training:
        fit = training.ready()
    assert fit["fit_seconds"] > 0
    assert fit["peak_mib"] > 50
    with Contender(OURS, job | {"load": str(tmp_path / ARTIFACT)}) as serving:
        assert serving.ready()["load_seconds"] > 0
        answers = [serving.ask(path, heat=True) for path in paths[:2]]
    predictor = Predictor.load(tmp_path / ARTIFACT, 1)
    for path, answer in zip(paths, answers, strict=False):
        assert answer["score"] == predictor.predict(Path(path).read_bytes()).score
        np.testing.assert_array_equal(np.load(answer["heat"]), predictor.heat_map())
        assert answer["milliseconds"] > 0


@pytest.mark.usefixtures("at_the_root")
def test_a_process_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    job = {"training": [], "labels": [], "threads": 1, "folder": str(tmp_path), "load": str(tmp_path / "nothing")}
    with pytest.raises(BenchFailed, match="ArtifactError"), Contender(OURS, job) as nobody:
        nobody.ready()


def test_images_are_made_the_same_each_time_and_no_two_alike(plates: DataSet, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "other")]
    found = []
    for folder in folders:
        folder.mkdir()
        paths, labels = scaling.make(Case(40), plates.training, folder)
        found.append([Path(path).read_bytes() for path in paths])
        assert labels == [False, True] * 20
    assert found[0] == found[1]
    assert len(set(found[0])) == 40


@pytest.mark.parametrize("side", [100, 400])
def test_images_are_brought_to_their_size(plates: DataSet, tmp_path: Path, side: int) -> None:
    [path], _ = scaling.make(Case(1, side), plates.training, tmp_path)
    assert max(decode(Path(path).read_bytes()).shape) == side


@pytest.mark.usefixtures("at_the_root")
def test_ours_looks_at_the_size_that_the_job_gives(plates: DataSet, tmp_path: Path) -> None:
    paths, labels = scaling.make(Case(10, 256), plates.training, tmp_path)
    job: dict[str, Any] = {"training": paths, "labels": labels, "weights": str(tmp_path / "data"), "threads": 1}
    job |= {"seed": 0, "folder": str(tmp_path), "long_sides": [128], "load": ""}
    with Contender(OURS, job) as training:
        training.ready()
    _, card = artifact.read(tmp_path / ARTIFACT)
    [view] = card.views
    assert max(view.size.height, view.size.width) == 128


def test_ratios_have_their_targets_where_the_peer_is_at_its_best() -> None:
    rows = []
    for size, auroc, speed in (("256x256", 0.8, 40.0), ("768x512", 0.9, 400.0)):
        ours = {"auroc": 0.95, "milliseconds": 50.0, "fit_seconds": 10.0, "fit_mib": 500, "serving_mib": 250}
        pinned = ours | {"milliseconds": 20.0}
        theirs = {"auroc": auroc, "milliseconds": speed, "fit_seconds": 300.0, "fit_mib": 1000, "serving_mib": 1250}
        key = ("circuit board", "official", size)
        each = {peer.OURS: ours, peer.PINNED: pinned} | dict.fromkeys(peer.RUNTIMES, theirs)
        rows += [(key, name, values | {"aupro": None}) for name, values in each.items()]
    found = {each.what: each for each in peer._figures(rows)}
    at_its_best = found["images/s, relook, against PatchCore at 768x512, circuit board, official"]
    assert (at_its_best.value, at_its_best.at_least) == (8.0, 5.0)
    given_its_size = found["images/s, relook, size given, against PatchCore at 768x512, circuit board, official"]
    assert (given_its_size.value, given_its_size.at_least) == (20.0, 5.0)
    other = found["images/s, relook, against PatchCore at 256x256, circuit board, official"]
    assert (other.value, other.at_least) == (0.8, None)
    memory = found["peak memory when serving, relook, against PatchCore at 768x512, circuit board, official"]
    assert (memory.value, memory.at_most) == (0.2, 0.2)


def test_only_goes_with_benches_in_steps() -> None:
    command = [sys.executable, "-m", "bench", "startup", "--only", "cookie"]
    done = subprocess.run(command, cwd=results.ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "--only goes with accuracy" in done.stderr


@pytest.mark.clients
@pytest.mark.shared
@pytest.mark.skipif(not peer.STAMP.is_file(), reason="needs anomalib: make .cache/anomalib/.installed")
@pytest.mark.skipif(not WEIGHTS.is_file(), reason="needs ../shared")
@pytest.mark.usefixtures("at_the_root")
def test_anomalib_fits_and_all_its_runtimes_answer(plates: DataSet) -> None:
    case = peer.Case(without_anomalies(plates), "official", 96, 128)
    found = peer.run(case)
    json.dumps(found)
    assert set(found["contenders"]) == {*peer.OWN, *peer.RUNTIMES}
    assert found["trained_on"] == 8
    assert found["contenders"][peer.TORCH]["bank"] == [8 * 12 * 16 // 10, 384]
    for each in found["contenders"].values():
        assert 0 <= each["auroc"] <= 1
        assert 0 <= each["aupro"] <= 1
        assert each["images"] == 4
