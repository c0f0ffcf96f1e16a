"""BLAS kept to one thread while our own threads run: more would fight for the same cores."""

import sys
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[Any]:
    """A context in which BLAS has one thread."""
    controller = _controller("scipy.linalg" in sys.modules)
    limited: AbstractContextManager[Any] = controller.limit(limits=1, user_api="blas")
    return limited


@cache
def _controller(with_scipy: bool) -> ThreadpoolController:
    """The BLAS libraries loaded: numpy's, and scipy's once it is there. Finding them takes 3 ms."""
    return ThreadpoolController()
