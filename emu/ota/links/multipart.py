"""multipart/form-data as it streams in: files piece by piece, variables whole and short. Sans-IO.

Neighbours: whoever takes uploads. python-multipart cuts the bytes, an extra imported when an upload comes. Holds no
more than the headers of one part and one variable.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from email.message import Message
from typing import Any

MAX_PARTS = 16
MAX_VARIABLE = 1024
MAX_HEADERS = 4096
"""Bytes of the headers of one part; the parser has limits of its own only in later versions."""


@dataclass(frozen=True)
class FileBegun:
    name: str
    filename: str


@dataclass(frozen=True)
class FileData:
    data: bytes


@dataclass(frozen=True)
class Variable:
    name: str
    value: str


class MultipartError(Exception):
    """What came is no form, or more of one than anybody means."""


Event = FileBegun | FileData | Variable


def boundary_of(content_type: str) -> bytes | None:
    """None: it is no multipart/form-data."""
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_type() != "multipart/form-data" or not isinstance(boundary, str) or not boundary:
        return None
    return boundary.encode("latin-1", "replace")


class Multipart:
    """Raises MultipartError for a boundary nobody can mean. A part is a file where it has a ``filename``."""

    def __init__(self, boundary: bytes) -> None:
        from python_multipart import MultipartParser
        from python_multipart.exceptions import FormParserError

        logging.getLogger("python_multipart").addHandler(logging.NullHandler())
        self._error = FormParserError
        self._events: list[Event] = []
        self._header = [b"", b""]
        self._headers: dict[str, str] = {}
        self._headers_size = 0
        self._variable: bytearray | None = None
        self._name = ""
        self._parts = 0
        self.is_complete = False
        try:
            self._parser = MultipartParser(boundary, self._callbacks())
        except FormParserError as wrong:
            raise MultipartError(str(wrong)) from None

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes completed. Raises MultipartError."""
        try:
            self._parser.write(data)
        except self._error as wrong:
            raise MultipartError(str(wrong)) from None
        events, self._events = self._events, []
        return events

    def _callbacks(self) -> Any:
        def field(data: bytes, start: int, end: int) -> None:
            self._header_grows(0, data[start:end])

        def value(data: bytes, start: int, end: int) -> None:
            self._header_grows(1, data[start:end])

        def content(data: bytes, start: int, end: int) -> None:
            self._content(data[start:end])

        return {
            "on_part_begin": self._part_begins,
            "on_header_field": field,
            "on_header_value": value,
            "on_header_end": self._header_ends,
            "on_headers_finished": self._headers_end,
            "on_part_data": content,
            "on_part_end": self._part_ends,
            "on_end": self._ends,
        }

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise MultipartError(f"more than {MAX_PARTS} parts")
        self._headers, self._header, self._headers_size = {}, [b"", b""], 0

    def _header_grows(self, which: int, data: bytes) -> None:
        self._headers_size += len(data)
        if self._headers_size > MAX_HEADERS:
            raise MultipartError(f"the headers of a part have more than {MAX_HEADERS} bytes")
        self._header[which] += data

    def _header_ends(self) -> None:
        name, value = (text.decode("utf-8", "replace") for text in self._header)
        self._headers[name.lower()] = value
        self._header = [b"", b""]

    def _headers_end(self) -> None:
        message = Message()
        message["content-disposition"] = " ".join(self._headers.get("content-disposition", "").split())
        name, filename = (message.get_param(key, header="content-disposition") for key in ("name", "filename"))
        self._name = name if isinstance(name, str) else ""
        if isinstance(filename, str) and filename:
            self._variable = None
            self._events.append(FileBegun(self._name, filename))
        else:
            self._variable = bytearray()

    def _content(self, data: bytes) -> None:
        if self._variable is None:
            self._events.append(FileData(data))
            return
        if len(self._variable) + len(data) > MAX_VARIABLE:
            raise MultipartError(f"the variable {self._name[:40]!r} has more than {MAX_VARIABLE} bytes")
        self._variable += data

    def _part_ends(self) -> None:
        if self._variable is not None:
            self._events.append(Variable(self._name, self._variable.decode("utf-8", "replace")))
        self._variable = None

    def _ends(self) -> None:
        self.is_complete = True
