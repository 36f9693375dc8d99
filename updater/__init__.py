"""From chunks to a slot ready to boot; sans-IO.

This floor works on a `bootloader.Layout`, a `ConfigStore` and a `flash.Clock`; it knows no link, file or board.
"""

from updater.bundle import Firmware, make_bundle, open_bundle, sign_image
from updater.context import (
    updater_context_create,
    updater_context_free,
    updater_expire,
    updater_finish,
    updater_process,
)
from updater.errors import UpdateRefused
from updater.manifest import Manifest, parse_manifest
from updater.reception import OtaState, UpdaterContext, UpdateState
from updater.signature import sig_check_result
from updater.slot_writer import SlotWriter
from updater.target import UpdateTarget

__all__ = [
    "Firmware",
    "Manifest",
    "OtaState",
    "SlotWriter",
    "UpdateRefused",
    "UpdateState",
    "UpdateTarget",
    "UpdaterContext",
    "make_bundle",
    "open_bundle",
    "parse_manifest",
    "sig_check_result",
    "sign_image",
    "updater_context_create",
    "updater_context_free",
    "updater_expire",
    "updater_finish",
    "updater_process",
]
