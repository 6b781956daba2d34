from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relook.aws.models import botocore_model
from relook.core.custom_labels.names import (
    DatasetName,
    DatasetType,
    ProjectName,
    ResourceName,
    VersionName,
    parse_dataset,
    parse_project,
    parse_resource,
    parse_version,
)
from relook.core.names import Scope

SCOPE = Scope("123456789012", "us-east-1")
PREFIX = "arn:aws:rekognition:us-east-1:123456789012:"
names = st.from_regex(r"[a-zA-Z0-9_.\-]{1,255}", fullmatch=True)
moments = st.integers(1, 10**15 - 1)
resources = st.one_of(
    st.builds(ProjectName, st.just(SCOPE), names, moments),
    st.builds(VersionName, st.just(SCOPE), names, names, moments),
    st.builds(DatasetName, st.just(SCOPE), names, st.sampled_from(DatasetType), moments),
)
SHAPES = {ProjectName: "ProjectArn", VersionName: "ProjectVersionArn", DatasetName: "DatasetArn"}


@given(resources)
def test_a_name_comes_back_from_its_arn_and_keeps_the_service_models_pattern(name: ResourceName) -> None:
    assert parse_resource(str(name)) == name
    shape = botocore_model("rekognition").shape_for(SHAPES[type(name)])
    assert re.search(shape.metadata["pattern"], str(name))


def test_a_version_named_by_a_moment_is_read_as_clients_read_it() -> None:
    arn = f"{PREFIX}project/my.project/version/my.project.2021-10-29T11.09.22/1635520162000"
    name = parse_version(arn)
    assert (name.project, name.version, name.created) == (
        "my.project",
        "my.project.2021-10-29T11.09.22",
        1635520162000,
    )
    assert arn.split("/")[3] == name.version


def test_a_dataset_is_in_lower_case_in_its_arn() -> None:
    name = DatasetName(SCOPE, "p", DatasetType.TRAIN, 5)
    assert str(name) == f"{PREFIX}project/p/dataset/train/5"
    assert parse_dataset(str(name)).kind is DatasetType.TRAIN


@pytest.mark.parametrize("digits", ["0", "007", "9" * 40])
def test_a_number_that_no_resource_has_is_read_and_matches_none(digits: str) -> None:
    assert parse_project(f"{PREFIX}project/p/{digits}").created == 0


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_project, "project/p/5"),
        (parse_project, f"{PREFIX}project/p"),
        (parse_project, f"{PREFIX}project/p/5\n"),
        (parse_project, f"{PREFIX}project/p/\u0665"),
        (parse_project, f"{PREFIX}project/{'n' * 256}/5"),
        (parse_project, f"{PREFIX.replace('rekognition', 'lookoutvision')}project/p/5"),
        (parse_project, f"{PREFIX.replace('aws', 'aws-cn')}project/p/5"),
        (parse_project, f"{PREFIX}project/p/version/v/5"),
        (parse_version, f"{PREFIX}project/p/5"),
        (parse_version, f"{PREFIX}project/p/version/v/w/5"),
        (parse_dataset, f"{PREFIX}project/p/dataset/TRAIN/5"),
        (parse_resource, f"{PREFIX}streamprocessor/p"),
    ],
)
def test_what_is_no_such_arn_is_refused_by_name(parse: Callable[[str], ResourceName], text: str) -> None:
    with pytest.raises(ValueError, match="is not the ARN of a"):
        parse(text)
