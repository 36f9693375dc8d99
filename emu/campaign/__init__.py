"""Power-cut campaigns: make every edge of an update, run what follows, judge it, and say what was covered.

    explore (edges) -> judge (cache, checks, monitor) -> verdict -> token -> replay

Knows the `Rig` contract, not the rigs.
"""
