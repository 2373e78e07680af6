"""Splits tear no neighbours apart, whatever the counts, and refuse what does not fit them."""

import json
from collections import Counter
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from astropy.table import Table, vstack
from hypothesis import given, settings
from hypothesis import strategies as st

from ictconvention.core.errors import SplitError
from ictconvention.survey.neighbours import sky_groups
from ictconvention.survey.split import PARTS, UNLABELLED_PART, Split
from ictconvention.survey.split_drawing import PROTOCOLS, make_split
from tests.conftest import ARCSEC, KINDS, crowd
from tests.refusals import refused


def assert_leak_free(split: Split, objects: Table) -> None:
    """Check the promises with a few lines of their own, apart from `Split.check`."""
    part_of: dict[str, str] = {}
    for part in PARTS:
        for id_ in split.parts[part]:
            assert id_ not in part_of
            part_of[id_] = part
    assert part_of.keys() | split.excluded.keys() == set(objects["id"])
    assert not part_of.keys() & split.excluded.keys()
    groups = sky_groups(objects["ra"], objects["dec"])
    placed = {(int(g), part_of[id_]) for g, id_ in zip(groups, objects["id"], strict=True) if id_ in part_of}
    assert len(placed) == len({g for g, _ in placed})


@st.composite
def crowds(draw: st.DrawFn) -> Table:
    labelled = {kind: draw(st.integers(5, 60)) for kind in ("AGN", "Variable", "SN Ia", "SN Other")}
    weak = {kind: draw(st.integers(0, 60)) for kind in ("pSN Ia", "pSN Other", "Unknown")}
    seed = draw(st.integers(0, 2**32 - 1))
    neighbours = draw(st.integers(0, sum(labelled.values()) // 8))
    return crowd(labelled | weak, neighbours, np.random.default_rng(seed))


@settings(max_examples=25)
@given(crowds(), st.sampled_from(PROTOCOLS), st.integers(2, 6), st.integers(0, 3))
def test_no_fold_tears_neighbours_apart_or_repeats_an_id(objects: Table, protocol: str, count: int, seed: int) -> None:
    code, splits = "", []
    try:
        splits = [make_split(objects, protocol=protocol, index=k, count=count, seed=seed) for k in range(count)]
    except SplitError as error:
        code = error.code
    if code:  # too few groups of a class for the folds or for every part: said, never half-done
        assert code == "E-SPLIT-LABELS"
        return
    rows = zip(objects["id"], objects["class"].filled(""), objects["label_source"].filled(""), strict=True)
    labels = {id_: (name, source) for id_, name, source in rows}
    testable = {id_ for id_, (c, s) in labels.items() if c and s != "photometric"}
    tested = Counter(id_ for split in splits for id_ in split.parts["test"])
    for split in splits:
        assert_leak_free(split, objects)
        assert set(split.parts["test"]) <= testable
        assert all(labels[id_][0] == "" for id_ in split.parts[UNLABELLED_PART])
    if protocol != "fixed":
        assert tested == Counter(testable)  # disjoint test parts, each object once
    else:
        assert set(tested.values()) == {count}  # one test part
        for stage in ("pretrain", "finetune"):
            held = Counter(id_ for split in splits for id_ in split.parts[f"{stage}_validation"])
            assert set(held.values()) <= {1}  # disjoint validation parts


@settings(max_examples=12)
@given(st.integers(5, 400), st.integers(5, 400), st.integers(5, 300), st.integers(1, 300), st.integers(0, 99))
def test_without_neighbours_the_counts_follow_the_rule_exactly(agn: int, var: int, ia: int, pia: int, unk: int) -> None:
    counts = {"AGN": agn, "Variable": var, "SN Ia": ia, "pSN Ia": pia, "Unknown": unk}
    objects = crowd(counts)
    for k in range(5):
        found = make_split(objects, index=k).counts()
        pretrain = found["pretrain_train"] + found["pretrain_validation"]
        finetune = found["finetune_train"] + found["finetune_validation"]
        for name, n in (("AGN", agn), ("Variable", var)):
            test = n - 2 * int(0.4 * n)
            rest, more = divmod(n - test, 4)
            assert found["test"][name] == (test if k == 0 else rest + (k - 1 < more))
            assert pretrain[name] == (n - found["test"][name]) // 2
            assert pretrain[name] + finetune[name] + found["test"][name] == n
        rest, more = divmod(ia - int(0.2 * ia), 4)
        assert found["test"]["SN Ia"] == (int(0.2 * ia) if k == 0 else rest + (k - 1 < more))
        assert finetune["SN Ia"] == ia - found["test"]["SN Ia"]
        assert pretrain["SN Ia"] == pia
        assert found[UNLABELLED_PART][None] == unk
        for stage, total in (("pretrain", pretrain), ("finetune", finetune)):
            for cls, n in total.items():
                assert found[f"{stage}_validation"][cls] in {n // 5, n // 5 + 1} or n == 1


def test_crowded_skies_are_seldom_refused() -> None:
    """Guards the test above, which lets refusals pass."""
    drawn = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        objects = crowd({kind: int(rng.integers(10, 60)) for kind in KINDS}, 30, rng)
        for index in range(5):
            try:
                assert_leak_free(make_split(objects, index=index, seed=seed), objects)
                drawn += 1
            except SplitError:
                pass
    assert drawn >= 240


def test_additional_test_objects_are_tested_apart_and_change_nothing_else() -> None:
    plain = crowd(dict.fromkeys(KINDS, 30), 10)
    both = vstack([plain, crowd(dict.fromkeys(("AGN", "Variable", "SN Ia", "SN Other"), 50))])
    extra = np.arange(len(both)) >= len(plain)
    both["id"] = [f"x{i}" if more else id_ for i, (more, id_) in enumerate(zip(extra, both["id"], strict=True))]
    both["extra_test"] = extra
    both["ra"][extra] += 0.03  # in free places, but for one
    both["ra"][-1], both["dec"][-1] = both["ra"][0], both["dec"][0]
    for index in range(5):
        alone, split = make_split(plain, index=index), make_split(both, index=index)
        assert_leak_free(split, both)
        assert {part: ids for part, ids in split.parts.items() if part != "extra_test"} == {
            part: ids for part, ids in alone.parts.items() if part != "extra_test"
        }
        assert set(split.parts["extra_test"]) == set(both["id"][extra][:-1])
        assert both["id"][-1] in split.excluded


@pytest.fixture
def objects() -> Table:
    return crowd(dict.fromkeys(KINDS, 30), 20, np.random.default_rng(1))


def test_a_split_does_not_depend_on_the_order_of_the_rows(objects: Table) -> None:
    shuffled = objects[np.random.default_rng(2).permutation(len(objects))]
    for protocol in PROTOCOLS:
        assert (
            make_split(objects, protocol=protocol, index=2).parts
            == make_split(shuffled, protocol=protocol, index=2).parts
        )


def test_a_seed_repeats_a_split_and_another_draws_another(objects: Table) -> None:
    assert make_split(objects, seed=1) == make_split(objects, seed=1)
    one, other = make_split(objects, seed=1), make_split(objects, seed=2)
    for part in ("pretrain_train", "pretrain_validation", "finetune_train", "finetune_validation", "test"):
        assert one.parts[part] != other.parts[part]


def test_every_draw_follows_the_seed() -> None:
    """With one test part and one pre-train part possible, only the validation draw is left to differ."""
    objects = crowd({"AGN": 40})
    first = make_split(objects, protocol="fixed", index=0, seed=0)
    shares = [
        set(make_split(objects, protocol="fixed", index=k, seed=0).parts["pretrain_validation"]) for k in range(5)
    ]
    pretrain = set(first.parts["pretrain_train"]) | set(first.parts["pretrain_validation"])
    assert set().union(*shares) == pretrain


def test_wide_stamps_keep_wider_neighbours_together(tmp_path: Path) -> None:
    objects = crowd({"AGN": 40, "Variable": 40})
    objects["dec"][1], objects["ra"][1] = objects["dec"][0] + 40 * ARCSEC, objects["ra"][0]
    objects.meta["LINKING"] = 60.0
    pair = [str(id_) for id_ in objects["id"][:2]]
    for seed in range(10):
        parts = make_split(objects, seed=seed).parts
        assert len({part for part, ids in parts.items() if set(pair) & set(ids)}) == 1
    own = {part: list(ids) for part, ids in make_split(objects).parts.items()}
    home = next(part for part, ids in own.items() if pair[0] in ids)
    own[home].remove(pair[0])
    own["test" if home != "test" else "finetune_train"].append(pair[0])
    (tmp_path / "own.json").write_text(json.dumps({"parts": own}))
    with refused(SplitError, "E-SPLIT-LEAK", "60 arcsec", where=tmp_path / "own.json"):
        Split.load(tmp_path / "own.json", objects)


def test_fixed_and_rotating_share_the_test_part_of_fold_0(objects: Table) -> None:
    assert make_split(objects, protocol="fixed", index=3).parts["test"] == make_split(objects).parts["test"]


def test_what_is_left_out_says_why(objects: Table) -> None:
    reasons = Counter(reason for k in range(5) for reason in make_split(objects, index=k).excluded.values())
    assert reasons["shares pixels with a test object"] > 0
    assert reasons["unlabelled, shares pixels with a labelled object"] > 0


@pytest.mark.parametrize(
    ("counts", "options", "facts"),
    [
        ({"AGN": 4, "Variable": 30}, {}, ["AGN", "4 objects", "4 sky groups", "5 folds"]),
        ({"SN Ia": 3, "pSN Ia": 50, "AGN": 9}, {}, ["SN Ia", "3 objects"]),
        ({"AGN": 30}, {"count": 31}, ["31 folds"]),
        ({"AGN": 2}, {"count": 2}, ["AGN", "pretrain_train"]),
        ({"Unknown": 30}, {}, []),
        ({"AGN": 30, "pSN Ia": 30}, {}, ["SN Ia"]),
        ({"AGN": 30}, {"index": 5}, ["fold.index is 5", "fold.count is 5"]),
        ({"AGN": 30}, {"index": -1}, ["fold.index is -1"]),
        ({"AGN": 30}, {"count": 1}, ["fold.count is 1"]),
        ({"AGN": 30}, {"seed": -1}, ["fold.seed is -1"]),
        ({"AGN": 30}, {"index": 1.0}, ["fold.index is 1.0"]),
        ({"AGN": 30}, {"protocol": "leave-one-out"}, ["fold.protocol", "'leave-one-out'"]),
    ],
)
def test_what_cannot_be_drawn_is_refused(counts: dict[str, int], options: dict[str, Any], facts: list[str]) -> None:
    ruled = options.keys() - {"count"} or options == {"count": 1}
    with refused(SplitError, "E-SPLIT-RULE" if ruled else "E-SPLIT-LABELS", *facts):
        make_split(crowd(counts), **options)


def test_a_class_in_one_sky_group_is_refused() -> None:
    objects = crowd({"AGN": 8, "Variable": 30})
    objects["ra"][:8] = 1.0
    with refused(SplitError, "E-SPLIT-LABELS", "AGN", "8 objects", "1 sky groups", where="survey table"):
        make_split(objects)


def test_a_saved_split_comes_back_equal(tmp_path: Path, objects: Table) -> None:
    split = make_split(objects, index=1)
    split.save(tmp_path / "split.json")
    loaded = Split.load(tmp_path / "split.json", objects)
    assert loaded == split
    assert loaded.hash == split.hash
    assert json.loads((tmp_path / "split.json").read_text())["hash"] == split.hash
    assert [entry.name for entry in tmp_path.iterdir()] == ["split.json"]


@pytest.mark.parametrize("own", [False, True])
def test_a_table_of_a_row_per_object_holds_the_same_split(tmp_path: Path, objects: Table, own: bool) -> None:
    split = make_split(objects[::-1])
    split.save(tmp_path / "split.json")
    if own:
        (tmp_path / "own.json").write_text(json.dumps({"parts": own_split(objects)}))
        split = Split.load(tmp_path / "own.json", objects)
        split.save(tmp_path / "split.json")
    split.save(tmp_path / "split.parquet")
    loaded = [Split.load(tmp_path / f"split.{kind}", objects) for kind in ("json", "parquet")]
    assert loaded == [split, split]
    assert {one.hash for one in loaded} == {split.hash}
    plain = {**asdict(split), "parts": {part: tuple(ids) for part, ids in split.parts.items()}}
    plain |= {"classes": dict(split.classes), "excluded": dict(split.excluded)}
    assert split.hash == sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()  # as of the first version


def test_a_table_that_cannot_hold_a_split_is_not_written(tmp_path: Path, objects: Table) -> None:
    split = make_split(objects)
    for test in (split.parts["test"][::-1], (*split.parts["test"], "zz")):
        with refused(SplitError, "E-SPLIT-FORMAT", where="split.parquet"):
            replace(split, parts={**split.parts, "test": test}).save(tmp_path / "split.parquet")
    assert not list(tmp_path.iterdir())


def test_an_edited_table_is_refused(tmp_path: Path, objects: Table) -> None:
    split, path = make_split(objects), tmp_path / "split.parquet"
    split.save(path)
    table = pq.read_table(path)
    moved = pc.if_else(
        pc.equal(table["part"].cast(pa.string()), "test"), "finetune_train", table["part"].cast("string")
    )
    pq.write_table(table.set_column(2, "part", moved), path)
    with refused(SplitError, "E-SPLIT-HASH", where="split.parquet"):
        Split.load(path, objects)
    pq.write_table(table.drop_columns("part"), path)
    with refused(SplitError, "E-SPLIT-FORMAT", where="split.parquet"):
        Split.load(path, objects)


def test_another_survey_is_refused_and_the_ids_that_differ_are_named(tmp_path: Path, objects: Table) -> None:
    make_split(objects).save(tmp_path / "split.json")
    fewer = objects[objects["id"] != "o17"]
    with refused(SplitError, "E-SPLIT-MISMATCH", "1 id", "o17", where=tmp_path / "split.json"):
        Split.load(tmp_path / "split.json", fewer)
    other = objects.copy()
    other["id"] = [id_.replace("o3", "x3") for id_ in other["id"]]
    with refused(SplitError, "E-SPLIT-MISMATCH", "11 ids", "o3, o30", "x3, x30", where=tmp_path / "split.json"):
        Split.load(tmp_path / "split.json", other)
    relabelled = objects.copy()
    at = int(np.flatnonzero(objects["id"] == "o5")[0])
    relabelled["class"][at] = "AGN" if objects["class"][at] != "AGN" else "SN Ia"
    with refused(SplitError, "E-SPLIT-MISMATCH", "1 id", "o5", where=tmp_path / "split.json"):
        Split.load(tmp_path / "split.json", relabelled)


def test_a_saved_split_that_has_lost_its_hash_does_not_pass_for_one_made_by_hand(
    tmp_path: Path, objects: Table
) -> None:
    path = tmp_path / "split.json"
    make_split(objects).save(path)
    entries = json.loads(path.read_text())
    del entries["hash"]
    path.write_text(json.dumps(entries))
    with refused(SplitError, "E-SPLIT-FORMAT", "hash", where=path):
        Split.load(path, objects)


def test_an_edited_split_is_refused(tmp_path: Path, objects: Table) -> None:
    path = tmp_path / "split.json"
    make_split(objects).save(path)
    entries = json.loads(path.read_text())
    entries["parts"]["test"].pop()
    path.write_text(json.dumps(entries))
    with refused(SplitError, "E-SPLIT-HASH", where=tmp_path / "split.json"):
        Split.load(path, objects)


def own_split(objects: Table) -> dict[str, list[str]]:
    return {part: list(ids) for part, ids in make_split(objects).parts.items()}


def test_a_split_of_ones_own_is_accepted(tmp_path: Path, objects: Table) -> None:
    parts = own_split(objects)
    dropped = parts["finetune_validation"].pop()
    (tmp_path / "own.json").write_text(json.dumps({"parts": parts}))
    split = Split.load(tmp_path / "own.json", objects)
    assert {part: list(ids) for part, ids in split.parts.items()} == parts
    assert split.excluded[dropped] == "not mentioned"
    split.save(tmp_path / "saved.json")
    assert Split.load(tmp_path / "saved.json", objects) == split


def test_a_split_of_ones_own_is_held_to_the_same_rules(tmp_path: Path, objects: Table) -> None:
    def check(change: Any, kind: str, *facts: str) -> None:
        parts: Any = own_split(objects)
        parts = change(parts) or parts
        (tmp_path / "own.json").write_text(json.dumps({"parts": parts}))
        with refused(SplitError, f"E-SPLIT-{kind}", *facts, where=tmp_path / "own.json"):
            Split.load(tmp_path / "own.json", objects)

    id_ = make_split(objects).parts["test"][0]
    check(lambda p: p["finetune_train"].append(id_), "LEAK", f"object {id_}", "finetune_train and test")
    check(lambda p: p["test"].append(id_), "LEAK", f"object {id_}", "test", "twice")
    check(lambda p: p["test"].append("o999"), "MISMATCH", "1 id", "o999")
    check(lambda p: p.update(tests=[]), "FORMAT", "did you mean test?")
    smallest = min(map(str, objects["id"]))
    check(lambda p: {part: [f"X{id_}" for id_ in ids] for part, ids in p.items()}, "MISMATCH", smallest)
    unlabelled = make_split(objects).parts[UNLABELLED_PART][0]
    check(lambda p: (p[UNLABELLED_PART].remove(unlabelled), p["test"].append(unlabelled))[0], "LABELS", unlabelled)
    agn = set(objects["id"][objects["class"].filled("") == "AGN"])
    check(lambda p: p.update(test=[i for i in p["test"] if i not in agn]), "LABELS", "AGN", "test")
    check(lambda p: p["test"].append(17), "FORMAT", "test")
    check(lambda p: p.update(test="o1"), "FORMAT", "test")
    check(lambda p: list(p), "FORMAT")


def test_neighbours_torn_apart_by_hand_are_named(tmp_path: Path, objects: Table) -> None:
    parts = own_split(objects)
    groups = dict(zip(objects["id"], sky_groups(objects["ra"], objects["dec"]), strict=True))
    many = {g for g, n in Counter(groups.values()).items() if n > 1}
    id_ = next(i for i in parts["finetune_train"] if groups[i] in many)
    parts["finetune_train"].remove(id_)
    parts["finetune_validation"].append(id_)
    (tmp_path / "own.json").write_text(json.dumps({"parts": parts}))
    with refused(SplitError, "E-SPLIT-LEAK", f"{id_} (finetune_validation)", where=tmp_path / "own.json"):
        Split.load(tmp_path / "own.json", objects)


def test_a_table_without_positions_is_refused(objects: Table) -> None:
    objects.remove_column("dec")
    with refused(SplitError, "E-TABLE-COLUMN", "dec", where="survey table"):
        make_split(objects)


@pytest.mark.parametrize(
    "text",
    [
        '{"parts": {"test": ["a"], "test": ["b"]}}',
        "[" * 100_000,
        "",
        "[]",
        "{}",
        '{"parts": []}',
        '{"parts": {"test": null}}',
        "\x00\xff",
    ],
)
def test_what_is_no_split_is_refused(tmp_path: Path, objects: Table, text: str) -> None:
    (tmp_path / "bad.json").write_bytes(text.encode("latin-1"))
    with refused(SplitError, "E-SPLIT-FORMAT", where=tmp_path / "bad.json"):
        Split.load(tmp_path / "bad.json", objects)


def test_a_split_from_the_future_is_refused(tmp_path: Path, objects: Table) -> None:
    path = tmp_path / "split.json"
    make_split(objects).save(path)
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    with refused(SplitError, "E-SPLIT-VERSION", "version 2", where=tmp_path / "split.json"):
        Split.load(path, objects)
