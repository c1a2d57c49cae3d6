"""An agent: a frozen causal language model, its tokenizer and its inner link."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from jinja2 import TemplateError
from torch import Tensor, nn

from recmas_core.captures import Captures
from recmas_core.errors import BadInput, DimensionMismatch
from recmas_core.templates import render

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from recmas_core.residence import Residence

_FINAL_NORMS = ("norm", "ln_f", "final_layernorm", "final_layer_norm")  # what families call it
_CANDIDATES = 8  # looked at exactly, for each nearest word that is asked for


class Agent:
    """A frozen language model that thinks in latents.

    Args:
        name: Name to show, e.g. "solver" or a hub id.
        model: A causal language model; it is frozen and set to evaluation here.
        tokenizer: Its tokenizer.
        inner: Its inner link, d to d.
        wording: Key of the prompts it understands (`prompts.WORDINGS`).
        source: Where it came from, for the reader.
        home: The role word under which it was taught, "" if it was taught none: it is addressed by this word
            whatever role it takes.
        hears: The words by which it was taught to know its senders.
        residence: Brings the model to its device when it is used, where not all agents fit there; None where it
            stays where it is.

    Attributes:
        body: The model without its head.
        captures: Its recorded latent steps (on a GPU).

    Raises:
        DimensionMismatch: If the inner link is not as wide as the model.
    """

    WORDING = "general"  # key of the prompts that are made for no agent in particular

    def __init__(
        self,
        name: str,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        inner: nn.Module,
        *,
        wording: str = WORDING,
        source: str = "",
        home: str = "",
        hears: Sequence[str] = (),
        residence: Residence | None = None,
    ) -> None:
        self.name, self.model, self.tokenizer, self.inner = name, model, tokenizer, inner
        self.residence = residence
        self.wording, self.source = wording, source or name
        self.home, self.hears = home, tuple(hears)
        self.captures = Captures()
        model.requires_grad_(False)
        model.eval()
        self.body, self._head = model.get_decoder(), model.get_output_embeddings()
        self._embeddings = model.get_input_embeddings()
        self._weight = cast(Tensor, self._embeddings.weight)
        self._soft_cap = getattr(model.config, "final_logit_softcapping", None)
        # the same words come back in every turn of a run: tokenizers and templates are asked once
        self.encode, self.shown = lru_cache(4096)(self._encode), lru_cache(4096)(self._shown)
        self.chat = lru_cache(256)(self._chat)
        self._check_inner(inner)

    def with_inner(self, inner: nn.Module) -> Agent:
        """This agent with another inner link; the language model is shared.

        Raises:
            DimensionMismatch: If the link is not as wide as the model.
        """
        self._check_inner(inner)
        twin = copy.copy(self)
        twin.inner, twin.captures = inner, Captures()
        return twin

    def _check_inner(self, inner: nn.Module) -> None:
        width = getattr(inner, "in_dim", self.hidden_size)
        if width != self.hidden_size:
            what, todo = f"is {width} wide, the model {self.hidden_size}", "Use the inner link trained for this model."
            raise DimensionMismatch(f"inner link of {self.name!r}", what, todo)

    @property
    def hidden_size(self) -> int:
        """Width d of hidden states and of input embeddings."""
        return self.model.config.hidden_size

    @property
    def family(self) -> str:
        """The transformers model type, e.g. "qwen3"."""
        return self.model.config.model_type

    @cached_property
    def parameters(self) -> int:
        """Number of the language model's parameters."""
        return sum(p.numel() for p in self.model.parameters())

    @property
    def device(self) -> torch.device:
        """Where it computes: embeddings are given and hidden states come out there."""
        return self._weight.device if self.residence is None else self.residence.device

    def _present(self) -> AbstractContextManager[object]:
        """While this holds, the model's weights stay where they are."""
        return nullcontext() if self.residence is None else self.residence.lock

    @cached_property
    def end_ids(self) -> frozenset[int]:
        """Token ids that end a decode."""
        ids = {self.tokenizer.eos_token_id}
        generation = getattr(self.model, "generation_config", None)
        for value in (self.model.config.eos_token_id, getattr(generation, "eos_token_id", None)):
            ids |= set(value) if isinstance(value, list | tuple) else {value}
        return frozenset(i for i in ids if i is not None)

    @cached_property
    def special_tokens(self) -> tuple[str, ...]:
        """Texts that the tokenizer takes for control tokens."""
        added = self.tokenizer.added_tokens_decoder.values()
        return tuple(sorted({t.content for t in added if t.special} | set(self.tokenizer.all_special_tokens)))

    def _encode(self, text: str) -> tuple[int, ...]:
        """Token ids of `text` as it stands, nothing added."""
        return tuple(self.tokenizer(text, add_special_tokens=False).input_ids)

    def knows(self, word: str) -> bool:
        """Whether its vocabulary can write the word without an unknown token."""
        unknown = self.tokenizer.unk_token_id
        return unknown is None or unknown not in self.encode(word)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, control tokens left out."""
        return cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def _shown(self, ids: tuple[int, ...]) -> str:
        """The text of token ids with control tokens and unknown words as they are."""
        return cast(str, self.tokenizer.decode(list(ids)))

    def word(self, token: int) -> str:
        """One token as a reader should see it: its own text, or its name where it has no visible text."""
        text = cast(str, self.tokenizer.decode([token]))
        return text if text.strip() else repr(text)[1:-1] or str(self.tokenizer.convert_ids_to_tokens(token))

    def _chat(self, user: str, *, system: str = "") -> str:
        """The chat-template text of one user turn, ready for the agent to speak.

        A system text is merged into the user turn where the template refuses a system role, or drops it. Thinking is
        switched off where the template has a switch.
        """
        merged = f"{system}\n{user}" if system else user
        if self.tokenizer.chat_template is None:
            return f"{merged}\n"
        plain = [{"role": "user", "content": merged}]
        if not system:
            return self._templated(plain)
        try:
            text = self._templated([{"role": "system", "content": system}, {"role": "user", "content": user}])
        except TemplateError:  # how a template says that it has no system role
            return self._templated(plain)
        return text if system in text else self._templated(plain)

    def _templated(self, messages: list[dict[str, str]]) -> str:
        return render(self.tokenizer, messages, f"agent {self.name!r}")

    def embed(self, ids: Tensor) -> Tensor:
        """Input embeddings: (...,) ids to (..., d), scaled as the model scales them."""
        with self._present():  # a table may well be read where it waits
            return self._embeddings(ids.to(self._weight.device)).to(self.device)

    def embed_all(self) -> Tensor:
        """Input embeddings of the whole vocabulary, (vocabulary, d), scaled as the model scales them."""
        return self.embed(torch.arange(self._weight.shape[0]))

    def cosines(self, vectors: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The k tokens whose input embeddings point most nearly the same way as each of (n, d) vectors.

        Returns:
            Their cosines and their ids, (n, k) each, the nearest first.
        """
        k = min(k, self._weight.shape[0])
        with self._present():
            table, lengths = self._weight, self._lengths
            rows = vectors.to(table)
            # half precision is enough to find candidates, not to order them
            near = (rows @ table.T).float() / lengths.to(rows.device)
            found = near.topk(min(_CANDIDATES * k, len(table)), dim=-1).indices
            exact = F.cosine_similarity(rows.float()[:, None], table[found].float(), dim=-1)
        best = exact.topk(k, dim=-1)
        return best.values, found.gather(-1, best.indices)

    @cached_property
    def _lengths(self) -> Tensor:
        """The length of each word's embedding; a model's scaling of them all makes no difference to a cosine."""
        # piece by piece: the whole table in float32 would be a second model in memory
        return torch.cat([rows.float().norm(dim=-1) for rows in self._weight.split(4096)]).clamp_min(1e-12)

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits of last-layer hidden states: (..., d) to (..., vocabulary)."""
        with self._present():
            weight = cast(Tensor, self._head.weight)
            logits = self._head(hidden.to(weight.device)).to(hidden.device)
        return logits if self._soft_cap is None else self._soft_cap * torch.tanh(logits / self._soft_cap)

    def forward(self, embeds: Tensor, **options: object) -> tuple[Tensor, object]:
        """The decoder body alone: (B, L, d) embeddings to ((B, L, d) states after the final norm, cache)."""
        with self._present():
            if self.residence is not None:
                self.residence.enter(self.model)
            out = self.body(inputs_embeds=embeds, use_cache=True, **options)
        # of a model over several devices the last layer is not where the first one is
        return out.last_hidden_state.to(embeds.device), out.past_key_values

    def layer_states(self, embeds: Tensor, last: int) -> list[Tensor]:
        """States after every decoder layer, the final norm applied to each, as the head reads those of the last layer.

        Args:
            embeds: (B, L, d) embeddings, read as a whole.
            last: How many of the last positions are wanted.

        Returns:
            For each layer, the first one first, (B, last, d).

        Raises:
            BadInput: If it is not known where this family of models keeps its final norm.
        """
        norm = next((getattr(self.body, name) for name in _FINAL_NORMS if hasattr(self.body, name)), None)
        if norm is None:
            todo = f"Look at its last layer; layers are known of models with one of {_FINAL_NORMS}."
            raise BadInput(f"agent {self.name!r}", f"has no final norm that is known ({self.family})", todo)
        with self._present():
            if self.residence is not None:
                self.residence.enter(self.model)
            out = self.body(inputs_embeds=embeds, use_cache=False, output_hidden_states=True)
            # the first of them is the input, the last one has been through the norm
            *middle, top = (states[:, -last:].to(out.last_hidden_state.device) for states in out.hidden_states[1:])
            return [states.to(embeds.device) for states in (*map(norm, middle), top)]
