"""The test bed: a live server with trained models, shared by the benches of one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType

import numpy as np

from bench.results import ROOT
from bench.wire import BenchFailed, Signed, Signer
from relook.datafolder import DataFolder
from relook.demo import flow
from relook.demo.client import Clients, connect
from relook.demo.layouts import read_pictures
from relook.demo.pictures import Picture, Plan, Truth
from relook.demo.plan import make_plan
from relook.demo.progress import Screen
from relook.demo.render import SMALL, render_set
from relook.demo.results import Run, tally
from relook.demo.server import import_weights
from relook.testing import LiveServer
from relook.vision import artifact
from relook.vision.metrics import auroc

SHARED = ROOT.parent / "shared"
WEIGHTS = SHARED / "weights" / "resnet18_imagenet_layer1-3.onnx"
COOKIE = SHARED / "data" / "lookout_cookie"
BOARD = SHARED / "data" / "lookout_circuitboard_1000px"
DRAWN = "drawn plates"
RENDER_SEED = 7
_HOSTING_PATIENCE = 60.0
_LOOK_EVERY = 0.01


@dataclass(frozen=True, slots=True)
class Trained:
    """A model trained through the API. `pictures_of` names the set, `seed` is the training's own."""

    pictures_of: str
    run: Run
    artifact: Path
    seed: int

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Those the model has not seen."""
        return self.run.plan.unseen


class Bed:
    """A server on a fresh data folder, with ImageNet weights where ../shared has them; ended when the block ends.

    `quick` takes small drawn sets for the real ones, which are also taken where ../shared is absent.
    """

    def __init__(self, quick: bool, *, weights: bool = True, only: str = "", cap: int | None = None) -> None:
        """`only` and `cap` are for the benches that go in steps: a word in the steps' names, and the most images."""
        self.quick = quick
        self.only = only
        self.cap = cap
        self.weights = weights and WEIGHTS.is_file()
        self._stack = ExitStack()

    def __enter__(self) -> Bed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @cached_property
    def server(self) -> LiveServer:
        data = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="relook-bench-"))) / "data"
        if self.weights:
            import_weights(WEIGHTS, data)
        return self._stack.enter_context(LiveServer(data))

    @cached_property
    def clients(self) -> Clients:
        return connect(self.server.variables)

    @cached_property
    def signer(self) -> Signer:
        return Signer(self.server.variables)

    @cached_property
    def segmentation(self) -> Trained:
        """The cookie set, else drawn plates with masks."""
        if COOKIE.is_dir() and not self.quick:
            return self.train("cookie set", make_plan(read_pictures(COOKIE)))
        return self.train(DRAWN, make_plan(render_set(SMALL, RENDER_SEED)))

    @cached_property
    def classification(self) -> Trained:
        """The circuit boards, else drawn plates without their masks."""
        if BOARD.is_dir() and not self.quick:
            return self.train("circuit boards", make_plan(read_pictures(BOARD)))
        plan = make_plan(render_set(SMALL, RENDER_SEED))
        bare = [tuple(picture.without_mask() for picture in each) for each in (plan.train, plan.test, plan.unseen)]
        return self.train(DRAWN, Plan(plan.source, *bare))

    def train(self, pictures_of: str, plan: Plan) -> Trained:
        """Upload, train, and show the model the unseen pictures, as any client would."""
        root = DataFolder(self.server.data).artifacts
        before = set(root.iterdir())
        run = flow.run(self.clients, plan, Screen())
        [folder] = set(root.iterdir()) - before
        return Trained(pictures_of, run, folder, int(artifact.read(folder)[1].record["seed"]))

    @contextmanager
    def hosting(self, model: Trained, units: int = 1) -> Iterator[float]:
        """The model hosted for the block; gives the seconds from StartModel to HOSTED."""
        name = {"ProjectName": model.run.project, "ModelVersion": model.run.version}
        began = time.perf_counter()
        self.clients.vision.start_model(**name, MinInferenceUnits=units, MaxInferenceUnits=units)
        yield self._wait(name, "HOSTED", began)
        self.clients.vision.stop_model(**name)
        self._wait(name, "TRAINED", time.perf_counter())

    def _wait(self, name: dict[str, str], wanted: str, began: float) -> float:
        while (seconds := time.perf_counter() - began) < _HOSTING_PATIENCE:
            found = self.clients.vision.describe_model(**name)["ModelDescription"]
            if found["Status"] == wanted:
                return seconds
            time.sleep(_LOOK_EVERY)  # the API has no other way to wait
        raise BenchFailed(f"the model is {found['Status']}, not {wanted}, after {_HOSTING_PATIENCE:g} s")

    def detections(self, model: Trained) -> list[Signed]:
        """A signed DetectAnomalies for each unseen picture."""
        encoded = [picture.load() for picture in model.pictures]
        return [
            self.signer.detect(model.run.project, model.run.version, each.data, each.content_type) for each in encoded
        ]


def describe(model: Trained) -> str:
    """`cookie set, 576x768, segmentation at 384x512, F1 1 and AUROC 1 on 22 unseen pictures`: what the pictures are,
    what the model works on and how good it is."""
    card = artifact.read(model.artifact)[1]
    width, height = model.pictures[0].size
    at = " + ".join(f"{view.size.width}x{view.size.height}" for view in card.views)
    seen = model.run.seen
    scores = np.array([each.confidence if each.anomalous else 1 - each.confidence for each in seen])
    area = auroc(scores, np.array([each.picture.truth is Truth.ANOMALY for each in seen]))
    assert area is not None, "unseen pictures of both labels are kept"
    good = f"F1 {tally(seen).f1:.3g} and AUROC {area:.3g} on {len(seen)} unseen pictures"
    return f"{model.pictures_of}, {width}x{height}, {card.task.value.lower()} at {at}, {good}"
