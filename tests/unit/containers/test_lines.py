from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relook.containers.lines import Lines


def _fed(pieces: list[bytes], longest: int = 1024) -> list[str]:
    found: list[str] = []
    lines = Lines(found.append, longest)
    for piece in pieces:
        lines.feed(piece)
    lines.close()
    return found


def test_lines_are_put_together_over_pieces() -> None:
    assert _fed([b"one\ntw", b"o\r\n", b"\nlast"]) == ["one", "two", "", "last"]


def test_a_line_is_handed_on_before_the_stream_ends() -> None:
    found: list[str] = []
    lines = Lines(found.append, 1024)
    lines.feed(b"ready\nwaiting")
    assert found == ["ready"]


def test_a_line_that_never_ends_comes_in_parts() -> None:
    found: list[str] = []
    lines = Lines(found.append, 10)
    for _ in range(7):
        lines.feed(b"abcd")
    assert found == ["abcdabcdab", "cdabcdabcd"]
    lines.close()
    assert "".join(found) == "abcd" * 7


def test_no_character_is_torn_apart() -> None:
    assert _fed(["ä€😀".encode() * 50 + b"\n"], 10) == _fed(["ä€😀".encode() * 50], 10)
    assert "".join(_fed(["ä€😀".encode() * 50], 10)) == "ä€😀" * 50


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert _fed([b"\xff\xfe\n" + b"\x80" * 25], 10) == ["��", "�" * 10, "�" * 10, "�" * 5]


@given(st.lists(st.binary(max_size=40)), st.integers(4, 30))
def test_pieces_make_no_difference_where_lines_are_short(pieces: list[bytes], longest: int) -> None:
    whole = b"".join(pieces)
    if all(len(line) <= longest for line in whole.split(b"\n")):
        assert _fed(pieces, longest) == _fed([whole], longest)
    assert all(len(line.encode()) <= 3 * longest for line in _fed(pieces, longest))
