"""A market maker in its smallest form: a bid and an ask, renewed by a timer, moved away from what is held."""


class Quoting:
    """Quotes ``qty`` on both sides every ``every_s`` seconds and holds at most ``held_max`` either way.

    What it has held for ``patience_s`` seconds without another fill is closed at market.
    """

    def __init__(self, qty=0.05, every_s=5, held_max=0.2, patience_s=60):
        self.qty = qty
        self.every_s = every_s
        self.held_max = held_max
        self.patience_ns = patience_s * 1_000_000_000
        self.last_fill_ns = 0

    def on_start(self, view):
        """The first call of all: nothing happens before the first timer."""
        view.set_timer(self.every_s)

    def on_fill(self, view, fill):
        """Every execution, of quotes and of exits."""
        if fill.role == "entry":
            self.last_fill_ns = view.time_ns

    def on_timer(self, view):
        """Take the old quotes away and put up new ones."""
        view.set_timer(self.every_s)
        view.cancel_all()
        bid, ask, slow = view.bid(), view.ask(), view.value("slow")
        if not (0.0 < bid < ask) or slow != slow:
            return  # NaN: not known yet
        held = view.position()
        if held != 0.0 and view.time_ns - self.last_fill_ns > self.patience_ns:
            view.close()
            return
        # Half a spread beyond the market on the side that would make the position larger.
        away = 0.5 * (ask - bid)
        if held < self.held_max:
            view.buy(self.qty, type="limit", price=min(bid - (away if held > 0.0 else 0.0), slow), post_only=True)
        if held > -self.held_max:
            view.sell(self.qty, type="limit", price=max(ask + (away if held < 0.0 else 0.0), slow), post_only=True)
