"""Labels of the laboratory and of the sample market are read alike."""

from pathlib import Path

import polars as pl
import pytest

from tightloop.adapters.data.labels import labels_of, read_labels
from tightloop.adapters.data.sample import write_sample
from tightloop.model.errors import InputError


def test_labels_of_the_sample_market_are_found_and_read(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample", days=2)
    file = labels_of(tmp_path / "sample")
    rows = pl.read_parquet(file).sort("instrument", "start")
    labels = read_labels(file)
    assert len(labels) == rows.height > 0
    for label, row in zip(labels, rows.iter_rows(named=True), strict=True):
        assert (label.instrument, label.kind) == (row["instrument"], row["kind"])
        assert [label.start_ns, label.peak_ns, label.end_ns] == [
            int(row[name].timestamp()) * 10**9 for name in ("start", "peak", "end")
        ]
        assert label.magnitude_pct == pytest.approx(100 * row["magnitude"])


def test_a_time_that_is_missing_names_its_row(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample", days=2)
    file = labels_of(tmp_path / "sample")
    frame = pl.read_parquet(file)
    frame.with_columns(start=pl.lit(None, frame["start"].dtype)).write_parquet(file)
    with pytest.raises(InputError, match="end_ns: row 0 does not begin before it ends"):
        read_labels(file)


def test_a_catalog_without_labels_is_told_where_they_would_lie(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels\.parquet: there is no such file; name it with --labels"):
        read_labels(labels_of(tmp_path))
