"""A device whose firmware is an ELF: its board (`document`, `board`, `fits`), one session of it watched from outside
(`life`), and all of it as something that can be cut (`rig`)."""
