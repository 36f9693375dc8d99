"""Ways to cut a file into pieces: a few cuts anywhere, and runs of equal pieces down to byte by byte.

Neighbours: none. Knows nothing of what is in the file.
"""

from __future__ import annotations

from typing import overload

from hypothesis import strategies as st


@overload
def chunkings(of: bytes, *, max_size: int | None = None) -> st.SearchStrategy[list[bytes]]: ...
@overload
def chunkings(of: int, *, max_size: int | None = None) -> st.SearchStrategy[list[int]]: ...
def chunkings(
    of: bytes | int, *, max_size: int | None = None
) -> st.SearchStrategy[list[bytes]] | st.SearchStrategy[list[int]]:
    """``of`` bytes: the pieces, in order, which joined are ``of``. ``of`` a total: the sizes, which sum up to it.

    No piece is empty, none is longer than ``max_size`` bytes (None: no limit), and nothing has no piece. Shrinks to one
    piece, or as few cuts as it takes, each as early as it can be.
    """
    total = of if isinstance(of, int) else len(of)
    if total < 0:
        raise ValueError(f"chunkings(): a total of {total} bytes: give 0 or more")
    if max_size is not None and max_size < 1:
        raise ValueError(f"chunkings(): max_size={max_size}: give 1 or more")
    ends = _ends(total, max_size or max(1, total))
    if isinstance(of, int):
        return ends.map(lambda at: [end - start for start, end in _pieces(at)])
    return ends.map(lambda at: [of[start:end] for start, end in _pieces(at)])


def _pieces(ends: list[int]) -> list[tuple[int, int]]:
    return list(zip([0, *ends], ends, strict=False))


def _ends(total: int, longest: int) -> st.SearchStrategy[list[int]]:
    """Where pieces end, ascending; the last one at ``total``."""
    if total == 0:
        return st.just([])
    if total == 1:
        return st.just([1])
    return st.lists(_runs(total), max_size=6).map(lambda runs: _limited(runs, total, longest))


def _runs(total: int) -> st.SearchStrategy[range]:
    """Cuts that end at a last one and reach back from there in equal steps: so each number shrinks on its own."""
    last = st.integers(1, total - 1)
    step = st.one_of(st.integers(1, 40), st.integers(1, total))
    count = st.one_of(st.just(1), st.integers(1, total))
    return st.builds(lambda last, step, count: range(last, max(0, last - step * count), -step), last, step, count)


def _limited(runs: list[range], total: int, longest: int) -> list[int]:
    ends: list[int] = []
    at = 0
    for cut in sorted({total}.union(*runs)):
        while cut - at > longest:
            at += longest
            ends.append(at)
        ends.append(cut)
        at = cut
    return ends
