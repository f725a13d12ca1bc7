"""Whether a failed model call is made again, and when: what a user decides, and with which facts.

The repeating itself is Temporal's: a run's history says how often and how long (`temporal_numbers`), a policy is asked
where the call failed. Without settings a call that failed in a way that may pass is made up to ten times.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeAlias, TypedDict, cast

from perdure.errors import UserError

DEFAULT_MAX_ATTEMPTS = 10  # also the least with settings: Temporal counts attempts whose worker died among them
_DEFAULT_DELAYS = (1.0, 2.0, 60.0)  # seconds, factor, seconds, where a run sets no retry
_SDK_DELAYS = (0.25, 2.0, 2.0)  # the Agents SDK's, where it sets one
_LEAST_DELAY_SECONDS = 0.001  # Temporal takes 0 for "not set"


@dataclass
class ModelRetryNormalizedError:
    """What an error says, whoever raised it."""

    status_code: int | None = None
    error_code: str | None = None
    message: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    is_abort: bool = False
    is_network_error: bool = False
    is_timeout: bool = False


@dataclass
class ModelRetryAdvice:
    """What a model says about an error of its own.

    Attributes:
        suggested: Whether to ask again; `False` is a veto.
        retry_after: Seconds to wait.
        replay_safety: `"safe"`: the failed request left nothing behind; `"unsafe"`: it may have.
        reason: Why, for people.
        normalized: Facts that the error itself does not show.
        response_started: Whether an answer had begun to arrive.
    """

    suggested: bool | None = None
    retry_after: float | None = None
    replay_safety: Literal["safe", "unsafe"] | None = None
    reason: str | None = None
    normalized: ModelRetryNormalizedError | None = None
    response_started: bool = False


@dataclass
class ModelRetryAdviceRequest:
    """The failure that a model is asked about."""

    error: Exception
    attempt: int
    stream: bool
    previous_response_id: str | None = None
    conversation_id: str | None = None


@dataclass
class RetryDecision:
    """What a policy decides.

    Attributes:
        retry: Whether to ask again.
        delay: Seconds to wait; `None` leaves it to the provider's wish or the backoff.
        reason: Why, for people.
        approve_unsafe_replay: Ask again although the provider keeps the conversation and may have accepted the request.
    """

    retry: bool
    delay: float | None = None
    reason: str | None = None
    approve_unsafe_replay: bool = False


@dataclass
class RetryPolicyContext:
    """What a policy is told about a failed attempt; `attempt` counts from 1."""

    error: Exception
    attempt: int
    max_retries: int
    stream: bool
    normalized: ModelRetryNormalizedError
    provider_advice: ModelRetryAdvice | None = None
    previous_response_id: str | None = None
    conversation_id: str | None = None


RetryPolicy: TypeAlias = Callable[[RetryPolicyContext], bool | RetryDecision | Awaitable[bool | RetryDecision]]


@dataclass
class ModelRetryBackoffSettings:
    """How the wait grows: seconds before the first repetition, the longest wait in seconds, and the factor.

    `jitter` is accepted for programs of the Agents SDK; Temporal's waits have none.
    """

    initial_delay: float | None = None
    max_delay: float | None = None
    multiplier: float | None = None
    jitter: bool | None = None

    def __post_init__(self) -> None:
        for name in ("initial_delay", "max_delay", "multiplier"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 <= value < math.inf):
                raise UserError(f"Retry backoff {name} is {value!r}; it must be a number of 0 or more.")


@dataclass
class ModelRetrySettings:
    """How often a failed model call is made again, and who decides.

    Attributes:
        max_retries: Repetitions at most; 9 if `None`.
        backoff: The waits between them; a mapping of the same names is accepted.
        policy: Decides for each failure; without it every failure that may pass is repeated. It does not travel: it
            is asked on the worker that made the call.
    """

    max_retries: int | None = None
    backoff: ModelRetryBackoffSettings | Mapping[str, Any] | None = None
    policy: RetryPolicy | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.max_retries is not None and type(self.max_retries) is not int:
            raise UserError(f"max_retries is {self.max_retries!r}; it must be an int.")
        if isinstance(self.backoff, Mapping):
            self.backoff = ModelRetryBackoffSettings(**_known(ModelRetryBackoffSettings, self.backoff))

    @classmethod
    def of(cls, value: ModelRetrySettings | Mapping[str, Any]) -> ModelRetrySettings:
        """These settings, or those that a mapping of the same names holds."""
        return value if isinstance(value, ModelRetrySettings) else cls(**_known(cls, value))

    def resolve(self, override: ModelRetrySettings | None) -> ModelRetrySettings:
        """These settings with every value of `override` that is set, also inside `backoff`."""
        if override is None:
            return self
        changes = _set_values(override)
        mine, theirs = self.waits, override.waits
        if mine is not None and theirs is not None:
            changes["backoff"] = replace(mine, **_set_values(theirs))
        return replace(self, **changes)

    @property
    def waits(self) -> ModelRetryBackoffSettings | None:
        """`backoff` as settings."""
        return cast("ModelRetryBackoffSettings | None", self.backoff)

    def to_json(self) -> dict[str, Any]:
        """The numbers that are set; the policy stays behind."""
        values: dict[str, Any] = {} if self.max_retries is None else {"max_retries": self.max_retries}
        return values if self.waits is None else {**values, "backoff": _set_values(self.waits)}


class RetryNumbers(TypedDict):
    """A Temporal retry policy as plain data."""

    attempts: int
    initial_seconds: float
    multiplier: float
    longest_seconds: float


def temporal_numbers(retry: ModelRetrySettings | Mapping[str, Any] | None) -> RetryNumbers:
    """What a run tells Temporal about a model call's repetitions.

    The attempts are never fewer than ten, because those whose worker died count too; a call that failed is held to
    `max_retries` where it failed.

    Args:
        retry: The settings, or what `to_json` made of them.
    """
    defaults = _SDK_DELAYS if retry else _DEFAULT_DELAYS
    settings = ModelRetrySettings.of(retry or {})
    waits = settings.waits or ModelRetryBackoffSettings()
    set_delays = (waits.initial_delay, waits.multiplier, waits.max_delay)
    initial, multiplier, longest = (
        default if given is None else given for given, default in zip(set_delays, defaults, strict=True)
    )
    longest = max(longest, _LEAST_DELAY_SECONDS)
    return RetryNumbers(
        attempts=max(DEFAULT_MAX_ATTEMPTS, (settings.max_retries or 0) + 1),
        # Temporal refuses a first wait above the longest, and a factor below 1.
        initial_seconds=min(max(initial, _LEAST_DELAY_SECONDS), longest),
        multiplier=max(multiplier, 1.0),
        longest_seconds=longest,
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _set_values(settings: ModelRetrySettings | ModelRetryBackoffSettings) -> dict[str, Any]:
    return {name: value for name, value in vars(settings).items() if value is not None}


def _known(owner: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {one.name for one in fields(owner)}
    return {name: value for name, value in values.items() if name in names}
