"""Manifest lines as tools write them, and hypothesis strategies for them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

CONSOLE_ANOMALY = {
    "source-ref": "s3://bucket/anomaly-1.jpg",
    "anomaly-label-metadata": {
        "job-name": "anomaly-label",
        "class-name": "anomaly",
        "human-annotated": "yes",
        "creation-date": "2022-08-22T20:52:51.851Z",
        "type": "groundtruth/image-classification",
    },
    "anomaly-label": 1,
    "anomaly-mask-ref-metadata": {
        "internal-color-map": {"0": {"class-name": "cracked", "hex-color": "#23A436"}},
        "job-name": "labeling-job/object-mask-ref",
        "human-annotated": "yes",
        "creation-date": "Mon Aug 22 2022 13:52:52 GMT-0700 (Pacific Daylight Time)",
        "type": "groundtruth/semantic-segmentation",
    },
    "anomaly-mask-ref": "s3://bucket/masks/anomaly-1.png",
}


def changed(path: str, value: Any, line: dict[str, Any] = CONSOLE_ANOMALY) -> str:
    """The line with the value at a dotted path replaced, or removed if it is `...`."""
    copy = json.loads(json.dumps(line))
    *parents, last = path.split("/")
    place = copy
    for name in parents:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(copy)


keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
attributes = st.sampled_from(["anomaly-label", "auto-label", "x", "käse"])
colours = st.from_regex(r"#[0-9a-fA-F]{6}", fullmatch=True).filter(lambda text: text.upper() != "#FFFFFF")
names = st.text("abcdefg hij-", min_size=1, max_size=12).filter(lambda name: name.lower() != "background")


@st.composite
def lines(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A legal line, and what must be read from it."""
    key, class_name = draw(keys), draw(st.sampled_from(["normal", "Anomaly", "ANOMALY", "dented"]))
    line: dict[str, Any] = {"source-ref": f"s3://bucket/{key}"}
    told: dict[str, Any] = {"source_ref": line["source-ref"], "key": key, "label": None, "colours": None}
    if draw(st.booleans()):
        attribute = draw(attributes)
        line[attribute] = draw(st.integers(-1, 2))
        line[f"{attribute}-metadata"] = {
            "class-name": class_name,
            "human-annotated": draw(st.sampled_from(["yes", "no"])),
            "type": "groundtruth/image-classification",
        }
        told["label"] = class_name.lower() if class_name.lower() in ("normal", "anomaly") else None
    if draw(st.booleans()):
        classes = draw(st.dictionaries(colours.map(str.upper), names, min_size=1, max_size=4))
        entries = [{"class-name": name, "hex-color": colour.lower()} for colour, name in classes.items()]
        if draw(st.booleans()):
            entries.insert(0, {"class-name": "BACKGROUND", "hex-color": "#ffffff"})
        line["m-ref"] = "s3://bucket/mask.png"
        line["m-ref-metadata"] = {
            "internal-color-map": {str(index): entry for index, entry in enumerate(entries)},
            "human-annotated": "yes",
            "type": "groundtruth/semantic-segmentation",
        }
        told["colours"] = dict(classes)
    return json.dumps(line, ensure_ascii=draw(st.booleans())), told
