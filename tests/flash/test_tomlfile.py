"""What is wrong with a document, in words: the value that is there, what is needed, and where."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest

from flash.tomlfile import decode_toml, nearest

Small = Annotated[int, msgspec.Meta(ge=0, le=255)]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    kind: Literal["slow", "fast"] = "slow"
    level: Literal[0, 255] = 0
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: Annotated[str, msgspec.Meta(pattern="^[a-z]+$")]
    entry: tuple[Entry, ...] = ()
    pair: tuple[int, Literal["x", "y"]] = (1, "x")
    many: Annotated[tuple[Literal["a", "b"], ...], msgspec.Meta(min_length=1)] = ("a",)
    size: Small = 0
    on: bool = False
    extra: Entry | None = None


def refused(text: str) -> str:
    with pytest.raises(RuntimeError) as error:
        decode_toml(text, Document, where="my.toml", error=RuntimeError)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("my.toml: ")
    return message.removeprefix("my.toml: ")


NAMED = '[[entry]]\nname = "first"\n[[entry]]\nname = "second"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('title = "Ab"', "text in quotes of the form ^[a-z]+$ is needed, not 'Ab', at $.title"),
        ("title = 3", "text in quotes is needed, not 3, at $.title"),
        ("", "the key `title` is missing"),
        ("size = -1", "a whole number of at least 0 is needed, not -1, at $.size"),
        ("size = 256", "a whole number of at most 255 is needed, not 256, at $.size"),
        ("size = 1.5", "a whole number is needed, not 1.5, at $.size"),
        ("size = true", "a whole number is needed, not true, at $.size"),
        ("size = 2020-01-01", "a whole number is needed, not 2020-01-01, at $.size"),
        ('on = "yes"', "true or false is needed, not 'yes', at $.on"),
        ("entry = 3", "a list is needed, not 3, at $.entry"),
        ("entry = [3]", "a table is needed, not 3, at $.entry[0]"),
        ("pair = [1]", "a list of 2 entries is needed, not a list of 1, at $.pair"),
        ('pair = ["x", "x"]', "a whole number is needed, not 'x', at $.pair[0]"),
        ('pair = [1, "z"]', "'z' is none of x, y, at $.pair[1]"),
        ("many = []", "a list of at least 1 entry is needed, not a list of 0, at $.many"),
        ('many = ["a", "c"]', "'c' is none of a, b, at $.many[1]"),
        ("extra = 3", "a table is needed, not 3, at $.extra"),
        ("many = {}", "a list is needed, not a table, at $.many"),
        ('extra = {name = "x", kind = "mid"}', "'mid' is none of slow, fast, at $.extra.kind"),
        ('extra = {name = "x", knd = "mid"}', "unknown field `knd`, at $.extra (did you mean `kind`?)"),
        (f"{NAMED}kind = 3", "text in quotes is needed, not 3, at $.entry[1].kind ('second')"),
        (f"{NAMED}share = 1", "a number below 1.0 is needed, not 1, at $.entry[1].share ('second')"),
        (f"{NAMED}share = 0.0", "a number above 0.0 is needed, not 0.0, at $.entry[1].share ('second')"),
        (f"{NAMED}level = 3", "3 is none of 0, 255, at $.entry[1].level ('second')"),
        (f"{NAMED}titel = 3", "unknown field `titel`, at $.entry[1] ('second') (known: kind, level, name, share)"),
        ("titel = 3", "unknown field `titel` (did you mean `title`?)"),
        (f"size = {'9' * 60}", f"a whole number of at most 255 is needed, not {'9' * 40}..., at $.size"),
    ],
)
def test_what_is_wrong_is_said_in_words(text: str, said: str) -> None:
    whole = text if text == "" or text.startswith("title") else f'title = "fine"\n{text}'
    assert refused(whole) == said


def test_a_document_without_fault_is_read() -> None:
    read = decode_toml(f'title = "fine"\n{NAMED}', Document, where="my.toml", error=RuntimeError)
    assert [entry.name for entry in read.entry] == ["first", "second"]


def test_the_nearest_name_or_all_of_them() -> None:
    assert nearest("slwo", ["slow", "fast"]) == " (did you mean `slow`?)"
    assert nearest("zzz", ("slow", "fast")) == " (known: fast, slow)"
