"""A module of science for Fink: the probability of each class of an object, by the stamps of its ZTF alerts.

A copy of this file lies beside model.onnx and reading.json, which say all of the model; README.md says how to use it.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType, StructField, StructType

from .onnx_client import open_model, predict
from .ztf_stamps import read_series

HERE = Path(__file__).parent
READING = json.loads((HERE / "reading.json").read_text(encoding="utf-8"))
SCHEMA = StructType([StructField(name, DoubleType(), True) for name in READING["columns"]])
AT_ONCE = 64  # objects that the network takes at once


@cache
def _model() -> tuple[dict[str, Any], Any]:
    """Open the model, once in each worker."""
    return open_model(str(HERE / "model.onnx"))


@pandas_udf(SCHEMA)  # type: ignore[untyped-decorator]
def ictconvention_probabilities(
    stamp: pd.Series,
    jd: pd.Series,
    fid: pd.Series,
    magzpsci: pd.Series,
    xpos: pd.Series,
    ypos: pd.Series,
    isdiffpos: pd.Series,
) -> pd.DataFrame:
    """Return a probability of each class, at the class shares of training; null where no stamp can be used.

    Parameters
    ----------
    stamp : Spark column of binary, or of arrays of it
        `cutoutScience.stampData`, or of the cutout that reading.json names: of one alert, or of all of an object.
    jd, fid, magzpsci, xpos, ypos, isdiffpos : Spark columns
        Of `candidate`, of the same alerts.

    Returns
    -------
    Spark column of a struct
        A double for each class.

    Examples
    --------
    >>> import gzip, io
    >>> from astropy.io import fits
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    >>> file, sky = io.BytesIO(), np.random.default_rng(0).normal(0, 10, (63, 63)).astype(">f4")
    >>> _ = fits.PrimaryHDU(sky).writeto(file)
    >>> row = (bytearray(gzip.compress(file.getvalue())), 2460000.5, 2, 26.0, 1500.0, 1600.0, "t")
    >>> names = ["stamp", "jd", "fid", "magzpsci", "xpos", "ypos", "isdiffpos"]
    >>> alerts = spark.createDataFrame([row], names)
    >>> found = alerts.select(ictconvention_probabilities(*names).alias("p")).select("p.*").first()
    >>> round(sum(found), 3)
    1.0
    """
    known, session = _model()
    result = np.full((len(stamp), len(SCHEMA)), np.nan)
    columns = [[_listed(one) for one in column] for column in (stamp, jd, fid, magzpsci, xpos, ypos, isdiffpos)]
    series = [read_series(list(row), known["bands"], READING) for row in zip(*columns, strict=True)]
    there = [number for number, one in enumerate(series) if one is not None]
    for begin in range(0, len(there), AT_ONCE):
        some = there[begin : begin + AT_ONCE]
        result[some] = predict(known, session, [series[number] for number in some])
    return pd.DataFrame(result, columns=READING["columns"])


def _listed(value: Any) -> list[Any]:
    """Return the values of one alert or of several as a list."""
    return list(value) if isinstance(value, list | tuple | np.ndarray) else [value]


if __name__ == "__main__":
    import doctest
    import sys
    from importlib import import_module

    module = import_module(f"{__package__}.processor")  # by the name that Spark's workers know it by
    sys.exit(bool(doctest.testmod(module).failed))
