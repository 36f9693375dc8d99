"""Power-cut campaigns: make every edge of an update, run what follows, judge it, and say what was covered.

    scenario -> explore (edges, cache) -> checks (monitor) -> verdict -> token -> replay

Knows the `Rig` contract, not the rigs.
"""
