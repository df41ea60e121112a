"""A row of `fronts` as a record: it has the columns of the table, and what must be known is."""

from __future__ import annotations

from dataclasses import fields

import pyarrow as pa
import pytest

from experiments.runs.finished import read_front_rows
from experiments.runs.front_row import Accuracy, FrontRow
from experiments.storage.tables import FRONTS, write_table
from tests.support.front_rows import front_columns, front_row

TYPES = {pa.string(): "str", pa.float64(): "float", pa.int64(): "int", pa.bool_(): "bool"}


def test_attributes_are_the_columns_of_the_table_in_order_and_in_type():
    found = [(field.name, field.type.removesuffix(" | None")) for field in fields(FrontRow)]
    assert found == [(column.name, TYPES[column.type]) for column in FRONTS]


def test_a_table_read_and_written_again_is_the_same(tmp_path):
    columns = [front_columns(id=name, seed=7, accuracy_finetuned_val=0.5) for name in ("a", "b")]
    write_table(tmp_path / "fronts.parquet", columns, FRONTS)
    rows = read_front_rows(tmp_path)
    assert [row.to_dict() for row in rows] == columns
    assert (rows[1].id, rows[1].seed, rows[1].verified) == ("b", 7, None)


def test_a_number_that_is_not_finite_is_not_known():
    row = front_row(worst_case_latency_s=float("inf"), accuracy_deployed_val=float("nan"))
    assert (row.worst_case_latency_s, row.accuracy("deployed", "val")) == (None, None)


@pytest.mark.parametrize("column", ["id", "latency_s", "on_front", "network"])
def test_a_column_that_must_be_known_cannot_be_null(column, tmp_path):
    with pytest.raises(ValueError, match=f"column {column} must not be null"):
        front_row(**{column: None})
    write_table(tmp_path / "fronts.parquet", [front_columns(**{column: None})], FRONTS)
    with pytest.raises(ValueError, match=f"fronts.parquet: column {column} must not be null"):
        read_front_rows(tmp_path)


def test_accuracies_are_found_by_kind_and_split_with_their_interval():
    row = front_row(
        accuracy_finetuned_test=0.8, accuracy_finetuned_test_low=0.7, accuracy_finetuned_test_high=0.9,
        accuracy_inherited_val=0.6,
    )  # fmt: skip
    assert row.accuracy("finetuned", "test") == Accuracy(0.8, 0.7, 0.9)
    assert row.accuracy("inherited", "val") == Accuracy(0.6, None, None)
    assert row.accuracy("inherited", "test") is None
    assert row.known_accuracy("finetuned", "test") == 0.8
    with pytest.raises(ValueError, match="design 470uF-0: accuracy_finetuned_val must be known"):
        row.known_accuracy("finetuned", "val")
