"""The rig that is a real board, or any process: a console, a power switch, and a file that describes both.

`rig_file` reads the description, `external_rig` is the rig. Links say where the console is, relays what switches power;
a new board is one more row in one of those tables. Stands beside `campaign` and does not know it.
"""
