"""How the page is served: what it offers first, and what visitors may open."""

from __future__ import annotations

from pathlib import Path

import pytest

import app
import recmas_core as rm
from recmas_core.allowed import Allowance
from recmas_core.released.fetching import FetchFailed


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SYSTEM", "MODELS", "MODELS_FOLDER", "DEVICE", "WEIGHTS", "TASK"):
        monkeypatch.delenv(f"RECMAS_{name}", raising=False)
    monkeypatch.delenv("SPACE_ID", raising=False)


def test_on_ones_own_machine_everything_may_be_opened() -> None:
    assert app.Options().allowance == Allowance.everything()


@pytest.mark.parametrize("options", [{"host": "0.0.0.0"}, {"share": True}, {"folder": Path("models")}])
def test_where_others_come_nothing_may_be_opened_unless_it_is_said(options: dict[str, object]) -> None:
    allowance = app.Options(**options).allowance  # type: ignore[arg-type]
    assert not allowance.anywhere
    if "folder" not in options:
        assert allowance == Allowance(())


def test_a_space_is_where_others_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "me/mine")
    assert app.Options().allowance == Allowance(())


def test_what_the_operator_shows_first_may_be_opened() -> None:
    allowance = app.Options(host="0.0.0.0", system="released:mixture").allowance
    assert allowance.check("released:mixture") == "released:mixture"
    with pytest.raises(rm.NotAllowed):
        allowance.check("released:distillation")


def test_the_environment_says_what_the_command_line_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECMAS_SYSTEM", "released:mixture")
    monkeypatch.setenv("RECMAS_MODELS", "released")
    monkeypatch.setenv("RECMAS_WEIGHTS", "float32")
    read = app.read_options(["--task", "code"])
    assert (read.system, read.models, read.weights, read.task) == ("released:mixture", "released", "float32", "code")
    wanted = app.wanted_of(read)
    assert wanted is not None
    assert (wanted.system, wanted.dtype, wanted.task) == ("released:mixture", "float32", "code")


def test_a_released_system_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(rm.RecmasError, match="sequential_huge"):
        app.wanted_of(app.Options(system="released:sequential_huge"))


def test_a_system_on_the_hub_that_does_not_come_is_a_card_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Path:
        raise FetchFailed("repository 'me/mine'", "does not exist", "See to the name.")

    monkeypatch.setattr(app, "HUB", type("Nothing", (), {"get": staticmethod(fails)}))
    found = app.catalogue_of(app.Options(system="me/mine"))
    assert next(offer for offer in found.offers if offer.name == "me/mine").failure.startswith("repository 'me/mine'")
    assert found.systems[0] == "sequential"


def test_a_system_on_the_hub_that_comes_is_shown_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rm.load_system("distillation").save(tmp_path / "kept")
    monkeypatch.setattr(app, "HUB", type("Near", (), {"get": staticmethod(lambda _: tmp_path / "kept")}))
    assert app.catalogue_of(app.Options(system="me/mine")).systems[0] == str(tmp_path / "kept")
