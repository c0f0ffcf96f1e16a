"""Prometheus metrics: requests, latency, rows, unseen levels, out of range, drift, reloads.

With several workers each keeps its numbers in files of a folder that all share.
"""

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from deltarule.serve.drift import psi
from deltarule.serve.served import ServedModel

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
        self._cells = Counter(
            "deltarule_drift_cells",
            "Rows by cell of a column: tenths of the values learnt from, or levels",
            ["model", "version", "column", "cell"],
            registry=own,
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

    def pass_on(self, models: Iterable[ServedModel]) -> None:
        """Add the rows by cell of models to what workers share; row by row that is slow."""
        for served in models:
            if not served.drift.rows:
                continue
            for column, counts in served.drift.taken().items():
                for cell, rows in enumerate(counts):
                    if rows:
                        self._cells.labels(served.name, served.version, column, str(cell)).inc(rows)

    def reloaded(self, model: str, good: bool) -> None:
        """Count a reload."""
        self._reloads.labels(model, "good" if good else "broken").inc()

    def text(self, models: Iterable[ServedModel] = ()) -> bytes:
        """All numbers, of all workers, in Prometheus' text format, and the drift of models."""
        models = list(models)
        self.pass_on(models)
        registry = self.registry
        if FOLDER in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
        families = list(registry.collect())
        return generate_latest(_Families([*families, _drift(families, models)]))


class _Families:
    """Families of metrics that were collected."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """Give them."""
        return self._families


def _drift(families: Iterable[Metric], models: Iterable[ServedModel]) -> Metric:
    """The PSI of each column, of all rows since the models' files were read."""
    rows: dict[tuple[str, str, str], dict[int, float]] = {}
    for sample in (one for family in families for one in family.samples):
        if sample.name == "deltarule_drift_cells_total":
            labels = sample.labels
            key = labels["model"], labels["version"], labels["column"]
            rows.setdefault(key, {})[int(labels["cell"])] = sample.value
    gauges = GaugeMetricFamily(
        "deltarule_drift_psi",
        "Population stability index of a column beside the rows learnt from; 0 where it may be "
        "chance, from 0.25 drift",
        labels=["model", "column"],
    )
    for served in models:
        examples = float(served.model.record.examples or served.model.record.rows)
        for column, cells in served.drift.names.items():
            counts = rows.get((served.name, served.version, column), {})
            now = [counts.get(at, 0.0) for at in range(len(cells.before))]
            gauges.add_metric([served.name, column], psi(cells, now, examples))
    return gauges
