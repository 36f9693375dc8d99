"""`python -m emu` is the same command as `brownout`."""

from emu.cli import main

main()
