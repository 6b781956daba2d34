from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relook.containers.training.layout import Layout
from relook.core.batch.splitting import Split, records
from relook.core.training import TrainingInputError
from relook.core.training.channels import channels
from relook.core.training.hyperparameters import complete
from relook.core.training.manifests import shuffled
from relook.core.training.metrics import Metrics
from relook.core.training.recordio import frame
from relook.core.training.states import ENDED, TRANSITIONS, TrainingStatus, sources

MAGIC = b"\x0a\x23\xd7\xce"


@given(st.lists(st.lists(st.sampled_from([MAGIC, b"a", b"bcde", b"\x0a\x23"])).map(b"".join), min_size=1, max_size=5))
def test_records_read_back_as_they_were(contents: list[bytes]) -> None:
    stream = b"".join(frame(content) for content in contents)
    assert len(stream) % 4 == 0
    assert [one.payload for one in records(io.BytesIO(stream), Split.RECORDIO, 10**6)] == contents


def test_no_part_of_a_record_looks_like_the_beginning_of_one() -> None:
    stream = frame(b"abcd" + MAGIC + b"efgh" + MAGIC)
    words = [stream[at : at + 4] for at in range(0, len(stream), 4)]
    assert words.count(MAGIC) == 3  # the headers of the three parts, and nothing else


def test_metrics_keep_the_last_number() -> None:
    metrics = Metrics([{"Name": "loss", "Regex": r"loss=(\S+)"}, {"Name": "never", "Regex": "(x)yz"}])
    for time, line in enumerate(["loss=1.5", "loss=nan", "none", "step 2: loss=2e-3;", "loss=0.25"]):
        metrics.read(line, time)
    assert [(one.name, one.value, one.time) for one in metrics.latest()] == [("loss", 0.25, 4)]


@pytest.mark.parametrize("regex", ["(", "loss=[0-9]+"])
def test_a_metric_needs_an_expression_with_a_group(regex: str) -> None:
    with pytest.raises(TrainingInputError, match="the metric m"):
        Metrics([{"Name": "m", "Regex": regex}])


SPECIFIED: list[dict[str, Any]] = [
    {
        "Name": "kind",
        "Type": "Categorical",
        "Range": {"CategoricalParameterRangeSpecification": {"Values": ["a", "b"]}},
        "DefaultValue": "a",
    },
    {
        "Name": "rounds",
        "Type": "Integer",
        "IsRequired": True,
        "Range": {"IntegerParameterRangeSpecification": {"MinValue": "1", "MaxValue": "9"}},
    },
    {"Name": "rate", "Type": "Continuous"},
    {"Name": "note", "Type": "FreeText"},
]


def test_hyperparameters_are_completed() -> None:
    assert complete({"rounds": "3"}, SPECIFIED) == {"kind": "a", "rounds": "3"}
    given = {"rounds": "9", "kind": "b", "rate": "-1e9", "note": ""}
    assert complete(given, SPECIFIED) == given


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        ({"kind": "c"}, "'c'; it takes one of a, b"),
        ({"rounds": "0"}, "from 1 to 9"),
        ({"rounds": "2.5"}, "a whole number"),
        ({"rate": "nan"}, "a number"),
        ({"other": "1"}, "no hyperparameter other"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(wrong: dict[str, str], shown: str) -> None:
    with pytest.raises(TrainingInputError, match=shown):
        complete({"rounds": "1"} | wrong, SPECIFIED)


def test_a_required_hyperparameter_has_to_be_there() -> None:
    with pytest.raises(TrainingInputError, match="needs the hyperparameter rounds"):
        complete({}, SPECIFIED)


def test_shuffling_depends_on_seed_and_epoch_alone() -> None:
    items = list(range(30))
    assert shuffled(items, None, 3) == items
    assert shuffled(items, 1, 0) == shuffled(items, 1, 0)
    assert len({tuple(shuffled(items, seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_the_channels_own_input_mode_wins() -> None:
    source = {"S3DataType": "AugmentedManifestFile", "S3Uri": "s3://b/m", "AttributeNames": ["source-ref"]}
    given = {"ChannelName": "training", "DataSource": {"S3DataSource": source}, "InputMode": "Pipe"}
    (found,) = channels([given], "File")
    assert (found.mode, found.attributes) == ("Pipe", ("source-ref",))
    del given["InputMode"]
    with pytest.raises(TrainingInputError, match="needs the input mode Pipe, not File"):
        channels([given], "File")


@pytest.mark.parametrize("name", [".", ".."])
def test_a_channel_is_no_way_out_of_its_folder(name: str) -> None:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://b/m"}
    with pytest.raises(TrainingInputError, match="cannot be a folder's name"):
        channels([{"ChannelName": name, "DataSource": {"S3DataSource": source}}], "File")


def test_every_status_leads_to_an_end() -> None:
    assert {TrainingStatus.COMPLETED, TrainingStatus.FAILED, TrainingStatus.STOPPED} == ENDED
    assert sources(TrainingStatus.STOPPED) == {TrainingStatus.IN_PROGRESS, TrainingStatus.STOPPING}
    assert all(after & (ENDED | {TrainingStatus.STOPPING}) for old, after in TRANSITIONS.items() if old not in ENDED)


def test_a_container_may_write_to_its_results_to_channels_of_files_and_beside_its_input(tmp_path: Path) -> None:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://b/m"}
    given = [
        {"ChannelName": mode, "DataSource": {"S3DataSource": source}, "InputMode": mode}
        for mode in ("File", "FastFile", "Pipe")
    ]
    layout = Layout(tmp_path, {"/opt/ml/checkpoints": tmp_path / "checkpoints"})
    found = channels(given, "File")
    layout.make(found)
    mounts = layout.mounts(found)
    assert {mount.target for mount in mounts if mount.read_only} == {"/opt/ml/input/config", "/opt/ml/input/data"}
    assert {mount.target for mount in mounts if not mount.read_only} == {
        "/opt/ml/model",
        "/opt/ml/output",
        "/opt/ml/checkpoints",
        "/opt/ml/input",
        "/opt/ml/input/data/File",
    }
    assert all(mount.source.is_dir() for mount in mounts)
    assert all(mount.source.stat().st_mode & 0o777 == (0o755 if mount.read_only else 0o777) for mount in mounts)
    assert sorted(path.name for path in layout.data.iterdir()) == ["FastFile", "File"]
