"""The remote protocol of gdb, for what can be stopped, looked at and run: packets, commands, descriptions, a socket.

Neighbours: a `Target` is what stands behind it; `emu.elf.debugging` has the one of a firmware that is being cut. Knows
no core and no campaign. Source: the chapter "GDB Remote Serial Protocol" of gdb's manual.
"""
