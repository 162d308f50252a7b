"""Batch normalization over the batches of all processes, on any device.

torch's ``SyncBatchNorm`` needs a GPU. Statistics are those of Ioffe & Szegedy (2015), over the
items of all processes, so that training in several processes equals training in one.
"""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SyncBatchNorm(_BatchNorm):
    """Batch normalization whose training statistics are those of all processes."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize; ``x`` has shape (B, C, ...)."""
        if not (self.training and distributed.is_available() and distributed.is_initialized()):
            plain: Tensor = super().forward(x)
            return plain
        over = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1, *[1] * (x.dim() - 2)]
        count = x.new_full((1,), x.numel() / x.shape[1])
        total = _sum_over_processes(torch.cat([x.sum(over), count]))
        mean_C, count = total[:-1] / total[-1:], total[-1:]
        change = x - mean_C.view(shape)
        var_C = _sum_over_processes(change.square().sum(over)) / count
        self._update(mean_C.detach(), var_C.detach(), count.detach())
        normal: Tensor = change * torch.rsqrt(var_C + self.eps).view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal

    @torch.no_grad()
    def _update(self, mean_C: Tensor, var_C: Tensor, count: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        momentum = self.momentum
        if momentum is None:
            momentum = 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean_C, momentum)
        self.running_var.lerp_(var_C * count / (count - 1).clamp(min=1), momentum)

    def _check_input_dim(self, input: Tensor) -> None:
        pass


def _sum_over_processes(x: Tensor) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(x)  # type: ignore[no-untyped-call]
    return total


class _SumOverProcesses(torch.autograd.Function):
    """Sum over processes; so is its gradient, as each process has a loss of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.clone()
        distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].clone()
        distributed.all_reduce(gradient)
        return gradient


def synchronize_batch_norms(module: nn.Module) -> int:
    """Replace the batch norms in a module, keeping names and tensors; return their number."""
    replaced = 0
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm) and not isinstance(child, SyncBatchNorm):
            new = SyncBatchNorm(
                child.num_features,
                child.eps,
                child.momentum,
                child.affine,
                child.track_running_stats,
            )
            new._parameters, new._buffers = child._parameters, child._buffers
            new.train(child.training)
            setattr(module, name, new)
            replaced += 1
        else:
            replaced += synchronize_batch_norms(child)
    return replaced
