"""First weights from another run, perhaps of other classes and bands: what is the same by name keeps its weights."""

from dataclasses import asdict
from pathlib import Path

from omegaconf import OmegaConf
from torch import Tensor, nn

from ictconvention.errors import UsageError, shortened
from ictconvention.experiment.checkpoints import load_checkpoint
from ictconvention.experiment.schema import RunOptions, checked
from ictconvention.learners.ict import ICT
from ictconvention.learners.learner import Learner
from ictconvention.models.convention import ConvEntion
from ictconvention.models.heads import Online
from ictconvention.models.light_curve import LightCurveRNN
from ictconvention.models.recurrent import CNNRecurrent

SHAPING = ("model", "learner", "sequence", "pixels")  # groups of options that shape a network
Rows = dict[str, tuple[int, list[int | None]]]  # tensor: dimension, and for each new place the old one


def read_run(folder: str | Path) -> RunOptions:
    """Return the options of a run folder.

    Raises
    ------
    UsageError
        It is no run folder, or another version's.
    """
    path = Path(folder) / "config.yaml"
    if not path.exists():
        raise UsageError("this is no folder of a run", folder, "give one that holds config.yaml and checkpoints")
    content = OmegaConf.to_container(OmegaConf.load(path))
    return checked({str(name): value for name, value in content.items()} if isinstance(content, dict) else {})


def last_weights(folder: str | Path) -> Path:
    """Return the file of a run's final weights.

    Raises
    ------
    UsageError
        No stage of the run is finished.
    """
    for stage in ("finetune", "pretrain"):
        if (path := Path(folder) / "checkpoints" / f"{stage}.ckpt").exists():
            return path
    raise UsageError("no stage of this run is finished", folder, "finish it, by the command that began it")


def begin_with(learner: Learner, options: RunOptions, folder: str | Path) -> str:
    """Give a new learner the weights of a run, and return what was taken and what is new.

    The scaling stays that of the new data; the rows of classes and the places of bands go by name.

    Raises
    ------
    UsageError
        The run is of another architecture; the keys that differ are named.
    """
    checkpoint = load_checkpoint(last_weights(folder))
    try:
        task = checkpoint["task"]
        old_classes, old_bands = list(task["classes"]), list(task["bands"])
    except (KeyError, TypeError):
        mend = "train it again by this version"
        raise UsageError("these weights do not say of which classes and bands they are", folder, mend) from None
    own, before = learner.state_dict(), checkpoint["state_dict"]
    classes, bands = _places(learner.task.classes, old_classes), _places(learner.task.bands, old_bands)
    moved = _class_rows(learner, classes) | _band_places(learner, bands, len(old_bands))
    new: dict[str, Tensor] = {}
    for name, value in own.items():
        if name.startswith("inputs.scaling."):
            new[name] = value
        elif name in moved and name in before and _alike(value, before[name], moved[name][0]):
            new[name] = _moved(value, before[name], *moved[name])
        elif name not in moved and name in before and before[name].shape == value.shape:
            new[name] = before[name]
        else:
            raise _other_architecture(options, folder, name)
    if extra := before.keys() - own.keys():
        raise _other_architecture(options, folder, min(extra))
    learner.load_state_dict(new)
    fresh = [
        f"new weights for {what} {shortened(names)}"
        for what, names in (
            ("class", [c for c, place in zip(learner.task.classes, classes, strict=True) if place is None]),
            ("band", [b for b, place in zip(learner.task.bands, bands, strict=True) if place is None]),
        )
        if names
    ]
    return f"weights of {folder}" + "".join(f"; {words}" for words in fresh)


def _places(names: tuple[str, ...], before: list[str]) -> list[int | None]:
    return [before.index(name) if name in before else None for name in names]


def _class_rows(learner: Learner, classes: list[int | None]) -> Rows:
    """Return the rows of the layer that gives the logits."""
    network: nn.Module = learner.network
    match network:
        case Online():
            layer = "network.classifier"
        case ConvEntion() | CNNRecurrent() | LightCurveRNN():
            layer = f"network.head.{len(network.head) - 1}"
        case _:
            raise TypeError(f"no run trains a {type(network).__name__}")
    names = [f"{layer}.weight", f"{layer}.bias"]
    if isinstance(learner, ICT) and learner.target is not None and learner.options.compared == "classes":
        last = len(learner.target.head) - 1
        names += [f"target.head.{last}.weight", f"target.head.{last}.bias"]
    return {name: (0, classes) for name in names}


def _band_places(learner: Learner, bands: list[int | None], before: int) -> Rows:
    """Return the places of bands: rows of an embedding, planes of the first convolution, inputs of an LSTM."""
    match learner.network:
        case CNNRecurrent():
            channels = range(2 if learner.task.contents == "direct+residual" else 1)
            planes = [None if b is None else channel * before + b for channel in channels for b in bands]
            return {"network.cnn.0.weight": (1, planes)}
        case LightCurveRNN():
            inputs = [*bands, *(None if b is None else before + b for b in bands), 2 * before]
            for code in range(1, 2 ** len(bands)):  # every set of bands has an input of its own
                members = [b for place, b in enumerate(bands) if code >> place & 1]
                known = sum(2**b for b in members if b is not None)
                inputs.append(None if None in members else 2 * before + known)
            return {f"network.{way}.0.weight_ih_l0": (1, inputs) for way in ("forwards", "backwards")}
    rows = [0, *(None if b is None else b + 1 for b in bands)]  # row 0 means "no frame"
    names = [name for name in learner.state_dict() if name.endswith("encoder.band_embedding.weight")]
    return {name: (0, rows) for name in names}


def _alike(value: Tensor, before: Tensor, dimension: int) -> bool:
    return value.select(dimension, 0).shape == before.select(dimension, 0).shape


def _moved(value: Tensor, before: Tensor, dimension: int, places: list[int | None]) -> Tensor:
    """Return the new weights with those of the known places before."""
    value = value.clone()
    for new, old in enumerate(places):
        if old is not None:
            value.select(dimension, new).copy_(before.select(dimension, old))
    return value


def _other_architecture(options: RunOptions, folder: str | Path, tensor: str) -> UsageError:
    """Return an error that names the keys in which two runs differ."""
    there, here = asdict(read_run(folder)), asdict(options)
    differ = [
        f"{group}.{key}={there[group][key]}"
        for group in SHAPING
        for key in here[group]
        if here[group][key] != there[group][key]
    ]
    mend = f"take {' '.join(differ)}, as that run did" if differ else "take the same survey size and options"
    return UsageError(f"that run is of another architecture: {tensor} does not fit", folder, mend)
