"""Training through the API: how long it takes, and how good the model is on pictures it has not seen."""

from __future__ import annotations

from bench.bed import COOKIE, DRAWN, RENDER_SEED, WEIGHTS, Bed, Trained
from bench.results import Figure, Result, Table
from relook.demo.plan import make_plan
from relook.demo.render import SMALL, Sizes, render_set
from relook.demo.results import tally

COOKIE_SECONDS = 60.0
COOKIE_F1 = 1.0
ORIGINAL_SECONDS = 1795
_COLUMNS = ("pictures", "weights", "to train", "seconds", "unseen", "F1", "precision", "recall")


def measure(bed: Bed) -> Result:
    """The cookie set with ImageNet weights where both are there, and drawn pictures with the built-in weights."""
    figures, rows, seeds = [], [], {"drawn pictures": RENDER_SEED}
    if COOKIE.is_dir() and WEIGHTS.is_file() and not bed.quick:
        cookie = bed.segmentation
        seconds, f1 = round(cookie.run.train_seconds, 1), round(tally(cookie.run.seen).f1, 3)
        figures += [
            Figure(
                f"training the cookie set's {len(cookie.run.plan.train)} images, CreateModel to TRAINED",
                seconds,
                "s",
                at_most=COOKIE_SECONDS,
            ),
            Figure(f"F1 on its {len(cookie.pictures)} official test images", f1, at_least=COOKIE_F1),
            Figure("the original's recorded training time against ours", round(ORIGINAL_SECONDS / seconds), "times"),
        ]
        rows.append(_row(cookie, "ImageNet (ResNet-18, three stages)"))
    with Bed(bed.quick, weights=False) as bare:
        drawn = bare.train(DRAWN, make_plan(render_set(SMALL if bed.quick else Sizes(), RENDER_SEED)))
    figures += [
        Figure(f"training {len(drawn.run.plan.train)} drawn plates", round(drawn.run.train_seconds, 1), "s"),
        Figure(
            f"F1 on {len(drawn.pictures)} unseen drawn plates, built-in weights", round(tally(drawn.run.seen).f1, 3)
        ),
    ]
    rows.append(_row(drawn, "built-in"))
    seeds["training"] = drawn.seed
    notes = [
        "Everything goes through the API with boto3: upload, CreateDataset from a manifest, CreateModel, polling every "
        "0.4 s until TRAINED, StartModel, DetectAnomalies on the pictures kept unseen.",
        f"The original's {ORIGINAL_SECONDS:,} s are a figure on record for its documented example, not measured here: "
        "the service is no more.",
    ]
    return Result("Training", figures, [Table("Trainings", _COLUMNS, rows)], notes, seeds)


def _row(model: Trained, weights: str) -> list[str | float]:
    run = model.run
    counts = tally(run.seen)
    scores = (round(value, 3) for value in (counts.f1, counts.precision, counts.recall))
    return [model.pictures_of, weights, len(run.plan.train), round(run.train_seconds, 1), counts.total, *scores]
