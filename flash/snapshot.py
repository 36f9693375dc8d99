"""States of an array, copy-on-write.

A snapshot is a tree of immutable blocks: two levels of up to 64 children, so making, comparing or restoring one
costs what changed, not what the part holds. Blocks are compared by identity first and by content after; keys
are SHA-256 cut to 128 bits. Neighbours: `cells` makes and restores them, campaigns keep thousands. Knows
nothing of what a block means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

FAN_OUT = 64
KEY_BYTES = 16


class Block:
    """An immutable piece of state."""

    __slots__ = ("_key", "content")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._key: bytes | None = None

    @property
    def key(self) -> bytes:
        if self._key is None:
            self._key = hashlib.sha256(self.content).digest()[:KEY_BYTES]
        return self._key

    def same(self, other: Block) -> bool:
        return self is other or self.content == other.content


class _Group:
    """Up to 64 neighbouring blocks."""

    __slots__ = ("_key", "blocks")

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        self.blocks = blocks
        self._key: bytes | None = None

    @property
    def key(self) -> bytes:
        if self._key is None:
            joined = b"".join([block.key for block in self.blocks])
            self._key = hashlib.sha256(joined).digest()[:KEY_BYTES]
        return self._key


class SnapshotTree:
    """An immutable sequence of blocks."""

    __slots__ = ("_groups", "_key")

    def __init__(self, groups: tuple[_Group, ...]) -> None:
        self._groups = groups
        self._key: bytes | None = None

    @classmethod
    def uniform(cls, block: Block, count: int) -> SnapshotTree:
        full = _Group((block,) * FAN_OUT)
        groups = [full] * (count // FAN_OUT)
        if count % FAN_OUT:
            groups.append(_Group((block,) * (count % FAN_OUT)))
        return cls(tuple(groups))

    @property
    def key(self) -> bytes:
        """Digest of the whole content; blocks and groups that did not change are not hashed again."""
        if self._key is None:
            joined = b"".join([group.key for group in self._groups])
            self._key = hashlib.sha256(joined).digest()[:KEY_BYTES]
        return self._key

    def block(self, index: int) -> Block:
        return self._groups[index // FAN_OUT].blocks[index % FAN_OUT]

    def blocks(self) -> Iterator[Block]:
        """All of them, in order."""
        for group in self._groups:
            yield from group.blocks

    def part(self, indexes: Iterable[int]) -> TreePart:
        """Some blocks of this tree, to be held against other trees."""
        by_group: dict[int, list[int]] = {}
        for index in indexes:
            by_group.setdefault(index // FAN_OUT, []).append(index % FAN_OUT)
        return TreePart(
            [
                (number, self._groups[number], [(i, self._groups[number].blocks[i]) for i in members])
                for number, members in by_group.items()
            ]
        )

    def group(self, number: int) -> _Group:
        return self._groups[number]

    def replaced(self, changed: Mapping[int, Block]) -> SnapshotTree:
        """The same tree with some blocks exchanged."""
        if not changed:
            return self
        by_group: dict[int, dict[int, Block]] = {}
        for index, block in changed.items():
            by_group.setdefault(index // FAN_OUT, {})[index % FAN_OUT] = block
        groups = list(self._groups)
        for number, members in by_group.items():
            blocks = list(groups[number].blocks)
            for within, block in members.items():
                blocks[within] = block
            groups[number] = _Group(tuple(blocks))
        return SnapshotTree(tuple(groups))

    def differing(self, other: SnapshotTree) -> Iterator[int]:
        """Indexes of blocks that are not the same object in both (a superset of those that differ)."""
        if self is other:
            return
        for number, (mine, theirs) in enumerate(zip(self._groups, other._groups, strict=True)):
            if mine is theirs:
                continue
            for within, (left, right) in enumerate(zip(mine.blocks, theirs.blocks, strict=True)):
                if left is not right:
                    yield number * FAN_OUT + within


class TreePart:
    """Chosen blocks of a tree; ``fits`` asks whether another tree has the same ones."""

    __slots__ = ("_groups",)

    def __init__(self, groups: list[tuple[int, _Group, list[tuple[int, Block]]]]) -> None:
        self._groups = groups

    def fits(self, tree: SnapshotTree) -> bool:
        """Groups that are the same object are not looked into: that is what makes this cheap."""
        for number, group, members in self._groups:
            theirs = tree.group(number)
            if theirs is group:
                continue
            blocks = theirs.blocks
            for within, block in members:
                other = blocks[within]
                if other is not block and other.key != block.key:
                    return False
        return True


class Snapshot:
    """One state of one array: its blocks, and its erase counts (which ``key`` leaves out on purpose).

    Erase counts matter only to checks and timings that ask for them; a state with other counts behaves the same.
    """

    def __init__(self, tree: SnapshotTree, wear: bytes) -> None:
        self.tree = tree
        self.wear = wear

    @property
    def key(self) -> bytes:
        return self.tree.key

    def with_blocks(self, changed: Mapping[int, Block]) -> Snapshot:
        """The same state with some blocks exchanged; erase counts stay as they are."""
        return Snapshot(self.tree.replaced(changed), self.wear)

    def same(self, other: Snapshot) -> bool:
        """Whether both hold the same content, compared where they may differ."""
        return all(self.tree.block(i).same(other.tree.block(i)) for i in self.tree.differing(other.tree))
