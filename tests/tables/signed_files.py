"""Files with a checksum, changed by hand: a bit of them, or some bytes that are signed again."""

import hashlib

import numpy as np


def signed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def other_bit(raw: bytes, place: int, bit: int) -> bytes:
    """The file with one bit changed."""
    other = bytearray(raw)
    other[place] ^= 1 << bit
    return bytes(other)


def other_bytes(body: bytes, seed: int, *, start: int) -> bytes:
    """The body with three other bytes after its start, signed."""
    rng = np.random.default_rng(seed)
    other = bytearray(body)
    for place in rng.integers(start, len(other), 3):
        other[place] = rng.integers(256)
    return signed(bytes(other))
