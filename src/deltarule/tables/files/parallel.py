"""Blocks of a file parsed in a few threads, in order and with a bound on how many are ahead.

polars itself parses ahead of whoever is slower, until all of a file is in memory.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Block = TypeVar("Block")
Parsed = TypeVar("Parsed")

BLOCKS_AHEAD = 2


def parsed_in_order(
    parse: Callable[[Block], Parsed], blocks: Iterable[Block], *, ahead: int = BLOCKS_AHEAD
) -> Iterator[Parsed]:
    """What `parse` makes of each block, a few parsed at the same time."""
    waiting: deque[Future[Parsed]] = deque()
    with ThreadPoolExecutor(ahead) as pool:
        try:
            for block in blocks:
                waiting.append(pool.submit(parse, block))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
