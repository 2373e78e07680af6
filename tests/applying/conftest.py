"""A broker and a run that the tests of streams share."""

from pathlib import Path

import pytest

from tests.applying.watching.streams import Broker, ztf_run


@pytest.fixture(scope="session")
def broker() -> Broker:
    pytest.importorskip("confluent_kafka", reason="the extra stream is not installed")
    return Broker.started()


@pytest.fixture(scope="session")
def points_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run whose network takes frames and the photometry of other times."""
    folder = tmp_path_factory.mktemp("points")
    return ztf_run(folder, "experiment=frame_transformer_sdss", "sequence.photometry=true")
