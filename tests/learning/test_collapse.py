"""The monitor tells projections that cover a sphere from those that have become a point."""

import pytest
import torch
from torch.nn import functional as F

from ictconvention.learning.collapse import CollapseMonitor, collapse_warning


def measured(projection: torch.Tensor, batches: int = 3) -> dict[str, float]:
    n = len(projection)
    monitor = CollapseMonitor(classes=4, features=5, projected=projection.shape[1])
    features, label = torch.randn(n, 5), torch.arange(n) % 4
    for rows in torch.arange(n).chunk(batches):
        monitor.update(projection[rows], features[rows], label[rows])
    return {name: float(value) for name, value in monitor.compute().items()}


def test_a_sphere_and_a_point() -> None:
    sphere = measured(torch.randn(5000, 128))
    assert sphere["spread"] == pytest.approx(128**-0.5, rel=0.01)
    assert sphere["cosine"] == pytest.approx(0, abs=1e-3)
    assert sphere["effective_rank"] == pytest.approx(128, rel=0.02)
    point = measured(torch.randn(128) + 1e-3 * torch.randn(5000, 128))
    assert point["spread"] < 1e-3
    assert point["cosine"] > 0.9999
    assert collapse_warning(sphere, 128) is None
    warning = collapse_warning(point, 128)
    assert warning is not None
    assert "the projections have collapsed" in warning
    assert "healthy: 0.088" in warning
    assert "predictor=true or variance=1" in warning


def test_projections_on_a_line_have_rank_1_and_on_a_plane_2() -> None:
    line = torch.zeros(200, 128)
    line[:100, 0], line[100:, 0] = 1, -1
    assert measured(line)["effective_rank"] == pytest.approx(1)
    plane = torch.zeros(200, 128)
    plane[torch.arange(200), torch.arange(200) % 2] = torch.arange(200).div(2, rounding_mode="floor") % 2 * 2.0 - 1
    assert measured(plane)["effective_rank"] == pytest.approx(2)


def test_the_sums_give_what_the_vectors_do() -> None:
    projection, features, label = torch.randn(60, 16) + 1, torch.randn(60, 5), torch.arange(60) % 3
    monitor = CollapseMonitor(classes=4, features=5, projected=16)
    for rows in torch.arange(60).split(7):
        monitor.update(projection[rows], features[rows], label[rows])
    found = monitor.compute()
    z = F.normalize(projection.double(), dim=1)
    cosines = z @ z.T
    assert found["spread"] == pytest.approx(float(z.std(0, correction=0).mean()))
    assert found["cosine"] == pytest.approx(float((cosines.sum() - 60) / (60 * 59)))
    of_class = [features[label == c].double() for c in range(3)]
    within = torch.stack([f.var(0, correction=0).mean() for f in of_class]).mean()
    between = torch.stack([f.mean(0) for f in of_class]).var(0, correction=0).mean()
    assert found["intra_class"] == pytest.approx(float(within), rel=1e-6)
    assert found["inter_class"] == pytest.approx(float(between), rel=1e-6)


def test_without_projections_the_features_remain() -> None:
    monitor = CollapseMonitor(classes=4, features=5, projected=0)
    monitor.update(None, torch.randn(8, 5), torch.arange(8) % 4)
    assert set(monitor.compute()) == {"intra_class", "inter_class"}
    assert collapse_warning(monitor.compute(), 128) is None


def test_objects_without_a_label_count_for_projections_alone() -> None:
    torch.manual_seed(0)
    projection, features, label = torch.randn(20, 8), torch.randn(20, 5), torch.arange(20) % 4
    unknown = label.masked_fill(torch.arange(20) >= 12, -1)
    some, all_ = CollapseMonitor(4, 5, 8), CollapseMonitor(4, 5, 8)
    some.update(projection, features, unknown)
    all_.update(projection[:12], features[:12], label[:12])
    found, labelled = some.compute(), all_.compute()
    assert found["intra_class"] == labelled["intra_class"]
    assert found["spread"] != labelled["spread"]
