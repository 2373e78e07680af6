"""The WCS of an image, read as it was meant and checked: a wrong place on the sky is refused, never used."""

import math

import numpy as np
from astropy.coordinates import angular_separation
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from ictconvention.files.reading import UnreadableError

POLE_AT_REFERENCE = ("TAN", "TPV", "SIN", "ARC", "STG", "ZEA", "ZPN")  # these map CRPIX to CRVAL
IRAF_DISTORTED = ("TNX", "ZPX")  # that astropy takes for undistorted
AXES = ({"RA", "DEC"}, {"GLON", "GLAT"})  # astropy takes others, ecliptic ones too, for right ascension and declination
OR_AXES = "RA and DEC, or GLON and GLAT"
LARGEST_OFFSET = 0.1  # [pixels] of CRPIX from CRVAL, and of a pixel from where the sky leads back to
SAME_AS_UNSAID = 1e-3  # [deg] of a pixel from a degree, as a rotation whose digits were cut is
LARGEST_STRETCH = 2.0  # of a pixel's area by the distortion


def read_wcs(header: fits.Header) -> WCS:
    """Return the celestial WCS of an image, with its distortions: SIP, TPV, and TPV that SCAMP calls TAN.

    Raises
    ------
    UnreadableError
        There is none, it cannot be read as it is meant, or it does not map CRPIX to CRVAL.
    """
    header = _named_tpv(header)
    try:
        wcs = WCS(header)
        if wcs.has_celestial and wcs.naxis > 2:
            wcs = wcs.celestial
        sound = wcs.has_celestial and np.linalg.det(wcs.pixel_scale_matrix) != 0 and _says_size(wcs)
    except Exception as error:  # rubbish in a header may break wcslib anywhere
        raise UnreadableError(f"no sound WCS: {_words(error)}") from error
    if not sound:
        raise UnreadableError("no WCS in the header: the sky position of its pixels is unknown")
    axes = {str(name)[:4].rstrip("-") for name in wcs.wcs.ctype}
    if axes not in AXES:
        raise UnreadableError(f"no sound WCS: the axes are {' and '.join(sorted(axes))}, not {OR_AXES}")
    _check(wcs, header)
    return wcs


def pixel_scale(wcs: WCS) -> float:
    """Return the size of a pixel [arcsec]."""
    return float(np.mean(proj_plane_pixel_scales(wcs)) * 3600)


def header_pixel_scale(header: fits.Header) -> float | None:
    """Return the size of a pixel by a header's WCS [arcsec]; None where it has none, or none that can be read.

    Where the image lies on the sky does not count here: stamps may have lost that, or never had it. A pixel of a degree
    is none: the standard has it where CDELT and CD are missing.
    """
    if "CTYPE1" not in header:
        return None
    try:
        wcs = WCS(header).celestial
        scale = pixel_scale(wcs) if wcs.has_celestial and _says_size(wcs) else 0.0
    except Exception:  # noqa: BLE001 - rubbish in a header may break wcslib anywhere
        return None
    return scale if math.isfinite(scale) and scale > 0 else None


def _says_size(wcs: WCS) -> bool:
    """Return whether a celestial WCS says how large a pixel is; it has a degree where CDELT and CD are missing."""
    return bool((abs(proj_plane_pixel_scales(wcs) - 1) > SAME_AS_UNSAID).all())


def _named_tpv(header: fits.Header) -> fits.Header:
    """Return a header in which a TAN with the polynomial of TPV is called so.

    TAN has no parameters of its own but PV1_0 to PV1_4 of its longitude, so that one of its latitude, or a further
    one, belongs to a polynomial; it must then be there for both axes.
    """
    names = [str(header.get(f"CTYPE{axis}", "")).strip() for axis in (1, 2)]
    for name in names:
        if name[5:8] in IRAF_DISTORTED:
            found = f"no sound WCS: {name} holds a distortion that is not read"
            raise UnreadableError(f"{found}: write it as SIP or TPV")
    terms = [{int(key[4:]) for key in header if key[:4] == f"PV{axis}_" and key[4:].isdigit()} for axis in (1, 2)]
    if not any(name.endswith(("-TAN", "-TPV")) for name in names) or not any(terms):
        return header
    longitude = next((axis for axis in (0, 1) if names[axis][:4].strip("-") in ("RA", "GLON")), 0)
    if all(name.endswith("-TAN") for name in names) and terms[longitude] <= {*range(5)} and not terms[1 - longitude]:
        return header
    if "A_ORDER" in header or "B_ORDER" in header:
        raise UnreadableError("no sound WCS: a distortion as SIP and one as PV: it is not known which holds")
    lacking = [f"PV{axis}_1" for axis in (1, 2) if f"PV{axis}_1" not in header]
    if lacking:
        raise UnreadableError(f"no sound WCS: a distortion by PV keywords without {' and '.join(lacking)}")
    named = header.copy()
    for axis, name in enumerate(names, start=1):
        named[f"CTYPE{axis}"] = f"{name[:-3]}TPV"
    return named


def _check(wcs: WCS, header: fits.Header) -> None:
    """Refuse a WCS that does not do what its keywords say."""
    scale = pixel_scale(wcs)
    projection = str(header.get("CTYPE1"))[5:8]  # that of the WCS is TAN where the header has TPV
    if projection in POLE_AT_REFERENCE:
        wanted = np.array(wcs.wcs.crval)
        found = wcs.wcs_pix2world([wcs.wcs.crpix - 1], 0)[0]  # without SIP, whose constant terms may shift it
        constant = [float(header.get(f"PV{axis}_0", 0.0)) for axis in (1, 2)]  # [deg]
        shift = math.hypot(*constant) if projection == "TPV" else 0.0
        places = [np.radians(place[[wcs.wcs.lng, wcs.wcs.lat]]) for place in (wanted, found)]
        apart = np.degrees(angular_separation(*places[0], *places[1]))
        if not abs(apart - shift) * 3600 < LARGEST_OFFSET * scale:
            given, got = (", ".join(f"{value:.6f}" for value in place) for place in (wanted, found))
            raise UnreadableError(f"no sound WCS: CRPIX maps to {got}, but CRVAL is {given}")
    width, height = (int(header.get(f"NAXIS{axis}", 1)) for axis in (1, 2))
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    try:
        here, right, up = (wcs.pixel_to_world(*(middle + step)).icrs for step in ((0, 0), (1, 0), (0, 1)))
        back = np.array(wcs.world_to_pixel(here))
    except Exception as error:  # the distortion cannot be undone
        raise UnreadableError(f"no sound WCS: {_words(error)}") from error
    if not np.hypot(*(back - middle)) < LARGEST_OFFSET:
        there, led = (", ".join(f"{value:.1f}" for value in place) for place in (middle, back))
        raise UnreadableError(f"no sound WCS: the sky at pixel {there} leads back to {led}")
    steps = [[angle.arcsec for angle in here.spherical_offsets_to(beside)] for beside in (right, up)]
    stretch = abs(float(np.linalg.det(steps))) / scale**2
    if not 1 / LARGEST_STRETCH < stretch < LARGEST_STRETCH:
        raise UnreadableError(f"no sound WCS: its distortion makes a pixel {stretch:.3g} times as large")


def _words(error: Exception) -> str:
    """Return what wcslib says, without the lines of its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join([line for line in lines if not line.startswith("ERROR")] or lines) or type(error).__name__
