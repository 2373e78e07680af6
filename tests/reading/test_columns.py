"""Columns of ids and of texts read as the tuples and dicts that they stand for."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ictconvention.reading.id_column import NEAR, IdColumn
from ictconvention.reading.text_column import TextColumn

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@settings(max_examples=25)
@given(st.lists(TEXTS, max_size=40), st.lists(TEXTS, max_size=20), st.integers(1, 7))
def test_ids_read_as_a_tuple(ids: list[str], others: list[str], chunk: int) -> None:
    chunks = [pa.array(ids[at : at + chunk], pa.string()) for at in range(0, len(ids), chunk)]
    for column in (IdColumn(ids), IdColumn(pa.chunked_array(chunks, pa.string()))):
        assert column == tuple(ids)
        assert (*column, "x") == (*ids, "x")
        assert tuple(column) == tuple(ids)
        assert len(column) == len(ids)
        assert np.array(column, dtype=object).tolist() == ids
        assert column.repeated() == [id_ for id_ in dict.fromkeys(ids) if ids.count(id_) > 1]
        assert [id_ in column for id_ in others] == [id_ in ids for id_ in others]
        assert column.lacking(others) == [id_ for id_ in others if id_ not in ids]
        assert [ids[at] if at >= 0 else None for at in column.positions(others)] == [
            id_ if id_ in ids else None for id_ in others
        ]
        assert [column.position(id_) for id_ in others] == [ids.index(id_) if id_ in ids else None for id_ in others]
    assert column != (*ids, "one more")
    assert column != IdColumn([*ids, "one more"])


def test_one_of_very_many_ids_is_found_as_many_at_once_are() -> None:
    ids = [f"galaxy {number}" for number in np.random.default_rng(0).permutation(3 * NEAR).tolist()]
    column = IdColumn(ids)
    asked = [ids[0], "galaxy -1", ids[-1]]
    assert [column.position(id_) for id_ in asked] == [0, None, 3 * NEAR - 1]
    assert column.positions(asked).tolist() == [0, -1, 3 * NEAR - 1]
    assert column.positions([*asked, *ids]).tolist() == [0, -1, 3 * NEAR - 1, *range(3 * NEAR)]
    assert len(near := column.near("galaxy 77x")) == NEAR
    assert "galaxy 77" in near


@settings(max_examples=25)
@given(st.dictionaries(TEXTS, st.none() | st.sampled_from(["b", "a", "é"]), max_size=30), st.lists(TEXTS, max_size=9))
def test_texts_read_as_a_dict(texts: dict[str, str | None], others: list[str]) -> None:
    column = TextColumn.of(texts)
    assert column == texts
    assert dict(column) == texts
    assert {**column} == dict(column.items())
    assert column == TextColumn.of(dict(sorted(texts.items())))
    assert list(column.values()) == list(texts.values())
    assert column.count(texts) == {text: list(texts.values()).count(text) for text in texts.values()}
    assert column.names == tuple(sorted({text for text in texts.values() if text is not None}))
    assert [pair for some in column.in_order() for pair in some.items()] == sorted(texts.items())
    for id_ in others:
        assert column.get(id_, "none") == texts.get(id_, "none")
    changed = {**texts, "one more": "a"}
    assert column != TextColumn.of(changed)
    assert column != changed


def test_an_id_that_is_not_there_has_no_text() -> None:
    with pytest.raises(KeyError, match="x"):
        TextColumn.of({"a": "b"})["x"]
