"""What can go wrong besides power: damaged updates, bits that flip at rest, sectors that wear out, older updates.

`fault` is the name of one, `specimen` what it is done to, `kind` what every kind of them has in common; `image`,
`rest`, `wear` and `downgrade` are the kinds, `kinds` their table, `campaign` tries them, `retrace` follows a token. A
fault is a variation of the state a device starts in, of the update it is sent, or of its sectors; what follows is run,
cut and judged as every other life of a device.
"""
