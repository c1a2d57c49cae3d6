"""Links: released keys, the formulas, every variant working and reloading bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from reference import inner_formula, outer_formula
from safetensors.torch import load_file, save_file
from tiny import randomise

import recmas_core as rm
from recmas_core.folders import load_link, save_link


def keys(*modules: str) -> set[str]:
    return {f"{module}.{part}" for module in modules for part in ("weight", "bias")}


def test_released_keys_and_shapes() -> None:
    inner, outer = rm.InnerLink(6), rm.OuterLink(6, 10)
    assert set(inner.state_dict()) == keys("pre_ln", "proj1", "proj2", "post_ln")
    assert set(outer.state_dict()) == keys("ln_source", "proj1", "proj2", "residual_proj", "ln_target")
    shapes = {name: tuple(value.shape) for name, value in outer.state_dict().items() if name.endswith("weight")}
    assert shapes == {
        "ln_source.weight": (6,), "proj1.weight": (20, 6), "proj2.weight": (10, 20), "residual_proj.weight": (10, 6),
        "ln_target.weight": (10,),
    }  # fmt: skip


def test_default_is_the_released_formula() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 6)
    inner, outer = randomise(rm.InnerLink(6)), randomise(rm.OuterLink(6, 10))
    assert torch.allclose(inner(x), inner_formula(inner.state_dict(), x), atol=1e-6)
    assert torch.allclose(outer(x), outer_formula(outer.state_dict(), x), atol=1e-6)


def test_paper_variant_is_the_papers_formula() -> None:
    """h + W2·GELU(W1·h) and W3·h + W2·GELU(W1·h), without LayerNorms or biases."""
    torch.manual_seed(0)
    x, variant = torch.randn(4, 6), rm.LINK_VARIANTS["paper"]
    inner, outer = rm.InnerLink(6, variant), rm.OuterLink(6, 10, variant)
    gelu = torch.nn.functional.gelu
    w = inner.state_dict()
    assert set(w) == {"proj1.weight", "proj2.weight"}
    assert torch.allclose(inner(x), x + gelu(x @ w["proj1.weight"].T) @ w["proj2.weight"].T, atol=1e-6)
    w = outer.state_dict()
    assert set(w) == {"proj1.weight", "proj2.weight", "residual_proj.weight"}
    path = gelu(x @ w["proj1.weight"].T) @ w["proj2.weight"].T
    assert torch.allclose(outer(x), x @ w["residual_proj.weight"].T + path, atol=1e-6)


ABSENT = {
    "one_layer": {"proj2"},
    "no_residual": {"residual_proj"},
    "one_layer_no_residual": {"proj2", "residual_proj"},
    "no_layer_norm": {"ln_source", "ln_target", "pre_ln", "post_ln"},
}


@pytest.mark.parametrize("name", sorted(rm.LINK_VARIANTS))
@pytest.mark.parametrize("make", [lambda v: rm.InnerLink(6, v), lambda v: rm.OuterLink(6, 10, v)], ids=["in", "out"])
def test_variants_work_and_reload(name: str, make: object, tmp_path: Path) -> None:
    torch.manual_seed(1)
    link = randomise(make(rm.LINK_VARIANTS[name]))
    modules = {key.split(".")[0] for key in link.state_dict()}
    assert not modules & ABSENT.get(name, set())
    x = torch.randn(3, 2, 6)
    out = link(x)
    assert out.shape == (3, 2, link.out_dim)
    save_link(link, tmp_path / "link.safetensors")
    again = load_link(tmp_path / "link.safetensors")
    assert type(again) is type(link)
    assert again.variant == rm.LINK_VARIANTS[name]
    assert torch.equal(again(x), out)
    assert not any(p.requires_grad for p in again.parameters())


def test_residual_matters() -> None:
    torch.manual_seed(0)
    with_it, without = rm.InnerLink(6), rm.InnerLink(6, rm.LINK_VARIANTS["no_residual"])
    without.load_state_dict(with_it.state_dict())
    x = torch.randn(2, 6)
    assert not torch.allclose(with_it(x), without(x), atol=1e-2)


@pytest.mark.parametrize("link", [rm.InnerLink(6), rm.OuterLink(6, 10)])
def test_a_wrong_width_is_refused(link: torch.nn.Module) -> None:
    with pytest.raises(rm.DimensionMismatch, match="6 numbers, got 7"):
        link(torch.zeros(2, 7))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(rm.SystemNotFound, match="a-b"):
        load_link(tmp_path / "a-b.safetensors")


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "link.safetensors"
    save_link(rm.OuterLink(6, 10), path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"\x00" * 64, b"\x80\x04K\x01."):
        path.write_bytes(damaged)
        with pytest.raises(rm.UnsafeCheckpoint):
            load_link(path)


def test_other_tensors(tmp_path: Path) -> None:
    path = tmp_path / "link.safetensors"
    save_link(rm.InnerLink(6), path)
    state, good = load_file(path), {"kind": "InnerLink", "variant": "{}"}
    save_file({"x": torch.zeros(3)}, path, metadata=good)
    with pytest.raises(rm.DimensionMismatch):
        load_link(path)
    save_file({k: v for k, v in state.items() if k != "pre_ln.bias"}, path, metadata=good)
    with pytest.raises(rm.DimensionMismatch):
        load_link(path)
    for metadata in (None, {"kind": "InnerLink"}, {"variant": "{}"}, {"kind": "Other", "variant": "{}"},
                     {"kind": "InnerLink", "variant": '{"layers": "many"}'}):  # fmt: skip
        save_file(state, path, metadata=metadata)
        with pytest.raises(rm.UnsafeCheckpoint):
            load_link(path)


def test_an_unknown_module_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(rm.UnsafeCheckpoint, match="unknown kind"):
        save_link(torch.nn.Linear(3, 3), tmp_path / "link.safetensors")
    assert not list(tmp_path.iterdir())
