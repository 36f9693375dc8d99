"""A form is the same however its bytes are cut, and no form holds more memory than one part's head."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.ota.links.multipart import (
    MAX_HEADERS,
    Event,
    FileBegun,
    FileData,
    Multipart,
    MultipartError,
    Variable,
    boundary_of,
)
from tests.ota.served import form

CONTENT = b"\r\n--xYz\r\n--xYzZ" + bytes(range(256)) * 3
BODY, _ = form(("a", None, b"1"), ("f", "b.zip", CONTENT), ("commit_timeout", None, b"5"))


def parsed(pieces: list[bytes]) -> list[Event]:
    multipart = Multipart(b"xYzZY")
    events: list[Event] = []
    for event in (event for piece in pieces for event in multipart.feed(piece)):
        if isinstance(event, FileData) and events and isinstance(events[-1], FileData):
            events[-1] = FileData(events[-1].data + event.data)
        else:
            events.append(event)
    assert multipart.is_complete
    return events


@given(st.lists(st.integers(0, len(BODY)), max_size=12))
def test_what_a_form_says_does_not_depend_on_how_it_is_cut(cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), len(BODY)]
    pieces = [BODY[low:high] for low, high in itertools.pairwise(bounds)]
    expected: list[Event] = [
        Variable("a", "1"), FileBegun("f", "b.zip"), FileData(CONTENT), Variable("commit_timeout", "5"),
    ]  # fmt: skip
    assert parsed(pieces) == expected


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_any_bytes_are_a_form_or_are_refused(head: bytes, tail: bytes) -> None:
    multipart = Multipart(b"xYzZY")
    try:
        for piece in (head, b"--xYzZY\r\n", tail, b"\r\n\r\n", head):
            multipart.feed(piece)
    except MultipartError as wrong:
        assert str(wrong)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; boundary="a b"', b"a b"),
        ("multipart/form-data", None),
        ("application/x-www-form-urlencoded", None),
        ("", None),
        ("multipart/mixed; boundary=abc", None),
    ],
)
def test_the_boundary(content_type: str, boundary: bytes | None) -> None:
    assert boundary_of(content_type) == boundary


def test_a_boundary_that_nobody_means() -> None:
    with pytest.raises(MultipartError, match="256"):
        Multipart(b"x" * 300)


def test_the_headers_of_a_part_are_bounded_whatever_the_library_does() -> None:
    for header in (b"X: " + b"y" * MAX_HEADERS, b"X" * MAX_HEADERS + b"Y: z", b"X: yyyyyyy\r\n" * (MAX_HEADERS // 8)):
        parser = Multipart(b"b")
        with pytest.raises(MultipartError):
            for data in (b"--b\r\n", *(header[at : at + 100] for at in range(0, len(header), 100))):
                parser.feed(data)
        assert parser._headers_size <= MAX_HEADERS + 100
