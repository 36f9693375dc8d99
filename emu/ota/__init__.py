"""Update systems on the wire: what they share lies here and carries no system's name; each has a folder of its own.

Neighbours: `emu.errors`. Knows no campaign.
"""
