"""A rig as plain data, so that another process can make the same one.

Content travels, not paths: what is on disk may change while a campaign runs. Part files and key files are in the data
as well. A rig of one's own travels as the name of the function that makes it.

Neighbours: `update_rig` is what is made; engines of `campaign` carry the spec and do not look inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from bootloader.verify import VerifyPolicy
from emu.app import APP_MODELS
from emu.board import Board, BoardFile
from emu.campaign.engines import WorkSpec
from emu.errors import ScenarioError
from emu.firmware import ModelFirmware
from emu.link_choice import LinkChoice
from emu.own_firmware import load_source
from emu.plain_rig import PlainRig
from emu.rig import Rig, Subject
from emu.scenario import Scenario
from emu.source import Bundled, Source
from emu.update_rig import ImagePair, UpdateRig
from flash.part import Part
from flash.timing import TimingMode
from updater.signature import key_text, read_key

if TYPE_CHECKING:
    from emu.elf.board import ElfBoard
    from emu.elf.rig import ElfRig


@dataclass(frozen=True, slots=True)
class BoardData:
    """A `Board`. ``document`` and ``parts`` are msgspec JSON, ``keys`` PEM, ``update_keys`` as in a board file."""

    document: bytes
    parts: tuple[tuple[str, bytes], ...]
    policy: VerifyPolicy
    keys: tuple[bytes, ...]
    update_keys: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class RigData:
    """An `UpdateRig`. ``firmware``: "module:class", to be called without arguments, or where a class of the user's is.
    ``app``: a name of `emu.app`. ``link``: of a `LinkedRig`."""

    board: BoardData
    images: ImagePair
    firmware: str | Source
    app: str
    timing: TimingMode
    seed: int
    resolution: str
    link: LinkChoice | None = None


@dataclass(frozen=True, slots=True)
class OwnData:
    """A `PlainRig` whose scenario is in a file, or bundled. ``library``: the digest of its firmware in C, "" for one in
    Python."""

    source: Source | Bundled
    timing: TimingMode
    seed: int
    resolution: str
    library: str


@dataclass(frozen=True, slots=True)
class ElfData:
    """An `ElfRig`, whose board is plain data with everything in it. ``resets``, ``live``: as it has them."""

    board: ElfBoard
    timing: TimingMode
    seed: int
    resolution: str
    resets: bool = False
    live: tuple[int, ...] | None = None


def rig_spec(rig: Subject) -> WorkSpec:
    """What makes the like of ``rig`` elsewhere. Raises ScenarioError for a rig that cannot be said as data."""
    if isinstance(rig, PlainRig):
        return _own_spec(rig)
    if not isinstance(rig, UpdateRig):
        return _elf_spec(rig)
    firmware = type(rig.firmware)
    if APP_MODELS.get(rig.app.name) != rig.app:
        raise ScenarioError(f"application model {rig.app.name!r} is none of emu.app; another process cannot make it")
    if "<locals>" in firmware.__qualname__:
        raise ScenarioError(f"firmware {firmware.__qualname__} is made in a function; another process cannot import it")
    name = rig.firmware.source or f"{firmware.__module__}:{firmware.__qualname__}"
    timing, seed, resolution = rig.drawn
    data = RigData(_board_data(rig.board), rig.images, name, rig.app.name, timing, seed, resolution, rig.link)
    return WorkSpec("emu.rig_spec:rig_from", (data,))


def _elf_spec(rig: Subject) -> WorkSpec:
    from emu.elf.rig import ElfRig  # an extra is needed for it

    assert isinstance(rig, ElfRig), "a rig that no other process can make: please report"
    return WorkSpec("emu.rig_spec:elf_rig_from", (ElfData(rig.board, *rig.drawn, *rig.resets),))


def elf_rig_from(data: ElfData) -> ElfRig:
    """The rig of an `ElfData`."""
    from emu.elf.rig import ElfRig

    return ElfRig(
        data.board, timing=data.timing, seed=data.seed, resolution=data.resolution, resets=data.resets, live=data.live
    )


def _own_spec(rig: PlainRig) -> WorkSpec:
    source = rig.scenario.source
    if source is None:
        raise ScenarioError(
            f"scenario {rig.name!r} came from no file, so no other process can make it; give --firmware FILE.py:NAME"
        )
    return WorkSpec("emu.rig_spec:own_rig_from", (OwnData(source, *rig.drawn, _library(rig)),))


def own_rig_from(data: OwnData) -> PlainRig:
    """The rig of an `OwnData`."""
    own = load_source(data.source)
    assert isinstance(own, Scenario), "a file with the same content has another thing in it: please report"
    rig = PlainRig(own, timing=data.timing, seed=data.seed, resolution=data.resolution)
    if _library(rig) != data.library:
        raise ScenarioError(f"{data.source}: the library it loads has changed since the campaign began; run it again")
    return rig


def _library(rig: PlainRig) -> str:
    return rig.inputs["library"].digest if "library" in rig.inputs else ""


def spec_by_name(factory: str, rig: Rig, *data: Any) -> WorkSpec:
    """What makes the like of a rig of one's own, say a `plain_rig`: ``factory`` is "package.module:function", called
    with ``data`` wherever the work is done.

    Raises ScenarioError when it does not make the like of ``rig``.
    """
    spec = WorkSpec(factory, data)
    try:
        made: Rig = spec.resolve()
    except (ImportError, AttributeError, ValueError, TypeError) as wrong:
        raise ScenarioError(f"no rig is made by {factory!r}: {wrong}; give package.module:function") from None
    for role, item in rig.inputs.items():
        if role not in made.inputs or made.inputs[role].digest != item.digest:
            raise ScenarioError(f"{factory!r} makes another rig: its {role!r} differs from this one's")
    return spec


def rig_from(data: RigData) -> UpdateRig:
    """The rig of `rig_spec`."""
    firmware: ModelFirmware
    if isinstance(data.firmware, Source):
        own = load_source(data.firmware)
        assert not isinstance(own, Scenario), "a file with the same content has another thing in it: please report"
        firmware = own()
    else:
        firmware = WorkSpec(data.firmware).resolve()
    board, timing, seed, resolution = _board_from(data.board), data.timing, data.seed, data.resolution
    if data.link is not None:
        from emu.linked_rig import LinkedRig

        return LinkedRig(
            board, data.images, data.link, firmware=firmware, timing=timing, seed=seed, resolution=resolution
        )
    app = APP_MODELS[data.app]
    return UpdateRig(board, data.images, firmware=firmware, app=app, timing=timing, seed=seed, resolution=resolution)


def _board_data(board: Board) -> BoardData:
    parts = tuple((name, msgspec.json.encode(part)) for name, part in board.parts.items())
    keys = tuple(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in board.policy.keys)
    update_keys = tuple("" if key is None else key_text(key) for key in board.update_keys)
    policy = replace(board.policy, keys=())
    return BoardData(msgspec.json.encode(board.document), parts, policy, keys, update_keys, board.digest)


def _board_from(data: BoardData) -> Board:
    return Board(
        msgspec.json.decode(data.document, type=BoardFile),
        {name: msgspec.json.decode(part, type=Part) for name, part in data.parts},
        replace(data.policy, keys=tuple(_key(raw) for raw in data.keys)),
        tuple(read_key(text) if text else None for text in data.update_keys),
        data.digest,
    )


def _key(raw: bytes) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey:
    key = load_pem_public_key(raw)
    assert isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey), "a board's key: please report"
    return key
