"""Cases one after another: prepared, run and judged, each in processes of its own; and the inputs that they share."""

import json
import os
import pickle
import shutil
import signal
import sys
import time
import traceback
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from experiments.faults.every_kind import KINDS
from experiments.faults.kinds import Kind, Prepared
from experiments.faults.processes import Assistant, adopt_orphans, run_command
from experiments.faults.sound import BY_COMMAND, LIMIT, PLAIN, make_by_command
from experiments.faults.verdict import FAULTS, Outcome, Verdict, judge, judge_kill, tree_of, undamaged_run

KILLED = -9  # exit code
Case = tuple[str, int]


class Campaign:
    """Cases in a folder of their own.

    Parameters
    ----------
    folder : Path
        Where inputs and cases are made; it may hold inputs of before.
    number : int
        Of the process that works here, beside others.
    """

    def __init__(self, folder: Path, number: int = 0) -> None:
        self.sound, self.expected = folder / "sound", folder / "expected"
        self.place = folder / f"worker{number}" / "case"
        self.apart = Assistant()
        adopt_orphans()

    def make_inputs(self, kinds: Iterable[Kind]) -> None:
        """Make the undamaged inputs of some kinds, and what their commands make of them.

        Raises
        ------
        RuntimeError
            A command fails on undamaged inputs.
        """
        for kind in kinds:
            for name in kind.inputs:
                self._make(name)
            if kind.drawn is not None or (self.expected / kind.name).exists():
                continue
            self._lay_out(kind)
            ended = run_command(kind.sound_words(self.place), self.place, LIMIT)
            if wrong := undamaged_run(kind, self.place, ended):
                raise RuntimeError(wrong)
            shutil.copytree(self.place, self.expected / kind.name, symlinks=True)
            (self.expected / f"{kind.name}.json").write_text(json.dumps([ended.output, ended.seconds, ended.syncs]))

    def _make(self, name: str) -> None:
        if (self.sound / name).exists():
            return
        if name in PLAIN:
            self.apart(PLAIN[name], self._empty_place())
        else:
            for needed in BY_COMMAND[name]:
                self._make(needed)
            place = self._empty_place()
            for needed in BY_COMMAND[name]:
                shutil.copytree(self.sound / needed, place, symlinks=True, dirs_exist_ok=True)
            ended = make_by_command(name, place)
            if ended.code not in (0, KILLED):
                raise RuntimeError(f"{name}: exit {ended.code}: {(ended.output + ended.error)[-600:]}")
        shutil.rmtree(self.place / "tmp")
        shutil.copytree(self.place, self.sound / name, symlinks=True)

    def _empty_place(self) -> Path:
        shutil.rmtree(self.place, ignore_errors=True)
        (self.place / "tmp").mkdir(parents=True)
        return self.place

    def _lay_out(self, kind: Kind) -> None:
        place = self._empty_place()
        for name in kind.inputs:
            shutil.copytree(self.sound / name, place, symlinks=True, dirs_exist_ok=True)

    def take(self, name: str, seed: int, show: bool = False) -> Verdict:
        """Take one case; `show` prints what its command said."""
        kind = KINDS[name]
        self._lay_out(kind)
        prepared, before = self.apart(_prepare, kind, self.place, seed)
        ended = run_command(prepared.words, self.place, kind.limit)
        if show:
            print(prepared.said, " ".join(prepared.words), ended.output, ended.error, f"exit {ended.code}", sep="\n")
        outcome, reason = self.apart(judge, kind, prepared, ended, self.place, before, self.expected / name)
        return Verdict(name, seed, prepared.said, outcome, reason, round(ended.seconds, 2))

    def kill(self, name: str, seed: int) -> Verdict:
        """Kill a command on undamaged inputs, and run it again.

        At a moment that is drawn, or, for odd seeds, when it has written a file or a folder that has not its name yet.
        """
        kind, rng = KINDS[name], _generator(name, seed)
        self._lay_out(kind)
        before, words = self.apart(tree_of, self.place), kind.sound_words(self.place)
        _, whole, syncs = json.loads((self.expected / f"{name}.json").read_text())
        if seed % 2 and syncs:
            number = int(rng.integers(1, syncs + 1))
            said = f"killed at wait {number} of {syncs} for the disk"
            killed = run_command(words, self.place, kind.limit, kill_at_sync=number)
        else:
            moment = float(rng.uniform(0, whole))
            said = f"killed after {moment:.3f} of {whole:.3f} s"
            killed = run_command(words, self.place, kind.limit, kill_after=moment)
        if killed.code != KILLED:
            said = "it had ended"
        if killed.orphans:
            reason = f"{killed.orphans} processes went on after the kill"
            return Verdict(name, seed, said, Outcome.HANG, reason, round(killed.seconds, 2))
        between = sorted(self.apart(tree_of, self.place).keys() - before.keys())
        again = run_command(words, self.place, LIMIT)
        outcome, reason = self.apart(judge_kill, kind, again, self.place, self.expected / name, between)
        return Verdict(name, seed, said, outcome, reason, round(killed.seconds + again.seconds, 2))


def _generator(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _prepare(kind: Kind, folder: Path, seed: int) -> tuple[Prepared, dict[str, str]]:
    prepared = kind.prepare(folder, _generator(kind.name, seed))
    return prepared, tree_of(folder)


def deal_out(shares: Mapping[str, float], number: int, seed: int) -> Iterator[Case]:
    """Return about so many cases, dealt out to the kinds by their shares, and in turns."""
    whole = sum(shares.values())
    given = {name: max(1, round(number * share / whole)) for name, share in shares.items() if share and number}
    most = max(given.values(), default=0)
    for turn in range(most):
        for name, count in given.items():
            for one in range(turn * count // most, (turn + 1) * count // most):
                yield name, seed * 1_000_000 + one


def take_side_by_side(method: str, cases: Sequence[Case], folder: Path, jobs: int) -> list[Verdict]:
    """Take cases in so many processes at once, by a method of `Campaign`; faults are said as they come.

    Ctrl-C or SIGTERM ends it early, and what has been taken is returned.
    """
    workers: dict[int, Path] = {}
    for number in range(jobs):
        kept = folder / f"verdicts{number}.pkl"
        if not (worker := os.fork()):
            try:
                _work(method, cases[number::jobs], Campaign(folder, number), kept, number == 0)
                os._exit(0)
            finally:
                traceback.print_exc()
                os._exit(1)
        workers[worker] = kept
    try:
        for worker in workers:
            os.waitpid(worker, 0)
    except KeyboardInterrupt:
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
    verdicts = [one for kept in workers.values() for one in _read(kept)]
    if len(verdicts) != len(cases):
        print(f"{len(verdicts)} of {len(cases)} were taken", file=sys.stderr)
    return verdicts


def _work(method: str, cases: Sequence[Case], campaign: Campaign, kept: Path, first: bool) -> None:
    start = time.monotonic()
    with kept.open("wb") as file:
        for number, case in enumerate(cases, 1):
            verdict: Verdict = getattr(campaign, method)(*case)
            pickle.dump(verdict, file)
            file.flush()
            if verdict.outcome in FAULTS:
                text = f"{method} {verdict.kind}:{verdict.seed}\t{verdict.outcome}\t{verdict.said}\t{verdict.reason}"
                print(text.encode("utf-8", "backslashreplace").decode(), flush=True)
            if first and number % 100 == 0:
                print(f"{number} of {len(cases)}, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def _read(kept: Path) -> Iterator[Verdict]:
    with kept.open("rb") as file, suppress(EOFError):
        while True:
            yield pickle.load(file)
