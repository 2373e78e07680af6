"""A run from Python: what it was asked, what it found, and how it predicts. Reads its folder when it is asked."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from astropy.table import Table

from ictconvention.configuration.registry import find_task
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError, did_you_mean, short_hash
from ictconvention.core.progress import facts_html
from ictconvention.runs.published.places import locate_run
from ictconvention.runs.run_folder import TESTED, RunFolder
from ictconvention.survey.format import full_name
from ictconvention.survey.growth.states import find_state
from ictconvention.survey.split import Split, own_entries
from ictconvention.survey.survey import Survey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ictconvention.applying.comparing.compare import SurveyComparison
    from ictconvention.runs.trained_run import TrainedRun


class Run:
    """A run: one model on one fold, in its folder.

    Parameters
    ----------
    folder : str or Path
        Folder of a run; `load` and `train` give one. A published run may also be `demo`, the model that ships with the
        package, or hf://OWNER/NAME[@REVISION] on a hub.

    Attributes
    ----------
    folder : Path

    Raises
    ------
    UsageError
        It is not a folder of a run, or is damaged. What only a finished run has says so where it is asked for.

    Examples
    --------
    >>> run.options.learner.tau
    0.99
    >>> print(run.predictions()["id", "label", "AGN"][:1])  # doctest: +ELLIPSIS
      id   label ...
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = locate_run(folder)
        self._files = RunFolder(self.folder)
        self.options: RunOptions = self._files.read_options()

    def __repr__(self) -> str:
        return f"<Run {self._files.title}, {'finished' if self._files.is_finished else 'not finished'}: {self.folder}>"

    def _repr_html_(self) -> str:
        facts: dict[str, object] = {"model": self.options.model.kind, "learner": self.options.learner.kind}
        facts |= {"fold": self.options.fold.index, "seed": self.options.seed}
        if self._files.is_finished:
            about = self.result["survey"]
            facts |= {"survey": full_name(about["name"], about["simulated"]), "test part": self.summary}
        else:
            facts |= {"state": "not finished"}
        return facts_html(self._files.title, facts | {"folder": self.folder})

    @cached_property
    def result(self) -> dict[str, Any]:
        """What `result.json` says: the scores by part, and the survey, priors and temperature behind them."""
        return self._files.read_result()

    @property
    def summary(self) -> str:
        """The chief scores of the finished run's test part, in a few words."""
        said: str = find_task(self.options.task.kind).sum_up(self.result)
        return said

    @cached_property
    def survey(self) -> Survey:
        """The survey that it was trained on, where it still is; a `UsageError` says where it was."""
        known = self._files.read_status().get("survey") or self.options.survey.path
        if known is None or not Path(known).is_dir():
            raise UsageError(
                "the survey of this run is not where it was",
                known or self.folder,
                "open it by ict.open",
                "E-SURVEY-MISSING",
            )
        trained_on = self.result["survey"]["hash"] if self._files.is_finished else None
        survey = Survey.open(known, state=None if trained_on is None else find_state(Path(known), trained_on))
        if trained_on is not None and survey.hash != (hash_ := trained_on):
            found = f"this is not the survey of the run: its hash is {short_hash(survey.hash)}, it was "
            found += f"{short_hash(hash_)}"
            raise UsageError(found, known, "restore it from a copy", "E-SURVEY-MISMATCH")
        return survey if self.options.survey.classes is None else survey.with_classes(self.options.survey.classes)

    @cached_property
    def split(self) -> Split:
        """The split of the finished run."""
        return Split(**own_entries(self._files.read_split()))

    @property
    def figures(self) -> dict[str, Path]:
        """The figures of the run by name; empty where it has drawn none."""
        return {path.stem: path for path in sorted(self._files.figures.glob("*.png"))}

    def metrics(self) -> Table:
        """Return a row for each training epoch: stage, epoch, and its metrics; NaN where one was not measured."""
        rows = self._files.open_metrics().rows
        names = list(dict.fromkeys(name for row in rows.values() for name in row))
        columns: dict[str, Any] = {"stage": [stage for stage, _ in rows], "epoch": [epoch for _, epoch in rows]}
        return Table(columns | {name: [float(row.get(name, "nan")) for row in rows.values()] for name in names})

    def predictions(self, part: str = "test") -> Table:
        """Return the predictions of a part that was tested: id, fold, and of classes the label and each probability.

        Parameters
        ----------
        part : str
            "test", or "extra_test" of a simulated survey with additional test objects.

        Raises
        ------
        UsageError
            The run is not finished, has tested no such part, or its predictions are not those of its result.
        """
        if part not in TESTED:
            found = f"no run tests a part {part!r}{did_you_mean(part, TESTED)}"
            raise UsageError(found, self.folder, f"take one of {', '.join(TESTED)}", "E-COMMAND-VALUE")
        self._files.read_predictions()  # sees that they are those of the result
        if not self._files.predictions(part).exists():
            raise UsageError(
                f"this run has no predictions of the part {part}", self.folder, "take part='test'", "E-SPLIT-EMPTY"
            )
        table = Table(self._files.read_columns(part))
        table.meta = {"SURVEY": self.result["survey"]["name"], "SIMULATD": self.result["survey"]["simulated"]}
        return table

    def predict(
        self,
        survey: Survey | str | Path,
        *,
        prior: str | Path | Mapping[str, float] = "train",
        coverage: float | None = None,
        first_days: float | None = None,
        forest: Literal["mean", "alone"] | None = None,
        batch_size: int = 64,
        devices: int = 1,
        verify: bool | Literal["auto"] = "auto",
    ) -> Table:
        """Predict every object of a survey: the table that `ictconvention predict` writes.

        Parameters
        ----------
        survey : Survey or path
            A survey, a selection of it, or a folder.
        prior : str, path or mapping
            Shares of the classes to predict at: "train", "uniform", "estimate", a file of them, or a mapping such as
            {"AGN": 0.2, "SN Ia": 0.8}.
        coverage : float, optional
            Add the column `set`, the classes that an object may be of: of each class this share of its objects has it
            in the set, as far as they are like those of the run's validation part.
        first_days : float, optional
            Use frames until so many days after the first detection.
        forest : "mean" or "alone", optional
            Predict by the mean of the network and the forest that `train_forest` has kept, or by that forest alone.
        batch_size : int
            Objects in a batch.
        devices : int
            GPUs, or processes on a machine without. A script that asks for several has its code below
            `if __name__ == "__main__":`, since each of them reads it.
        verify : bool or "auto"
            Whether the survey is read whole first and compared with its checksums; auto: up to 256 MiB of frames.

        Returns
        -------
        Table
            A row for each object: id, what the task of the run predicts (of classes the probability of each, predicted,
            entropy [nat]), frames, novelty, distance, seen_in_training; `meta` says at which shares, and in `NOTES`
            what the command prints.

        Raises
        ------
        UsageError
            The run is not finished or damaged, the survey does not fit it, an option is out of range, or there is no
            forest beside the run where one is asked for.
        """
        from ictconvention.api.together import predict_together

        return predict_together(
            [self.trained()], survey, prior, first_days, forest, batch_size, devices, verify, coverage
        )

    def predict_masks(
        self, survey: Survey | str | Path, folder: str | Path, *, batch_size: int = 64
    ) -> dict[str, Path]:
        """Write the estimated mask of every object of a survey, as `ictconvention predict --masks` does.

        Parameters
        ----------
        survey : Survey or path
            A survey, a selection of it, or a folder.
        folder : str or path
            To make; a GeoTIFF of each object where the survey says where its chips lie, else a TIFF.
        batch_size : int
            Objects in a batch.

        Returns
        -------
        dict
            The files, by the id of the object.

        Raises
        ------
        UsageError, FileSystemError
            The run gives no masks, the survey does not fit it, or the folder exists and is not empty.
        """
        from ictconvention.api.together import predict_masks_together

        return predict_masks_together([self.trained()], survey, folder, batch_size)

    def predict_scenes(self, scenes: str | Path, folder: str | Path | None = None, *, batch_size: int = 64) -> Table:
        """Predict scenes of any size, tile by tile: the table that `ictconvention predict` writes of images.

        Parameters
        ----------
        scenes : str or path
            An image (.tif or .npy), or a folder of images, with the bands of the run's survey.
        folder : str or path, optional
            Where their masks are written, as of `predict_masks`.
        batch_size : int
            Tiles in a batch.

        Returns
        -------
        Table
            A row for each scene: id, the share of each class, and the number of pixels that these are of.

        Raises
        ------
        UsageError, FileSystemError
            The run gives no masks, an image cannot be read or has other bands, or the folder exists and is not empty.
        """
        from ictconvention.api.together import predict_scenes_together

        return predict_scenes_together([self.trained()], scenes, folder, batch_size)

    def save_features(
        self, survey: Survey | str | Path, path: str | Path, dtype: Literal["float16", "float32"] = "float16"
    ) -> int:
        """Write what its encoder makes of every object of a survey, as `ictconvention features` does.

        Returns
        -------
        int
            How many numbers each object has.

        Raises
        ------
        UsageError, FileSystemError
            The survey does not fit the run, a number is too large for the type, or the file cannot be written.
        """
        from ictconvention.applying.features import save_features

        opened = survey if isinstance(survey, Survey) else Survey.open(survey)
        return save_features(self.trained(), opened, Path(path), dtype)

    def trained(self) -> "TrainedRun":
        """Return its network with the final weights, and what makes probabilities of its logits."""
        from ictconvention.runs.trained_run import read_trained

        return read_trained(self.folder)

    def export(self, path: str | Path) -> str:
        """Write the model, from raw fluxes to calibrated probabilities, to a .onnx or .pt2 file.

        Returns
        -------
        str
            What the file takes and gives, in words.

        Raises
        ------
        UsageError, FileSystemError
            The run is not finished, the network does not export, or the file cannot be written.
        """
        from ictconvention.applying.export import export
        from ictconvention.applying.model_file import check_model_file

        check_model_file(Path(path))
        return export(self.folder, Path(path))

    def publish(
        self, folder: str | Path, licence: str = "unknown", *, title: str | None = None, onnx: bool = True
    ) -> Path:
        """Write the run to a new folder for others, as `ictconvention publish` does, and return the folder.

        Parameters
        ----------
        folder : str or Path
            To make.
        licence : str
            Of the weights, as model hubs name it, such as mit.
        title : str, optional
            Of the model card; by default of model, task and survey.
        onnx : bool
            Whether an ONNX file is wanted, where the network exports.

        Raises
        ------
        UsageError, FileSystemError
            The run is not finished, or has learned one stratum alone; or the folder exists, or cannot be written.
        """
        from ictconvention.applying.publishing.publish import publish

        return publish(self.folder, Path(folder), licence, title, onnx).folder

    def rank(
        self,
        survey: Survey | str | Path,
        budget: int = 20,
        *,
        max_mag: float | None = None,
        by: Literal["entropy", "error"] = "entropy",
        batch_size: int = 64,
    ) -> Table:
        """Choose which objects of a survey to follow up: the table that `ictconvention rank` writes.

        Parameters
        ----------
        survey : Survey or path
            A survey, a selection of it, or a folder.
        budget : int
            How many objects.
        max_mag : float, optional
            Faintest magnitude when bright, in the middle band.
        by : "entropy" or "error"
            What doubt is: the entropy of the probabilities, or how probably the likeliest class is wrong.
        batch_size : int
            Objects in a batch.

        Raises
        ------
        UsageError
            The run has not learned classes, the survey does not fit it or has no magnitudes, or no object is left.
        """
        from ictconvention.api.together import open_survey
        from ictconvention.applying.deciding.rank import RankOptions, rank_survey
        from ictconvention.applying.predict import PredictOptions

        trained = self.trained()
        opened = open_survey(trained, survey)
        options = RankOptions(budget, max_mag, by)
        found = rank_survey([trained], opened, options, PredictOptions(batch_size=batch_size))
        found.table.meta["NOTES"] = "; ".join(found.said)
        return found.table

    def explain(self, survey: Survey | str | Path, ids: Sequence[str] = (), of_class: str | None = None) -> "Figure":
        """Draw why, as `ictconvention explain` does, and return the figure: of series, which epochs decided.

        Parameters
        ----------
        survey : Survey or path
            A survey, a selection of it, or a folder.
        ids : sequence of str
            Ids of objects; without any, some of each class, of the test part first.
        of_class : str, optional
            Class that is explained; by default the one that is predicted of each object.

        Raises
        ------
        UsageError
            The run is not finished, the survey does not fit it, or it has learned no classes; of pictures also, its
            network has no map, or captum is not installed.
        SurveyError
            An object is not in the survey.
        """
        from ictconvention.api.together import open_survey
        from ictconvention.applying.explaining.epochs import explain_series
        from ictconvention.applying.explaining.maps import explain_objects
        from ictconvention.drawing.applied.explained_page import draw_explained
        from ictconvention.drawing.applied.explained_series import draw_explained_series

        trained = self.trained()
        opened = open_survey(trained, survey)
        model = trained.options.model.kind
        if trained.learner.inputs.pictures:
            return draw_explained(explain_objects(trained, opened, ids, of_class), opened.header.full_name, model)
        return draw_explained_series(explain_series(trained, opened, ids, of_class), opened.header, model)

    def compare_survey(self, survey: Survey | str | Path) -> "SurveyComparison":
        """Compare a survey with what the run knows, as `ictconvention compare-survey` does.

        The answer has a `verdict`, `as_dict()` and `show()`.

        Raises
        ------
        UsageError
            The run is not finished or kept no sample of what it knows, or the survey does not fit it.
        """
        from ictconvention.api.together import open_survey
        from ictconvention.applying.comparing.compare import compare_survey

        trained = self.trained()
        return compare_survey(trained, open_survey(trained, survey))

    def train_forest(
        self, survey: Survey | str | Path | None = None, *, all_frames: bool = False, jobs: int | None = None
    ) -> dict[str, Any]:
        """Train a random forest on the run's own parts, keep it beside the run, and return the scores of both.

        It sees numbers of the light curve and of the host in the median stamps. `predict(..., forest="mean")` takes it.
        Of redshifts it is a quantile forest on aperture photometry, which a comparison has a row of.

        Parameters
        ----------
        survey : Survey or path, optional
            Where the survey of the run is now, if that has moved.
        all_frames : bool
            Whether its light curves have all frames; by default those that the network is tested on.
        jobs : int, optional
            Threads; all by default.

        Returns
        -------
        dict
            Of "network", "forest" and "mean", their mean of log-probabilities, which redshifts have not: the scores by
            part, as in `result`.

        Raises
        ------
        UsageError, SurveyError
            The run is not finished or has learned neither classes nor redshifts, its survey is not what it was, or its
            stamps are too small for photometry.
        """
        from ictconvention.applying.forests.keep import train_forest

        return dict(train_forest(self.folder, self._compose_test(survey), all_frames, jobs)[0])

    def test(self, survey: Survey | str | Path | None = None) -> dict[str, Any]:
        """Test the finished run once more, and return the scores by part; they must be those of its result.

        Parameters
        ----------
        survey : Survey or path, optional
            Where its survey is now, if that has moved.

        Raises
        ------
        UsageError
            The numbers differ by more than 1e-6, or the run or its survey is not what it was.
        """
        from ictconvention.training.retest import retest

        return retest(self.folder, self._compose_test(survey))

    def _compose_test(self, survey: Survey | str | Path | None) -> RunOptions:
        """Return the options of a test of the run, on its survey or where that is now."""
        from ictconvention.api.keywords import words_of_survey
        from ictconvention.configuration.compose import compose_run
        from ictconvention.configuration.overrides import override

        return compose_run(["mode=test", override("run", str(self.folder)), *words_of_survey(survey)])


def load(folder: str | Path) -> Run:
    """Open the folder of a run, finished or not; or `demo`, or hf://OWNER/NAME[@REVISION], a published one.

    Raises
    ------
    UsageError
        It is not a folder of a run; the error names those that may have been meant. Or the hub has no such repository.
    FileSystemError
        The hub does not answer.

    Examples
    --------
    >>> ict.load(run.folder).result == run.result
    True
    """
    return Run(folder)
