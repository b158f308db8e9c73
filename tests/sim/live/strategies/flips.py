"""Trades every few seconds, whatever the market does: each way in and out of a position that a class in Python has."""


class Flips:
    """Flat: enters at market or with a limit, long or short. Otherwise it waits for stop and target, or closes."""

    def __init__(self, notional=500, every_s=3):
        self.notional = notional
        self.every_s = every_s
        self.turn = 0

    def on_save(self):
        """Return what a snapshot keeps of it."""
        return {"turn": self.turn}

    def on_load(self, saved):
        """Go on from a snapshot."""
        self.turn = saved["turn"]

    def on_start(self, view):
        """Begin with the first timer."""
        view.set_timer(self.every_s)

    def on_timer(self, view):
        """Enter, wait or leave."""
        view.set_timer(self.every_s)
        self.turn += 1
        bid, ask = view.bid(), view.ask()
        if not 0.0 < bid < ask:
            return
        if view.position() != 0.0:
            if self.turn % 3 == 0:
                view.close()
            return
        view.cancel_all()
        kind = self.turn % 4
        protection = {"stop_loss_pct": 0.4, "take_profit_pct": 0.1}
        if kind == 0:
            view.buy(notional=self.notional, **protection)
        elif kind == 1:
            view.sell(notional=self.notional, **protection)
        elif kind == 2:
            view.buy(notional=self.notional, type="limit", price=bid, ttl_s=4, **protection)
