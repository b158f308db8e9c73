"""The simulated venues of carry: exchanges, lending pools, staking protocols and the chain between them.

Theory of operation.

Data. One CARRY_VENUE record (``record.py``) stands for all venues. Its ``books`` have the layout of the books in State
and are changed by the same functions (``core/carry/books.py``), but they are a copy of their own: the venues never read
State, and the step learns of amounts only from the events in ``inbox``. A *balance* is an amount of one token in one
place, a *holding* a perpetual position, a *series* a number from outside (price, mark, index, rate). Supplied and
borrowed amounts are scaled, as aTokens are: interest changes the index, never the amount. ``transits`` are transfers
and redemptions that have not arrived; until then their amount is in a balance of kind TRANSIT or QUEUE.

One instant. The driver (``core/replay/carry.py``) shows each event to the venues first (``market_events.py``), then to
the step; the step's instructions then come back and are executed at the prices now in force:

    SERIES_UPDATED        new values, in the order indices, rates, prices, marks
    SETTLEMENT_PUBLISHED  funding on positions held before the instant; stops of the bar that ended come first
    REWARD_PUBLISHED      staking rewards on the average amount staked over their period
    CAPITAL_FLOW          a deposit arrives in the wallet (a withdrawal is an instruction, PAY_OUT)
    SNAPSHOT_COMPLETE     transfers arrive, stops and targets fill, margins and debts are liquidated; the step decides
    instructions          gathered into a bundle (``instructions.py``) and executed together (``bundles.py``)

Invariants.

- A bundle is executed as a whole or not at all, like a transaction: on any failure all balances, holdings, transits and
  events are as before, except for the gas of the reverted transaction, which is paid.
- After a bundle no balance is negative beyond rounding (but for margin accounts), every flash loan is repaid, and the
  pools' limits on loan to value, health factor and liquidity hold for what the bundle changed.
- Every change of a balance has its other side in a contra account of the token, so the books of each token sum to zero.

What may surprise.

- What the venues paid is told by events of their own (FUNDING_SETTLED, REWARD_PAID); those they were shown do not
  change.
- An INSTRUCTION_EXECUTED with bundle 0 (``order_id``) had no instruction: a transfer arrived, a stop or target filled.
- A position cannot be stopped out, and receives no funding, at the instant it was opened.
- ``funding_on_entry`` and ``fee_in_amount`` reproduce conventions of published results (``legacy`` in the strategy
  file): funding on the entry notional, and a spot fee that reduces the coins bought.
- ``forced_op`` is an Instruction that always fails (-1: none), for tests of what follows a reverted bundle.
"""
