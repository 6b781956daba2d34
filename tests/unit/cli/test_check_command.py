"""`relook check` as a user types it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from relook.cli import main

SIDE = 96


def picture(seed: int, frame: int | None = None) -> bytes:
    """A noisy plate with a disc; `frame` is the grey of an 8-pixel border."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(140, 12, (SIDE, SIDE, 1)).repeat(3, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    pixels[np.hypot(rows - 48 - seed % 5, columns - 48 - seed % 3) < 20] = (60, 70, 90)
    if frame is not None:
        for part in (pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:]):
            part += frame
    out = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def folder_with(root: Path, frame: int | None = None) -> Path:
    for name, first, shown in (("good", 0, None), ("bad", 100, frame)):
        (root / name).mkdir(parents=True)
        for at in range(12):
            (root / name / f"{at}.png").write_bytes(picture(first + at, shown))
    return root


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *(str(argument) for argument in arguments)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_clean_folder_exits_with_0_even_when_strict(tmp_path: Path, data: Path) -> None:
    done = run(folder_with(tmp_path / "set"), "--data", data, "--strict")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("24 images for training, 0 others\n")
    assert "warning:" not in done.stdout
    assert "AUROC" in done.stdout
    assert "relook weights" not in done.stdout  # the weights that come along need no excuse


def test_findings_are_lines_that_scripts_can_read(tmp_path: Path, data: Path) -> None:
    done = run(folder_with(tmp_path / "set", frame=40), "--data", data)
    assert done.exit_code == 0
    [line] = [line for line in done.stdout.splitlines() if "border of the pictures" in line]
    assert line.startswith("warning: shortcut: ")
    assert "bad/" in line
    assert done.stderr == ""


def test_strict_makes_findings_an_exit_code(tmp_path: Path, data: Path) -> None:
    assert run(folder_with(tmp_path / "set", frame=40), "--data", data, "--strict").exit_code == 3


def test_json_has_every_image_of_a_finding(tmp_path: Path, data: Path) -> None:
    root = folder_with(tmp_path / "set")
    (root / "good" / "copy.png").write_bytes((root / "bad" / "3.png").read_bytes())
    (root / "good" / "broken.png").write_bytes(picture(1)[:900])
    (root / "good" / "readme.txt").write_text("no picture")
    report = json.loads(run(root, "--data", data, "--json").stdout)
    kinds = {finding["kind"]: finding for finding in report["findings"]}
    assert kinds["damaged"]["images"] == ["good/broken.png"]
    assert sorted(kinds["contradiction"]["groups"][0]) == ["bad/3.png", "good/copy.png"]
    assert report["worst"] == "error"
    assert report["training_images"] == 25
    assert [note for note in report["remarks"] if "readme.txt" in note]
    assert not [note for note in report["remarks"] if "broken.png" in note]
    assert report["probes"][0]["cue"] == "whole picture"


def manifest(path: Path, names: list[str]) -> Path:
    lines = []
    for name in names:
        label = "normal" if "good" in name else "anomaly"
        kind = {"class-name": label, "type": "groundtruth/image-classification", "human-annotated": "yes"}
        lines.append(json.dumps({"source-ref": f"s3://bucket/{name}", "label": 0, "label-metadata": kind}))
    path.write_text("\n".join(lines))
    return path


def test_two_manifests_are_training_and_test_by_their_names(tmp_path: Path, data: Path) -> None:
    root = folder_with(tmp_path / "set")
    (root / "good" / "again.png").write_bytes((root / "good" / "2.png").read_bytes())
    train = manifest(root / "train.manifest", [f"{label}/{at}.png" for label in ("good", "bad") for at in range(9)])
    test = manifest(root / "test.manifest", ["good/again.png", "good/9.png", "bad/9.png", "good/10.png", "bad/10.png"])
    report = json.loads(run(train, test, "--data", data, "--json").stdout)
    assert report["training_images"] == 18
    [leak] = [finding for finding in report["findings"] if finding["kind"] == "leakage"]
    assert leak["groups"] == [["good/2.png", "good/again.png"]]


def test_several_folders_are_told_apart_by_their_paths(tmp_path: Path, data: Path) -> None:
    one, other = folder_with(tmp_path / "one"), folder_with(tmp_path / "other")
    report = json.loads(run(one, other, "--data", data, "--json").stdout)
    [copies] = [finding for finding in report["findings"] if finding["kind"] == "duplicate"]
    assert copies["figures"] == {"images": 48, "groups": 24}
    assert [f"{one}/good/0.png", f"{other}/good/0.png"] in copies["groups"]


def test_a_folder_of_no_known_layout_cannot_be_checked(tmp_path: Path, data: Path) -> None:
    (tmp_path / "set" / "photos").mkdir(parents=True)
    done = run(tmp_path / "set", "--data", data)
    assert done.exit_code == 1
    assert "expected one of" in done.output


def test_folders_by_label_are_said_to_be_no_layout_of_lookout(tmp_path: Path, data: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        (tmp_path / "pictures" / name / "0.png").write_bytes(picture(0))
    for root in (tmp_path, tmp_path / "pictures"):
        done = run(root, "--data", data)
        assert done.exit_code == 1
        assert "is in no layout that is known here (found " in done.stderr
        assert "known are Lookout's, of normal pictures and anomalies, not a folder for each label of" in done.stderr


@pytest.mark.parametrize("options", [(), ("--json",), ("--strict",)])
def test_a_manifest_of_which_every_line_is_skipped_cannot_be_checked(
    tmp_path: Path, data: Path, options: tuple[str, ...]
) -> None:
    root = folder_with(tmp_path / "set")
    lines = manifest(root / "x.manifest", ["good/0.png", "bad/0.png"]).read_text()
    (root / "x.manifest").write_text(lines.replace('"normal"', '"cat"').replace('"anomaly"', '"dog"'))
    done = run(root / "x.manifest", "--data", data, *options)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "there is nothing to check in the Lookout manifest x.manifest. Skipped x.manifest line 1" in done.stderr
    assert "it is labelled neither normal nor anomaly" in done.stderr
    assert "sets of Custom Labels are checked by their training" in done.stderr


def test_a_set_of_damaged_pictures_alone_is_a_finding(tmp_path: Path, data: Path) -> None:
    root = folder_with(tmp_path / "set")
    for path in root.glob("*/*.png"):
        path.write_bytes(b"torn")
    done = run(root, "--data", data)
    assert (done.exit_code, "error: damaged: " in done.stdout) == (0, True), done.output


def test_a_seed_below_0_is_a_usage_error(tmp_path: Path, data: Path) -> None:
    done = run(folder_with(tmp_path / "set"), "--data", data, "--seed", "-1")
    assert (done.exit_code, "--seed" in done.stderr) == (2, True), done.output


def test_nothing_to_look_at_is_a_usage_error() -> None:
    assert run().exit_code == 2
