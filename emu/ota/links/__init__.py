"""Links: how bytes get to a device that is served, and from it. Each kind is one file; none knows an update system.

Neighbours: `emu.ota.serving` keeps them; an update system gives each a `Talk` for every peer it meets.
"""
