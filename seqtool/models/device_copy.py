"""From the host's memory to where a network works, without waiting."""

from __future__ import annotations

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on a device. To a GPU it goes by way of pinned memory, and the host goes on while it is copied."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
