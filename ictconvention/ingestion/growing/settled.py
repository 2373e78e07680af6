"""What a survey decides of a night that is added to it, whatever is asked."""

from collections.abc import Mapping
from typing import Any

from ictconvention.core.errors import UsageError
from ictconvention.survey.survey import Survey

SETTLED = (  # options of a night that its survey decides
    *("name", "bands", "classes", "size", "pixel_scale", "flux_unit", "simulated", "orientation", "dtype", "masks"),
)
SAME_SCALE = 1e-6  # largest relative difference of pixel scales that are one


def settle(survey: Survey, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a night that its survey decides, and refuse those that contradict it.

    Parameters
    ----------
    survey : Survey
        That the night is added to.
    asked : mapping
        name, bands, classes, size, pixel_scale, flux_unit, simulated, orientation, dtype and masks; None where nobody
        asks.

    Raises
    ------
    UsageError
        With the value that the survey has.
    """
    header = survey.header
    has: dict[str, Any] = {"size": header.stamp_size, "masks": survey.has_masks}
    has |= {name: getattr(header, name) for name in asked if name not in has}
    for name, value in asked.items():
        own = has[name]
        if name == "classes" and value is not None and not survey.has_masks:
            if missing := [one for one in own if one not in value]:
                found = f"classes are {', '.join(value)}, and the survey has {', '.join(missing)} too"
                raise UsageError(
                    found, survey.path, f"name all: --classes '{','.join([*value, *missing])}'", "E-INGEST-UNFIT"
                )
            has[name] = value
        elif value is None or value == own or (name == "pixel_scale" and abs(value / own - 1) < SAME_SCALE):
            continue
        else:
            said = ", ".join(own) if isinstance(own, tuple) else own
            shown = ", ".join(value) if isinstance(value, tuple) else value
            word = name.replace("_", " ")
            fix = f"make a survey of its own, without --into; or, if it is true of the night, say {_option(name, own)}"
            raise UsageError(
                f"the {word} of the night is {shown}, that of the survey {said}", survey.path, fix, "E-INGEST-UNFIT"
            )
    return has


def _option(name: str, own: object) -> str:
    if isinstance(own, bool):
        return f"--{name}" if own else f"no --{name}"
    value = ",".join(own) if isinstance(own, tuple) else own
    return f"--{name.replace('_', '-')} {value}"
