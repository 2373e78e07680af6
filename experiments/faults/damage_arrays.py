"""Ways to damage arrays: the headers of npy and npz files, and what a checkpoint holds."""

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator

from experiments.faults.damage_trees import change_tree, places_in, strange
from experiments.faults.draws import one_of

SHAPES: Sequence[str] = (
    *("()", "(0,)", "(1,)", "(-1,)", "(999999999999,)", "(2, 2)", "(99999, 99999, 99999)", "(1, 0, 3)", "[1]", "1"),
    *("None", "('a',)", "(1.5,)", "(True,)", "((1,),)", "x", "(" * 20, "__import__('os')"),
)
TYPES: Sequence[str] = (
    *(
        "'<f4'",
        "'>f4'",
        "'<f8'",
        "'<f2'",
        "'<i2'",
        "'|u1'",
        "'|O'",
        "'<U5'",
        "'|S3'",
        "'<c8'",
        "'<M8[s]'",
        "'nonsense'",
    ),
    *("[('a', '<f4')]", "None", "1", "'<f999'", "'|V8'", "'|b1'", "''"),
)


def change_array_header(path: Path, rng: Generator) -> str:
    """Change what the header of an array says; of an npz, that of one of its arrays."""
    if path.suffix == ".npy":
        made, said = _with_other_header(path.read_bytes(), rng)
        path.write_bytes(made)
        return said
    with zipfile.ZipFile(path) as packed:
        arrays = {name: packed.read(name) for name in packed.namelist()}
    name = one_of(sorted(arrays), rng)
    arrays[name], said = _with_other_header(arrays[name], rng)
    _save_npz(path, arrays)
    return f"{name}: {said}"


def _with_other_header(content: bytes, rng: Generator) -> tuple[bytes, str]:
    length = int.from_bytes(content[8:10], "little")
    text, data = content[10 : 10 + length].decode("latin-1"), content[10 + length :]
    match int(rng.integers(4)):
        case 0:
            text = re.sub(r"'shape': \([^)]*\)", f"'shape': {one_of(SHAPES, rng)}", text)
        case 1:
            text = re.sub(r"'descr': '[^']*'", f"'descr': {one_of(TYPES, rng)}", text)
        case 2:
            text = text.replace("False", "True")
        case _:
            text = one_of(("", "{}", "nonsense", "[" * 200, "{'shape': (1,)}", text.replace("'shape'", "'form'")), rng)
    header = text.strip().encode("latin-1")
    header = header.ljust(length - 1) + b"\n" if len(header) < length else header + b"\n"
    return content[:8] + len(header).to_bytes(2, "little") + header + data, text.strip()[:80]


def change_array_values(path: Path, rng: Generator) -> str:
    if path.suffix == ".npy":
        array, said = _with_other_values(np.load(path), rng)
        np.save(path, array)
        return said
    with np.load(path) as loaded:
        arrays = dict(loaded)
    name = one_of(sorted(arrays), rng)
    if rng.random() < 0.2:
        del arrays[name]
        said = "removed"
    else:
        arrays[name], said = _with_other_values(arrays[name], rng)
    np.savez(path, **arrays)
    return f"{name}: {said}"


def _with_other_values(array: np.ndarray[Any, Any], rng: Generator) -> tuple[np.ndarray[Any, Any], str]:
    array = array.copy()
    match int(rng.integers(6)):
        case 0 if array.dtype.kind == "f" and array.size:
            value = one_of((np.nan, np.inf, -1.0, 0.0, 1e30), rng)
            array.reshape(-1)[rng.integers(array.size)] = value
            return array, f"a value {value}"
        case 1 if array.dtype.kind == "f":
            value = one_of((np.nan, np.inf, -1.0, 0.0), rng)
            return np.full_like(array, value), f"all {value}"
        case 2:
            return array.astype("f2" if array.dtype.kind == "f" else "i8"), "another type"
        case 3:
            return array[:-1] if array.ndim else array[None], "another length"
        case 4:
            return array[None], "another dimension"
    if array.size and array.dtype.kind in "iu":
        array.reshape(-1)[rng.integers(array.size)] = 200
        return array, "a value 200"
    return np.array(["text"]), "text"


def change_npz_members(path: Path, rng: Generator) -> str:
    if path.suffix == ".npy":
        return change_array_header(path, rng)
    with zipfile.ZipFile(path) as packed:
        arrays = {name: packed.read(name) for name in packed.namelist()}
    name = one_of(sorted(arrays), rng)
    match int(rng.integers(4)):
        case 0:
            arrays["../../x.npy"] = arrays.pop(name)
        case 1:
            arrays[name] = b""
        case 2:
            arrays[name] = b"no array"
        case _:
            arrays = {}
    _save_npz(path, arrays)
    return f"{name}, {len(arrays)} in it"


def _save_npz(path: Path, arrays: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as packed:
        for one, content in arrays.items():
            packed.writestr(one, content)


OF_ARRAYS = (change_array_header, change_array_header, change_array_values, change_npz_members)


def change_weights(path: Path, rng: Generator) -> str:
    """Change a tensor of a checkpoint: lost, of another type or shape, without numbers, or no tensor."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    tensors = [(inside, key) for inside, key in places_in(content) if isinstance(inside[key], torch.Tensor)]
    inside, key = one_of(tensors, rng)
    value = inside[key]
    ways: dict[str, Any] = {
        "lost": None,
        "half": value.half(),
        "double": value.double(),
        "flat": value.reshape(-1),
        "doubled": torch.cat([value.reshape(-1)] * 2),
        "nan": torch.full_like(value, float("nan")) if value.is_floating_point() else value,
        "inf": torch.full_like(value, float("inf")) if value.is_floating_point() else value,
        "empty": value[:0] if value.ndim else value,
        "list": value.tolist(),
        "text": "text",
        "whole": value.long(),
        "sparse": value.to_sparse() if value.ndim else value,
        "complex": value.to(torch.complex64),
    }
    name = one_of(sorted(ways), rng)
    if name == "lost":
        del inside[key]
    else:
        inside[key] = ways[name]
    torch.save(content, path)
    return f"{key}: {name}"


def change_checkpoint(path: Path, rng: Generator) -> str:
    """Change anything that a checkpoint holds."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    if rng.random() < 0.4:
        key = one_of(sorted(content), rng)
        content[key] = strange(rng)
        said = f"{key} to {str(content[key])[:20]!r}"
    else:
        said = change_tree(content, rng)
    try:
        torch.save(content, path)
    except Exception:  # noqa: BLE001 - what torch cannot save is no damage that a file can have
        torch.save({}, path)
        said = "nothing in it"
    return said


OF_WEIGHTS = (change_weights, change_weights, change_checkpoint)
