"""Many cases in one test: every case is tried, and each that fails says which one it is.

For thousands of cases of a microsecond each: what costs then is a test of its own for every one of them, found by every
worker. A test that takes long, or that a person wants to run alone, is better off with ``pytest.mark.parametrize``.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any


def folded(names: str | tuple[str, ...], cases: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """As ``pytest.mark.parametrize``, in one test; fixtures are shared by its cases. Raises the failures as a group."""
    keys = (names,) if isinstance(names, str) else names
    listed = [dict(zip(keys, (case,) if isinstance(names, str) else case, strict=True)) for case in cases]
    assert listed, f"there is no case of {names}"

    def fold(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def each(**others: Any) -> None:
            failures = []
            for case in listed:
                try:
                    test(**case, **others)
                except Exception as failure:
                    failure.add_note(f"the case: {', '.join(f'{name}={value!r}' for name, value in case.items())}")
                    failures.append(failure)
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(listed)} cases failed", failures)

        signature = inspect.signature(test)
        others = [parameter for name, parameter in signature.parameters.items() if name not in keys]
        each.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]  # what pytest asks for
        return each

    return fold
