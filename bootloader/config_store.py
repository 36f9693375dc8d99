"""Two versioned copies on flash: the newest valid one wins, the other one is written. Always.

Neighbours: `config` knows the bytes, `boot`, `commit` and the updater read and write through here. Keeps nothing
in RAM between calls: whatever it knows it has just read, so a reset at any point loses nothing.
"""

from __future__ import annotations

from dataclasses import replace

from bootloader.config import INITIAL_SEQUENCER, RECORD_SIZE, BootConfig, Configs, CopyReading, pack_config, read_config
from bootloader.config import newest_of as newest_valid
from bootloader.errors import ConfigNotWritten, SequencerExhausted
from flash.contract import NorFlash
from flash.errors import EccFault

UPDATE_RESERVE = 3
"""Records one update can need: finished, entered, then committed or rolled back."""


class ConfigStore:
    """The boot config of a device, over two flash windows that each hold one record at offset 0."""

    def __init__(self, copies: tuple[NorFlash, NorFlash]) -> None:
        self._copies = copies

    def read(self) -> Configs:
        """Both copies, and which one counts."""
        return self.newest_of(self._read_copy(0), self._read_copy(1))

    def newest_of(self, first: CopyReading, second: CopyReading) -> Configs:
        return newest_valid(first, second)

    def write(self, config: BootConfig) -> BootConfig:
        """Make ``config`` the newest record; its sequencer is chosen here and returned with it.

        Erases and programs the copy that is *not* the newest, then reads it back. Raises SequencerExhausted
        before anything is touched, ConfigNotWritten when the record does not read back.
        """
        configs = self.read()
        newest = configs.config
        if newest is not None and newest.sequencer == 0:
            raise SequencerExhausted("the boot config's sequencer is used up; erase both copies in the factory")
        sequencer = INITIAL_SEQUENCER if newest is None else newest.sequencer - 1
        numbered = replace(config, sequencer=sequencer)
        self._write_copy(self.target_of(configs), numbered)
        return numbered

    def target_of(self, configs: Configs) -> int:
        return configs.write_to

    def remaining_writes(self) -> int:
        """How many more records can be written before the sequencer is exhausted."""
        newest = self.read().config
        return INITIAL_SEQUENCER + 1 if newest is None else newest.sequencer

    def _read_copy(self, index: int) -> CopyReading:
        try:
            return self.judge(self._from_flash(index, self._copies[index].read(0, RECORD_SIZE)))
        except EccFault as fault:
            return CopyReading(None, str(fault))

    def judge(self, record: bytes) -> CopyReading:
        return read_config(record)

    def _write_copy(self, index: int, config: BootConfig) -> None:
        copy, record = self._copies[index], pack_config(config)
        geometry = copy.geometry
        copy.erase(0, geometry.sector_at(0).size)
        stored = self._from_flash(index, record)
        for offset, length in geometry.programs(0, RECORD_SIZE):
            copy.program(offset, stored[offset : offset + length])
        reading = self._read_copy(index)
        if reading.config != config:
            raise ConfigNotWritten(
                f"config copy {index} does not read back ({reading.reason}); the other copy is untouched"
            )

    def _from_flash(self, index: int, raw: bytes) -> bytes:
        """Where erased is 00, records are stored complemented; the same step goes both ways."""
        if self._copies[index].geometry.erased == 0xFF:
            return raw
        return bytes(byte ^ 0xFF for byte in raw)
