"""The kinds of cases: what is damaged, the command that reads it, what it makes, and what must then hold."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from numpy.random import Generator

from experiments.faults.damage import damage
from experiments.faults.damage_tables import CELLS
from experiments.faults.sound import SWEEP, TRAIN

SURVEY_FILES = ("survey/survey.json", "survey/objects.parquet", "survey/*.npy")
RUN_FILES = ("runs/*/*/*.json", "runs/*/*/*.json", "runs/*/*/*.ckpt", "runs/*/*/*.[!j]*")
OWN_SURVEY = ("survey=path", "survey.path=survey")
NOTHING: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A case that is ready to run.

    Parameters
    ----------
    words : sequence of str
        Arguments of the command.
    said : str
        What was done, in words.
    target : str
        The damaged file, relative to the case's folder; empty where none was.
    """

    words: Sequence[str]
    said: str
    target: str = ""


@dataclass(frozen=True)
class Kind:
    """A kind of cases. Patterns are of paths in the case's folder, and their `*` matches slashes too.

    Parameters
    ----------
    name : str
    inputs : sequence of str
        Sound inputs that are copied.
    damaged : sequence of str
        Patterns of what is damaged: one of them is drawn, then one of its files.
    words : sequence of str
        The command; `{run}` is the folder of the run, `{target}` the damaged file.
    outputs : sequence of str
        Patterns of what it makes.
    on_refusal : sequence of str
        Patterns of what it may leave when it refuses.
    rewrites : sequence of str
        Patterns of inputs that it may change.
    covered : sequence of str
        Patterns of damaged files in which a change must be found, or change nothing.
    ingests : bool
        Whether it makes a survey of files, of which each frame is named as taken or left out.
    share : float
        Share of the cases, relative to other kinds.
    limit : float
        Seconds after which it hangs.
    kills : float
        Share of the kills, relative to other kinds.
    """

    name: str
    inputs: Sequence[str]
    damaged: Sequence[str]
    words: Sequence[str]
    outputs: Sequence[str] = NOTHING
    on_refusal: Sequence[str] = NOTHING
    rewrites: Sequence[str] = NOTHING
    covered: Sequence[str] = ("*",)
    ingests: bool = False
    share: float = 1.0
    limit: float = 20.0
    kills: float = 1.0
    drawn: Callable[[Path, Generator], Prepared] | None = None

    def prepare(self, folder: Path, rng: Generator) -> Prepared:
        """Damage something in the folder of a case, and return the case."""
        if self.drawn is not None:
            return self.drawn(folder, rng)
        places = {pattern: matching(folder, [pattern]) for pattern in self.damaged}
        pattern = self.damaged[rng.integers(len(self.damaged))]
        path = places[pattern][rng.integers(len(places[pattern]))]
        words = self.sound_words(folder, path)
        said = damage(folder / path, rng)
        return Prepared(words, f"{path}: {said}", path)

    def sound_words(self, folder: Path, target: str = "") -> list[str]:
        """Return the command of the folder of a case; without a target, on the first of what may be damaged."""
        if not target and any("{target}" in word for word in self.words):
            target = matching(folder, self.damaged[:1])[0]
        runs = sorted(folder.glob("runs/*_sdss/*"))
        run = str(runs[0].relative_to(folder)) if runs else "runs"
        return [word.replace("{run}", run).replace("{target}", target) for word in self.words]


def matching(folder: Path, patterns: Sequence[str]) -> list[str]:
    """Return the files below a folder that match one of some patterns, relative to it and in order."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return [name for name in names if matches(name, patterns)]


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a path matches one of some patterns."""
    return any(fnmatch(name, pattern) for pattern in patterns)


KEYS: Sequence[str] = (
    *("seed", "mode", "run", "resume", "init_from", "split", "runs", "surveys", "figures", "name", "more", "survey"),
    *("sequence.max_frames", "sequence.frames_per_group", "sequence.select", "pixels.channels", "pixels.scaling"),
    *("views.online_frames", "stage.finetune.keep", "stage.finetune.classification", "stage.pretrain", "stage"),
    *("stage.finetune.optimiser.learning_rate", "stage.finetune.optimiser.clip", "stage.finetune.optimiser.warm_up"),
    *("trainer.batch_size", "trainer.accumulate", "trainer.precision", "trainer.compile", "trainer.more", "trainer"),
    *("survey.path", "survey.bands", "survey.verify", "survey.extra_test", "fold", "fold.index", "fold.count"),
    *("fold.seed", "fold.protocol", "imbalance.focal", "imbalance.sampling", "imbalance.weighting", "imbalance"),
    *("augmentation", "augmentation.keep", "augmentation.rotation", "augmentation.function", "learner", "model"),
    *("model.kind", "model.module", "model.hidden", "model.dropout", "task", "task.kind", "logger", "logger.kind"),
    *("profile", "experiment", "strategy", "hydra.launcher", "hydra.run.dir", "+x", "~seed", "++a.b", "", "a b", "a.b."),
)
VALUES: Sequence[str] = (
    *("null", "true", "0", "-1", "2", "0.5", "-0.5", "1e400", "nan", "inf", "-inf", "text", "''", "[]", "{}", "[1,2]"),
    *("{a:1}", "1,2", "range(0,1000000000)", "choice(1,2)", "${oc.env:HOME}", "${nowhere}", "${oc.decode:'1'}", "???"),
    *("'a", "[1", "{a", "\\", "a=b", "../x", "/dev/zero", ".", "/", "ä", "x" * 300, "1:2", "0x10", "1_0", "1e-400", "$"),
    *("${seed}", "${oc.create:[1]}", "${hydra:runtime.cwd}", "interval(0,1)", "glob(*)", "tag(a,1)", "sort(1,2)"),
)


def draw_overrides(folder: Path, rng: Generator) -> Prepared:
    """Give some keys strange values."""
    own = []
    for _ in range(int(rng.integers(1, 3))):
        value = VALUES[rng.integers(len(VALUES))]
        own.append(f"{KEYS[rng.integers(len(KEYS))]}={value}")
    several = ["-m"] if rng.random() < 0.25 else []
    stages = ["stage.pretrain.max_epochs=0", *(["hydra.sweep.dir=sweep"] if several else [])]
    return Prepared(["train", *several, *TRAIN[1:], *stages, *own], " ".join(own))


COMMANDS: Mapping[str, Sequence[str]] = {
    "check": ("survey",),
    "show": ("survey", "sn0003", "-o", "a.png"),
    "split": ("survey", "--protocol", "rotating", "--index", "0", "--count", "5", "--seed", "0", "-o", "a.json"),
    "predict": (
        *("{run}", "survey", "-o", "a.parquet", "--prior", "uniform", "--first-days", "30", "--batch-size", "64"),
        *("--devices", "1", "--curve", "curve.png"),
    ),
    "export": ("{run}", "-o", "a.pt2"),
    "test": ("{run}", *OWN_SURVEY),
    "report": ("runs", "-o", "a.html", "--survey", "survey"),
    "errors": ("E-SURVEY-HASH",),
    "simulate": ("made", "--objects", "1", "--seed", "0", "--jobs", "1", "--extra-test", "0"),
    "ingest": (
        *("stamps", "frames.csv", "made", "--pixel-scale", "0.4", "--zero-point", "22.5", "--size", "16", "--bands"),
        *("g,r", "--classes", "AGN,SN Ia", "--jobs", "1", "--max-rejects", "0.5", "--name", "mine", "--flux-unit", "a"),
    ),
}


def draw_words(folder: Path, rng: Generator) -> Prepared:
    """Give a word or two of a command strange values, leave one out or repeat one."""
    names = list(COMMANDS)
    name = names[rng.integers(len(names))]
    words = [word.replace("{run}", _run(folder)) for word in COMMANDS[name]]
    for _ in range(int(rng.integers(1, 3))):
        place = int(rng.integers(len(words))) if words else 0
        strange = [cell for cell in CELLS if "\0" not in cell]
        match int(rng.integers(6)) if words else 5:
            case 0:
                del words[place]
            case 1:
                words.insert(place, words[place])
            case 2:
                words.append(("--help", "--", "-", "-x", "--more", "--jobs=2", "*", "")[rng.integers(8)])
            case _:
                words[place : place + 1] = [strange[rng.integers(len(strange))]]
    return Prepared([name, *words], " ".join([name, *words])[:200])


def _run(folder: Path) -> str:
    return str(sorted(folder.glob("runs/*_sdss/*"))[0].relative_to(folder))


PLACES: Sequence[str] = (
    *("survey", "survey/a", "{run}/a", "runs", "nowhere/a", "frames.csv/a", "x" * 300, "/dev/null", "/dev/zero", "/"),
    *(".", "..", "", "link", "circle", "pipe", "/proc/a", "/proc/self/mem", "device", "a/../b", "-", "~/x", "survey/../c"),
    *("survey/survey.json", "{run}/result.json", "frames.csv", "ä", " ", "a\nb", "linked_survey", "/sys/x", "full"),
)


def draw_place(folder: Path, rng: Generator) -> Prepared:
    """Write the output of a command to a strange place."""
    (folder / "link").symlink_to("nowhere")
    (folder / "circle").symlink_to("circle")
    (folder / "device").symlink_to("/dev/zero")
    (folder / "full").symlink_to("/dev/full")
    (folder / "linked_survey").symlink_to("survey")
    os.mkfifo(folder / "pipe")
    place = PLACES[rng.integers(len(PLACES))].replace("{run}", _run(folder))
    ending = ("", "", ".png", ".json", ".parquet", ".pt2", ".csv")[rng.integers(7)]
    place += ending if place not in {"", "/", ".", ".."} else ""
    run = _run(folder)
    words = (
        ["show", "survey", "sn0003", "-o", place],
        ["split", "survey", "-o", place],
        ["predict", run, "survey", "-o", place],
        ["predict", run, "survey", "-o", "a.csv", "--curve", place],
        ["export", run, "-o", place],
        ["ingest", "stamps", "frames.csv", place, "--pixel-scale", "0.4", "--zero-point", "22.5", "--size", "16"],
        ["simulate", place, "--objects", "1"],
        ["report", "runs", "-o", place],
        [*TRAIN, "stage.pretrain.max_epochs=0", f"runs={place}", "seed=1"],
    )[rng.integers(9)]
    return Prepared(words, " ".join(words)[:200])


INGEST = ("out", "out/*", "out-rejects.csv")
REJECTS = ("out-rejects.csv",)
TRAINED = ("runs", "runs/*", "survey/derived", "survey/derived/*")
KINDS: Mapping[str, Kind] = {
    one.name: one
    for one in (
        Kind("check", ("survey",), SURVEY_FILES, ("check", "survey"), share=1.5),
        Kind(
            "check-shards",
            ("shards",),
            ("survey/survey.json", "survey/*/survey.json", "survey/*/*"),
            ("check", "survey"),
            share=1.0,
        ),
        Kind(
            "show",
            ("survey",),
            SURVEY_FILES,
            ("show", "survey", "sn0003", "-o", "a.png"),
            ("a.png",),
            covered=("*/survey.json",),
        ),
        Kind(
            "split",
            ("survey",),
            SURVEY_FILES,
            ("split", "survey", "-o", "made.json"),
            ("made.json",),
            covered=("*/survey.json",),
        ),
        Kind(
            "split-load",
            ("split",),
            ("split.json",),
            ("split", "survey", "--load", "split.json", "-o", "made.json"),
            ("made.json",),
            share=2,
        ),
        Kind("train-survey", ("survey",), SURVEY_FILES, TRAIN, TRAINED, TRAINED),
        Kind("train-split", ("split",), ("split.json",), [*TRAIN, "split=split.json"], TRAINED, TRAINED),
        Kind(
            "train-choice",
            ("survey", "choices"),
            ("own/*.yaml",),
            [*TRAIN, "--config-dir=own", "augmentation=mine", "fold=mine", "imbalance=mine"],
            TRAINED,
            TRAINED,
            covered=NOTHING,
            kills=0,
        ),
        Kind("train-finished", ("run",), RUN_FILES, TRAIN, TRAINED, TRAINED, ("runs/*",), kills=0),
        Kind("train-stopped", ("stopped",), RUN_FILES, TRAIN, TRAINED, TRAINED, ("runs/*",), share=1.5),
        Kind(
            "train-from",
            ("run",),
            RUN_FILES,
            [*TRAIN, "init_from={run}", "seed=1"],
            TRAINED,
            TRAINED,
            covered=("*.ckpt", "*/config.yaml"),
            kills=0,
        ),
        Kind("test", ("run",), RUN_FILES, ("test", "{run}", *OWN_SURVEY), share=1.5),
        Kind(
            "predict-run",
            ("run",),
            RUN_FILES,
            ("predict", "{run}", "survey", "-o", "made.parquet"),
            ("made.parquet",),
            covered=("*.ckpt", "*/config.yaml", "*/split.json"),
            share=2,
        ),
        Kind(
            "predict-images",
            ("image_run",),
            RUN_FILES,
            ("predict", "{run}", "survey", "-o", "made.csv", "--prior", "estimate"),
            ("made.csv",),
            covered=("*.ckpt", "*/config.yaml", "*/split.json"),
        ),
        Kind(
            "predict-side-by-side",
            ("image_run",),
            RUN_FILES,
            ("predict", "{run}", "survey", "-o", "made.csv", "--devices", "2"),
            ("made.csv",),
            covered=("*.ckpt", "*/config.yaml", "*/split.json"),
            share=0,
            kills=0.2,
            limit=120,
        ),
        Kind(
            "predict-survey",
            ("run",),
            SURVEY_FILES,
            ("predict", "{run}", "survey", "-o", "made.ecsv"),
            ("made.ecsv",),
            share=1.5,
            kills=0,
        ),
        Kind(
            "predict-measured",
            ("run",),
            ("survey/derived/*",),
            ("predict", "{run}", "survey", "-o", "made.parquet"),
            ("made.parquet",),
            rewrites=("survey/derived/*",),
            share=0.5,
            kills=0,
        ),
        Kind(
            "predict-shares",
            ("run", "shares"),
            ("shares.csv", "shares.json"),
            ("predict", "{run}", "survey", "-o", "made.fits", "--prior", "{target}"),
            ("made.fits",),
            covered=NOTHING,
            kills=0,
        ),
        Kind(
            "export",
            ("run",),
            RUN_FILES,
            ("export", "{run}", "-o", "made.onnx"),
            ("made.onnx",),
            covered=("*.ckpt", "*/config.yaml", "*/split.json"),
            share=0.3,
            kills=0.5,
            limit=90,
        ),
        Kind(
            "export-over",
            ("run", "model"),
            ("made.pt2",),
            ("export", "{run}", "-o", "made.pt2"),
            ("made.pt2",),
            rewrites=("made.pt2",),
            share=0.3,
            kills=0.5,
            limit=90,
        ),
        Kind(
            "report",
            ("sweep",),
            ("sweep/sweep.json", *RUN_FILES),
            ("report", "sweep", "-o", "made.html"),
            ("made.html",),
            covered=("*/config.yaml", "*/split.json", "*/predictions.parquet"),
            share=0.4,
            kills=0.4,
            limit=60,
        ),
        Kind(
            "sweep-finished",
            ("sweep",),
            ("sweep/sweep.json", "sweep/sweep.json", *RUN_FILES),
            SWEEP,
            ("sweep/*", *TRAINED),
            ("sweep/*", *TRAINED),
            ("sweep/*", "runs/*"),
            share=0.6,
            limit=90,
            kills=0,
        ),
        Kind(
            "sweep",
            ("survey",),
            ("survey/*",),
            [*SWEEP, "jobs=2"],
            ("sweep/*", *TRAINED),
            ("sweep/*", *TRAINED),
            share=0,
            kills=0.4,
            limit=200,
        ),
        Kind(
            "ingest-stamps",
            ("stamps",),
            ("*.fits", "*.fits", "*.np[yz]", "*.fits.*"),
            ("ingest", "stamps", "frames.csv", "out", "--pixel-scale", "0.4", "--size", "16", "--zero-point", "22.5"),
            INGEST,
            REJECTS,
            ingests=True,
            share=2.5,
        ),
        Kind(
            "ingest-table",
            ("stamps",),
            ("frames.csv", "frames.csv", "frames.ecsv", "frames.parquet", "frames_table.fits"),
            (
                *("ingest", "stamps", "{target}", "out", "--pixel-scale", "0.4", "--size", "16", "--zero-point"),
                *("22.5", "--jobs", "1", "--max-rejects", "0.9"),
            ),
            INGEST,
            REJECTS,
            covered=NOTHING,
            ingests=True,
            share=2,
            kills=0,
        ),
        Kind(
            "ingest-ccd",
            ("images",),
            ("images/*.fits", "images/*.fits", "images/*.fits", "images/*", "objects.csv"),
            ("ingest", "ccd", "images", "out", "--positions", "objects.csv", "--masks", "ooi=ood", "--size", "16"),
            INGEST,
            REJECTS,
            ingests=True,
            share=2.5,
        ),
        Kind(
            "ingest-tao",
            ("tao",),
            ("files/*", "files/*", "files/*", "labels.csv"),
            ("ingest", "tao", "files", "out", "--objects", "labels.csv", "--size", "16", "--jobs", "1"),
            INGEST,
            REJECTS,
            ingests=True,
            share=2,
        ),
        Kind(
            "ingest-ztf",
            ("alerts",),
            ("alerts/*.avro", "alerts/*.avro", "alerts/*", "labels.csv"),
            ("ingest", "ztf", "alerts", "out", "--objects", "labels.csv", "--jobs", "2"),
            INGEST,
            REJECTS,
            ingests=True,
            share=2.5,
        ),
        Kind(
            "simulate",
            ("curves",),
            ("curves.csv", "curves.ecsv", "curves.parquet", "curves.fits"),
            ("simulate", "out", "--light-curves", "{target}", "--objects", "3", "--jobs", "2"),
            ("out", "out/*"),
            covered=NOTHING,
        ),
        Kind("overrides", ("survey",), NOTHING, TRAIN, ("*",), ("*",), drawn=draw_overrides, kills=0, limit=60),
        Kind("words", ("run", "stamps"), NOTHING, ("errors",), ("*",), REJECTS, drawn=draw_words, kills=0),
        Kind("places", ("run", "stamps"), NOTHING, ("errors",), ("*",), drawn=draw_place, kills=0, limit=60),
    )
}
