"""Distillation with torch: the student is the graph it becomes, and a stop changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from relook.vision import resnet18, runtime
from relook.vision.pretrain import PretrainError, Recipe, Stopped
from relook.vision.pretrain.pictures import SIDE, picture

torch = pytest.importorskip("torch", reason="PyTorch is not installed (`make test-all` tests with it)")

from relook.vision.pretrain import distill  # noqa: E402
from relook.vision.pretrain.student import Student  # noqa: E402

pytestmark = pytest.mark.torch
RECIPE = Recipe(steps=6, batch=2, width=8, warm_up=2)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    distill.use_threads(1)


@pytest.fixture(scope="module")
def pool() -> np.ndarray:
    return np.stack([picture(1, index) for index in range(6)])


@pytest.fixture(scope="module")
def teacher() -> distill.Teacher:
    onnx = resnet18.build(resnet18.random_weights(1, width=8, heads=True))
    return distill.Teacher(onnx, ("layer2", "layer3"), RECIPE.batch, 1)


class Run:
    """Calls `distill` and keeps what it tells; stops itself after so many steps."""

    def __init__(self, pool: np.ndarray, teacher: distill.Teacher, checkpoint: Path) -> None:
        self.pool, self.teacher, self.checkpoint = pool, teacher, checkpoint
        self.told: list[tuple[int, float]] = []

    def __call__(self, recipe: Recipe = RECIPE, until: int = 99, source: str = "here") -> distill.Distilled:
        return distill.distill(
            self.pool,
            self.teacher,
            recipe,
            self.checkpoint,
            lambda done, unexplained: self.told.append((done, unexplained)),
            lambda: len(self.told) >= until,
            source,
        )


@pytest.fixture
def run(pool: np.ndarray, teacher: distill.Teacher, tmp_path: Path) -> Run:
    return Run(pool, teacher, tmp_path / "checkpoint.pt")


def test_the_graph_computes_what_the_student_does() -> None:
    torch.manual_seed(0)
    student = Student(8)
    with torch.no_grad():
        for name, value in student.named_buffers():  # batch norms as after a training
            if value.dtype.is_floating_point:
                value.copy_(torch.rand_like(value) + (0.5 if name.endswith("var") else -0.5))
    student.eval()
    images = np.random.default_rng(0).normal(0, 1, (2, 3, 96, 64)).astype(np.float32)
    with torch.no_grad():
        expected = [each.numpy() for each in student(torch.from_numpy(images))]
    folded = resnet18.fold({name: value.numpy() for name, value in student.state_dict().items()})
    model = runtime.read(resnet18.build(folded))
    model.reshape(list(images.shape))
    request = runtime.compile_model(model, runtime.Precision.F32).create_infer_request()
    request.infer([images])
    for layer, wanted in zip(resnet18.layers(folded), expected, strict=True):
        given = request.get_tensor(layer.output).data
        assert given.shape == wanted.shape == (2, layer.channels, 96 // layer.stride, 64 // layer.stride)
        assert wanted.std() > 0.01
        assert np.allclose(given, wanted, atol=1e-5 * float(wanted.max())), layer


def test_a_batch_depends_on_seed_and_step_alone(pool: np.ndarray) -> None:
    one, other = distill.Batches(pool, 4), distill.Batches(pool, 4)
    one.at(1, 0)
    batch = one.at(1, 5)
    assert (batch.shape, batch.dtype) == ((4, 3, distill.CROP, distill.CROP), torch.float32)
    assert torch.equal(batch, other.at(1, 5))
    assert not torch.equal(batch, other.at(2, 5))
    assert not torch.equal(batch, other.at(1, 6))
    assert float(batch.min()) > -2.2  # black
    assert float(batch.max()) < 2.7  # white
    assert pool.shape[1] == SIDE >= max(distill.CROPS)


def test_a_stop_changes_no_weight(run: Run, tmp_path: Path) -> None:
    whole = run()
    assert [done for done, _ in run.told] == [1, 2, 3, 4, 5, 6]
    parts = Run(run.pool, run.teacher, tmp_path / "parts.pt")
    for until in (2, 5):
        with pytest.raises(Stopped, match=rf"stopped after {until} of 6 steps; .*parts\.pt keeps them"):
            parts(until=until)
    again = parts()
    assert parts.told == run.told
    assert all(torch.equal(value, again.state[name]) for name, value in whole.state.items())
    assert again.state.keys() == whole.state.keys()
    assert 0 < again.seconds < 300
    assert not list(tmp_path.glob("*.part"))
    finished = parts()  # nothing is left to do
    assert len(parts.told) == 6
    assert all(torch.equal(value, finished.state[name]) for name, value in whole.state.items())


def test_seeds_matter(run: Run, tmp_path: Path) -> None:
    other = Run(run.pool, run.teacher, tmp_path / "other.pt")(Recipe(steps=2, batch=2, width=8, warm_up=2, seed=2))
    one = run(Recipe(steps=2, batch=2, width=8, warm_up=2))
    assert not torch.equal(one.state["conv1.weight"], other.state["conv1.weight"])


def test_it_learns(run: Run) -> None:
    run(Recipe(steps=60, batch=2, width=8, warm_up=2, rate=5e-3))
    assert run.told[-1][1] < 0.9 * run.told[0][1]


@pytest.mark.parametrize(
    ("recipe", "source", "reason"),
    [
        (Recipe(steps=7, batch=2, width=8, warm_up=2), "here", r"another run \(steps 6, not 7\)"),
        (Recipe(steps=6, batch=2, width=16, warm_up=2), "here", r"another run \(width 8, not 16\)"),
        (RECIPE, "there", r"another run \(source here, not there\)"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_kept(run: Run, recipe: Recipe, source: str, reason: str) -> None:
    with pytest.raises(Stopped):
        run(until=0)
    before = run.checkpoint.read_bytes()
    with pytest.raises(PretrainError, match=reason):
        run(recipe, source=source)
    assert run.checkpoint.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04" + bytes(40)])
def test_a_damaged_checkpoint_is_told_and_kept(run: Run, content: bytes) -> None:
    run.checkpoint.write_bytes(content)
    with pytest.raises(PretrainError, match=r"checkpoint\.pt is no checkpoint, or a damaged one; delete it"):
        run()
    assert run.checkpoint.read_bytes() == content


def test_a_checkpoint_of_something_else_is_told(run: Run) -> None:
    torch.save([1, 2], run.checkpoint)
    with pytest.raises(PretrainError, match=r"is no checkpoint; delete it"):
        run()
    torch.save({"weights": torch.zeros(1)}, run.checkpoint)
    with pytest.raises(PretrainError, match=r"is of another run"):
        run()
