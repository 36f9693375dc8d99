"""Real firmware: an ELF on an emulated core, with the cells of `flash` as its memory."""
