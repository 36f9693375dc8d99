"""`python -m emu` is the same command as `brownout`."""

from emu.cli import main

if __name__ == "__main__":  # a process that is spawned imports this file under another name
    main()
