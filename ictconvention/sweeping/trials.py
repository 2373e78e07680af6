"""The trials of a search, as Optuna keeps them: which have been tried, which are under way, and which come next."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ictconvention.core.errors import UsageError
from ictconvention.sweeping.space import Choice, Scalar, Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

BATCH = "batch"  # of a trial: the first number of those that were begun with it
Chosen = Mapping[str, Scalar]  # the values of a trial, by key


def check_optuna() -> None:
    """Raise a `UsageError` where Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        fix = "install the extra: pip install -c constraints.txt '.[tune]'"
        found = "the package optuna is not installed"
        raise UsageError(found, "ictconvention tune", fix, "E-PACKAGE-MISSING") from None


class Trials:
    """The trials of a search. A number is that of a trial, from 0.

    Use `Trials.open`.

    Attributes
    ----------
    firsts : dict of int to int
        Of each trial at hand, the first number of those that it was begun with.
    """

    def __init__(self, study: "Study", space: Space) -> None:
        self._study, self._space = study, space
        self._distributions = {key: _distribution(one) for key, one in space.dimensions.items()}
        self.firsts: dict[int, int] = {}

    @classmethod
    def open(cls, journal: Path, space: Space) -> "Trials":
        """Open the journal of a search, or begin one."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        _cut_torn_line(journal)
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal))),
            study_name="tune",
            direction="minimize",
            load_if_exists=True,
        )
        return cls(study, space)

    @property
    def keys(self) -> list[str]:
        """The keys that a trial has values of."""
        return [*self._distributions]

    def resume(self) -> tuple[int, dict[int, Chosen], dict[int, Chosen]]:
        """Take up a search that was stopped: give up trials that were killed before they had their values.

        Returns
        -------
        ended, begun, finished : int, dict, dict
            How many trials have ended; those that were begun and have not, and those that have a loss, by number.
        """
        from optuna.trial import TrialState

        known = self._study.get_trials(deepcopy=False)
        begun = [one for one in known if one.state == TrialState.RUNNING]
        for one in begun:
            if not self._is_asked(one):
                self._study.tell(one.number, state=TrialState.FAIL)
        self.firsts = {one.number: int(one.user_attrs.get(BATCH, one.number)) for one in begun}
        return (
            sum(one.state.is_finished() and self._is_asked(one) for one in known),
            {one.number: one.params for one in begun if self._is_asked(one)},
            {one.number: one.params for one in known if one.state == TrialState.COMPLETE},
        )

    def enqueue_grid(self, most: int) -> bool:
        """Enqueue each combination of a space of lists that was neither tried nor waits; return whether it is one.

        It is one if it has no more combinations than these.
        """
        from optuna.trial import TrialState

        if self._space.size is None or self._space.size > most:
            return False
        known = self._study.get_trials(deepcopy=False)
        tried = [one.params for one in known if self._is_asked(one)]
        tried += [one.system_attrs["fixed_params"] for one in known if one.state == TrialState.WAITING]
        lists = {key: one.values for key, one in self._space.dimensions.items() if isinstance(one, Choice)}
        for values in itertools.product(*lists.values()):
            if (combination := dict(zip(lists, values, strict=True))) not in tried:
                self._study.enqueue_trial(combination)
        return True

    def ask(self, count: int, most: int | None, seed: int) -> dict[int, Chosen]:
        """Return the next trials by number, as many as `count`, until there are `most`; None: until none waits."""
        from optuna.samplers import TPESampler

        batch: dict[int, Chosen] = {}
        while len(batch) < count and (self._is_any_waiting() if most is None else self._asked() < most):
            self._study.sampler = TPESampler(seed=seed + self._asked())  # whether or not the search was stopped before
            trial = self._study.ask(self._distributions)
            batch[trial.number] = trial.params
            self.firsts[trial.number] = min(batch)
            trial.set_user_attr(BATCH, self.firsts[trial.number])
        return batch

    def find_complete(self, chosen: Chosen) -> tuple[int, float] | None:
        """Return the number and the loss of the first trial that has finished with these values, if there is one."""
        from optuna.trial import TrialState

        known = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        same = next((one for one in known if one.params == chosen), None)
        return None if same is None or same.value is None else (same.number, same.value)

    def tell(self, number: int, loss: float) -> None:
        """Note the loss of a trial."""
        self._study.tell(number, loss)

    def tell_failed(self, number: int) -> None:
        """Note that a trial has none."""
        from optuna.trial import TrialState

        self._study.tell(number, state=TrialState.FAIL)

    def tell_pruned(self, number: int) -> None:
        """Note that a trial was pruned."""
        from optuna.trial import TrialState

        self._study.tell(number, state=TrialState.PRUNED)

    def best(self) -> tuple[int, float, Chosen]:
        """Return the number, the loss and the values of the best trial; a ValueError says that none has finished."""
        best = self._study.best_trial
        assert best.value is not None  # it has finished
        return best.number, best.value, best.params

    def _is_asked(self, one: "FrozenTrial") -> bool:
        """Return whether a trial has its values; one that was killed before has some of them or none."""
        return one.params.keys() == self._distributions.keys()

    def _asked(self) -> int:
        return sum(self._is_asked(one) for one in self._study.get_trials(deepcopy=False))

    def _is_any_waiting(self) -> bool:
        from optuna.trial import TrialState

        return bool(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def _cut_torn_line(journal: Path) -> None:
    """Cut what a killed process, or a full disk, has left after the last whole line of the journal."""
    if not journal.exists():
        return
    with journal.open("r+b") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def _distribution(one: Any) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(one, Choice):
        return CategoricalDistribution(one.values)
    if one.whole:
        return IntDistribution(one.low, one.high, log=one.log, step=one.step or 1)
    return FloatDistribution(one.low, one.high, log=one.log, step=one.step)
