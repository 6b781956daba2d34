from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relook.demo.errors import PicturesError
from relook.demo.layouts import plain_label, read_pictures
from relook.demo.pictures import Picture, Truth, count
from relook.demo.plan import make_plan

WriteFolder = Callable[[str, int], None]
SHARED = Path(__file__).parents[4] / "shared" / "data"


def sizes(pictures: tuple[Picture, ...]) -> tuple[int, int]:
    return count(pictures, Truth.NORMAL), count(pictures, Truth.ANOMALY)


@pytest.mark.parametrize(("normal", "anomaly"), [("normal", "anomaly"), ("good", "bad"), ("Good", "Defects")])
def test_one_folder_with_two_classes(tmp_path: Path, write_folder: WriteFolder, normal: str, anomaly: str) -> None:
    write_folder(normal, 3)
    write_folder(anomaly, 2)
    pools = read_pictures(tmp_path)
    assert sizes(pools.train) == (3, 2)
    assert [picture.name for picture in pools.train[:3]] == [f"{normal}/1.png", f"{normal}/2.png", f"{normal}/3.png"]
    assert (pools.test, pools.extra, pools.notes) == ((), (), ())


def test_train_test_and_extra(tmp_path: Path, write_folder: WriteFolder) -> None:
    for folder, number in {
        "train/good": 4,
        "train/bad": 1,
        "test/good": 2,
        "test/anomaly": 3,
        "extra/normal": 1,
    }.items():
        write_folder(folder, number)
    pools = read_pictures(tmp_path)
    assert (sizes(pools.train), sizes(pools.test), sizes(pools.extra)) == ((4, 1), (2, 3), (1, 0))
    assert pools.source == "train/ and test/ and extra/"


def mvtec(write_folder: WriteFolder, write_mask: Callable[[str], Path], defects: dict[str, int]) -> None:
    write_folder("train/good", 15)
    write_folder("test/good", 12)
    for defect, number in defects.items():
        write_folder(f"test/{defect}", number)
        for index in range(1, number + 1):
            write_mask(f"ground_truth/{defect}/{index}_mask.png")


def test_mvtec_masks_become_colours_on_white(
    tmp_path: Path, write_folder: WriteFolder, write_mask: Callable[[str], Path]
) -> None:
    mvtec(write_folder, write_mask, {"broken_large": 21, "hole": 22})
    pools = read_pictures(tmp_path)
    assert pools.source == "the MVTec AD layout"
    assert (sizes(pools.train), sizes(pools.test)) == ((15, 0), (12, 43))
    hole = next(picture for picture in pools.test if picture.name == "test/hole/2.png")
    assert hole.mask is not None
    assert dict(hole.mask.colours) == {"#14A3B3": "hole"}
    with Image.open(io.BytesIO(hole.mask.load())) as mask:
        assert (mask.mode, mask.size, mask.format) == ("RGB", (80, 64), "PNG")
        pixels = np.asarray(mask)
    assert (pixels[25, 35] == (0x14, 0xA3, 0xB3)).all()
    assert (pixels[0, 0] == 255).all()
    assert int((pixels != 255).any(axis=2).sum()) == 100
    labels = {label for picture in pools.test if picture.mask for label in picture.mask.labels}
    assert labels == {"brokenLarge", "hole"}


def test_scarce_mvtec_defects_share_a_label(
    tmp_path: Path, write_folder: WriteFolder, write_mask: Callable[[str], Path]
) -> None:
    mvtec(write_folder, write_mask, {"cut": 14, "hole": 15})
    pools = read_pictures(tmp_path)
    assert {label for picture in pools.test if picture.mask for label in picture.mask.labels} == {"defect"}
    assert any("cut (14), hole (15)" in note for note in pools.notes)
    plan = make_plan(pools)
    assert plan.labels == {"defect": "#23A436"}
    assert plan.test == ()
    assert count(plan.train, Truth.ANOMALY) >= 20
    assert count(plan.unseen, Truth.ANOMALY) >= 1


def test_mvtec_with_few_defects_trains_on_normals_only(
    tmp_path: Path, write_folder: WriteFolder, write_mask: Callable[[str], Path]
) -> None:
    mvtec(write_folder, write_mask, {"cut": 13})
    plan = make_plan(read_pictures(tmp_path))
    assert sizes(plan.train) == (15, 0)
    assert count(plan.test, Truth.ANOMALY) >= 10
    assert plan.labels == {}
    assert any("The masks are not used" in note for note in plan.notes)


def test_files_that_are_no_images_are_named(tmp_path: Path, write_folder: WriteFolder) -> None:
    write_folder("normal", 2)
    write_folder("anomaly", 1)
    (tmp_path / "normal" / "readme.txt").write_text("hello")
    (tmp_path / "normal" / "broken.png").write_bytes(b"\x89PNG nothing else")
    (tmp_path / "normal" / ".DS_Store").write_bytes(b"")
    pools = read_pictures(tmp_path)
    assert sizes(pools.train) == (2, 1)
    assert "Skipped normal/readme.txt: not an image file." in pools.notes
    assert "Skipped normal/broken.png: is not an image that can be read." in pools.notes
    assert len(pools.notes) == 2


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (["apples", "pears"], ["in no layout that is known", "apples/", "MVTec"]),
        (["anomaly"], ["no folder of normal pictures"]),
        (["good"], ["no folder of anomalies"]),
        (["bottle/train/good"], ["holds several sets", "bottle"]),
    ],
)
def test_unknown_layouts_say_what_is_expected(
    tmp_path: Path, write_folder: WriteFolder, folders: list[str], words: list[str]
) -> None:
    for folder in folders:
        write_folder(folder, 1)
    with pytest.raises(PicturesError) as caught:
        read_pictures(tmp_path)
    assert all(word in str(caught.value) for word in words)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PicturesError, match="nowhere is not there"):
        read_pictures(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "label"),
    [("broken_large", "brokenLarge"), ("hole", "hole"), ("metal nut-2", "metalNut2"), ("--", "defect")],
)
def test_labels_have_letters_and_digits_only(name: str, label: str) -> None:
    assert plain_label(name) == label


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "train", "test", "unseen", "labels"),
    [
        ("lookout_cookie", (31, 32), (0, 0), (14, 8), {"cracked": "#23A436"}),
        ("lookout_circuitboard_1000px", (20, 20), (20, 20), (10, 10), {}),
        ("lookout_aliens", (40, 0), (14, 48), (4, 12), {}),
    ],
)
def test_real_sets(
    name: str, train: tuple[int, int], test: tuple[int, int], unseen: tuple[int, int], labels: dict[str, str]
) -> None:
    if not SHARED.is_dir():
        pytest.skip("../shared is absent")
    plan = make_plan(read_pictures(SHARED / name))
    assert (sizes(plan.train), sizes(plan.test), sizes(plan.unseen)) == (train, test, unseen)
    assert plan.labels == labels
    assert not any("Skipped" in note for note in plan.notes)
