from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relook.core import paging
from relook.core.paging import TokenError, decode_cursor, decode_token, encode_cursor, encode_token

SCOPE = ("123456789012", "eu-west-1", "ListModels", 7, None, True)
POSITIONS = st.integers(0, 2**63 - 1)


@given(POSITIONS)
def test_a_token_comes_back_in_the_alphabet_that_clients_accept(position: int) -> None:
    token = encode_token(SCOPE, position)
    assert re.fullmatch(r"[a-zA-Z0-9/+=]{1,2048}", token)
    assert decode_token(SCOPE, token) == position


@given(POSITIONS, st.data())
def test_a_changed_token_is_refused(position: int, data: st.DataObject) -> None:
    token = encode_token(SCOPE, position)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCDabcd0189+/=").filter(lambda one: one != token[place]))
    for changed in (token[:place] + letter + token[place + 1 :], token[:place], token + "=", token + "AAAA"):
        with pytest.raises(TokenError, match="NextToken is not valid"):
            decode_token(SCOPE, changed)


@given(st.text())
def test_junk_is_refused(text: str) -> None:
    with pytest.raises(TokenError):
        decode_token(SCOPE, text)


@pytest.mark.parametrize("index", range(len(SCOPE)))
def test_a_token_is_bound_to_its_whole_scope(index: int) -> None:
    other = [*SCOPE[:index], "other", *SCOPE[index + 1 :]]
    with pytest.raises(TokenError):
        decode_token(other, encode_token(SCOPE, 3))


@pytest.mark.parametrize("position", [-1, 2**63])
def test_positions_no_row_has_are_refused(position: int) -> None:
    with pytest.raises(TokenError):
        decode_token(SCOPE, encode_token(SCOPE, position))


@given(size=st.integers(1, 7), present=st.integers(0, 20), added=st.lists(st.integers(0, 3), max_size=30))
def test_every_item_comes_exactly_once_while_others_are_added(size: int, present: int, added: list[int]) -> None:
    """The way lists use tokens: items by ascending position, the next page after the last position seen."""
    items, seen, after = list(range(1, present + 1)), [], 0
    arrivals = iter(added)
    while True:
        page = [item for item in items if item > after][: size + 1]
        seen += page[:size]
        if len(page) <= size:
            break
        after = decode_token(SCOPE, encode_token(SCOPE, page[size - 1]))
        items += range(len(items) + 1, len(items) + 1 + next(arrivals, 0))
    assert seen == items


@given(st.one_of(POSITIONS, st.text(max_size=80)), POSITIONS)
def test_a_cursor_comes_back(value: str | int, position: int) -> None:
    token = encode_cursor(SCOPE, value, position)
    assert re.fullmatch(r"[a-zA-Z0-9/+=]{1,8192}", token)
    assert decode_cursor(SCOPE, token) == (value, position)
    with pytest.raises(TokenError):
        decode_cursor((*SCOPE, "more"), token)


@pytest.mark.parametrize(
    "content",
    [[1], [1, 2, 3], [None, 1], [1.5, 1], ["a", "b"], ["a", -1], ["a", True], [2**63, 1], {"a": 1, "b": 2}, 7],
)
def test_a_cursor_that_was_made_up_is_refused(content: object) -> None:
    text = json.dumps(content, separators=(",", ":")).encode()
    forged = base64.b64encode(paging._digest(SCOPE, text) + text).decode()
    with pytest.raises(TokenError):
        decode_cursor(SCOPE, forged)


@pytest.mark.parametrize("text", ["", "x", "AAAA", base64.b64encode(b"0" * 12 + b"[" * 6000).decode(), "é"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(TokenError):
        decode_cursor(SCOPE, text)
