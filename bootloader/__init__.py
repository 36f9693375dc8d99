"""What runs at reset: two versioned boot configs, image verification, the boot decision, the commit promise.

This floor works on `flash.NorFlash` windows; it knows nothing of update files, boards or campaigns.
"""

from bootloader.boot import BootReport, boot
from bootloader.commit import CommitTimer, commit, revert
from bootloader.config import BootConfig, Configs, CopyReading, SlotConfig, newest_of, pack_config, read_config
from bootloader.config_store import ConfigStore
from bootloader.decision import Decision, ResetCause, decide
from bootloader.errors import BootError, ConfigNotWritten, LayoutError, SequencerExhausted
from bootloader.image import ImageHeader, header_for, pack_header, parse_header, version_number
from bootloader.layout import Layout, Slot
from bootloader.verify import Reason, Verification, VerifyPolicy, verify_image

__all__ = [
    "BootConfig",
    "BootError",
    "BootReport",
    "CommitTimer",
    "ConfigNotWritten",
    "ConfigStore",
    "Configs",
    "CopyReading",
    "Decision",
    "ImageHeader",
    "Layout",
    "LayoutError",
    "Reason",
    "ResetCause",
    "SequencerExhausted",
    "Slot",
    "SlotConfig",
    "Verification",
    "VerifyPolicy",
    "boot",
    "commit",
    "decide",
    "header_for",
    "newest_of",
    "pack_config",
    "pack_header",
    "parse_header",
    "read_config",
    "revert",
    "verify_image",
    "version_number",
]
