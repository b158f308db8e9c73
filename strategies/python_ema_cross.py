"""Two averages that cross: long while the fast one is above the slow one, with a stop and a target at the venue."""


class EmaCross:
    """Its trades are those of ``ema_cross.yaml``, bar for bar."""

    def __init__(self, notional=10_000, stop_loss_pct=2, take_profit_pct=3):
        self.notional = notional
        self.stop_loss_pct = stop_loss_pct
        self.take_profit_pct = take_profit_pct
        self.last = {}  # by instrument: fast less slow at the bar before this one

    def on_bar(self, view, bar):
        """Once a bar, at its close; orders fill at the open of the next one."""
        now = view.value("fast") - view.value("slow")  # NaN while one of them is not known yet
        before = self.last.get(bar.instrument, now)
        self.last[bar.instrument] = now
        if view.position() == 0.0:
            if before <= 0.0 < now:
                view.buy(notional=self.notional, stop_loss_pct=self.stop_loss_pct, take_profit_pct=self.take_profit_pct)
        elif now < 0.0 <= before:
            view.close()
