"""Prometheus metrics: requests, latency, rows, unseen levels, values out of range, reloads.

With several workers each keeps its numbers in files of a folder that all share.
"""

import os
from collections.abc import Mapping
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.exposition import CONTENT_TYPE_LATEST

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The counters of one process; their labels are taken from our own names only."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self._requests = Counter(
            "deltarule_requests", "Requests", ["route", "model", "status"], registry=own
        )
        self._seconds = Histogram(
            "deltarule_request_seconds",
            "Latency of requests in seconds, from the first byte of the body to the answer",
            ["route"],
            registry=own,
            buckets=BUCKETS,
        )
        self._rows = Counter(
            "deltarule_rows", "Rows predicted or explained", ["model"], registry=own
        )
        by_column = ["model", "column"]
        self._unseen = Counter(
            "deltarule_unseen_levels", "Rows with a level never seen", by_column, registry=own
        )
        self._outside = Counter(
            "deltarule_out_of_range", "Rows with a value out of range", by_column, registry=own
        )
        self._missing = Counter(
            "deltarule_missing", "Rows with a missing value", by_column, registry=own
        )
        self._reloads = Counter(
            "deltarule_reloads", "Model files read again", ["model", "result"], registry=own
        )
        # Finding a child by its labels takes 2 us.
        self._requests_of = lru_cache(4096)(self._requests.labels)
        self._seconds_of = lru_cache(256)(self._seconds.labels)
        self._rows_of = lru_cache(256)(self._rows.labels)

    def answered(self, route: str, model: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests_of(route, model, str(status)).inc()
        self._seconds_of(route).observe(seconds)

    def predicted(
        self,
        model: str,
        rows: int,
        unseen: Mapping[str, int],
        outside: Mapping[str, int],
        missing: Mapping[str, int],
    ) -> None:
        """Count rows, and those with drift by column."""
        self._rows_of(model).inc(rows)
        for counter, counts in (
            (self._unseen, unseen),
            (self._outside, outside),
            (self._missing, missing),
        ):
            for column, count in counts.items():
                if count:
                    counter.labels(model, column).inc(count)

    def reloaded(self, model: str, good: bool) -> None:
        """Count a reload."""
        self._reloads.labels(model, "good" if good else "broken").inc()

    def text(self) -> bytes:
        """All numbers, of all workers, in Prometheus' text format."""
        if FOLDER not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
        return generate_latest(registry)
