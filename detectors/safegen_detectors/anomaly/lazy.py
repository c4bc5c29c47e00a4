"""A property that is computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Owner = TypeVar("Owner")
Value = TypeVar("Value")


class lazy(Generic[Owner, Value]):
    """As functools.cached_property, without its lock, which until Python 3.12 all objects share.

    Two threads that ask for the same value at once both compute it, and get the same.
    """

    def __init__(self, compute: Callable[[Owner], Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type[Owner], name: str) -> None:
        """Remember under which name the value is kept."""
        self._name = name

    @overload
    def __get__(self, instance: None, owner: Any) -> lazy[Owner, Value]: ...
    @overload
    def __get__(self, instance: Owner, owner: Any) -> Value: ...

    def __get__(self, instance: Owner | None, owner: Any) -> Value | lazy[Owner, Value]:
        """The value, which afterwards stands in the object's own dictionary."""
        if instance is None:
            return self
        value = self._compute(instance)
        instance.__dict__[self._name] = value
        return value
