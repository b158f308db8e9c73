"""Asks the worker that judges strategy files, and begins another when it takes too long or dies."""

import asyncio
import contextlib
import json
import sys
from typing import Any

from tightloop.app.api.answers.problems import HttpProblem

WORKER = "tightloop.app.api.strategies.worker"
BEGIN_S, ANSWER_S = 60.0, 10.0
LINE_BYTES_MAX = 1 << 22


class StrategyChecks:
    """One worker, one question at a time."""

    def __init__(self) -> None:
        self._worker: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def verdict(self, text: str) -> dict[str, Any]:
        """Return whether a strategy file is right. Raises HttpProblem if that cannot be told."""
        async with self._turn:
            is_warm = self._worker is not None
            try:
                async with asyncio.timeout(ANSWER_S if is_warm else BEGIN_S):
                    return await self._asked(text)
            except (TimeoutError, OSError, ValueError):
                await self.close()
                raise HttpProblem("refused", "it takes too long, or too much memory, to read this file") from None

    async def _asked(self, text: str) -> dict[str, Any]:
        if self._worker is None or self._worker.returncode is not None:
            self._worker = await asyncio.create_subprocess_exec(
                sys.executable, "-m", WORKER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL, limit=LINE_BYTES_MAX,
            )  # fmt: skip
        assert self._worker.stdin is not None, "it was begun with it"
        assert self._worker.stdout is not None, "it was begun with it"
        self._worker.stdin.write(json.dumps({"yaml": text}).encode() + b"\n")
        await self._worker.stdin.drain()
        found: dict[str, Any] = json.loads(await self._worker.stdout.readline())
        return found

    async def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            with contextlib.suppress(ProcessLookupError):
                self._worker.kill()
            await self._worker.wait()
            self._worker = None
