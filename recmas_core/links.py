"""RecursiveLinks: the small trained modules that carry latent thoughts.

Equations: "Recursive Multi-Agent Systems", arXiv 2604.25917. The released form is the default:

    inner  R_in(x)  = post_ln(x + proj2(GELU(proj1(pre_ln(x)))))
    outer  R_out(x) = ln_target(residual_proj(x) + proj2(GELU(proj1(ln_source(x)))))

State-dict keys are the released ones. A variant leaves modules out, and with them their keys.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from recmas_core.errors import DimensionMismatch


@dataclass(frozen=True)
class LinkVariant:
    """The form of a link, as in the paper's ablation.

    Attributes:
        layers: 2 for the two-layer path with GELU, 1 for a single linear map.
        residual: Whether the input is added (an outer link first maps it to the target's width).
        layer_norm: Whether LayerNorms stand before and after.
        bias: Whether linear maps have a bias.
    """

    layers: int = 2
    residual: bool = True
    layer_norm: bool = True
    bias: bool = True

    def to_json(self) -> dict[str, int | bool]:
        """The variant as plain values."""
        return asdict(self)


LINK_VARIANTS: dict[str, LinkVariant] = {
    "released": LinkVariant(),
    "paper": LinkVariant(layer_norm=False, bias=False),
    "one_layer": LinkVariant(layers=1),
    "no_residual": LinkVariant(residual=False),
    "one_layer_no_residual": LinkVariant(layers=1, residual=False),
    "no_layer_norm": LinkVariant(layer_norm=False),
}


class InnerLink(nn.Module):
    """R_in: from an agent's last-layer hidden states back to its own input embeddings.

    Args:
        hidden_size: Width d of the agent.
        variant: The form of the link.
    """

    def __init__(self, hidden_size: int, variant: LinkVariant = LINK_VARIANTS["released"]) -> None:
        super().__init__()
        self.variant = variant
        self.in_dim = self.out_dim = hidden_size
        self.pre_ln = nn.LayerNorm(hidden_size) if variant.layer_norm else nn.Identity()
        self.proj1 = nn.Linear(hidden_size, hidden_size, bias=variant.bias)
        self.proj2 = nn.Linear(hidden_size, hidden_size, bias=variant.bias) if variant.layers == 2 else None
        self.post_ln = nn.LayerNorm(hidden_size) if variant.layer_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., d) to (..., d)."""
        _check_width(x, self.in_dim, "inner link")
        path = self.proj1(self.pre_ln(x))
        if self.proj2 is not None:
            path = self.proj2(F.gelu(path))
        return self.post_ln(x + path if self.variant.residual else path)


class OuterLink(nn.Module):
    """R_out: from a sender's embedding space to a receiver's.

    Args:
        in_dim: Width d_s of the sender.
        out_dim: Width d_t of the receiver.
        variant: The form of the link.
    """

    def __init__(self, in_dim: int, out_dim: int, variant: LinkVariant = LINK_VARIANTS["released"]) -> None:
        super().__init__()
        self.variant = variant
        self.in_dim, self.out_dim = in_dim, out_dim
        middle = 2 * out_dim if variant.layers == 2 else out_dim
        self.ln_source = nn.LayerNorm(in_dim) if variant.layer_norm else nn.Identity()
        self.proj1 = nn.Linear(in_dim, middle, bias=variant.bias)
        self.proj2 = nn.Linear(middle, out_dim, bias=variant.bias) if variant.layers == 2 else None
        self.residual_proj = nn.Linear(in_dim, out_dim, bias=variant.bias) if variant.residual else None
        self.ln_target = nn.LayerNorm(out_dim) if variant.layer_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., d_s) to (..., d_t)."""
        _check_width(x, self.in_dim, "outer link")
        path = self.proj1(self.ln_source(x))
        if self.proj2 is not None:
            path = self.proj2(F.gelu(path))
        return self.ln_target(path if self.residual_proj is None else self.residual_proj(x) + path)


def _check_width(x: Tensor, width: int, where: str) -> None:
    if x.shape[-1] != width:
        todo = "Use a link made for these two agents."
        raise DimensionMismatch(where, f"takes vectors of {width} numbers, got {x.shape[-1]}", todo)
