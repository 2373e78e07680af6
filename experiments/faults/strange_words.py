"""Cases without a damaged file: strange words and overrides of commands, and strange places for their outputs."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from numpy.random import Generator

from experiments.faults.damage_tables import CELLS
from experiments.faults.draws import one_of
from experiments.faults.kinds import Prepared
from experiments.faults.sound import OWN_SURVEY, TRAIN

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
    *(
        "profile",
        "experiment",
        "strategy",
        "hydra.launcher",
        "hydra.run.dir",
        "+x",
        "~seed",
        "++a.b",
        "",
        "a b",
        "a.b.",
    ),
)
VALUES: Sequence[str] = (
    *("null", "true", "0", "-1", "2", "0.5", "-0.5", "1e400", "nan", "inf", "-inf", "text", "''", "[]", "{}", "[1,2]"),
    *("{a:1}", "1,2", "range(0,1000000000)", "choice(1,2)", "${oc.env:HOME}", "${nowhere}", "${oc.decode:'1'}", "???"),
    *(
        "'a",
        "[1",
        "{a",
        "\\",
        "a=b",
        "../x",
        "/dev/zero",
        ".",
        "/",
        "ä",
        "x" * 300,
        "1:2",
        "0x10",
        "1_0",
        "1e-400",
        "$",
    ),
    *("${seed}", "${oc.create:[1]}", "${hydra:runtime.cwd}", "interval(0,1)", "glob(*)", "tag(a,1)", "sort(1,2)"),
)


def draw_overrides(folder: Path, rng: Generator) -> Prepared:
    """Give some keys strange values."""
    own = []
    for _ in range(int(rng.integers(1, 3))):
        value = one_of(VALUES, rng)
        own.append(f"{one_of(KEYS, rng)}={value}")
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
    name = one_of(names, rng)
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
                words.append(one_of(("--help", "--", "-", "-x", "--more", "--jobs=2", "*", ""), rng))
            case _:
                words[place : place + 1] = [one_of(strange, rng)]
    return Prepared([name, *words], " ".join([name, *words])[:200])


def _run(folder: Path) -> str:
    return str(sorted(folder.glob("runs/*_sdss/*"))[0].relative_to(folder))


PLACES: Sequence[str] = (
    *("survey", "survey/a", "{run}/a", "runs", "nowhere/a", "frames.csv/a", "x" * 300, "/dev/null", "/dev/zero", "/"),
    *(
        ".",
        "..",
        "",
        "link",
        "circle",
        "pipe",
        "/proc/a",
        "/proc/self/mem",
        "device",
        "a/../b",
        "-",
        "~/x",
        "survey/../c",
    ),
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
    place = one_of(PLACES, rng).replace("{run}", _run(folder))
    ending = one_of(("", "", ".png", ".json", ".parquet", ".pt2", ".csv"), rng)
    place += ending if place not in {"", "/", ".", ".."} else ""
    run = _run(folder)
    words = one_of(
        (
            ["show", "survey", "sn0003", "-o", place],
            ["split", "survey", "-o", place],
            ["predict", run, "survey", "-o", place],
            ["predict", run, "survey", "-o", "a.csv", "--curve", place],
            ["export", run, "-o", place],
            ["ingest", "stamps", "frames.csv", place, "--pixel-scale", "0.4", "--zero-point", "22.5", "--size", "16"],
            ["simulate", place, "--objects", "1"],
            ["report", "runs", "-o", place],
            [*TRAIN, "stage.pretrain.max_epochs=0", f"runs={place}", "seed=1"],
        ),
        rng,
    )
    return Prepared(words, " ".join(words)[:200])
