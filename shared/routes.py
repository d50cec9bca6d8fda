"""A service's routes: typed handlers, inspected once when they are registered."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, Required, TypedDict, TypeVar, Union, Unpack, get_args, get_origin, get_type_hints

from aiohttp import web
from pydantic import BaseModel, TypeAdapter

from shared.contracts.principal import Scope
from shared.contracts.problem import STATUS_OF

Handler = Callable[..., Awaitable[Any]]
H = TypeVar("H", bound=Handler)

BODY_LIMIT = 64 * 1024  # bytes of JSON
_PATH_PARAMETER = re.compile(r"{(\w+)(?::[^{}]+)?}")


@dataclass(frozen=True)
class Route:
    """One method and path, what it needs and what it answers."""

    method: str
    path: str
    handler: Handler
    tag: str
    summary: str
    scope: Scope | None
    status: int
    errors: tuple[str, ...]
    media_types: Mapping[int, tuple[str, ...]]
    public: bool
    internal: bool
    hidden: bool
    idempotent: bool
    shown_once: tuple[str, ...]
    body_limit: int
    raw_media_types: tuple[str, ...]  # of a body that the handler reads itself
    takes: frozenset[str] = field(init=False)
    body: type[BaseModel] | None = field(init=False)
    query: type[BaseModel] | None = field(init=False)
    path_parameters: Mapping[str, type] = field(init=False)
    answer: TypeAdapter[Any] | None = field(init=False)

    def __post_init__(self) -> None:
        hints = get_type_hints(self.handler, include_extras=True)
        answer = _answer(hints.pop("return", NoneType))
        in_path = {name: hints[name] for name in _PATH_PARAMETER.findall(self.path) if name in hints}
        names = set(inspect.signature(self.handler).parameters)
        strange = names - {"request", "principal", "conn", "body", "query"} - in_path.keys()
        if strange:
            raise TypeError(f"{self.method} {self.path}: the handler's parameter {min(strange)!r} is not in the path")
        for name, value in {
            "takes": frozenset(names),
            "body": hints.get("body"),
            "query": hints.get("query"),
            "path_parameters": in_path,
            "answer": TypeAdapter(answer) if answer is not None else None,
        }.items():
            object.__setattr__(self, name, value)

    @property
    def identified(self) -> bool:
        """Whether it takes a credential."""
        return "principal" in self.takes

    @property
    def takes_idempotency_key(self) -> bool:
        return self.idempotent and self.identified

    @property
    def pattern(self) -> str:
        """The path as the router takes it: in the place of a number nothing else matches."""
        return _PATH_PARAMETER.sub(
            lambda found: f"{{{found[1]}:[0-9]+}}" if self.path_parameters.get(found[1]) is int else found[0], self.path
        )

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it."""
        return _PATH_PARAMETER.sub(r"{\1}", self.path)


class Options(TypedDict, total=False):
    """What a route says of itself."""

    summary: Required[str]
    scope: Scope | None  # what the credential must allow
    status: int  # of success
    errors: Sequence[str]  # codes beyond those that every route of its kind can answer
    responses: Mapping[int, str | Sequence[str]]  # media types other than JSON, by status
    public: bool  # no credential
    internal: bool  # for the gateway's own calls, without a principal
    hidden: bool  # not in the OpenAPI document
    idempotent: bool  # takes `Idempotency-Key`: by default every POST of a principal, but those of /v1/auth
    shown_once: Sequence[str]  # fields of the answer that a repetition does not show
    raw_body: int  # bytes; the handler reads the body itself
    raw_media_types: Sequence[str]  # of such a body


class Routes:
    """Collects the handlers of one topic.

    A handler says by its parameters what it needs: `principal` (401 without one), `conn` (a transaction around it),
    `body` and `query` (pydantic models), `request`, and each `{name}` of the path (`str`; `int`: anything else is 404).
    """

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def get(self, path: str, **options: Unpack[Options]) -> Callable[[H], H]:
        return self.add("GET", path, **options)

    def post(self, path: str, **options: Unpack[Options]) -> Callable[[H], H]:
        return self.add("POST", path, **options)

    def put(self, path: str, **options: Unpack[Options]) -> Callable[[H], H]:
        return self.add("PUT", path, **options)

    def patch(self, path: str, **options: Unpack[Options]) -> Callable[[H], H]:
        return self.add("PATCH", path, **options)

    def delete(self, path: str, **options: Unpack[Options]) -> Callable[[H], H]:
        return self.add("DELETE", path, **options)

    def add(self, method: str, path: str, **options: Unpack[Options]) -> Callable[[H], H]:
        """Register the decorated handler."""
        errors = tuple(options.get("errors", ()))
        unknown = set(errors) - STATUS_OF.keys()
        if unknown:
            raise ValueError(f"{method} {path}: {min(unknown)!r} is no error code")
        by_default = method == "POST" and not path.startswith("/v1/auth/")
        internal = options.get("internal", False)

        def register(handler: H) -> H:
            self._routes.append(
                Route(
                    method=method,
                    path=path,
                    handler=handler,
                    tag=self.tag,
                    summary=options["summary"],
                    scope=options.get("scope"),
                    status=options.get("status", 200),
                    errors=errors,
                    media_types={
                        status: (types,) if isinstance(types, str) else tuple(types)
                        for status, types in options.get("responses", {}).items()
                    },
                    public=options.get("public", False),
                    internal=internal,
                    hidden=options.get("hidden", internal),
                    idempotent=options.get("idempotent", by_default),
                    shown_once=tuple(options.get("shown_once", ())),
                    body_limit=options.get("raw_body", BODY_LIMIT),
                    raw_media_types=tuple(options.get("raw_media_types", ("application/octet-stream",)))
                    if "raw_body" in options
                    else (),
                )
            )
            return handler

        return register


def _answer(annotation: Any) -> Any:
    """The model part of a return annotation, None when the handler always makes the response itself."""
    if get_origin(annotation) in (UnionType, Union):
        models = [part for part in get_args(annotation) if not _is_response(part)]
        return Union[tuple(models)] if models else None  # noqa: UP007 - built from a list
    return None if annotation is NoneType or _is_response(annotation) else annotation


def _is_response(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, web.StreamResponse)
