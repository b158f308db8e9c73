"""The machine of one life of a simulated session: a virtual clock, a simulated network, a disk, and no threads."""

from contextlib import asynccontextmanager

from tightloop.app.runs.live.machine import Machine


class Door:
    """Requests of the operator come by ``SimulatedMachine.operator``."""

    def close(self):
        pass


class SimulatedMachine(Machine):
    """What a life finds. ``operator`` and ``show`` are those of the session once it takes requests."""

    def __init__(self, life, home, segments):
        super().__init__(home)
        self.life, self.clock, self.segments = life, life.clock, segments
        self._is_followed = False
        self.operator = self.show = self.signal = None
        self.transport = life.transport

    @asynccontextmanager
    async def network(self):
        yield self.transport

    def disk(self, folder):
        return self.home.disk_of(folder)

    async def aside(self, job, *arguments):
        job(*arguments)

    def on_signals(self, call):
        self.signal = call

    async def listen(self, path, operator, show):
        self.operator, self.show = operator, show
        return Door()
