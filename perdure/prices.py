"""What models cost: a table that you keep, litellm's, or a function of yours. Perdure itself knows no price.

`PERDURE_PRICES` names the table's file; docs/costs.md says what stands in it, and what becomes of it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias, cast

from perdure.errors import UserError
from perdure.usage import Usage, money

VARIABLE = "PERDURE_PRICES"
LITELLM = "litellm"  # in place of a file: the table in litellm's package
_LITELLM_FILE = "model_prices_and_context_window_backup.json"
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs, in US dollars for a million tokens.

    Attributes:
        input: Tokens that the model read.
        output: Tokens that it wrote.
        cached_input: Of those it read, the ones that the provider had in its cache; by default as the others.
        reasoning: Of those it wrote, the ones it thought with; by default as the others.
        long_input_tokens: The longest input at these prices.
        long: The prices of a request with a longer one.
    """

    input: float
    output: float
    cached_input: float | None = None
    reasoning: float | None = None
    long_input_tokens: int | None = None
    long: Price | None = None

    def __post_init__(self) -> None:
        for name in ("input", "output", "cached_input", "reasoning"):
            value = getattr(self, name)
            if money(value) is None and (value is not None or name in ("input", "output")):
                raise UserError(
                    f"{name} is {value!r}; a price is a number of US dollars for a million tokens, 0 or more."
                )
        if (self.long is None) is not (self.long_input_tokens is None):
            raise UserError("long and long_input_tokens go together: which prices hold, from what length on.")

    def of(self, usage: Usage) -> float | None:
        """What a request cost, in US dollars; `None` where it reports no tokens that could be priced.

        What the provider's own total counts beside input and output is taken for thoughts, as Gemini's is.
        """
        if self.long is not None and usage.input_tokens > (self.long_input_tokens or 0):
            return self.long.of(usage)
        read, written = usage.input_tokens, usage.output_tokens
        cached, thought = usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens
        if min(read, written, cached, thought) < 0 or (not read + written and self.input + self.output):
            return None
        cached, thought = min(cached, read), min(thought, written)
        beside = max(usage.total_tokens - read - written, 0)
        of_cached = self.input if self.cached_input is None else self.cached_input
        of_thoughts = self.output if self.reasoning is None else self.reasoning
        cost = (read - cached) * self.input + cached * of_cached
        cost += (written - thought) * self.output + (thought + beside) * of_thoughts
        return money(cost / _MILLION)


@dataclass(frozen=True, slots=True)
class PaidRequest:
    """A request that a model has answered.

    Attributes:
        model: The model as the agent names it; a model object of your own that has no name, by its class.
        answered_by: The model that answered, as the provider names it, where it does.
        usage: What the answer reports.
        raw_usage: The same in the provider's own words, with `ModelSettings(preserve_raw_usage=True)`.
    """

    model: str
    answered_by: str | None
    usage: Usage
    raw_usage: dict[str, Any] | None = None

    @property
    def names(self) -> list[str]:
        """What the model may stand in a table as, likeliest first."""
        names = [name for name in (self.answered_by, self.model) if name]
        parts = [name.split("/") for name in names]
        bare = ["/".join(each[start:]) for each in parts for start in range(1, len(each))]
        return list(dict.fromkeys([*names, *bare]))


Prices: TypeAlias = Mapping[str, Price | Mapping[str, Any]] | Callable[[PaidRequest], float | Price | None]


class PriceTable:
    """Prices by model; a name that ends in `*` is that of all models whose names begin so."""

    def __init__(self, prices: Mapping[str, Any]) -> None:
        self._exact = {name: _price(name, value) for name, value in prices.items()}
        prefixes = sorted((name for name in self._exact if name.endswith("*")), key=len, reverse=True)
        self._prefixes = [(name[:-1], self._exact[name]) for name in prefixes]

    def __call__(self, request: PaidRequest) -> Price | None:
        """The price of the model that answered, if the table has it."""
        for name in request.names:
            if name in self._exact:
                return self._exact[name]
        found = (price for name in request.names for prefix, price in self._prefixes if name.startswith(prefix))
        return next(found, None)


def set_prices(prices: Prices | None) -> None:
    """Says what models cost in this process, instead of what `PERDURE_PRICES` names.

    A function is called for each answer, in a thread, and has five seconds; what it gives is dollars, or a `Price`.

    Args:
        prices: Prices by model; a function; `None` for what the environment says.

    Raises:
        UserError: A price is none.
    """
    global _set, _known  # noqa: PLW0603  one process has one
    _set = PriceTable(cast("Mapping[str, Any]", prices)) if isinstance(prices, Mapping) else prices
    _known = None


Source: TypeAlias = Callable[[PaidRequest], float | Price | None]
_set: Source | None = None
_known: list[Source] | None = None


def is_priced() -> bool:
    """Whether this process is told of any price; nothing is read."""
    return _set is not None or bool(_wanted())


def sources() -> list[Source]:
    """What is asked for prices, one after the other; files are read the first time.

    Raises:
        UserError: A table cannot be read.
    """
    global _known  # noqa: PLW0603
    if _known is None:
        _known = [_set] if _set is not None else [_read(name) for name in _wanted()]
    return _known


def _wanted() -> list[str]:
    return [name for each in os.environ.get(VARIABLE, "").split(",") if (name := each.strip())]


def _read(name: str) -> PriceTable:
    if name == LITELLM:
        return PriceTable(_of_litellm())
    file = Path(name)
    try:
        text = file.read_text(encoding="utf-8")
        read: Any = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"The prices in {name!r}, which {VARIABLE} names, cannot be read: {error}") from None
    if not isinstance(read, dict):
        raise UserError(f"The prices in {name!r} are no table of models; docs/costs.md shows one.")
    try:
        return PriceTable(cast("dict[str, Any]", read))
    except UserError as error:
        raise UserError(f"The prices in {name!r} cannot be used: {error.message}") from None


def _price(name: str, value: Any) -> Price:
    if isinstance(value, Price):
        return value
    known = {each.name for each in fields(Price)}
    given = dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {}
    if not given or set(given) - known or not {"input", "output"} <= set(given):
        raise UserError(
            f"{name!r} has {value!r:.100}; a price has `input` and `output`, and may have "
            f"{', '.join(sorted(known - {'input', 'output'}))}. In TOML a name with dots stands in quotes."
        )
    if "long" in given:
        given["long"] = _price(f"{name}.long", given["long"])
    try:
        return Price(**given)
    except UserError as error:
        raise UserError(f"{name!r}: {error.message}") from None


def _of_litellm() -> dict[str, Price]:
    """The prices that litellm's package carries: as old as the package, and read without importing it.

    Raises:
        UserError: It is not installed, or has none.
    """
    found = importlib.util.find_spec(LITELLM)
    folders: Iterable[str] = (found.submodule_search_locations if found is not None else None) or ()
    for folder in folders:
        if (file := Path(folder, _LITELLM_FILE)).is_file():
            read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return {name: price for name, told in read.items() if (price := _litellm_price(told)) is not None}
    raise UserError(
        f'{VARIABLE} names litellm, whose prices are not there: pip install "perdure[litellm]", or name a file.'
    )


def _litellm_price(told: Any, above: str = "") -> Price | None:
    def per_million(name: str) -> float | None:
        value = money(told.get(f"{name}{above}"))
        return None if value is None else round(told[f"{name}{above}"] * _MILLION, 9)

    if not isinstance(told, dict):
        return None
    read, written = per_million("input_cost_per_token"), per_million("output_cost_per_token")
    if read is None or written is None:
        return None
    more: dict[str, Any] = {
        "cached_input": per_million("cache_read_input_token_cost"),
        "reasoning": per_million("output_cost_per_reasoning_token"),
    }
    for thousands in () if above else (100, 128, 200, 256, 272, 512):
        if (long := _litellm_price(told, f"_above_{thousands}k_tokens")) is not None:
            more |= {"long_input_tokens": thousands * 1000, "long": long}
            break
    return Price(input=read, output=written, **more)
