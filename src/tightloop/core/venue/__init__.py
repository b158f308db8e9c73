"""The simulated venues: they take commands and market events, answer with events, and never read State.

bars.py            the venue on bars as drivers call it; matching.py: what an order fills at
ticks.py           the venue on ticks as drivers call it; tick_matching.py: which orders match; fills.py: how much,
                   at what price
carry/             exchanges, lending pools, staking protocols and the chain of carry
on bars and ticks  orders.py, positions.py, triggers.py, cash.py, slippage.py
"""
