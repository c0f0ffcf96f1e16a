"""Time zones: instants are read in the zone that was learnt, and a lack of one is told."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import ExportError, LearningError, PredictionWarning, ValueRefusedError
from deltarule.export.registry import export_named


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


def _texts() -> dict[str, pl.DataFrame]:
    """The instants in text, each with its offset: all that say which instant it is."""
    made = {}
    for zone, form in {
        "UTC": "%Y-%m-%dT%H:%M:%SZ",
        "America/New_York": "%Y-%m-%d %H:%M:%S%:z",
        "Asia/Kolkata": "%Y-%m-%dT%H:%M%z",
        "Europe/Berlin": "%Y-%m-%d %I:%M:%S %p%:z",
    }.items():
        made[zone] = _in_zone(zone).with_columns(pl.col("at").dt.to_string(form))
    mixed = pl.concat([one[at * 50 : at * 50 + 50] for at, one in enumerate(made.values())])
    return {**made, "mixed": mixed}


TEXTS = _texts()


def _errors(model: dr.Model, table: Any) -> float:
    return float(np.abs(np.asarray(model.predict(table).to_series()) - table["y"]).max())


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("ending", ["csv", "ndjson", "parquet"])
def test_an_offset_in_text_says_an_instant(name: str, ending: str, tmp_path: Path) -> None:
    berlin, text = _in_zone("Europe/Berlin"), TEXTS[name]
    model = dr.learn(berlin, predict="y", using=["hour(at)"], ridge=0)
    assert _errors(model, text) < 1e-9
    path = tmp_path / f"t.{ending}"
    getattr(text, f"write_{ending}")(path)
    found = model.compare(path)
    assert found.outputs[0].rmse < 1e-9
    assert any("converted to Europe/Berlin" in note for note in found.notes)
    rows = text.head(70).drop("y").to_dicts()
    each = [model.predict(row)["y_prediction"] for row in rows[:3]]
    assert each == pytest.approx(text["y"][:3], abs=1e-9)
    assert [one["y_prediction"] for one in model.predict(rows)] == pytest.approx(text["y"][:70])
    # On all clocks the same rows meet a condition.
    met = berlin.filter(pl.col("at").dt.hour() < 12).height
    for table in (berlin, text, path, _in_zone("UTC")):
        assert model.compare(table, where="hour(at) < 12").rows == met
        assert model.predict(table, where="hour(at) < 12").height == met


@pytest.mark.parametrize("name", [*TEXTS, "instants", "local"])
def test_rows_of_other_clocks_are_learnt_on_the_model_s(name: str) -> None:
    berlin = _in_zone("Europe/Berlin")
    noise = pl.Series(np.random.default_rng(0).normal(size=200))
    local = berlin.with_columns(pl.col("at").dt.replace_time_zone(None))
    others = {**TEXTS, "instants": _in_zone("UTC"), "local": local}
    all_of, other = (one.with_columns(y=one["y"] + noise) for one in (berlin, others[name]))
    old, more, asked = all_of[:120], other[120:], {"predict": "y", "using": ["hour(at)"]}
    for how in (
        {"keep_summary": True},
        {"errors": "robust", "keep_sample": 500},
        {"loss": "huber", "keep_sample": 500},
        {"where": "hour(at) < 12", "keep_summary": True},
        {"where": "hour(at) < 12", "loss": "huber", "keep_sample": 500},
    ):
        whole = dr.learn(all_of, **asked, **{**how, "keep_summary": False, "keep_sample": None})
        kept = dr.learn(old, **asked, **how)
        found = [kept.learn_more(more)]
        if "keep_sample" in how:
            found += [kept.learn_more(more, old=other[:120])]
        for one in found:
            assert one.record.rows == whole.record.rows
            weights = [weight.weight for weight in one.record.weights]
            assert weights == pytest.approx([w.weight for w in whole.record.weights], rel=1e-6)
    kept = dr.learn(all_of, **asked, time="at", keep_sample=500)
    less = kept.forget(other, where="hour(at) > 20")
    anew = dr.learn(all_of.filter(pl.col("at").dt.hour() <= 20), **asked, time="at")
    assert less.rmse == pytest.approx(anew.rmse)
    # The model that is left knows its zone.
    assert np.allclose(less.predict(_in_zone("UTC")), less.predict(berlin))


def test_parts_kept_in_two_zones_are_one_sample() -> None:
    def merged(*zones: str) -> dr.Model:
        asked: dict[str, Any] = {"predict": "y", "using": ["hour(at)"], "loss": "poisson"}
        halves = [_in_zone(zone)[at * 100 : at * 100 + 100] for at, zone in enumerate(zones)]
        return dr.merge(*(dr.learn(half, **asked, keep_sample=100) for half in halves))

    one, other = merged("Europe/Berlin", "Europe/Berlin"), merged("Europe/Berlin", "UTC")
    assert one.record.weights[0].weight == pytest.approx(other.record.weights[0].weight)


@pytest.mark.parametrize("name", [*TEXTS, "instants"])
def test_a_test_table_meets_the_condition_on_the_model_s_clocks(name: str) -> None:
    berlin, other = _in_zone("Europe/Berlin"), {**TEXTS, "instants": _in_zone("UTC")}[name]
    met = berlin[1::2].filter(pl.col("at").dt.hour() < 12).height
    asked: dict[str, Any] = {"predict": "y", "where": "hour(at) < 12", "hold_out": other[1::2]}
    for using in (["hour(at)"], ["z"]):  # the condition's column may be no input
        table = berlin[::2].with_columns(z=pl.col("y") ** 2)
        tested = {**asked, "hold_out": other[1::2].with_columns(z=pl.col("y") ** 2)}
        model = dr.learn(table, using=using, **tested)
        assert model.record.held_out is not None
        assert model.record.held_out[0].rows == met


def test_updates_are_on_the_model_s_clocks() -> None:
    berlin = _in_zone("Europe/Berlin")
    for other in (*TEXTS.values(), _in_zone("UTC")):
        model = dr.learn(berlin[:100], predict="y", using=["hour(at)"], ridge=0)
        model.update(other[100:])
        assert _errors(model, berlin) < 1e-6


def test_text_as_of_utc_is_a_zone(tmp_path: Path) -> None:
    """Rows in JSON give the model that a frame of the same instants gives."""
    text, typed = TEXTS["UTC"], _in_zone("UTC")
    text.write_ndjson(tmp_path / "t.ndjson")
    for source in (text, tmp_path / "t.ndjson"):
        model = dr.learn(source, predict="y", using=["hour(at)"], ridge=0)
        assert "at: hours are those of UTC" in model.record.notes
        for table in (typed, *TEXTS.values(), _in_zone("America/New_York")):
            assert np.allclose(model.predict(table), model.predict(text))
        noon = {"at": "2020-06-01T14:00:00+02:00"}
        assert model.predict(noon) == model.predict({"at": "2020-06-01T12:00:00Z"})


@pytest.mark.parametrize("to", ["python", "javascript"])
def test_exports_move_offsets_or_refuse_them(to: str) -> None:
    """A file knows no zones by name: only clocks that stay as far ahead of UTC all year."""
    forms = ("%s", "%s+02:00", "%sZ", "%s -0530", "%s utc", "%s+03")
    rows = [{"at": form % "2020-06-01T14:00:00"} for form in forms]
    export = export_named(to).loaded
    for zone in ("UTC", "Europe/Berlin"):
        model = dr.learn(_in_zone(zone), predict="y", using=["hour(at)"], ridge=0)
        content = model.export(to)
        assert f"on the clocks of {zone}" in str(content)
        if export.run(content, rows[:1]) is None:
            pytest.skip("Node.js is not there")
        if zone == "UTC":
            found = export.run(content, rows) or []
            told = [row["y_prediction"] for row in found]
            assert told == pytest.approx([model.predict(row)["y_prediction"] for row in rows])
            continue
        for row in rows[1:]:
            with pytest.raises(ExportError, match=r"without an offset|RefusedError"):
                export.run(content, [row])


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


def test_models_of_two_zones_are_not_merged_and_the_zones_are_said() -> None:
    start = dt.datetime(2020, 10, 20, tzinfo=dt.UTC)
    hours = [start + dt.timedelta(hours=7 * at) for at in range(120)]
    rng = np.random.default_rng(0)
    models = [
        dr.learn(
            pl.DataFrame({"t": hours, "y": rng.normal(size=120)}).with_columns(
                pl.col("t").dt.convert_time_zone(zone)
            ),
            predict="y",
            using=["hour(t)"],
            keep_summary=True,
        )
        for zone in ("Europe/Berlin", "UTC")
    ]
    said = "columns are read as t: date in Europe/Berlin in one, t: date in UTC in the other"
    with pytest.raises(LearningError, match=said):
        dr.merge(*models)
