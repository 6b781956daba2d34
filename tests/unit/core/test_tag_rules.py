"""The rule of tags, whatever form a service gives them in."""

from __future__ import annotations

import pytest

from relook.core.tags import TagError, tag_map


def test_tags_keep_their_order_and_their_case() -> None:
    assert list(tag_map([("b", "1"), ("a", ""), ("A", "2")]).items()) == [("b", "1"), ("a", ""), ("A", "2")]
    assert tag_map({"line": "3"}.items()) == {"line": "3"}


@pytest.mark.parametrize(
    ("pairs", "words"),
    [([("a", "1"), ("a", "1")], "the key 'a' twice"), ([("AWS:x", "1")], "'AWS:x' starts with aws:")],
    ids=["twice", "reserved"],
)
def test_a_key_is_given_once_and_is_not_amazons(pairs: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(TagError, match=words):
        tag_map(pairs)
