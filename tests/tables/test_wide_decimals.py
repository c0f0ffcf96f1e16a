"""Decimal numbers of 256 bits in Arrow files, at which polars panics."""

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pytest

import deltarule as dr
from deltarule.errors import ReadError


def test_decimals_of_256_bits_are_refused_by_name(tmp_path: Path, capfd) -> None:
    path = tmp_path / "wide.feather"
    x = [1.0, 2.0, 3.0] * 20
    for bits, kind in ((256, pa.decimal256(50, 2)), (128, pa.decimal128(38, 2))):
        wide = pa.array([Decimal(round(one)) for one in x], kind)
        pyarrow.feather.write_feather(pa.table({"x": x, "wide": wide, "y": x}), path)
        if bits == 128:
            assert dr.learn(path, predict="y", using="wide", ridge=0).coef["wide"] == pytest.approx(
                1
            )
        else:
            with pytest.raises(ReadError, match="column 'wide' holds decimal numbers of 50 digits"):
                dr.learn(path, predict="y", using="x")
    assert "panicked" not in capfd.readouterr().err
