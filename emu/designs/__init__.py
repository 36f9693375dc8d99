"""Published designs as devices that campaigns run on: `table` lists them.

They boot by the records of `bootloader.published`, and are otherwise plain scenarios: they can do what firmware of a
user's can, and no more.
"""
