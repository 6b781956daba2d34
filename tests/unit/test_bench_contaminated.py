"""Which images get a wrong label in the bench of wrong labels, and which keep theirs."""

from __future__ import annotations

import pytest
from bench import contaminated, given
from bench.contaminated import ALONE, BESIDE, SHARES, Case, mislabelled
from bench.sets import DataSet

from relook.demo.render import Sizes


@pytest.fixture(scope="module")
def plates() -> DataSet:
    return given.drawn(Sizes(normal=40, each_defect=12, unseen_normal=2, unseen_each=2, defects=("scratch",)))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_larger_share_has_the_wrong_labels_of_a_smaller_one(plates: DataSet, seed: int) -> None:
    truth = {sample.key: sample.anomalous for sample in plates.training}
    found = {share: mislabelled(plates, Case(share, BESIDE), seed) for share in SHARES}
    wrong = [keys for _, keys in found.values()]
    assert [len(keys) for keys in wrong] == [0, 2, 6]
    assert wrong[0] < wrong[1] < wrong[2]
    for samples, keys in found.values():
        assert {sample.key for sample in samples if sample.anomalous != truth[sample.key]} == keys
        assert not any(sample.mask for sample in samples)
        assert sum(not truth[sample.key] for sample in samples) == 40
    labelled = [{sample.key for sample in samples if sample.anomalous} for samples, _ in found.values()]
    assert labelled[0] == labelled[1] == labelled[2]
    assert len(labelled[0]) == 12 - 6
    assert not labelled[0] & wrong[2]


def test_from_normals_alone_the_other_anomalies_are_left_out(plates: DataSet) -> None:
    samples, wrong = mislabelled(plates, Case(SHARES[-1], ALONE), seed=0)
    assert len(samples) == 40 + len(wrong)
    assert not any(sample.anomalous for sample in samples)
    assert mislabelled(plates, Case(SHARES[-1], BESIDE), seed=0)[1] == wrong
    assert mislabelled(plates, Case(SHARES[-1], ALONE), seed=1)[1] != wrong


def test_figures_are_of_all_sets_and_seeds_together() -> None:
    def tried(wrong: int, named: int, area: float) -> dict[str, float]:
        return {"wrong": wrong, "named": named, "auroc": area}

    found = {
        ("a", Case(SHARES[0], ALONE)): [tried(0, 0, 0.9), tried(0, 0, 1.0)],
        ("a", Case(SHARES[1], ALONE)): [tried(1, 1, 0.8), tried(1, 0, 0.9)],
        ("b", Case(SHARES[1], ALONE)): [tried(2, 2, 1.0)],
    }
    figures = {each.what: each.value for each in contaminated._figures(found)}
    assert figures == {
        "wrong labels that are named, normals only": 75.0,
        "mean AUROC with 0% of the normals wrong, normals only": 0.95,
        "mean AUROC with 5% of the normals wrong, normals only": 0.9,
    }
