from ictconvention.api.ingest import ingest as ingest
from ictconvention.api.run import Run as Run
from ictconvention.api.run import load as load
from ictconvention.api.surveys import open as open
from ictconvention.api.surveys import simulate as simulate
from ictconvention.api.surveys import split as split
from ictconvention.api.sweep import FinishedSweep as FinishedSweep
from ictconvention.api.sweep import load_sweep as load_sweep
from ictconvention.api.train import train as train
from ictconvention.configuration.functions import register_augmentation as register_augmentation
from ictconvention.configuration.functions import register_tau_schedule as register_tau_schedule
from ictconvention.configuration.identity import SHAPES as SHAPES
from ictconvention.configuration.learner_options import ICTOptions as ICTOptions
from ictconvention.configuration.options import ModelOptions as ModelOptions
from ictconvention.configuration.options import SequenceOptions as SequenceOptions
from ictconvention.configuration.options import ViewOptions as ViewOptions
from ictconvention.configuration.options import option_group as option_group
from ictconvention.configuration.registry import register_network as register_network
from ictconvention.core.console import lines_on_terminal as show_log
from ictconvention.core.errors import FileSystemError as FileSystemError
from ictconvention.core.errors import IctConventionError as IctConventionError
from ictconvention.core.errors import SplitError as SplitError
from ictconvention.core.errors import SurveyError as SurveyError
from ictconvention.core.errors import UsageError as UsageError
from ictconvention.feeding.datamodule import SeriesDataModule as SeriesDataModule
from ictconvention.learning.ict import ICT as ICT
from ictconvention.learning.supervised import Supervised as Supervised
from ictconvention.networks.convention import ConvEntion as ConvEntion
from ictconvention.networks.frame_transformer import FrameTransformer as FrameTransformer
from ictconvention.networks.inputs.frames import FrameInputs as FrameInputs
from ictconvention.networks.inputs.inputs import Inputs as Inputs
from ictconvention.networks.inputs.inputs import InputShape as InputShape
from ictconvention.networks.inputs.light_curves import LightCurveInputs as LightCurveInputs
from ictconvention.networks.inputs.nights import NightInputs as NightInputs
from ictconvention.networks.inputs.pictures import PictureInputs as PictureInputs
from ictconvention.networks.inputs.pictures import ReddenedPictureInputs as ReddenedPictureInputs
from ictconvention.networks.inputs.tokens import FrameTokenInputs as FrameTokenInputs
from ictconvention.networks.inputs.tokens import PhotometryTokenInputs as PhotometryTokenInputs
from ictconvention.networks.light_curve import LightCurveRNN as LightCurveRNN
from ictconvention.networks.light_curve_transformer import LightCurveTransformer as LightCurveTransformer
from ictconvention.networks.masks.smp import SMPUNet as SMPUNet
from ictconvention.networks.masks.unet import UNet as UNet
from ictconvention.networks.masks.unet_preligens import PreligensUNet as PreligensUNet
from ictconvention.networks.network import Network as Network
from ictconvention.networks.parts.scaling import Scaling as Scaling
from ictconvention.networks.pictures.cnn import PictureCNN as PictureCNN
from ictconvention.networks.pictures.inception_p19 import InceptionP19 as InceptionP19
from ictconvention.networks.pictures.inception_t24 import InceptionT24 as InceptionT24
from ictconvention.networks.pictures.timm_encoder import TimmEncoder as TimmEncoder
from ictconvention.networks.pictures.vit import ViT as ViT
from ictconvention.networks.recurrent import CNNRecurrent as CNNRecurrent
from ictconvention.survey.format import SurveyHeader as SurveyHeader
from ictconvention.survey.series import ImageSeries as ImageSeries
from ictconvention.survey.split import Split as Split
from ictconvention.survey.survey import Survey as Survey
from ictconvention.survey.writer import SurveyWriter as SurveyWriter
from ictconvention.survey.writer import join_shards as join_shards
from ictconvention.training.memory import keep_freed_memory as keep_freed_memory

__version__: str
__all__ = [
    "ICT",
    "SHAPES",
    "CNNRecurrent",
    "ConvEntion",
    "FileSystemError",
    "FinishedSweep",
    "FrameInputs",
    "FrameTokenInputs",
    "FrameTransformer",
    "ICTOptions",
    "IctConventionError",
    "ImageSeries",
    "InceptionP19",
    "InceptionT24",
    "InputShape",
    "Inputs",
    "LightCurveInputs",
    "LightCurveRNN",
    "LightCurveTransformer",
    "ModelOptions",
    "Network",
    "NightInputs",
    "PhotometryTokenInputs",
    "PictureCNN",
    "PictureInputs",
    "PreligensUNet",
    "ReddenedPictureInputs",
    "Run",
    "SMPUNet",
    "Scaling",
    "SequenceOptions",
    "SeriesDataModule",
    "Split",
    "SplitError",
    "Supervised",
    "Survey",
    "SurveyError",
    "SurveyHeader",
    "SurveyWriter",
    "TimmEncoder",
    "UNet",
    "UsageError",
    "ViT",
    "ViewOptions",
    "ingest",
    "join_shards",
    "keep_freed_memory",
    "load",
    "load_sweep",
    "open",
    "option_group",
    "register_augmentation",
    "register_network",
    "register_tau_schedule",
    "show_log",
    "simulate",
    "split",
    "train",
]
