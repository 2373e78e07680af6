"""Ways to damage FITS files: cards of a header, its length, and how many HDUs there are."""

import re
from collections.abc import Sequence
from pathlib import Path

from numpy.random import Generator

from experiments.faults.draws import one_of

BLOCK, CARD = 2880, 80
VALUES: Sequence[str] = (
    *("-720", "-1", "0", "1", "2", "3", "999", "99999", "2147483647", "-2147483648", "9223372036854775807", "1E20"),
    *("1" * 30, "NaN", "INF", "1.5", "-1.0E308", "1E-320", "T", "F", "''", "'text'", "'IMAGE'", "'BINTABLE'", "'1D'"),
    *("'1PE(9)'", "'999999E'", "'RA---TAN'", "'DEC--SIP'", "'GLON-CAR'", "'2020-13-45'", "'UTC'", "", "(1, 2)", "'"),
    *("95.0", "-91.0", "400.0", "1E300", "-32", "-64", "8", "16", "64", "7", "'a\0b'", "'RICE_1'", "'HCOMPRESS_1'"),
)
KEYS: Sequence[str] = (
    *("NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "BITPIX", "PCOUNT", "GCOUNT", "EXTEND", "SIMPLE", "XTENSION", "TFIELDS"),
    *("TFORM1", "TTYPE1", "THEAP", "BSCALE", "BZERO", "BLANK", "BSOFTEN", "BOFFSET", "BUNIT", "ZBITPIX", "ZNAXIS1"),
    *("ZCMPTYPE", "ZTILE1", "CTYPE1", "CRVAL1", "CRVAL2", "CRPIX1", "CD1_1", "CD1_2", "CD2_2", "CDELT1", "PV1_1"),
    *("A_ORDER", "A_2_0", "LONPOLE", "EQUINOX", "RADESYS", "MJD-OBS", "DATE-OBS", "TIMESYS", "EXPTIME", "MAGZERO"),
    *("FILTER", "CRTS_ID", "CLASS", "GAIN", "SEEING", "INHERIT", "CHECKSUM", "CONTINUE", "END", "HISTORY", "EXTNAME"),
)


def _headers(content: bytes) -> list[tuple[int, int]]:
    """Return where the headers begin, and where the END of each stands."""
    found = []
    for match in re.finditer(rb"SIMPLE  =|XTENSION=", content):
        if match.start() % BLOCK:
            continue
        end = next((at for at in range(match.start(), len(content), CARD) if content[at : at + 8] == b"END     "), None)
        if end is not None:
            found.append((match.start(), end))
    return found


def change_card(path: Path, rng: Generator) -> str:
    """Give a card another value; a card that is not there takes the place of another one."""
    content = path.read_bytes()
    headers = _headers(content)
    if not headers:
        return "no header"
    said = []
    for _ in range(1 + int(rng.random() < 0.2)):
        first, end = one_of(headers, rng)
        cards = [content[at : at + 8].decode("ascii", "replace").strip() for at in range(first, end, CARD)]
        own = rng.random() < 0.7
        key = one_of(cards, rng) if own else one_of(KEYS, rng)
        number = cards.index(key) if key in cards else int(rng.integers(len(cards)))
        value = one_of(VALUES, rng)
        card = f"{key:<8}= {value:>20}".encode("ascii", "replace")[:CARD].ljust(CARD)
        at = first + number * CARD
        content = content[:at] + card + content[at + CARD :]
        said.append(f"{key} = {value}")
    path.write_bytes(content)
    return "; ".join(said)


def remove_card(path: Path, rng: Generator) -> str:
    content = path.read_bytes()
    headers = _headers(content)
    if not headers:
        return "no header"
    first, end = one_of(headers, rng)
    at = first + CARD * int(rng.integers((end - first) // CARD + 1))
    key = content[at : at + 8].decode("ascii", "replace")
    path.write_bytes(content[:at] + b"COMMENT".ljust(CARD) + content[at + CARD :])
    return key


def move_card(path: Path, rng: Generator) -> str:
    content = path.read_bytes()
    headers = _headers(content)
    if not headers:
        return "no header"
    first, end = one_of(headers, rng)
    places = first + CARD * rng.integers(0, (end - first) // CARD + 1, 2)
    a, b = (int(at) for at in places)
    changed = bytearray(content)
    changed[a : a + CARD], changed[b : b + CARD] = content[b : b + CARD], content[a : a + CARD]
    path.write_bytes(changed)
    return f"{content[a : a + 8]!r} and {content[b : b + 8]!r}"


def change_blocks(path: Path, rng: Generator) -> str:
    content = path.read_bytes()
    at = BLOCK * int(rng.integers(len(content) // BLOCK + 1))
    match int(rng.integers(4)):
        case 0:
            made = content[:at]
        case 1:
            made = content[:at] + content[at + BLOCK :]
        case 2:
            made = content[:at] + bytes(BLOCK) + content[at:]
        case _:
            made = content + content
    path.write_bytes(made)
    return f"at {at}, {len(made)} bytes in place of {len(content)}"


OF_FITS = (change_card, change_card, change_card, change_card, remove_card, move_card, change_blocks)
