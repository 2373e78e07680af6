"""What became of a case: the same output, another sound one, a refusal in words, or a fault."""

import hashlib
import json
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from experiments.faults.kinds import Kind, Prepared, matches, matching
from experiments.faults.outputs import contents, flaws_of, ingest_flaws
from experiments.faults.processes import Ended
from ictconvention.core.errors import shorten

OF_OTHERS = re.compile(r"^tmp(/\.ses$|/torchinductor|$)")  # what onnxruntime and torch leave in the temporary folder
LEFTOVER = re.compile(r"\.partial|\.lock|(^|/)tmp/|\.tmp$")
CODE = re.compile(r"code:  (E-[A-Z-]+)")
USAGE = re.compile(r"^Usage: |╭─ Error|Usage error", re.MULTILINE)
Tree = Mapping[str, str]


class Outcome(StrEnum):
    """How a case ended; from `TRACEBACK` on it is a fault."""

    SAME = "same output"
    ACCEPTED = "accepted, sound"
    REFUSED = "refused"
    TRACEBACK = "traceback"
    HANG = "hang"
    HALF_WRITTEN = "half-written"
    SILENTLY_WRONG = "silently wrong"


FAULTS = (Outcome.TRACEBACK, Outcome.HANG, Outcome.HALF_WRITTEN, Outcome.SILENTLY_WRONG)


@dataclass(frozen=True)
class Verdict:
    """What became of a case.

    Parameters
    ----------
    kind : str
    seed : int
    said : str
        What was damaged, and how.
    outcome : Outcome
    reason : str
        The code of a refusal, or what is wrong.
    seconds : float
    """

    kind: str
    seed: int
    said: str
    outcome: Outcome
    reason: str
    seconds: float


def tree_of(folder: Path) -> dict[str, str]:
    """Return what lies below a folder: the hash of each plain file, and what else the others are."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            said = f"link to {path.readlink()}"
        elif stat.S_ISREG(mode):
            said = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if _small(path) else "large"
        else:
            said = "folder" if stat.S_ISDIR(mode) else "no plain file"
        found[str(path.relative_to(folder))] = said
    return found


def _small(path: Path) -> bool:
    return path.stat().st_size < 1 << 26


def judge(
    kind: Kind, prepared: Prepared, ended: Ended, folder: Path, before: Tree, expected: Path
) -> tuple[Outcome, str]:
    """Return how a case ended, and why so.

    Parameters
    ----------
    kind : Kind
        Kind of the case.
    prepared : Prepared
        The case.
    ended : Ended
        The command on what was damaged.
    folder : Path
        Folder of the case.
    before : Tree
        What was in it before the command.
    expected : Path
        Folder in which the same command was run on undamaged inputs.
    """
    said = ended.output + ended.error
    if ended.code is None:
        return Outcome.HANG, f"after {ended.seconds:.0f} s"
    if "Traceback (most recent call last)" in said or ended.code not in (0, 2, 130):
        return Outcome.TRACEBACK, last_line(ended)
    after = tree_of(folder)
    if (left := left_over(kind, before, after, refused=ended.code != 0)) or ended.orphans:
        return Outcome.HALF_WRITTEN, left or f"{ended.orphans} processes went on"
    if ended.code:
        return _judge_refusal(kind, ended)
    changed = [name for name, one in before.items() if after.get(name) != one and not matches(name, kind.rewrites)]
    if changed and kind.drawn is None:
        return Outcome.SILENTLY_WRONG, f"an input was changed: {changed[0]}"
    untouched = prepared.target if after.get(prepared.target) == before.get(prepared.target) else ""
    return _judge_output(kind, prepared, ended, folder, expected, untouched)


def left_over(kind: Kind, before: Tree, after: Tree, refused: bool) -> str:
    """Return what a command has left that it should not have; empty where there is nothing."""
    new = [name for name in after if name not in before and not OF_OTHERS.match(name)]
    if left := [name for name in new if LEFTOVER.search(name)]:
        return f"left {left[0]}"
    allowed = kind.on_refusal if refused else kind.outputs
    if kind.drawn is not None and not refused:
        return ""
    if left := [name for name in new if not matches(name, [*allowed, *kind.rewrites])]:
        return f"left {left[0]}"
    return ""


def last_line(ended: Ended) -> str:
    """Return the last line of a traceback with the place of the package that it went through, or the signal."""
    if ended.code is not None and ended.code < 0:
        return f"signal {-ended.code}"
    lines = [line for line in (ended.output + ended.error).splitlines() if line.strip()]
    places = [line.strip() for line in lines if re.search(r'File ".*/ictconvention/', line)]
    place = re.sub(r'File ".*/(ictconvention/[^"]*)", line (\d+).*', r"\1:\2", places[-1]) if places else ""
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Warning|Interrupt|Exit)\b", line)]
    return f"{(errors or lines or [''])[-1][:200]} [{place}] exit {ended.code}"


def _judge_refusal(kind: Kind, ended: Ended) -> tuple[Outcome, str]:
    if codes := CODE.findall(ended.error + ended.output):
        return Outcome.REFUSED, codes[-1]
    if ended.code == 130:
        return Outcome.TRACEBACK, "stopped, as by Ctrl-C"
    if kind.drawn is not None and (USAGE.search(ended.error) or not ended.error.strip()):
        return Outcome.REFUSED, "usage"
    if kind.words[:1] == ("check",) and "flaw" in ended.output:
        return Outcome.REFUSED, "flaws"
    return Outcome.TRACEBACK, f"a refusal without code: {ended.error[-200:]!r}"


def _judge_output(
    kind: Kind, prepared: Prepared, ended: Ended, folder: Path, expected: Path, untouched: str
) -> tuple[Outcome, str]:
    """Judge what a command has made that did not refuse; a damaged file that it left as it was is none of that."""
    if kind.drawn is not None:
        flaws = flaws_of(folder, ("*",))
        return (Outcome.SILENTLY_WRONG, flaws) if flaws else (Outcome.ACCEPTED, "")
    try:
        flaws = flaws_of(folder, kind.outputs, untouched)
        if kind.ingests and not flaws:
            flaws = ingest_flaws(folder, expected, prepared.target)
    except Exception as error:  # noqa: BLE001 - an output that cannot be read is wrong, whatever the error
        flaws = f"its output cannot be read: {type(error).__name__}: {error}"
    if flaws:
        return Outcome.SILENTLY_WRONG, flaws
    here, there = (contents(one, kind.outputs, untouched) for one in (folder, expected))
    said = json.loads(expected.with_name(f"{kind.name}.json").read_text())[0]
    undamaged = _equal(folder / prepared.target, expected / prepared.target)
    if here == there and (kind.outputs or undamaged or (kind.name == "test" and ended.output == said)):
        return Outcome.SAME, ""
    if undamaged:
        return Outcome.ACCEPTED, "the damage changed nothing"
    if kind.ingests or "change_json_and_hash" in prepared.said or not matches(prepared.target, kind.covered):
        return Outcome.ACCEPTED, ""
    if kind.name == "report" and "left out" in (folder / "made.html").read_text():
        return Outcome.ACCEPTED, "left out"
    if kind.name == "test" and "to within" in ended.output:
        return Outcome.ACCEPTED, "the difference is said"
    differ = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    return Outcome.SILENTLY_WRONG, f"another output, and nothing was said: {', '.join(differ) or 'its words'}"


def _equal(one: Path, other: Path) -> bool:
    """Return whether two files hold the same, JSON in whatever form."""
    if not one.is_file() or not other.is_file():
        return False
    if one.read_bytes() == other.read_bytes():
        return True
    if one.suffix != ".json":
        return False
    try:
        first, second = (json.loads(path.read_text(encoding="utf-8")) for path in (one, other))
    except (ValueError, RecursionError):
        return False
    return bool(first == second)


def judge_kill(kind: Kind, again: Ended, folder: Path, expected: Path, between: Sequence[str]) -> tuple[Outcome, str]:
    """Return what became of a command that was killed, and then run again on what that left.

    Parameters
    ----------
    kind : Kind
        Kind of the case.
    again : Ended
        The second run.
    folder : Path
        Folder of the case.
    expected : Path
        Folder in which the same command was never killed.
    between : sequence of str
        What the kill had left.
    """
    if again.code is None:
        return Outcome.HANG, "the second run"
    said = again.output + again.error
    complete = again.code == 2 and "E-FILES-EXISTS" in said  # the kill came after the last rename
    if "Traceback (most recent call last)" in said or again.code not in (0, 2):
        return Outcome.TRACEBACK, last_line(again)
    if again.code and not complete:
        return Outcome.HALF_WRITTEN, f"the second run refuses: {CODE.findall(said)}; left {shorten(between)}"
    here, there = ({name for name in tree_of(one) if not name.startswith("tmp")} for one in (folder, expected))
    if here != there or again.orphans:
        return Outcome.HALF_WRITTEN, f"more {shorten(sorted(here - there))}; less {shorten(sorted(there - here))}"
    mine, whole = contents(folder, kind.outputs), contents(expected, kind.outputs)
    if mine != whole:
        differ = sorted(name for name in mine.keys() | whole.keys() if mine.get(name) != whole.get(name))
        return Outcome.SILENTLY_WRONG, f"another output: {shorten(differ)}"
    return Outcome.SAME, f"left {shorten(between)}" if between else ""


def undamaged_run(kind: Kind, folder: Path, ended: Ended) -> str:
    """Return what is wrong with a command on undamaged inputs; empty where nothing is."""
    if ended.code != 0:
        return f"{kind.name}: exit {ended.code}: {(ended.output + ended.error)[-600:]}"
    if kind.outputs and not matching(folder, kind.outputs):
        return f"{kind.name}: it makes nothing"
    return ""
