"""Each fault is planted into rendered parts, and none is found where none was planted."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import rendered_parts as parts
from narrow_network import narrow_backbone
from PIL import Image, ImageDraw, ImageEnhance

from relook.vision.check import Finding, Kind, Report, Severity, check, contamination, groups, run
from relook.vision.check.duplicates import Entry
from relook.vision.check.facts import Facts, gather
from relook.vision.check.probes import probe
from relook.vision.runtime import Precision
from relook.vision.samples import Sample, TrainingError
from relook.vision.sifting import Sifted, sift
from relook.vision.turns import TURNS, Turn

Change = Callable[[Image.Image], Image.Image]
EXIF_MODEL, EXIF_DATE = 272, 306


def report_on(training: Sequence[Sample], test: Sequence[Sample] = (), seed: int = 3) -> Report:
    return check(training, test, narrow_backbone(), seed=seed, precision=Precision.F32, progress=parts.ignore)


def found(report: Report, kind: Kind) -> list[Finding]:
    return [finding for finding in report.findings if finding.kind is kind]


def cues(report: Report) -> set[str]:
    """The words of the shortcuts that were found."""
    return {finding.sentence for finding in found(report, Kind.SHORTCUT)}


def with_bytes(sample: Sample, data: bytes, key: str | None = None) -> Sample:
    return replace(sample, load=lambda: data, key=key or sample.key)


def image_of(sample: Sample) -> Image.Image:
    return Image.open(io.BytesIO(sample.load())).convert("RGB")


def changed(sample: Sample, change: Change, key: str | None = None) -> Sample:
    return with_bytes(sample, parts.png(change(image_of(sample))), key)


def jpeg(image: Image.Image, quality: int = 90, exif: Image.Exif | None = None) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, exif=exif or Image.Exif())
    return out.getvalue()


def anomalies_changed(change: Change) -> list[Sample]:
    """16 normals as they are, 16 anomalies with a change that has nothing to do with the defect."""
    return [changed(sample, change) if sample.anomalous else sample for sample in parts.samples(0, 16, 16)]


def darker_border(image: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, image.width - 1, image.height - 1), outline=(95, 95, 100), width=8)
    return image


@pytest.mark.parametrize("seed", [0, 1000, 2000])
def test_clean_sets_have_no_finding(seed: int) -> None:
    report = report_on(parts.samples(seed, 20, 20), parts.samples(seed + 100, 10, 10))
    assert [finding for finding in report.findings if finding.severity is not Severity.INFO] == []
    assert report.notes() == []
    assert len(report.suspects) <= 1


def test_a_border_that_tells_the_label_is_found() -> None:
    report = report_on(anomalies_changed(darker_border))
    [finding] = [each for each in found(report, Kind.SHORTCUT) if "border of the pictures" in each.sentence]
    assert finding.severity is Severity.WARNING
    assert finding.figures["auroc"] > 0.95
    assert len(finding.images) == 6
    assert finding.images[0].endswith("True.png")
    assert finding.images[1].endswith("False.png")
    assert any("middle painted over" in note for note in report.notes())


def test_a_strip_has_no_border_to_be_told_from() -> None:
    def strip(image: Image.Image) -> Image.Image:
        return image.resize((1024, 96))

    report = report_on([changed(sample, strip) for sample in anomalies_changed(darker_border)])
    tried = {probe.cue for probe in report.probes}
    assert "brightness and colour" in tried
    assert not tried & {"border", "background"}


def test_brightness_that_tells_the_label_is_found() -> None:
    report = report_on(anomalies_changed(lambda image: ImageEnhance.Brightness(image).enhance(1.15)))
    assert any("brightness and colour" in words for words in cues(report))


def test_size_that_tells_the_label_is_found() -> None:
    report = report_on(anomalies_changed(lambda image: image.resize((image.width * 2, image.height * 2))))
    assert any("width and height" in words for words in cues(report))
    assert "2 different sizes" in found(report, Kind.SIZES)[0].sentence


def test_a_file_format_that_tells_the_label_is_found() -> None:
    training = [
        with_bytes(sample, jpeg(image_of(sample), 80 if sample.anomalous else 92))
        for sample in parts.samples(0, 16, 16)
    ]
    assert any("file format" in words for words in cues(report_on(training)))


def test_the_camera_and_the_time_that_tell_the_label_are_found() -> None:
    training = []
    for at, sample in enumerate(parts.samples(0, 16, 16)):
        exif = Image.Exif()
        exif[EXIF_MODEL] = "Other" if sample.anomalous else "One"
        exif[EXIF_DATE] = f"2024:05:{1 + sample.anomalous:02d} 10:{at:02d}:00"
        training.append(with_bytes(sample, jpeg(image_of(sample), exif=exif)))
    report = report_on(training)
    assert any("camera or software" in words for words in cues(report))
    [time] = [each for each in found(report, Kind.SHORTCUT) if "different times" in each.sentence]
    assert time.severity is Severity.INFO


def test_too_few_anomalies_are_never_a_shortcut() -> None:
    report = report_on(anomalies_changed(darker_border)[:20])
    assert report.probes == ()
    assert cues(report) == set()


@pytest.mark.parametrize(
    "copy",
    [
        parts.png,
        lambda image: jpeg(image, 70),
        lambda image: parts.png(ImageEnhance.Brightness(image).enhance(1.08)),
        lambda image: parts.png(ImageEnhance.Contrast(image).enhance(0.9)),
    ],
    ids=["same", "jpeg", "brighter", "flatter"],
)
def test_copies_in_training_and_test_are_leakage(copy: Callable[[Image.Image], bytes]) -> None:
    training, test = parts.samples(0, 20, 10), parts.samples(200, 10, 10)
    test[3] = with_bytes(training[5], copy(image_of(training[5])), "s3://parts/again.png")
    [leak] = found(report_on(training, test), Kind.LEAKAGE)
    assert leak.groups == ((training[5].key, "s3://parts/again.png"),)
    assert leak.severity is Severity.WARNING
    assert "turned" not in leak.sentence


def turned(sample: Sample, turn: Turn, key: str) -> Sample:
    return with_bytes(sample, jpeg(Image.fromarray(turn.apply(np.asarray(image_of(sample)))), 70), key)


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_turned_copies_in_training_and_test_are_leakage(turn: Turn) -> None:
    training, test = parts.samples(0, 20, 10), parts.samples(200, 10, 10)
    test[3] = turned(training[5], turn, "s3://parts/again.png")
    [leak] = found(report_on(training, test), Kind.LEAKAGE)
    assert leak.groups == ((training[5].key, "s3://parts/again.png"),)
    assert "as copies (1 of them turned or mirrored)" in leak.sentence


def test_a_set_enlarged_with_mirrored_copies_has_half_as_many_pictures() -> None:
    training = parts.samples(0, 20, 10)
    mirrored = [turned(sample, Turn(0, mirrored=True), f"{sample.key}-mirrored") for sample in training]
    report = run.check(
        [*training, *mirrored], [], narrow_backbone(), seed=3, precision=Precision.F32, progress=parts.ignore,
        teaching=True,
    )  # fmt: skip
    assert set(report.copies) == {(sample.key, f"{sample.key}-mirrored") for sample in training}


def test_a_part_that_lies_wrongly_contradicts_nothing() -> None:
    training = parts.samples(0, 20, 10)
    training.append(replace(turned(training[2], Turn(2), "s3://parts/other.png"), anomalous=True))
    kinds = {finding.kind for finding in report_on(training).findings}
    assert not kinds & {Kind.CONTRADICTION, Kind.DUPLICATE, Kind.LEAKAGE}


def test_one_picture_with_both_labels_is_a_contradiction() -> None:
    training = parts.samples(0, 20, 10)
    training.append(replace(training[2], key="s3://parts/other.png", anomalous=True))
    [contradiction] = found(report_on(training), Kind.CONTRADICTION)
    assert contradiction.groups == ((training[2].key, "s3://parts/other.png"),)


def test_copies_within_training_are_told_mildly() -> None:
    training = parts.samples(0, 20, 10)
    training.append(replace(training[2], key="s3://parts/other.png"))
    [copies] = found(report_on(training), Kind.DUPLICATE)
    assert copies.severity is Severity.INFO
    assert copies.figures == {"images": 2, "groups": 1}


def with_a_hole(sample: Sample) -> Sample:
    def drill(image: Image.Image) -> Image.Image:
        ImageDraw.Draw(image).ellipse((70, 50, 106, 86), fill=(240, 60, 60))
        return image

    return replace(changed(sample, drill), key=f"s3://parts/planted-{sample.key[-12:]}")


@pytest.mark.parametrize("labelled", [0, 12], ids=["normals alone", "with anomalies"])
def test_anomalies_among_the_normals_are_suspects(labelled: int) -> None:
    planted = [with_a_hole(sample) for sample in parts.samples(300, 2, 0)]
    training = [*parts.samples(0, 24, 0), *planted]
    training += [replace(with_a_hole(sample), anomalous=True) for sample in parts.samples(400, labelled, 0)]
    report = report_on(training)
    assert set(report.suspects[:2]) == {sample.key for sample in planted}
    assert len(report.suspects) <= 3
    [finding] = found(report, Kind.MISLABELLED)
    assert set(finding.images[:2]) == {sample.key for sample in planted}


def patches(images: int) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 1, (images, 64, 8)).astype(np.float16)


def test_copies_of_an_anomaly_among_the_normals_do_not_vouch_for_each_other() -> None:
    seen = patches(12)
    seen[10, :4] += 9  # a defect, and the picture is there twice
    seen[11] = seen[10]
    copy_of = np.array([*range(11), 10])
    strange = contamination.strangeness(seen, copy_of, 1)
    assert strange[10] == strange[11] > contamination.VERY_FAR
    assert (strange[:10] < contamination.FAR).all()
    assert contamination.strangeness(seen, np.arange(12), 1)[10] < 0, "as they would if they were not copies"


def test_what_is_there_once_is_not_strange_beside_what_is_there_twice() -> None:
    seen = patches(12)
    seen[8:] = seen[4:8]
    copy_of = np.array([*range(8), *range(4, 8)])
    assert (contamination.strangeness(seen, copy_of, 1) < contamination.FAR).all()
    assert (contamination.strangeness(seen, np.arange(12), 1)[:4] > contamination.VERY_FAR).any()


def test_where_nearly_all_is_one_picture_each_image_stands_for_itself() -> None:
    seen = np.repeat(patches(2), [10, 2], axis=0)
    copies = contamination.strangeness(seen, np.repeat([0, 10], [10, 2]), 1)
    assert np.array_equal(copies, contamination.strangeness(seen, np.arange(12), 1))


def test_copies_are_looked_for_before_normals_are_called_strange() -> None:
    normals = parts.samples(0, 11, 0)
    again = replace(normals[0], key="s3://parts/again.png")
    anomalous, copy_of = np.zeros(12, bool), np.array([*range(11), 0])
    judged = contamination.suspicion(patches(12), None, anomalous, copy_of, 1)
    assert judged[0] == judged[11]
    with pytest.MonkeyPatch.context() as patched:
        seen: list[list[int]] = []
        patched.setattr(contamination, "strangeness", lambda _, copies, seed: seen.append(copies.tolist()) or copies)
        report_on([*normals, again])
    assert seen == [copy_of.tolist()]


@pytest.mark.parametrize("labelled", [0, 12], ids=["normals alone", "with anomalies"])
def test_suspects_are_found_among_more_normals_than_are_looked_at_together(
    labelled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MOST", 16)
    planted = holed(350, 3)
    training = [*parts.samples(0, 41, 0), *planted, *holed(400, labelled, anomalous=True)]
    done: list[tuple[int, int]] = []
    report = check(
        training, [], narrow_backbone(), seed=3, precision=Precision.F32,
        progress=lambda stage, step, of: done.append((step, of)) if stage == "features" else None,
    )  # fmt: skip
    assert set(report.suspects[:3]) == {sample.key for sample in planted}
    assert len(report.suspects) <= 5
    assert (report.examined, report.judged) == (16 + min(labelled, 16), 44)
    assert [step for step, _ in done] == list(range(1, done[-1][1] + 1))


def test_groups_have_every_other_normal_once_and_are_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MOST", 16)
    [facts] = gather(parts.samples(0, 1, 0), parts.ignore)
    assert isinstance(facts, Facts)

    def entries(letter: str, count: int, anomalous: bool = False, test: bool = False) -> list[Entry]:
        sample = parts.sample(0, anomalous)
        return [Entry(replace(sample, key=f"{letter}{at}"), facts, test) for at in range(count)]

    pool = [*entries("n", 39), *entries("a", 10, anomalous=True), *entries("t", 30, test=True)]
    known = groups.first(pool, 3, test_teaches=True)
    others = groups.others(pool, known, 3)
    names = [[entry.sample.key for entry in group] for group in (known, *others)]
    assert [len(set(group)) for group in names] == [16 + 10] * 3
    assert set().union(*names) == {entry.sample.key for entry in pool if not entry.test}
    assert {name for name in names[1] if name in names[2]} == {f"a{at}" for at in range(10)}
    assert groups.others(known, known, 3) == []
    assert [len(group) for group in groups.others(pool, known, 3, most=5)] == [16 + 10]
    assert groups.others(pool, known, 3, most=0) == []


def test_a_training_says_among_how_many_it_looked_for_wrong_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MOST", 10)
    monkeypatch.setattr(run, "MOST_JUDGED", 15)
    training = parts.samples(0, 24, 10)
    report = report_on(training)
    assert (report.examined, report.judged) == (20, 24)
    assert sifted(training).notes[-1] == (
        "Wrong labels were looked for among 15 of the 24 normal images, drawn by the seed; `relook check` looks at all."
    )


def sifted(training: Sequence[Sample], test: Sequence[Sample] = ()) -> Sifted:
    return sift(training, test, narrow_backbone(), seed=3, precision=Precision.F32, progress=parts.ignore)


def holed(first: int, count: int, anomalous: bool = False) -> list[Sample]:
    return [replace(with_a_hole(sample), anomalous=anomalous) for sample in parts.samples(first, count, 0)]


def test_training_leaves_normals_out_that_look_like_the_anomalies_and_says_so() -> None:
    planted, anomalies = holed(300, 2), holed(400, 20, anomalous=True)
    clean = parts.samples(0, 24, 0)
    result = sifted([*clean, *planted, *anomalies])
    assert set(result.left_out) == {sample.key for sample in planted}
    assert result.samples == [*clean, *anomalies]
    assert set(result.suspects) <= {sample.key for sample in clean}
    assert any("Left 2 of 26 normal images out" in note and planted[0].key in note for note in result.notes)


def test_without_labelled_anomalies_strange_normals_are_told_and_kept() -> None:
    planted = holed(300, 2)
    training = [*parts.samples(0, 24, 0), *planted]
    result = sifted(training)
    assert (result.samples, result.left_out) == (training, ())
    assert set(result.suspects[:2]) == {sample.key for sample in planted}
    [note] = result.notes
    assert "may be mislabelled" in note
    assert planted[0].key in note


def test_where_many_look_like_the_anomalies_training_keeps_all_and_says_so() -> None:
    training = [*parts.samples(0, 24, 0), *holed(300, 4), *holed(400, 20, anomalous=True)]
    result = sifted(training)
    assert (result.samples, result.left_out) == (training, ())
    assert any("that many are hardly mistakes" in note for note in result.notes)


def test_nothing_of_test_has_a_part_in_who_is_left_out() -> None:
    """With the test's anomalies they would be found, as a check that may learn from them shows."""
    training = [*parts.samples(0, 24, 0), *holed(300, 2)]
    test = holed(500, 20, anomalous=True)
    assert len(report_on(training, test).alike) == 2
    assert sifted(training, test).left_out == ()


def test_a_clean_set_is_learned_from_whole_and_nothing_is_said() -> None:
    training = parts.samples(0, 12, 12)
    assert sifted(training) == Sifted(training, ())


def test_copies_of_test_images_are_told_in_the_training_report() -> None:
    training = parts.samples(0, 12, 0)
    copied = replace(training[3], key="s3://parts/copy.png")
    [note] = sifted(training, [copied, *parts.samples(50, 3, 3)]).notes
    assert "in training and in test alike" in note
    assert copied.key in note


@pytest.mark.parametrize("which", ["training", "test"])
def test_training_refuses_cut_pictures_before_it_computes_anything(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = {"training": parts.samples(0, 12, 0), "test": parts.samples(50, 3, 3)}
    cut = sets[which][2]
    sets[which][2] = with_bytes(cut, cut.load()[:2000])
    monkeypatch.setattr(run, "_seen", lambda *_: pytest.fail("features were computed"))
    with pytest.raises(TrainingError, match=r"Cannot be used: the PNG is truncated or damaged") as refused:
        sifted(sets["training"], sets["test"])
    assert f"({cut.key})" in str(refused.value)


def copied(sample: Sample, times: int) -> list[Sample]:
    return [replace(sample, key=f"{sample.key}-{at}") for at in range(times)]


def test_copies_among_training_images_are_told_in_the_training_report() -> None:
    training = parts.samples(0, 12, 6)
    assert not any("copies" in note for note in sifted(training, []).notes)
    [note] = [note for note in sifted([*training, *copied(training[3], 2)], []).notes if "copies" in note]
    assert note.startswith("3 normal training images are copies of one picture; they count several times")


def test_so_few_different_anomalies_that_each_is_judged_by_its_copy_are_told() -> None:
    training = [*parts.samples(0, 12, 0), *(copy for each in parts.samples(0, 0, 3) for copy in copied(each, 4))]
    [note] = [note for note in sifted(training, []).notes if "copies" in note]
    assert note.startswith("The 12 anomalous training images show only 3 different pictures.")


def sixteen_bits(sample: Sample, factor: int) -> Sample:
    grey = np.asarray(image_of(sample).convert("L")).astype(np.uint16)
    return with_bytes(sample, parts.png(Image.fromarray(grey * factor)))


@pytest.mark.parametrize(("factor", "told"), [(257, False), (64, True), (16, True), (4, True), (1, True)])
def test_16_bit_pictures_that_use_only_their_low_bits_are_told(factor: int, told: bool) -> None:
    training = [*parts.samples(0, 6, 0), *(sixteen_bits(sample, factor) for sample in parts.samples(6, 6, 0))]
    report = report_on(training)
    images = [finding.images for finding in found(report, Kind.LOW_BITS)]
    assert images == ([tuple(sample.key for sample in training[6:])] if told else [])
    assert found(report, Kind.BLANK) == found(report, Kind.LOW_CONTRAST) == []


def test_a_black_16_bit_picture_is_blank() -> None:
    training = parts.samples(0, 6, 0)
    training[2] = sixteen_bits(training[2], 0)
    report = report_on(training)
    assert ([len(found(report, kind)) for kind in (Kind.BLANK, Kind.LOW_BITS)]) == [1, 0]


def test_unusable_and_empty_pictures_are_named() -> None:
    training = parts.samples(0, 20, 0)
    training[4] = with_bytes(training[4], training[4].load()[:2000])
    training[5] = changed(training[5], lambda image: Image.new("RGB", image.size, (90, 90, 90)))
    training[6] = changed(training[6], lambda image: image.point(lambda value: 100 + value / 16))
    report = report_on(training)
    assert report.findings[0].kind is Kind.DAMAGED
    assert report.findings[0].images == (training[4].key,)
    assert report.worst is Severity.ERROR
    assert found(report, Kind.BLANK)[0].images == (training[5].key,)
    assert found(report, Kind.LOW_CONTRAST)[0].images == (training[6].key,)


def test_a_file_that_is_gone_is_named() -> None:
    def gone() -> bytes:
        raise FileNotFoundError("no such file")

    training = parts.samples(0, 10, 0)
    training[0] = replace(training[0], load=gone)
    [damaged] = found(report_on(training), Kind.DAMAGED)
    assert "cannot be read: no such file" in damaged.sentence


def test_the_same_seed_gives_the_same_report() -> None:
    training = anomalies_changed(darker_border)
    assert report_on(training, seed=5) == report_on(training, seed=5)


def test_progress_reaches_the_end_of_each_stage() -> None:
    seen: dict[str, tuple[int, int]] = {}
    check(
        parts.samples(0, 10, 10),
        parts.samples(50, 2, 2),
        narrow_backbone(),
        seed=1,
        precision=Precision.F32,
        progress=lambda stage, done, total: seen.update({stage: (done, total)}),
    )
    assert seen == {"look": (24, 24), "features": (40, 40)}


def test_nothing_is_asked_of_an_empty_set() -> None:
    assert report_on([]) == Report(0, 0)


def test_quartiles_do_not_move_with_a_small_defect() -> None:
    plain, marked = gather([parts.sample(7, False), parts.sample(7, True)], parts.ignore)
    assert isinstance(plain, Facts)
    assert isinstance(marked, Facts)
    assert np.abs(plain.colours - marked.colours).max() <= 1.0


def test_copies_do_not_make_a_cue_of_noise() -> None:
    rng = np.random.default_rng(0)
    normals, anomalies = rng.normal(size=(40, 60)), rng.normal(size=(10, 60))
    values = np.concatenate([normals, np.repeat(anomalies, 4, axis=0)])
    anomalous = np.arange(80) >= 40
    copy_of = np.concatenate([np.arange(40), 40 + 4 * np.repeat(np.arange(10), 4)])
    assert probe("border", values, anomalous, 0).found, "each is known by its copies"
    assert not probe("border", values, anomalous, 0, copy_of).found


@pytest.mark.parametrize(("pictures", "found"), [(7, False), (8, True)])
def test_a_cue_of_too_few_pictures_tells_nothing_however_often_they_are_there(pictures: int, found: bool) -> None:
    values = np.concatenate([np.zeros((10, 2)), np.ones((20, 2))]) + np.random.default_rng(1).normal(0, 0.1, (30, 2))
    copy_of = np.array([*range(10), *(10 + np.arange(20) % pictures)])
    outcome = probe("border", values, np.arange(30) >= 10, 0, copy_of)
    assert outcome.found is found
    assert outcome.probe.auroc == (1.0 if found else 0.5)
