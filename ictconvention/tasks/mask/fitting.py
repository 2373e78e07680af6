"""What a run that learns masks cannot have, said before it begins: views, networks and terms that do not fit masks."""

from typing import Any

from ictconvention.configuration.registry import all_networks, find_network
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError
from ictconvention.tasks.mask.options import MaskOptions


def gives_masks(network: Any) -> bool:
    """Return whether a class of networks gives a logit of each class for every pixel."""
    return bool(getattr(network, "gives_masks", False))


def check_masks(options: RunOptions, own: MaskOptions) -> None:
    """Refuse what does not fit masks.

    Raises
    ------
    UsageError
        A network that gives no masks, views that move pixels by less than exact turns, residuals, a head on fluxes, or
        a comparison of views by something else than their pixels.
    """
    model, augmentation, learner = options.model, options.augmentation, options.learner
    found, key, fix = "", "", ""
    if not gives_masks(find_network(model.kind, model.module).network):
        fitting = sorted(entry.name for entry in all_networks() if gives_masks(entry.network))
        key, fix = "model.kind", f"take a network that does: model={', model='.join(fitting) or '...'}"
        found = f"task.kind is mask, and the network {model.kind} gives no mask"
    elif moved := [name for name in ("rotation", "shift") if getattr(augmentation, name)]:
        zero = " ".join(f"augmentation.{name}=0" for name in moved)
        key, fix = "augmentation", f"take {zero}, augmentation=quarter_turns or augmentation=none"
        found = f"augmentation.{moved[0]} is {getattr(augmentation, moved[0]):g}, and a mask turns by exact turns alone"
    elif options.pixels.channels != "direct":
        key, fix = "pixels.channels", "leave it out"
        found = f"pixels.channels is {options.pixels.channels}, and a picture has no other to be subtracted from"
    elif learner.flux:
        key, fix = "learner.flux", "set learner.flux=0"
        found = f"learner.flux is {learner.flux:g}, a head on the fluxes of sources, and masks are of places"
    elif own.shares != "direct" and learner.kind == "ict" and learner.consistency and learner.projects:
        key, fix = "learner.consistency_on", "set learner.consistency_on=probabilities"
        found = "learner.consistency_on is projection, of whole pictures, and masks are compared pixel by pixel"
    elif own.shares == "direct" and options.imbalance.focal:
        key, fix = "imbalance.focal", "set imbalance.focal=0"
        found = f"imbalance.focal is {options.imbalance.focal:g}, and task.shares=direct has no cross-entropy"
    elif own.shares == "direct" and options.imbalance.weighting:
        key, fix = "imbalance.weighting", "set imbalance.weighting=0"
        found = f"imbalance.weighting is {options.imbalance.weighting:g}, of pixels, and task.shares=direct has none"
    if found:
        raise UsageError(found, key, fix, "E-CONFIG-CONFLICT")
