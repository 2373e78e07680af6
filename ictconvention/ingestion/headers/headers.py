"""What the headers of an image say: the keywords of its own and those of its file, numbers written as text too."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits

from ictconvention.survey.values import NOTHING, WIDEST_SEEING

EXPOSURE_KEYS = ("EXPTIME", "EXPOSURE", "EXPOSED", "XPOSURE")  # [s]


@dataclass(frozen=True)
class Headers:
    """The headers that hold for an image: of its file, and its own, which comes first.

    Parameters
    ----------
    primary, own : Header
    """

    primary: fits.Header
    own: fits.Header

    def value(self, *keys: str) -> Any:
        """Return the first of these keywords that has a value; None where none has."""
        for key in keys:
            for header in (self.own, self.primary):
                value = header.get(key)
                if isinstance(value, str) and (text := value.strip()).lower() not in (*NOTHING, "unknown"):
                    return text
                if isinstance(value, bool | int | float):
                    return value
        return None

    def number(self, *keys: str) -> float:
        """Return the first of these keywords that is a finite number, also one written as text; NaN where none is."""
        for key in keys:
            value = self.value(key)
            try:
                number = float("nan" if isinstance(value, bool) or value is None else value)
            except ValueError:
                continue
            if np.isfinite(number):
                return number
        return np.nan

    def text(self, *keys: str) -> str:
        """Return the first of these keywords that has a value as text; empty where none has."""
        value = self.value(*keys)
        return "" if value is None else str(value)

    @property
    def exposure(self) -> float:
        """The exposure time [s], NaN where no keyword says it."""
        exposure = self.number(*EXPOSURE_KEYS)
        return exposure if exposure >= 0 else np.nan

    def seeing(self, scale: float) -> float:
        """Return SEEING, or FWHM where its comment says its unit [arcsec]; NaN without them.

        A comment may say that they are in pixels. What no seeing can be, such as 0 or 99, is passed over.
        """
        for key in ("SEEING", "FWHM"):
            for header in (self.own, self.primary):
                comment = header.comments[key].lower() if key in header else ""
                unit = 1.0 if "arcsec" in comment else scale if "pix" in comment else 1.0 if key == "SEEING" else np.nan
                if key in header and 0 < (seeing := Headers(header, header).number(key) * unit) <= WIDEST_SEEING:
                    return seeing
        return np.nan
