"""The target network is an exponential moving average of the online one, to the letter."""

import copy
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ictconvention.configuration import functions
from ictconvention.core.errors import UsageError
from ictconvention.learning.target import set_target_mode, tau_at, update_target
from ictconvention.networks.heads import Online, Target
from ictconvention.networks.parts.convention_encoder import ConvEntionEncoder
from tests.refusals import refused


@pytest.fixture
def online() -> Online:
    torch.manual_seed(0)
    return Online(ConvEntionEncoder(max_frames=6, width=0.125, padding="masked"), classes=4)


def batch() -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(9, 32, 32), torch.randint(1, 6, (9,)), torch.tensor([6, 3])


def train_a_little(online: Online) -> None:
    """Change weights and statistics as an optimiser step does."""
    for parameter in online.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    online(*batch())


@pytest.mark.parametrize("tau", [0.0, 0.5, 0.9, 0.996, 1.0])
def test_target_is_a_weighted_sum_of_past_online_weights(online: Online, tau: float) -> None:
    """After n steps xi = tau^n xi_0 + (1 - tau) sum_i tau^(n - i) theta_i."""
    online.double()
    target = Target.of(online)
    start, past = copy.deepcopy(target.state_dict()), []
    steps = 7
    for _ in range(steps):
        train_a_little(online.float())
        online.double()
        update_target(target, online.branch("projection"), tau)
        past.append(copy.deepcopy(online.branch("projection").state_dict()))
    for name, found in target.state_dict().items():
        if found.is_floating_point():
            expected = tau**steps * start[name]
            expected = expected + (1 - tau) * sum(tau ** (steps - 1 - i) * theta[name] for i, theta in enumerate(past))
            assert torch.allclose(found, expected, rtol=1e-10, atol=1e-12), name
        else:
            assert torch.equal(found, past[-1][name]), name
            assert found > 0, name  # counts of batches, copied and not averaged


def test_tau_0_follows_and_tau_1_stays(online: Online) -> None:
    target = Target.of(online)
    start = copy.deepcopy(target.state_dict())
    train_a_little(online)
    update_target(target, online.branch("projection"), 1.0)
    assert all(torch.equal(x, start[name]) for name, x in target.named_parameters())
    update_target(target, online.branch("projection"), 0.0)
    assert all(
        torch.equal(x, online.branch("projection").state_dict()[name]) for name, x in target.state_dict().items()
    )


def test_following_leaves_the_online_network_and_its_gradients_alone(online: Online) -> None:
    target = Target.of(online)
    output = online(*batch())
    (output.projection.square().sum() + output.logits.square().sum()).backward()
    before = copy.deepcopy(online.state_dict())
    gradients = {name: p.grad.clone() for name, p in online.named_parameters() if p.grad is not None}
    update_target(target, online.branch("projection"), 0.9)
    assert all(torch.equal(x, before[name]) for name, x in online.state_dict().items())
    assert all(torch.equal(p.grad, gradients[n]) for n, p in online.named_parameters() if p.grad is not None)
    assert not any(x.requires_grad for x in target.parameters())
    own = {x.data_ptr() for x in target.state_dict().values()}
    assert own.isdisjoint(x.data_ptr() for x in online.state_dict().values())


def test_norms_on_batch_statistics_leave_the_averaged_statistics_alone(online: Online) -> None:
    train_a_little(online)
    target, inputs = Target.of(online), batch()
    found: dict[str, Tensor] = {}
    norms: list[Any] = ["running", "batch"]
    for mode in norms:
        set_target_mode(target, mode, dropout=False)
        before = {name: x.clone() for name, x in target.named_buffers() if "running" in name}
        found[mode] = target(*inputs)
        assert torch.equal(target(*inputs), found[mode])  # no dropout, no memory of the batch
        assert all(torch.equal(x, before[name]) for name, x in target.named_buffers() if "running" in name)
    online.train()
    for module in online.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    assert torch.allclose(found["batch"], online(*inputs).projection, atol=1e-5)
    assert (found["batch"] - found["running"]).abs().max() > 1e-3


def test_dropout_in_the_target_is_a_choice(online: Online) -> None:
    target, inputs = Target.of(online), batch()
    set_target_mode(target, "running", dropout=True)
    assert not torch.equal(target(*inputs), target(*inputs))


def test_a_target_survives_a_checkpoint_that_holds_tensors_only(online: Online, tmp_path: Any) -> None:
    target = Target.of(online)
    train_a_little(online)
    update_target(target, online.branch("projection"), 0.3)
    torch.save({"target": target.state_dict()}, tmp_path / "checkpoint.pt")
    other = Target.of(online)
    other.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True)["target"])
    assert all(torch.equal(x, other.state_dict()[name]) for name, x in target.state_dict().items())


def test_schedules_of_tau() -> None:
    assert {tau_at(step, 100, 0.99, "constant") for step in range(101)} == {0.99}
    cosine = [tau_at(step, 100, 0.9, "cosine") for step in range(101)]
    assert cosine[0] == pytest.approx(0.9)
    assert cosine[50] == pytest.approx(0.95)
    assert cosine[100] == tau_at(150, 100, 0.9, "cosine") == 1
    assert all(later > earlier for earlier, later in pairwise(cosine))


def test_a_schedule_of_ones_own_gives_the_weight_at_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "_functions", {kind: {} for kind in functions.OURS})
    functions.register_tau_schedule("linear")(lambda step, steps, tau: tau + (1 - tau) * step / steps)
    functions.register_tau_schedule("wild")(lambda step, steps, tau: 1 + step)
    assert [tau_at(step, 4, 0.5, "linear") for step in range(5)] == [0.5, 0.625, 0.75, 0.875, 1.0]
    with refused(UsageError, "E-MODULE-RESULT") as caught:
        tau_at(1, 4, 0.5, "wild")
    assert caught.value.where == "learner.tau_schedule"


class Tied(nn.Module):
    """Two layers with the weights of one, and parts with a dropout or statistics of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.second = nn.Linear(4, 4)
        self.rnn = nn.LSTM(4, 4, num_layers=2, dropout=0.5, batch_first=True)
        self.attention = nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True)
        self.norm = nn.InstanceNorm1d(4, track_running_stats=True)

    def forward(self, x: Tensor) -> Tensor:
        seen, _ = self.rnn(self.second(self.first(x)))
        seen, _ = self.attention(seen, seen, seen)
        normed: Tensor = self.norm(seen)
        return normed


def test_weights_that_layers_share_move_once() -> None:
    online = Tied()
    target = copy.deepcopy(online)
    before = target.first.weight.clone()
    online.first.weight.data += 1
    update_target(target, online, 0.9)  # type: ignore[arg-type]
    torch.testing.assert_close(target.first.weight, before + 0.1)


@pytest.mark.parametrize("norms", ["batch", "running"])
def test_a_target_without_dropout_drops_nothing_of_any_kind(norms: Any) -> None:
    torch.manual_seed(0)
    target, x = Tied(), torch.randn(3, 4, 4)
    set_target_mode(target, norms, False)
    first = target(x)
    kept = target.norm.running_mean.clone()  # type: ignore[union-attr]
    torch.testing.assert_close(target(x), first, rtol=0, atol=0)
    torch.testing.assert_close(target.norm.running_mean, kept, rtol=0, atol=0)
    assert torch.equal(kept, torch.zeros(4))
    other = Tied()
    set_target_mode(other, norms, True)
    assert not torch.equal(other(x), other(x))
