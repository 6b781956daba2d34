"""What is told of a training: sentences for the user, and the record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relook.vision import provenance
from relook.vision.backbones import Backbone
from relook.vision.classify.candidates import MARGIN, Candidate
from relook.vision.classify.problem import FOLDS, LabelProblem
from relook.vision.classify.survey import Survey
from relook.vision.classify.tuning.choice import Tuned

_LIBRARIES = ("numpy", "onnx", "openvino", "pillow", "scikit-learn", "scipy", "simplejpeg")


def start(backbone: Backbone) -> tuple[str, ...]:
    """The weights taken, and what is wrong with them."""
    weights = f"Weights: {backbone.name} ({backbone.origin})."
    return (weights, backbone.warning) if backbone.warning else (weights,)


def why(chosen: Candidate, found: Sequence[Candidate], problem: LabelProblem) -> str:
    """Why `chosen` won among all that were `found`."""
    best = max(found, key=lambda each: each.quality)
    what = (
        f"Chose {chosen} out of {len(found)} candidates by {FOLDS}-fold cross-validation on {len(problem.images)} "
        f"training images: quality {chosen.quality:.3f} (AUROC {chosen.area:.3f}, information {chosen.information:.3f})"
    )
    if best is chosen:
        return f"{what}, the best of all."
    return (
        f"{what}. {best} has {best.quality:.3f} and takes {best.cost / chosen.cost:.1f} times as long to answer; each "
        f"doubling must be worth {MARGIN}."
    )


UNCOMPARED = (
    "Nothing was compared or calibrated: fewer than two labels have two different training images, and an image that "
    "is held out tells nothing where no other has its label. Confidences are rough; add images of each label."
)


def partly(compared: int, learned: int, images: int) -> str:
    """That candidates were compared on a part of the images, and how many the winner learned from."""
    what = f"Compared the candidates on {compared} of the {images} training images, drawn by the seed; the one chosen "
    if learned == images:
        return f"{what}learned from all."
    return f"{what}learned from {learned}: there was no time for more; give the training more of it."


def row(each: Candidate) -> str:
    """Its figures."""
    return (
        f"{each}: AUROC {each.area:.3f}, information {each.information:.3f}, quality {each.quality:.3f}, "
        f"cost {each.cost:.0f} cells, merit {each.merit:.3f}"
    )


def chosen(candidate: Candidate) -> dict[str, Any]:
    """The winner, as JSON."""
    return {
        "size": [candidate.look.size.width, candidate.look.size.height],
        "recipe": candidate.recipe.name,
        "strength": candidate.strength,
        "mirrored": len(candidate.look.flips) - 1,
        "held_out": {"auroc": candidate.area, "information": candidate.information},
    }


def tuned(found: Tuned) -> dict[str, Any]:
    """The same of one whose backbone was fine-tuned; its last bits hang on the number of `threads`."""
    return {
        "size": [found.size.width, found.size.height],
        "recipe": "fine-tuned",
        "steps": found.steps,
        "threads": found.threads,
        "torch": provenance.versions(("torch",))["torch"],
        "mirrored": found.flips - 1,
        "held_out": {"auroc": found.area, "information": found.information},
    }


def about(seen: Survey, training: int, notes: Sequence[str]) -> dict[str, Any]:
    """What else of the training people may want to know, as JSON."""
    return {"leaked": list(seen.leaked), "training_images": training, "notes": list(notes)}


def made_from(backbone: Backbone, seen: Survey, seed: int) -> dict[str, Any]:
    """What the model was made from, as JSON."""
    return {
        "backbone": {"name": backbone.name, "origin": backbone.origin, "sha256": backbone.sha256},
        "int8": backbone.int8,
        "data_sha256": seen.data_sha256,
        "code_sha256": provenance.code_sha256(),
        "seed": seed,
        "versions": provenance.versions(_LIBRARIES),
    }
