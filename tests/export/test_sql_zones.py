"""Instants in SQL: the hour of the model's zone, whatever the zone of the session that asks."""

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import deltarule as dr
from deltarule.export.sql.dialect import DIALECTS

INSTANTS = [
    dt.datetime(2024, month, day, hour, minute, tzinfo=dt.UTC)
    for month, day, hour, minute in (
        (1, 1, 0, 0),
        (2, 29, 18, 30),
        (3, 31, 0, 59),
        (3, 31, 1, 0),
        (7, 14, 23, 15),
        (12, 31, 22, 45),
    )
]
SESSIONS = {
    "duckdb": "SET TimeZone = '{}';\n",
    "postgres": "SET TIME ZONE '{}';\n",
    "sqlite": "",
}
FORMS = {
    "Z": lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "z": lambda at: at.strftime("%Y-%m-%d %H:%M:%S.250 UTC"),
    "east": lambda at: shown(at, 5, 30).strftime("%Y-%m-%dT%H:%M:%S+05:30"),
    "west": lambda at: shown(at, -3, -30).strftime("%Y-%m-%d %H:%M:%S.5-0330"),
    "hours": lambda at: shown(at, 2, 0).strftime("%Y-%m-%d %H:%M:%S+02"),
}
DMY = {
    "Z": lambda at: at.strftime("%d.%m.%Y %H:%MZ"),
    "east": lambda at: shown(at, 5, 30).strftime("%d/%m/%Y %H:%M:%S+05:30"),
    "west": lambda at: shown(at, -3, -30).strftime("%d/%m/%Y %I:%M %p -03:30"),
}


def shown(at: dt.datetime, hours: int, minutes: int) -> dt.datetime:
    return at.astimezone(dt.timezone(dt.timedelta(hours=hours, minutes=minutes)))


def model(zone: str | None, order: str = "") -> dr.Model:
    """Predicts minutes of the day by the clocks of a zone."""
    start = dt.datetime(2023, 1, 1)
    at = pl.Series([start + dt.timedelta(minutes=1237 * one) for one in range(300)])
    local = at.dt.replace_time_zone("UTC").dt.convert_time_zone(zone) if zone else at
    y = local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute()
    if order:
        local = local.dt.to_string("%d.%m.%Y %H:%MZ")
    using = ["hour(at)", "minute(at)"]
    return dr.learn(pl.DataFrame({"at": local, "y": y}), predict="y", using=using, ridge=0)


def minutes(instants: Sequence[dt.datetime], zone: str) -> list[float]:
    local = [at.astimezone(ZoneInfo(zone)) for at in instants]
    return [60.0 * at.hour + at.minute for at in local]


def asked(database, session, learnt, rows: pl.DataFrame):
    """The predictions of rows, asked for in a session with a zone of its own."""
    dialect, run = database
    query = learnt.to_sql("rows", dialect=dialect, keep=["row id"])
    _, [found] = run(rows.with_row_index("row id"), SESSIONS[dialect].format(session) + query)
    return found


SOMEWHERE = pytest.mark.parametrize("session", ["UTC", "America/New_York", "Asia/Kolkata"])


@SOMEWHERE
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("form", FORMS)
def test_text_with_an_offset_is_an_instant(form, session, zone, database):
    learnt, rows = model(zone), pl.DataFrame({"at": [FORMS[form](at) for at in INSTANTS]})
    known = minutes(INSTANTS, zone)
    assert learnt.predict(rows).to_series().to_list() == pytest.approx(known, abs=1e-6)
    found = asked(database, session, learnt, rows)
    if zone != "UTC" and not DIALECTS[database[0]].in_zone:
        # It is not asked what the clocks of a zone show: missing, and filled, rather than wrong.
        assert len({round(one, 6) for one in found}) == 1
    else:
        assert found == pytest.approx(known, abs=1e-6)


@SOMEWHERE
@pytest.mark.parametrize("form", DMY)
def test_text_with_the_day_first_is_an_instant_too(form, session, database):
    rows = pl.DataFrame({"at": [DMY[form](at) for at in INSTANTS]})
    found = asked(database, session, model("UTC", "dmy"), rows)
    assert found == pytest.approx(minutes(INSTANTS, "UTC"), abs=1e-6)


@SOMEWHERE
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_a_column_of_a_type_with_a_zone_does_not_depend_on_the_session(session, zone, database):
    if database[0] == "sqlite":
        pytest.skip("it has no such type")
    at = pl.Series("at", INSTANTS, dtype=pl.Datetime("us", "UTC"))
    found = asked(database, session, model(zone), at.to_frame())
    assert found == pytest.approx(minutes(INSTANTS, zone or "UTC"), abs=1e-6)


@SOMEWHERE
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_what_has_no_offset_is_on_the_clocks_of_the_model(session, zone, database):
    texts = ["2024-01-31 14:05:00", "2024-07-01T23:59:00", "2024-07-01"]
    for column in (texts, pl.Series(texts).str.replace("T", " ").str.to_datetime(strict=False)):
        rows = pl.DataFrame({"at": column})[:2]
        found = asked(database, session, model(zone), rows)
        assert found == pytest.approx([845.0, 1439.0], abs=1e-6)


@SOMEWHERE
def test_an_offset_is_left_aside_by_a_model_without_a_zone(session, database):
    rows = pl.DataFrame({"at": ["2024-01-31T14:05:00+05:30", "2024-01-31 14:05:00-03:30"]})
    found = asked(database, session, model(None), rows)
    assert found == pytest.approx(model(None).predict(rows).to_series().to_list(), abs=1e-6)
    assert found == pytest.approx([845.0, 845.0], abs=1e-6)
