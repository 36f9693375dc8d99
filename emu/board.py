"""A board, described in TOML: parts, partitions, layout, timers, link, checks.

Neighbours: `device` builds the hardware from it; boards of our own are in `boards/`. Unknown keys are refused with
the nearest match. Knows no firmware and no campaign.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from bootloader.config import RECORD_SIZE, SLOT_COUNT
from bootloader.crc import CrcName
from bootloader.layout import slot_problem
from bootloader.verify import VerifyPolicy
from emu.board_kind import is_elf_board
from emu.errors import BoardError
from flash.errors import FlashError, PartError
from flash.files import read_bounded
from flash.part import Part, bundled_part, load_part
from flash.tomlfile import decode_toml, nearest, read_toml
from updater.signature import KEY_COUNT, MASK_IGNORED, MAX_MASK, UpdateKeys, read_key

Positive = Annotated[int, msgspec.Meta(gt=0)]
NonNegative = Annotated[int, msgspec.Meta(ge=0)]
U32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
CheckName = Literal[
    "boots", "whole", "durable", "reverts", "retries", "truthful", "keeps-files", "in-place", "legal-flash", "steady",
    "wear",
]  # fmt: skip
Applied = Annotated[tuple[CheckName, ...], msgspec.Meta(min_length=1)]
MAX_KEY_SIZE = 1 << 16
ALL_CHECKS: tuple[CheckName, ...] = (
    "boots", "whole", "durable", "reverts", "retries", "truthful", "keeps-files", "in-place", "legal-flash", "steady",
    "wear",
)  # fmt: skip


class FlashEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One chip: a bundled ``part``, or a ``part_file`` beside the board file."""

    name: str
    part: str = ""
    part_file: str = ""


class PartitionEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    flash: str
    offset: NonNegative
    size: Positive


class LayoutEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Partition names: two config copies, two slots. ``fs_size``: room for a filesystem at each slot's end."""

    configs: tuple[str, str]
    slots: tuple[str, str]
    fs_size: NonNegative = 0


class VerifyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the bootloader insists on. ``keys``: PEM files beside the board file; with any, an image header must be
    signed by one of them. They protect the slot, at every boot; those of `UpdateEntry` protect the transport."""

    crc: CrcName = "crc-32"
    sha256: bool = False
    keys: tuple[str, ...] = ()
    minimum_version: U32 = 0
    refuse_downgrade: bool = False


class UpdateEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the updater insists on, with the names of Mongoose OS. ``keyN``: base64 DER SubjectPublicKeyInfo of an ECDSA
    P-256 key, '' where not set. ``sig_req_mask``: bit N requires a signature of the manifest by ``keyN``; -1: none is
    required; 0: no update is taken. An update is asked once, when it arrives; the slot itself is `VerifyEntry`'s."""

    key0: str = ""
    key1: str = ""
    key2: str = ""
    key3: str = ""
    key4: str = ""
    key5: str = ""
    key6: str = ""
    key7: str = ""
    sig_req_mask: Annotated[int, msgspec.Meta(ge=MASK_IGNORED, le=MAX_MASK)] = MASK_IGNORED


class TimerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``commit_timeout_s`` goes into updates; 0: the application is to commit at once, and no timer is armed: without a
    watchdog nothing then ends a hang of the new image. ``watchdog_s`` 0: none."""

    commit_timeout_s: U32 = 60
    commit_can_stop: bool = True
    commit_max_s: NonNegative = 0
    watchdog_s: NonNegative = 0


class AppEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the application tests itself before it commits."""

    self_test_ms: NonNegative = 500


class LinkEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where updates come from. ``bytes_per_s`` 0: not the limit."""

    bytes_per_s: NonNegative = 0
    chunk_size: Positive = 4096


class CheckEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which checks apply, and their bounds: resets before a device counts as looping, erases per sector and path."""

    apply: Applied = ALL_CHECKS
    max_resets: Positive = 8
    max_erases: Positive = 4


class BoardFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document."""

    name: Name
    platform: Name
    flash: tuple[FlashEntry, ...]
    partition: tuple[PartitionEntry, ...]
    layout: LayoutEntry
    summary: str = ""
    load_address: U32 = 0
    verify: VerifyEntry = VerifyEntry()
    update: UpdateEntry = UpdateEntry()
    timers: TimerEntry = TimerEntry()
    app: AppEntry = AppEntry()
    link: LinkEntry = LinkEntry()
    checks: CheckEntry = CheckEntry()


class Board:
    """A checked board: the document, its parts and its keys. ``digest`` covers all of them."""

    def __init__(
        self, document: BoardFile, parts: dict[str, Part], policy: VerifyPolicy, update_keys: UpdateKeys, digest: str
    ) -> None:
        self.document = document
        self.parts = parts
        self.policy = policy
        self.update_keys = update_keys
        self.digest = digest

    @property
    def name(self) -> str:
        return self.document.name


def board_names() -> tuple[str, ...]:
    """Names of the bundled boards, sorted."""
    files = resources.files("emu").joinpath("boards").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def load_board(name: str) -> Board:
    """A bundled board by name, or a board file by path (anything with a suffix or a slash). Raises BoardError."""
    if name in board_names():
        text = resources.files("emu").joinpath("boards", f"{name}.toml").read_text(encoding="utf-8")
        return make_board(decode_toml(text, BoardFile, where=f"board {name}", error=BoardError), Path(), name)
    path = Path(name)
    if path.suffix or path.name != name:
        if is_elf_board(path):
            raise BoardError(
                f"{path}: a board for an ELF, with the key `chip`: `boot`, `run`, `replay` and `serve` take it; this "
                "needs a board with [[flash]] and [[partition]]"
            )
        return make_board(read_toml(path, BoardFile, error=BoardError), path.parent, str(path))
    raise BoardError(f"no board named {name!r}{nearest(name, board_names())}; a board file is given by its path")


def board_files(name: str, board: Board) -> tuple[Path, ...]:
    """The files of the user's that ``load_board(name)`` made ``board`` of: none for a bundled one."""
    if name in board_names():
        return ()
    path, document = Path(name), board.document
    beside = (*document.verify.keys, *(entry.part_file for entry in document.flash if entry.part_file))
    return (path, *(path.parent / file for file in beside))


def make_board(document: BoardFile, folder: Path, where: str) -> Board:
    """Check a document. ``folder`` is where its part and key files are looked for."""
    parts = {entry.name: _part(entry, folder, where) for entry in document.flash}
    names = [entry.name for entry in document.flash]
    for name in names:
        if names.count(name) > 1:
            raise BoardError(f"{where}: two flash entries share a name, {name!r}")
    _check_partitions(document, parts, where)
    applied = document.checks.apply
    if len(set(applied)) != len(applied):
        raise BoardError(f"{where}: checks: apply names a check twice")
    timers = document.timers
    if timers.commit_max_s and timers.commit_timeout_s > timers.commit_max_s:
        raise BoardError(
            f"{where}: timers: commit_timeout_s {timers.commit_timeout_s} is more than the hardware counts, "
            f"commit_max_s {timers.commit_max_s}"
        )
    policy, key_bytes = _policy(document.verify, folder, where)
    update_keys = _update_keys(document.update, where)
    hashed = hashlib.sha256(msgspec.json.encode(document))
    for name in sorted(parts):
        hashed.update(msgspec.json.encode(parts[name]))
    for raw in key_bytes:
        hashed.update(raw)
    return Board(document, parts, policy, update_keys, hashed.hexdigest())


def _part(entry: FlashEntry, folder: Path, where: str) -> Part:
    if bool(entry.part) == bool(entry.part_file):
        raise BoardError(f"{where}: flash {entry.name!r} needs part or part_file, one of them")
    try:
        part = bundled_part(entry.part) if entry.part else load_part(folder / entry.part_file)
    except PartError as wrong:
        raise BoardError(f"{where}: flash {entry.name!r}: {wrong}") from None
    if part.kind == "eeprom":
        raise BoardError(
            f"{where}: flash {entry.name!r}: {part.name} is an I2C EEPROM, which only a board for an ELF can have "
            "as a [[memory]]; name a flash part"
        )
    return part


def _check_partitions(document: BoardFile, parts: dict[str, Part], where: str) -> None:
    seen: dict[str, PartitionEntry] = {}
    for entry in document.partition:
        if entry.name in seen:
            raise BoardError(f"{where}: two partitions are named {entry.name!r}")
        part = parts.get(entry.flash)
        if part is None:
            raise BoardError(
                f"{where}: partition {entry.name!r}: no flash {entry.flash!r}{nearest(entry.flash, [*parts])}"
            )
        try:
            part.geometry.window(entry.offset, entry.size)
        except FlashError as wrong:
            raise BoardError(f"{where}: partition {entry.name!r}: {wrong}") from None
        for other in seen.values():
            if other.flash == entry.flash and _overlap(entry, other):
                raise BoardError(
                    f"{where}: partitions {other.name!r} [{other.offset:#x}, {other.offset + other.size:#x}) and "
                    f"{entry.name!r} [{entry.offset:#x}, {entry.offset + entry.size:#x}) of {entry.flash!r} overlap"
                )
        seen[entry.name] = entry
    used = (*document.layout.configs, *document.layout.slots)
    for name in used:
        if name not in seen:
            raise BoardError(f"{where}: layout: no partition {name!r}{nearest(name, list(seen))}")
    if len(set(used)) != 2 + SLOT_COUNT:
        raise BoardError(f"{where}: layout: two config copies and two slots need four different partitions")
    for name in document.layout.configs:
        if seen[name].size < RECORD_SIZE:
            raise BoardError(
                f"{where}: layout: {name!r}: {seen[name].size} bytes are too few, a record takes {RECORD_SIZE}"
            )
        unit = parts[seen[name].flash].program.unit
        if RECORD_SIZE % unit:
            raise BoardError(
                f"{where}: layout: {name!r}: a record of {RECORD_SIZE} bytes is no multiple of unit {unit}"
            )
    for name in document.layout.slots:
        entry = seen[name]
        problem = slot_problem(parts[entry.flash].geometry.window(entry.offset, entry.size), document.layout.fs_size)
        if problem:
            raise BoardError(f"{where}: layout: slot {name!r}: {problem}")


def _overlap(one: PartitionEntry, other: PartitionEntry) -> bool:
    return one.offset < other.offset + other.size and other.offset < one.offset + one.size


def _policy(entry: VerifyEntry, folder: Path, where: str) -> tuple[VerifyPolicy, list[bytes]]:
    keys: list[ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey] = []
    raws: list[bytes] = []
    for name in entry.keys:
        try:
            raw = read_bounded(folder / name, MAX_KEY_SIZE)
            key = load_pem_public_key(raw)
        except OSError as wrong:
            raise BoardError(f"{where}: key {name}: cannot be read: {wrong.strerror}") from None
        except (ValueError, UnsupportedAlgorithm):
            raise BoardError(f"{where}: key {name}: not a PEM public key this version knows") from None
        if not isinstance(key, ed25519.Ed25519PublicKey) and not (
            isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
        ):
            raise BoardError(f"{where}: key {name}: only Ed25519 and ECDSA P-256 keys are known")
        keys.append(key)
        raws.append(raw)
    return VerifyPolicy(entry.crc, entry.sha256, tuple(keys), entry.minimum_version), raws


def _update_keys(entry: UpdateEntry, where: str) -> UpdateKeys:
    keys: list[ec.EllipticCurvePublicKey | None] = []
    for index in range(KEY_COUNT):
        text = getattr(entry, f"key{index}")
        try:
            keys.append(read_key(text) if text else None)
        except ValueError as wrong:
            raise BoardError(f"{where}: update: key{index} {wrong}") from None
        if entry.sig_req_mask > 0 and entry.sig_req_mask >> index & 1 and not text:
            raise BoardError(
                f"{where}: update: sig_req_mask {entry.sig_req_mask:#04x} requires signature {index}, and key{index} "
                "is not set; every update would be refused"
            )
    return tuple(keys)
