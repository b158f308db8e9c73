"""A strategy of tests: in at the first print of a period, out at a timer, a target by what was filled."""


class Flipping:
    """Holds for half of each second, and counts what it was told; can be saved."""

    def __init__(self, fails_after=0):
        self.fails_after, self.fills, self.is_in = fails_after, 0, False

    def on_start(self, view):
        view.set_timer(0.5)

    def on_timer(self, view):
        view.set_timer(0.5)
        self.is_in = not self.is_in
        if not self.is_in and view.position() != 0.0:
            view.close()

    def on_trade(self, view, trade):
        if self.is_in and view.position() == 0.0 and not view.orders() and view.value("slow") > 0.0:
            view.buy(notional=500, stop_loss_pct=1)

    def on_fill(self, view, fill):
        self.fills += 1
        if self.fails_after and self.fills > self.fails_after:
            raise ValueError("enough")
        if view.position() != 0.0:
            view.protect(take_profit_pct=0.5)

    def on_save(self):
        return {"fills": self.fills, "is_in": self.is_in}

    def on_load(self, saved):
        self.fills, self.is_in = saved["fills"], saved["is_in"]
