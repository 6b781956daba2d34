from __future__ import annotations

import json
import math
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from relook.aws.models import botocore_model
from relook.aws.protocol import message, validate
from relook.aws.protocol.patterns import UnsupportedPattern, compiled

SHAPES: dict[str, Any] = {
    "Name": {"type": "string", "min": 2, "max": 4, "pattern": "[a-z]+"},
    "Colour": {"type": "string", "enum": ["red", "green"]},
    "Share": {"type": "float", "min": 0, "max": 1},
    "Data": {"type": "blob", "min": 1, "max": 3},
    "Names": {"type": "list", "member": {"shape": "Name"}, "min": 1, "max": 2},
    "Map": {"type": "map", "key": {"shape": "Name"}, "value": {"shape": "Colour"}, "max": 1},
    "Secret": {"type": "string", "max": 1, "sensitive": True},
    "Either": {"type": "structure", "union": True, "members": {"A": {"shape": "Name"}, "B": {"shape": "Name"}}},
    "Inner": {"type": "structure", "required": ["Name"], "members": {"Name": {"shape": "Name"}}},
    "Input": {
        "type": "structure",
        "required": ["ProjectName"],
        "members": {
            "ProjectName": {"shape": "Name"},
            "Colour": {"shape": "Colour"},
            "Share": {"shape": "Share"},
            "Data": {"shape": "Data"},
            "Names": {"shape": "Names"},
            "Map": {"shape": "Map"},
            "Secret": {"shape": "Secret"},
            "Either": {"shape": "Either"},
            "Inner": {"shape": "Inner"},
        },
    },
}
INPUT = ServiceModel({"metadata": {}, "operations": {}, "shapes": SHAPES}, "v").shape_for("Input")


def broken(**members: Any) -> list[str]:
    return [str(violation) for violation in validate(INPUT, {"ProjectName": "abc", **members})]


def rule(path: str, shown: str, text: str) -> str:
    return f"Value {shown} at '{path}' failed to satisfy constraint: {text}"


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({}, []),
        ({"ProjectName": None}, [rule("projectName", "null", "Member must not be null")]),
        ({"ProjectName": "a"}, [rule("projectName", "'a'", "Member must have length greater than or equal to 2")]),
        ({"ProjectName": "abcde"}, [rule("projectName", "'abcde'", "Member must have length less than or equal to 4")]),
        (
            {"ProjectName": "ab\n"},
            [rule("projectName", "'ab\n'", "Member must satisfy regular expression pattern: [a-z]+")],
        ),
        ({"Colour": "blue"}, [rule("colour", "'blue'", "Member must satisfy enum value set: [red, green]")]),
        ({"Share": 1.5}, [rule("share", "'1.5'", "Member must have value less than or equal to 1")]),
        ({"Share": -0.5}, [rule("share", "'-0.5'", "Member must have value greater than or equal to 0")]),
        ({"Share": math.nan}, [rule("share", "'nan'", "Member must have value greater than or equal to 0")]),
        ({"Data": b""}, [rule("data", "of 0 bytes", "Member must have length greater than or equal to 1")]),
        ({"Data": b"four"}, [rule("data", "of 4 bytes", "Member must have length less than or equal to 3")]),
        ({"Names": []}, [rule("names", "'[]'", "Member must have length greater than or equal to 1")]),
        (
            {"Names": ["ab", "A?"]},
            [rule("names.2.member", "'A?'", "Member must satisfy regular expression pattern: [a-z]+")],
        ),
        ({"Names": [None]}, [rule("names.1.member", "null", "Member must not be null")]),
        (
            {"Map": {"ab": "blue"}},
            [rule("map.ab.member", "'blue'", "Member must satisfy enum value set: [red, green]")],
        ),
        ({"Map": {"x": "red"}}, [rule("map.key", "'x'", "Member must have length greater than or equal to 2")]),
        ({"Inner": {}}, [rule("inner.name", "null", "Member must not be null")]),
        ({"Either": {}}, [rule("either", "'{}'", "Member must have exactly one of its members set")]),
        (
            {"Secret": "hidden"},
            ["Value at 'secret' failed to satisfy constraint: Member must have length less than or equal to 1"],
        ),
    ],
)
def test_every_constraint_is_checked(members: dict[str, Any], wanted: list[str]) -> None:
    assert broken(**members) == wanted


def test_length_counts_characters_not_bytes() -> None:
    assert [text for text in broken(ProjectName="üüüü") if "length" in text] == []


def test_the_message_counts_and_gathers() -> None:
    one = validate(INPUT, {})
    assert message(one).startswith("1 validation error detected: Value null at 'projectName' failed to satisfy ")
    two = validate(INPUT, {"Colour": "blue"})
    assert message(two).startswith("2 validation errors detected: ")
    assert message(two).count("; ") == 1


def test_a_long_value_is_cut() -> None:
    assert len(broken(Colour="x" * 10_000)[0]) < 500


TAG = r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$"


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (TAG, ["", "a b", "ü", "日本", "\u0663", "a\u00a0b", "x-@", "\U0001d4b3"], ["a*", "€", "a\n", "\t"]),
        (r"[\p{L}||\p{N}]+", ["a1", "|"], ["_"]),
        (r"[^\p{C}]*", ["a€"], ["\x00", "\u200b"]),
        (r"\P{C}+", ["a€"], ["\n"]),
        (r"[\p{Print}]*", ["a~ "], ["ü", "\n"]),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", ["a\t😹"], ["\n"]),
        (r"\Aa+\z", ["aa"], ["aa\n"]),
        (r"[\w-_]*", ["a-_"], ["+"]),
        (r"\d+", ["12"], ["\u0663"]),
        (r"[a-z[]+", ["a["], ["]"]),
        (r"[\x{41}-\x{43}]", ["B"], ["D"]),
    ],
)
def test_patterns_mean_what_they_mean_in_java(pattern: str, good: list[str], bad: list[str]) -> None:
    found = compiled(pattern)
    assert [text for text in good if not found.fullmatch(text)] == []
    assert [text for text in bad if found.fullmatch(text)] == []


def test_a_pattern_that_cannot_be_translated_is_named() -> None:
    with pytest.raises(UnsupportedPattern, match="Print"):
        compiled(r"[\p{Print}&&[^|:/]]+")


@pytest.mark.parametrize("name", ["s3", "sts", "rekognition", "sagemaker", "sagemaker-runtime", "iam", "kms", "logs"])
def test_every_pattern_of_the_services_we_mean_to_offer_compiles(name: str) -> None:
    described = json.loads(json.dumps(Loader().load_service_model(name, "service-2")["shapes"]))
    patterns = {shape["pattern"] for shape in described.values() if "pattern" in shape}
    assert len([compiled(pattern) for pattern in patterns]) == len(patterns)


def test_the_models_are_those_of_botocore() -> None:
    assert botocore_model("s3").service_id == "S3"
    assert botocore_model("s3") is botocore_model("s3")
