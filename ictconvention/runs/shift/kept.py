"""What an answer to a shift leaves in the folder of a run, without which the run cannot predict."""

import os

from ictconvention.core.errors import UsageError, readable_os_errors
from ictconvention.evaluation.shift.neighbours import Neighbours
from ictconvention.runs.run_folder import LOST, RunFolder
from ictconvention.runs.run_record import names_of
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.format import sha256
from ictconvention.tasks.redshift.bins import edges_of

KIND = "latent_knn"


def read_neighbours(run: RunFolder) -> Neighbours | None:
    """Return what predicts in the place of the network's own outputs; None where those predict.

    Raises
    ------
    UsageError
        It is lost or damaged, or not that of the result.
    """
    if run.read_options().shift.kind != KIND:
        return None
    path, result = run.neighbours, run.read_result("shift", "task")
    if not os.path.lexists(path):
        raise UsageError(f"it has lost its {path.name}", run.path, LOST, "E-RUN-DAMAGED")
    with readable_os_errors("reading the neighbours", path):
        same = sha256(path) == result["shift"].get("file")
    if not same:
        raise UsageError(f"this is not the {path.name} of its result", path, LOST, "E-RUN-EDITED")
    return Neighbours.load(path, edges_of(names_of(result)))


def describe_answer(run: RunFolder) -> str:
    """Return what the answer to a shift of a run makes of the n(z) of training, to follow its mean; or nothing."""
    match run.read_options().shift.kind:
        case "weights":
            known = run.read_result("shift")["shift"]
            mean = f": mean {known['mean_redshift']:.3f}" if "mean_redshift" in known else ""
            return f", weighted by shift=weights towards the objects to be predicted{mean}"
        case "latent_knn":
            return f", of which the objects nearest in the network's features predict (shift={KIND})"
    return ""


def check_predicts_all(run: TrainedRun) -> None:
    """Refuse to predict a survey by a run that has learned one stratum of its own.

    Raises
    ------
    UsageError
        The run is one of strata.
    """
    shift = run.options.shift
    if shift.kind == "strata":
        found = f"this run has learned stratum {shift.stratum} of its survey, and not who is of it in another"
        fix = "predict by a run with shift=none, weights or latent_knn"
        raise UsageError(found, run.folder, fix, "E-RUN-TASK")


def check_network_predicts(run: TrainedRun) -> None:
    """Refuse to export a run whose network does not predict, or not all.

    Raises
    ------
    UsageError
        The redshifts of neighbours predict, or the run is one of strata.
    """
    check_predicts_all(run)
    if run.options.shift.kind == KIND:
        found = f"shift.kind of this run is {KIND}: its neighbours predict, and an export would be of the network alone"
        raise UsageError(found, run.folder, "export the same run with shift=none", "E-RUN-TASK")
