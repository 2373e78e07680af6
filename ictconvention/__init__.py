"""Train, compare and apply classifiers of astronomical image time series.

The rooms, from the ground up; imports point down only:

    core            errors in words, files that appear whole, processes side by side
    reading         one reader of each kind of file of our own: JSON, YAML, tables, arrays
    survey          the store at rest: format, reader, writer, bands, neighbours, splits (labels)
    measuring       what is measured from a survey's pixels: photometry, scales, the audit
    configuration   the options of a run, with their ranges, composed by Hydra
    files           what files of other people hold: images, tables, Avro
    simulation      simulated surveys (sdss, hosts, galaxies, scenes), real light curves painted into stamps (painted)
    ingestion       from what readers find to a survey (headers, readers, chips)
    feeding         from a survey to batches of views
    evaluation      predictions in, numbers out
    drawing         every figure, once
    tasks           what is learned: labels and loss, scores, columns, figures
    networks        from frames to logits (inputs, parts)
    learning        losses, target networks, training steps
    runs            the folder of a run: what it holds, and how a finished one is read and trusted
    training        one run: pre-train, fine-tune, test
    sweeping        many runs from one command
    applying        a finished run at work: predictions, early ones, exports
    reporting       a sweep compared: table, sentences, page
    api             the functions and objects of `import ictconvention as ict`, over all rooms
    cli             the command line

`import ictconvention as ict` gives the public names below, each loaded when it is first used. All else is private and
may move.
"""

import logging
from importlib import import_module
from typing import Any

from ictconvention.core.tolerant_torchvision import tolerate_torchvision

tolerate_torchvision()  # before lightning, which imports torchvision where it is installed

__version__ = "0.1.0"

_HOMES = {  # the module of each public name, and its name there where that is another; for type checkers __init__.pyi
    "open": "api.surveys",
    "simulate": "api.surveys",
    "split": "api.surveys",
    "ingest": "api.ingest",
    "train": "api.train",
    "Run": "api.run",
    "load": "api.run",
    "FinishedSweep": "api.sweep",
    "load_sweep": "api.sweep",
    "show_log": "core.console:lines_on_terminal",
    "FileSystemError": "core.errors",
    "IctConventionError": "core.errors",
    "SplitError": "core.errors",
    "SurveyError": "core.errors",
    "UsageError": "core.errors",
    "ImageSeries": "survey.series",
    "Survey": "survey.survey",
    "SurveyHeader": "survey.format",
    "SurveyWriter": "survey.writer",
    "join_shards": "survey.writer",
    "Split": "survey.split",
    "ICTOptions": "configuration.learner_options",
    "ModelOptions": "configuration.options",
    "SequenceOptions": "configuration.options",
    "ViewOptions": "configuration.options",
    "option_group": "configuration.options",
    "SHAPES": "configuration.identity",
    "register_network": "configuration.registry",
    "register_augmentation": "configuration.functions",
    "register_tau_schedule": "configuration.functions",
    "SeriesDataModule": "feeding.datamodule",
    "Network": "networks.network",
    "Inputs": "networks.inputs.inputs",
    "InputShape": "networks.inputs.inputs",
    "FrameInputs": "networks.inputs.frames",
    "NightInputs": "networks.inputs.nights",
    "LightCurveInputs": "networks.inputs.light_curves",
    "PictureInputs": "networks.inputs.pictures",
    "ReddenedPictureInputs": "networks.inputs.pictures",
    "FrameTokenInputs": "networks.inputs.tokens",
    "PhotometryTokenInputs": "networks.inputs.tokens",
    "ConvEntion": "networks.convention",
    "CNNRecurrent": "networks.recurrent",
    "LightCurveRNN": "networks.light_curve",
    "FrameTransformer": "networks.frame_transformer",
    "LightCurveTransformer": "networks.light_curve_transformer",
    "PictureCNN": "networks.pictures.cnn",
    "InceptionP19": "networks.pictures.inception_p19",
    "InceptionT24": "networks.pictures.inception_t24",
    "TimmEncoder": "networks.pictures.timm_encoder",
    "ViT": "networks.pictures.vit",
    "UNet": "networks.masks.unet",
    "PreligensUNet": "networks.masks.unet_preligens",
    "SMPUNet": "networks.masks.smp",
    "Scaling": "networks.parts.scaling",
    "ICT": "learning.ict",
    "Supervised": "learning.supervised",
    "keep_freed_memory": "training.memory",
}
__all__ = [*_HOMES]

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent as a library, see `core.console`


def __getattr__(name: str) -> Any:
    """Load a public name from its module when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, there = _HOMES[name].partition(":")
    globals()[name] = value = getattr(import_module(f"{__name__}.{module}"), there or name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
