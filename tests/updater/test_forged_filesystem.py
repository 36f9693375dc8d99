"""Metadata that is wrong under a checksum that is right: littlefs believes it, and nothing hangs on it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.filesystems import tree_of
from tests.forgery import CTZ_STRUCT, DIR_STRUCT, FILE_NAME, Change, forged
from tests.updater.merging import BLOCK, FS_SIZE, NEW, OLD, Trial, image

FILES = {b"conf9.json": b"the user's", b"user/log": bytes(range(256)) * 20, b"both": b"old", b"a/b/c": b"1" * 700}
GENUINE, SHIPPED = image(FILES), image({b"both": b"new"})
ROOT = (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def test_the_forger_changes_what_it_is_told_and_nothing_else() -> None:
    assert forged(GENUINE, BLOCK, lambda kind, data: data) == GENUINE
    renamed = forged(GENUINE, BLOCK, lambda kind, data: b"bott" if data == b"both" else data)
    tree = tree_of(GENUINE, BLOCK)
    assert tree_of(renamed, BLOCK) == {(b"bott" if path == b"both" else path): tree[path] for path in tree}


def in_itself(kind: int, data: bytes) -> bytes:
    return ROOT if kind == DIR_STRUCT else data


def larger_than_all(kind: int, data: bytes) -> bytes:
    return data[:4] + (FS_SIZE + 1).to_bytes(4, "little") if kind == CTZ_STRUCT else data


def with_a_slash(kind: int, data: bytes) -> bytes:
    return b"/" if kind == FILE_NAME and data == b"c" else data


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (in_itself, ": listing it: more than 10000 files and folders"),
        (larger_than_all, f": opening user/log: it claims {FS_SIZE + 1} bytes in a filesystem of {FS_SIZE}"),
        (with_a_slash, ": listing a/b: '/' is no name"),
    ],
)
def test_what_would_not_end_or_lead_astray_is_refused(change: Change, words: str) -> None:
    report = Trial(forged(GENUINE, BLOCK, change), SHIPPED).merge()
    assert report.failed.startswith("filesystem of slot-0: ")
    assert report.failed.endswith(words)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_forgery_is_a_report(data: st.DataObject) -> None:
    every = data.draw(st.integers(2, 12))
    values = data.draw(st.lists(st.one_of(st.integers(0, 8), st.integers(0, 255)), min_size=8, max_size=8))
    seen = [0]

    def change(kind: int, old: bytes) -> bytes:
        seen[0] += 1
        if seen[0] % every or not old:
            return old
        changed = bytearray(old)
        for turn, value in enumerate(values):
            changed[(turn * 7 + seen[0]) % len(changed)] = value
        return bytes(changed)

    trial = Trial(forged(GENUINE, BLOCK, change), SHIPPED)
    before = trial.image(OLD)
    report = trial.merge()
    assert trial.image(OLD) == before
    assert trial.tree(NEW)[b"both"] == b"new"
    assert report.failed.startswith("filesystem of slot-") or not report.failed
