"""Mongoose OS on the wire: its RPC frames, its serial framing, its authentication. SPEC.md says which generation.

Everything about frames is sans-IO: bytes and times in, bytes and values out.
"""
