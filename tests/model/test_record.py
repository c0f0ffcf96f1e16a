"""The model file: exact there and back, and never anything but a refusal when it is not right."""

import base64
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import ModelError, NotAModelError, OutputError, VersionError

USING = ["size", "age", "colour", "new"]
ROWS = [
    {"size": 50.0, "age": 30, "colour": "red", "new": True},
    {"size": None, "age": 31, "colour": "violet", "new": False},
]

CASES = [
    {"predict": "price", "ridge": 0},
    {"predict": ["price", "sold"]},
    {"predict": "price", "intercept": False, "missing": "drop"},
    {"predict": "price", "learner": "descent", "steps": 20},
    {"predict": "sold", "loss": "poisson", "using": ["age", "size"]},
    {"predict": "new", "loss": "logistic", "using": ["age", "colour"]},
]


@pytest.fixture(scope="module")
def model(mixed: pl.DataFrame) -> dr.Model:
    return dr.learn(mixed, predict="price", using=USING, ridge=0)


@pytest.fixture(scope="module")
def text(model: dr.Model, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("saved") / "m.json"
    model.save(path)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("asked", CASES, ids=str)
def test_a_loaded_model_is_the_saved_one_to_the_last_bit(
    mixed: pl.DataFrame, tmp_path: Path, asked: dict[str, Any]
) -> None:
    made = dr.learn(mixed, **{"using": USING, **asked})
    made.save(tmp_path / "m.json")
    loaded = dr.load(tmp_path / "m.json")
    assert loaded.record == made.record
    assert loaded.predict(mixed).equals(made.predict(mixed))
    assert loaded.explain(mixed).equals(made.explain(mixed))
    assert loaded.compare(mixed) == made.compare(mixed)
    assert str(loaded) == str(made)
    for one, other in zip(loaded.moments(), made.moments(), strict=True):
        np.testing.assert_array_equal(one.cross, other.cross)
        np.testing.assert_array_equal(one.mean, other.mean)


def test_saving_what_was_loaded_writes_the_same_file(
    write: Callable[..., Path], text: str, tmp_path: Path
) -> None:
    dr.load(write("m.json", text)).save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text(encoding="utf-8") == text


def test_moments_of_the_file_are_those_of_the_rows(
    write: Callable[..., Path], text: str, mixed: pl.DataFrame
) -> None:
    folds = dr.load(write("m.json", text)).moments()
    assert sum(fold.rows for fold in folds) == mixed["price"].count()
    target_means = sum(fold.rows * fold.mean[-1] * fold.scale[-1] for fold in folds)
    assert target_means / mixed["price"].count() == pytest.approx(mixed["price"].mean(), rel=1e-13)


def test_without_moments_the_file_is_smaller_and_predicts_the_same(
    model: dr.Model, tmp_path: Path
) -> None:
    model.save(tmp_path / "m.json", moments=False)
    loaded = dr.load(tmp_path / "m.json")
    assert loaded.moments() == []
    assert json.loads((tmp_path / "m.json").read_text())["moments"] == []
    assert loaded.predict(ROWS) == model.predict(ROWS)


def test_a_file_is_json_with_names_that_the_contract_promises(text: str) -> None:
    content = json.loads(text)
    assert content["format"] == "deltarule-model"
    assert content["version"] == 3
    assert {"contract", "weights", "learnt", "fit", "held_out", "moments"} <= content.keys()


def test_names_of_any_kind_survive(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = ["a,b", 'c"d', "e=f", "g\nh", "\U0001f600", "", " ", "\\", "(intercept)", "intercept"]
    table = {name: rng.normal(size=50).tolist() for name in names}
    table["ünï"] = [["x\ny", "(other)", "", "日本"][at % 4] for at in range(50)]
    table["y\n"] = rng.normal(size=50).tolist()
    made = dr.learn(table, predict="y\n", ridge=0)
    made.save(tmp_path / "m.json")
    loaded = dr.load(tmp_path / "m.json")
    assert {column.name for column in loaded.record.contract.columns} == {*names, "ünï"}
    assert loaded.predict(table) == made.predict(table)


# Writing


def test_saving_replaces_the_file_whole_and_leaves_nothing_else(
    model: dr.Model, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "m.json"
    path.write_text("an older one")
    model.save(path)
    assert path.read_text(encoding="utf-8") == text
    assert [one.name for one in tmp_path.iterdir()] == ["m.json"]


def test_a_write_that_fails_keeps_the_file_there_was(
    model: dr.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.json"
    path.write_text("an older one")

    def full(self: Path, *args: object, **kwargs: object) -> int:
        self.write_bytes(b'{"format"')
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="No space left"):
        model.save(path)
    monkeypatch.undo()
    assert path.read_text() == "an older one"
    assert [one.name for one in tmp_path.iterdir()] == ["m.json"]


@pytest.mark.parametrize("where", [".", "folder", "nowhere/m.json", "file/m.json"])
def test_saving_where_nothing_can_be_written_is_refused_in_one_line(
    model: dr.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("a file")
    with pytest.raises(OutputError) as refused:
        model.save(where)
    assert "\n" not in str(refused.value)
    assert str(Path(where)) in str(refused.value)
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["file", "folder"]


# Reading what is not right


def changed(text: str, change: Callable[[dict[str, Any]], Any]) -> str:
    content = json.loads(text)
    change(content)
    return json.dumps(content)


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        place: Any = content
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value

    return change


def drop(*path: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        place: Any = content
        for part in path[:-1]:
            place = place[part]
        del place[path[-1]]

    return change


def nan_packed(content: dict[str, Any]) -> None:
    raw = bytearray(base64.b64decode(content["moments"][0]["mean"]))
    raw[:8] = np.array([np.nan]).tobytes()
    content["moments"][0]["mean"] = base64.b64encode(bytes(raw)).decode()


def no_rows(content: dict[str, Any]) -> None:
    known = content["contract"]["columns"][2]["known"]
    content["contract"]["columns"][2]["known"] = dict.fromkeys(known, 0.0)


def swap_weights(content: dict[str, Any]) -> None:
    content["weights"][0], content["weights"][1] = content["weights"][1], content["weights"][0]


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no format": drop("format"),
    "another format": put("format", value="another-model"),
    "no version": drop("version"),
    "version as text": put("version", value="1"),
    "version zero": put("version", value=0),
    "no weights": drop("weights"),
    "weights empty": put("weights", value=[]),
    "a weight too few": drop("weights", -1),
    "weights in another order": swap_weights,
    "weight as text": put("weights", 0, "weight", value="1.5"),
    "weight nothing": put("weights", 0, "weight", value=None),
    "weight not a number": put("weights", 0, "weight", value=math.nan),
    "weight infinite": put("weights", 0, "weight", value=math.inf),
    "weight true": put("weights", 0, "weight", value=True),
    "intercept infinite": put("intercept", 0, "weight", value=-math.inf),
    "two intercepts": lambda content: content["intercept"].append(content["intercept"][0]),
    "an extra field": put("extra", value=1),
    "an extra field inside": put("weights", 0, "extra", value=1),
    "unknown loss": put("learnt", 0, "loss", value="hinge"),
    "learnt other targets": put("learnt", 0, "targets", value=["age"]),
    "one class alone": put("contract", "targets", 0, "classes", value={"yes": 3.0}),
    "classes without outputs": put(
        "contract", "targets", 0, "classes", value={"a": 1.0, "b": 1.0, "c": 1.0}
    ),
    "no columns": put("contract", "columns", value=[]),
    "no targets": put("contract", "targets", value=[]),
    "a column of no kind": put("contract", "columns", 0, "kind", value="picture"),
    "a column twice": lambda content: content["contract"]["columns"].append(
        content["contract"]["columns"][0]
    ),
    "a mean not a number": put("means", 0, value=math.nan),
    "a mean too many": lambda content: content["means"].append(1.0),
    "a spread too few": drop("spreads", 0),
    "target means missing": put("target_means", value=[]),
    "fill not a number": put("contract", "columns", 0, "mean", value=math.nan),
    "levels negative": put("contract", "columns", 2, "known", "red", value=-5.0),
    "other levels": put("contract", "columns", 2, "known", value={"red": 1.0, "green": 2.0}),
    "no level with rows": no_rows,
    "a reference that is no level": put("contract", "columns", 2, "reference", value="violet"),
    "moments not base64": put("moments", 0, "mean", value="€€€"),
    "moments too short": put("moments", 0, "mean", value=""),
    "moments too long": put("moments", 0, "cross", value="AAAAAAAAAAA="),
    "moments not finite": nan_packed,
    "moments of negative rows": put("moments", 0, "rows", value=-1.0),
    "moments of scale zero": put(
        "moments", 0, "scale", value=base64.b64encode(bytes(8 * 9)).decode()
    ),
    "fit of another number of targets": put("fit", value=[]),
    "rows as text": put("rows", value="many"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_damaged_file_is_refused_in_one_line(
    write: Callable[..., Path], text: str, wrong: str
) -> None:
    path = write("m.json", changed(text, WRONG[wrong]))
    with pytest.raises(ModelError) as refused:
        dr.load(path)
    assert "\n" not in str(refused.value)
    assert "m.json" in str(refused.value)
    assert len(str(refused.value)) < 400 + len(str(path))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"7",
        b'"deltarule-model"',
        b"not json",
        b"\xff\xfe\x00",
        b"PAR1",
        b"budget,gross\n1,2\n",
        b'{"format": "deltarule-model"}',
        b'{"format": "deltarule-model", "version": 1}',
        b'{"format": ["deltarule-model"], "version": 1}',
        b"[" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"format": "deltarule-model", "version": 1, "x": ' + b"[" * 150 + b"]" * 150 + b"}",
        b'{"format": "deltarule-model", "version": 1e400}',
        b'{"format": "deltarule-model", "version": ' + b"9" * 10_000 + b"}",
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda content: repr(content[:30]),
)
def test_what_is_no_model_is_refused_in_one_line(
    write: Callable[..., Path], content: bytes
) -> None:
    with pytest.raises(ModelError) as refused:
        dr.load(write("m.json", content))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("version", [4, 99, 10**30])
def test_a_later_version_is_refused_as_such(
    write: Callable[..., Path], text: str, version: int
) -> None:
    path = write("m.json", changed(text, put("version", value=version)))
    with pytest.raises(VersionError, match="update deltarule"):
        dr.load(path)


def test_a_later_version_is_recognised_whatever_else_it_holds(write: Callable[..., Path]) -> None:
    path = write("m.json", '{"format": "deltarule-model", "version": 4, "layers": []}')
    with pytest.raises(VersionError):
        dr.load(path)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.9999])
def test_a_truncated_file_is_refused(write: Callable[..., Path], text: str, share: float) -> None:
    with pytest.raises(NotAModelError, match="cut short"):
        dr.load(write("m.json", text[: int(len(text) * share)]))


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model file"):
        dr.load(tmp_path / "nothing.json")
    with pytest.raises(ModelError):
        dr.load(tmp_path)


FLIPS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(flips=FLIPS)
def test_bytes_gone_wrong_never_do_worse_than_a_refusal(
    tmp_path: Path, text: str, flips: list[tuple[float, int]]
) -> None:
    # Most of a file is packed moments: without them, every flip hits something that matters.
    content = json.loads(text)
    content["moments"] = content["moments"][:1]
    raw = bytearray(json.dumps(content).encode())
    for where, byte in flips:
        raw[int(where * len(raw))] = byte
    (tmp_path / "m.json").write_bytes(bytes(raw))
    survives(tmp_path / "m.json")


SCRAPS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chosen=st.integers(0, 10**6), scrap=SCRAPS)
def test_values_gone_wrong_never_do_worse_than_a_refusal(
    tmp_path: Path, text: str, chosen: int, scrap: Any
) -> None:
    content = json.loads(text)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        keys = node.keys() if isinstance(node, dict) else range(len(node))
        for key in keys:
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(content)
    node, key = places[chosen % len(places)]
    node[key] = scrap
    (tmp_path / "m.json").write_text(json.dumps(content), encoding="utf-8")
    survives(tmp_path / "m.json")


def survives(path: Path) -> None:
    """It is refused as a model, or predicts and shows finite numbers."""
    try:
        loaded = dr.load(path)
    except ModelError:
        return
    names = [column.name for column in loaded.record.contract.columns]
    rows = [
        {new: row[old] for new, old in zip(names, USING, strict=True)} if len(names) == 4 else row
        for row in ROWS
    ]
    try:
        found = loaded.predict(rows)
    except dr.DeltaruleError:
        return
    for row in found:
        for value in row.values():
            assert math.isfinite(value)
    assert str(loaded)
    json.dumps(loaded.to_dict(), allow_nan=False)


MODELS = Path(__file__).parents[1] / "data" / "models"
EARLIER = sorted(MODELS.glob("version-1-*.json"))


@pytest.mark.parametrize("path", EARLIER, ids=lambda path: path.stem)
def test_files_of_earlier_versions_are_read(path: Path) -> None:
    """What the file says is what the model predicts with, to the last bit."""
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["version"] == 1
    model = dr.load(path)
    assert model.weights["weight"].to_list() == [
        one["weight"] for one in [*content["intercept"], *content["weights"]]
    ]
    (learnt,) = model.record.learnt
    assert learnt.stopped == content["learn"]["stopped"]
    assert learnt.targets == tuple(target["name"] for target in content["contract"]["targets"])
    assert model.record.loss == learnt.loss == content["loss"]
    known = {"wool": "B", "tension": "L"} if content["loss"] == "poisson" else {"budget": 1e6}
    row = {**dict.fromkeys(model.record.contract.needs), **known}
    (predicted,) = model.predict(row).values()
    start, weights = content["intercept"][0]["weight"], content["weights"]
    if content["loss"] == "poisson":
        score = start + sum(w["weight"] for w in weights if w["level"] in ("B", "L"))
        assert predicted == pytest.approx(math.exp(score), rel=1e-12)
    else:
        score = start + sum(
            w["weight"] * {"budget": 1e6, "rating": 1.0}[w["input"]]
            for w in weights
            if w["input"] == "budget" or w["level"] == "(missing)"
        )
        assert predicted == pytest.approx(score, rel=1e-12)


def holds(later: Any, earlier: Any) -> bool:
    """Whether all that an earlier file says is there, perhaps among more."""
    if isinstance(earlier, dict):
        return all(holds(later[name], value) for name, value in earlier.items())
    if isinstance(earlier, list):
        return len(later) == len(earlier) and all(map(holds, later, earlier))
    return bool(later == earlier)


def test_a_file_of_version_2_is_read() -> None:
    path = MODELS / "version-2-two-losses.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["version"] == 2
    model = dr.load(path)
    assert model.record.version == 3
    assert model.record.fold_by is None, "folds depended on the rows' values"
    kept = json.loads(model.record.model_dump_json())
    # Of a path only the name of the file is kept.
    assert content["learnt_from"] == "tests/data/tables/penguins.csv"
    assert holds(kept, {**content, "version": 3, "learnt_from": "penguins.csv"})
    row = {"flipper_length_mm": 210.0, "sex": "FEMALE", "beak_length_mm": None}
    start, weights = content["intercept"][0]["weight"], content["weights"]
    mean = next(c["mean"] for c in content["contract"]["columns"] if c["name"] == "beak_length_mm")
    own = {(w["input"], w["level"]): w["weight"] for w in weights[:5]}
    score = start + 210 * own["flipper_length_mm", None] + own["sex", "FEMALE"]
    score += mean * own["beak_length_mm", None]
    assert model.predict(row)["body_mass_g_prediction"] == pytest.approx(score, rel=1e-12)


@pytest.mark.parametrize("broken", [{"learn": 3}, {"contract": []}, {"loss": None}, {"ridge": "x"}])
def test_a_damaged_file_of_an_earlier_version_is_refused(
    tmp_path: Path, broken: dict[str, Any]
) -> None:
    content = json.loads(EARLIER[0].read_text(encoding="utf-8"))
    (tmp_path / "m.json").write_text(json.dumps({**content, **broken}), encoding="utf-8")
    with pytest.raises(NotAModelError, match="damaged"):
        dr.load(tmp_path / "m.json")
