"""Lines of Custom Labels manifests, and hypothesis strategies for such as nobody should write."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from relook.core.custom_labels.manifest import Entry, read_line

BUCKET = "images"
JOB = {"human-annotated": "yes", "creation-date": "2020-03-06T17:46:39.176", "job-name": "labeling-job/x"}


def source(name: str, bucket: str = BUCKET) -> str:
    return f"s3://{bucket}/{name}.jpg"


def image_level(name: str, *labels: str, bucket: str = BUCKET) -> dict[str, Any]:
    """A line with an attribute for each label."""
    line: dict[str, Any] = {"source-ref": source(name, bucket)}
    for index, label in enumerate(labels):
        line[f"set_{index}"] = 1
        line[f"set_{index}-metadata"] = {
            "class-name": label,
            "confidence": 1,
            "type": "groundtruth/image-classification",
            **JOB,
        }
    return line


def boxes(
    name: str, *labels: str, rectangles: Sequence[Sequence[float]] = (), size: tuple[int, int] = (640, 480)
) -> dict[str, Any]:
    """A line with a box for each label, `left, top, width, height`; good ones where no rectangles are given."""
    rectangles = rectangles or [(10 + 3 * index, 20, 30, 40) for index in range(len(labels))]
    # Class ids are sparse and in no order, as real tools write them.
    ids = {label: 7 - 2 * index for index, label in enumerate(dict.fromkeys(labels))}
    annotations = [
        {"class_id": ids[label], "left": left, "top": top, "width": width, "height": height}
        for label, (left, top, width, height) in zip(labels, rectangles, strict=True)
    ]
    return {
        "source-ref": source(name),
        "bb": {"image_size": [{"width": size[0], "height": size[1], "depth": 3}], "annotations": annotations},
        "bb-metadata": {
            "objects": [{"confidence": 1}] * len(labels),
            "class-map": {str(number): label for label, number in ids.items()},
            "type": "groundtruth/object-detection",
            **JOB,
        },
    }


def changed(line: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the line with the value at `a/b/0/c` replaced, or removed if it is `...`."""
    result = copy.deepcopy(line)
    *parents, last = path.split("/")
    place: Any = result
    for name in parents:
        place = place[int(name) if isinstance(place, list) else name]
    at: Any = int(last) if isinstance(place, list) else last
    if value is ...:
        del place[at]
    else:
        place[at] = value
    return result


def entry(line: dict[str, Any]) -> Entry:
    found = read_line(json.dumps(line))
    assert isinstance(found, Entry), found
    return found


CAT_TEXT = json.dumps(image_level("a", "cat"))

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "yes", "no", "Käse", "犬", "groundtruth/object-detection", "groundtruth/x", "a" * 257]),
)
keys = st.sampled_from(
    ["errors", "warnings", "cl-errors", "cl-metadata", "cl", "x", "x-metadata", "-metadata", "annotations", "class-map"]
)
values = st.recursive(_scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))


@st.composite
def spoiled(draw: st.DrawFn) -> dict[str, Any]:
    """A good line with a few of its values replaced, removed or added anywhere."""
    line = copy.deepcopy(draw(st.sampled_from([image_level("a", "cat", "dog"), boxes("b", "cat", "dog", "cat")])))
    for _ in range(draw(st.integers(1, 4))):
        place: Any = line
        while True:
            inner = [value for value in (place.values() if isinstance(place, dict) else place) if value]
            inner = [value for value in inner if isinstance(value, dict | list)]
            if not inner or draw(st.booleans()):
                break
            place = draw(st.sampled_from(inner))
        _spoil(draw, place)
    return line


def _spoil(draw: st.DrawFn, place: Any) -> None:
    names = sorted(place) if isinstance(place, dict) else list(range(len(place)))
    if isinstance(place, dict) and draw(st.booleans()):
        place[draw(keys)] = draw(values)
    elif names and draw(st.booleans()):
        del place[draw(st.sampled_from(names))]
    elif names:
        place[draw(st.sampled_from(names))] = draw(values)
