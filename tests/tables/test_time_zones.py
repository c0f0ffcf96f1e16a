"""Time zones: instants are read in the zone that was learnt, and a lack of one is told."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import LearningError, PredictionWarning, ValueRefusedError


def _in_zone(name: str | None) -> pl.DataFrame:
    """200 instants in a zone, with the hours that clocks in Berlin show."""
    start = dt.datetime(2020, 6, 1)
    moments = [start + dt.timedelta(hours=7 * at) for at in range(200)]
    at = pl.Series(moments, dtype=pl.Datetime("us", "UTC"))
    hours = at.dt.convert_time_zone("Europe/Berlin").dt.hour().cast(pl.Float64)
    local = at.dt.convert_time_zone(name) if name else at.dt.replace_time_zone(None)
    return pl.DataFrame({"at": local, "y": hours})


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_instants_are_read_in_the_zone_that_was_learnt(zone: str) -> None:
    model = dr.learn(_in_zone("Europe/Berlin"), predict="y", using=["hour(at)"], ridge=0)
    other = _in_zone(zone)
    assert np.allclose(model.predict(other).to_series(), other["y"])
    told = f"at: hours are converted from {zone} to Europe/Berlin, as they were learnt"
    assert told in model.compare(other).notes
    rows = other.head(3).select("at").to_dicts()
    assert [row["y_prediction"] for row in model.predict(rows)] == pytest.approx(other["y"][:3])


def test_a_zone_may_be_an_offset() -> None:
    pa = pytest.importorskip("pyarrow")
    made = _in_zone("Asia/Kolkata")
    hours = made["at"].dt.hour().cast(pl.Float64)
    stamps = pa.array(made["at"].dt.epoch("us").to_list(), pa.timestamp("us", tz="+05:30"))
    offset = pa.table({"at": stamps, "y": hours.to_list()})
    model = dr.learn(offset, predict="y", using=["hour(at)"], ridge=0)
    for zone in ("UTC", "Europe/Berlin"):
        assert np.allclose(model.predict(_in_zone(zone)).to_series(), hours)
    model = dr.learn(made.with_columns(y=hours), predict="y", using=["hour(at)"], ridge=0)
    assert np.allclose(model.predict(offset).column(0), hours)


@pytest.mark.parametrize(("learnt", "given"), [("Europe/Berlin", None), (None, "Europe/Berlin")])
def test_times_with_and_without_a_zone_are_warned_of(learnt: Any, given: Any) -> None:
    model = dr.learn(_in_zone(learnt), predict="y", using=["hour(at)"])
    with pytest.warns(PredictionWarning, match="at was learnt .* those of Europe/Berlin$"):
        model.predict(_in_zone(given))
    # In the zone that was learnt there is none, which would be an error here.
    model.predict(_in_zone(learnt))


def test_models_of_two_zones_share_no_read() -> None:
    one, other = (
        dr.learn(_in_zone(zone), predict="y", using=["hour(at)"]) for zone in ("UTC", "Asia/Tokyo")
    )
    with pytest.raises(LearningError, match="two time zones, UTC and Asia/Tokyo"):
        one.compare(_in_zone("UTC"), other)


def test_an_unknown_zone_in_a_model_is_refused(tmp_path: Path) -> None:
    model = dr.learn(_in_zone("UTC"), predict="y", using=["hour(at)"])
    model.save(tmp_path / "m.json")
    text = (tmp_path / "m.json").read_text(encoding="utf-8")
    assert '"zone":"UTC"' in text
    text = text.replace('"zone":"UTC"', '"zone":"Europe/Nowhere"')
    (tmp_path / "m.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueRefusedError, match="'Europe/Nowhere', which is unknown"):
        dr.load(tmp_path / "m.json").predict(_in_zone("UTC"))
