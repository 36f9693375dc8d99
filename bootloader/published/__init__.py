"""Boot configs of published designs, byte for byte: `mos1` (Mongoose OS, append log) and `cc3200` (two files).

Beside the boot config of ours, not under it: `bootloader.config` and `bootloader.config_store` know nothing of these,
and these nothing of slots, timers or decisions of ours. `emu.designs` boots devices by them.
"""
