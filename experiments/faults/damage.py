"""Ways to damage any file: its bytes, and what stands in its place. Those of a format are in the modules beside."""

import os
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from numpy.random import Generator

from experiments.faults.damage_arrays import OF_ARRAYS, OF_WEIGHTS
from experiments.faults.damage_fits import OF_FITS
from experiments.faults.damage_packets import OF_AVRO
from experiments.faults.damage_tables import OF_CSV, OF_PARQUET
from experiments.faults.damage_trees import OF_JSON, OF_YAML
from experiments.faults.draws import one_of

Way = Callable[[Path, Generator], str]
OF_FORMAT: Mapping[str, Sequence[Way]] = {
    ".json": OF_JSON,
    ".yaml": OF_YAML,
    ".csv": OF_CSV,
    ".ecsv": OF_CSV,
    ".txt": OF_CSV,
    ".parquet": OF_PARQUET,
    ".fits": OF_FITS,
    ".fz": OF_FITS,
    ".npy": OF_ARRAYS,
    ".npz": OF_ARRAYS,
    ".avro": OF_AVRO,
    ".ckpt": OF_WEIGHTS,
}
SHARES = (0.35, 0.12)  # of the damages of bytes, and of replacements; the rest are those of the file's format


def damage(path: Path, rng: Generator) -> str:
    """Damage a file in a way that is drawn, and say which."""
    share, own = rng.random(), OF_FORMAT.get(path.suffix, ())
    if share < SHARES[0] or not own:
        ways: Sequence[Way] = BYTES
    elif share < sum(SHARES):
        ways = REPLACED
    else:
        ways = own
    way = one_of(ways, rng)
    return f"{way.__name__}: {way(path, rng)}"


def flip_bits(path: Path, rng: Generator) -> str:
    content = bytearray(path.read_bytes())
    places = rng.integers(0, max(len(content), 1), int(rng.integers(1, 9)))
    for place in places if content else ():
        content[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)
    return f"at {sorted(map(int, places))}"


def flip_early_bits(path: Path, rng: Generator) -> str:
    """Flip bits where most formats say what is to come."""
    content = bytearray(path.read_bytes())
    places = rng.integers(0, max(min(len(content), 400), 1), int(rng.integers(1, 4)))
    for place in places if content else ():
        content[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)
    return f"at {sorted(map(int, places))}"


def cut_short(path: Path, rng: Generator) -> str:
    length = int(rng.integers(0, max(path.stat().st_size, 1)))
    os.truncate(path, length)
    return f"to {length} bytes"


def make_empty(path: Path, rng: Generator) -> str:
    path.write_bytes(b"")
    return "0 bytes"


def zero_a_piece(path: Path, rng: Generator) -> str:
    content = bytearray(path.read_bytes())
    first = int(rng.integers(0, max(len(content), 1)))
    last = min(len(content), first + int(rng.integers(1, 2000)))
    content[first:last] = bytes(last - first)
    path.write_bytes(content)
    return f"{first} to {last}"


def overwrite_a_piece(path: Path, rng: Generator) -> str:
    content = bytearray(path.read_bytes())
    first = int(rng.integers(0, max(len(content), 1)))
    last = min(len(content), first + int(rng.integers(1, 200)))
    content[first:last] = rng.bytes(last - first)
    path.write_bytes(content)
    return f"{first} to {last}"


def insert_bytes(path: Path, rng: Generator) -> str:
    content = path.read_bytes()
    first, number = int(rng.integers(0, len(content) + 1)), int(rng.integers(1, 100))
    path.write_bytes(content[:first] + rng.bytes(number) + content[first:])
    return f"{number} at {first}"


def remove_bytes(path: Path, rng: Generator) -> str:
    content = path.read_bytes()
    first, number = int(rng.integers(0, max(len(content), 1))), int(rng.integers(1, 100))
    path.write_bytes(content[:first] + content[first + number :])
    return f"{number} at {first}"


def append_bytes(path: Path, rng: Generator) -> str:
    more = bytes(int(rng.integers(1, 5000))) if rng.random() < 0.5 else rng.bytes(int(rng.integers(1, 5000)))
    with path.open("ab") as file:
        file.write(more)
    return f"{len(more)} bytes"


def fill_with_noise(path: Path, rng: Generator) -> str:
    path.write_bytes(rng.bytes(int(rng.integers(1, 3000))))
    return ""


BYTES: Sequence[Way] = (
    *(flip_bits, flip_bits, flip_bits, flip_early_bits, flip_early_bits, cut_short, cut_short, zero_a_piece),
    *(overwrite_a_piece, insert_bytes, remove_bytes, append_bytes, make_empty, fill_with_noise),
)


def remove(path: Path, rng: Generator) -> str:
    path.unlink()
    return ""


def replace_by_folder(path: Path, rng: Generator) -> str:
    path.unlink()
    path.mkdir()
    return ""


def replace_by_pipe(path: Path, rng: Generator) -> str:
    path.unlink()
    os.mkfifo(path)
    return ""


def replace_by_socket(path: Path, rng: Generator) -> str:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path must be short
        one.bind(path.name)
        os.chdir(here)
    return ""


def replace_by_device(path: Path, rng: Generator) -> str:
    device = one_of(("/dev/zero", "/dev/null", "/dev/full"), rng)
    path.unlink()
    path.symlink_to(device)
    return device


def replace_by_dangling_link(path: Path, rng: Generator) -> str:
    path.unlink()
    path.symlink_to("nowhere")
    return ""


def replace_by_link_circle(path: Path, rng: Generator) -> str:
    path.unlink()
    other = path.with_name(f"other{path.suffix}")
    other.symlink_to(path.name)
    path.symlink_to(other.name)
    return ""


def replace_by_other(path: Path, rng: Generator) -> str:
    """Put another file of the folder in its place."""
    others = sorted(one for one in path.parent.iterdir() if one != path and one.is_file())
    if not others:
        return make_empty(path, rng)
    other = one_of(others, rng)
    shutil.copyfile(other, path)
    return other.name


REPLACED: Sequence[Way] = (
    *(remove, replace_by_folder, replace_by_pipe, replace_by_socket, replace_by_device),
    *(replace_by_dangling_link, replace_by_link_circle, replace_by_other),
)
