"""Reconciliation: what we believe held against what the venue answers in one round, as a pure function.

A round asks open orders, open conditional orders, positions and the wallet: at the start, each 10 s, after a reconnect
and after every unknown outcome. A difference is believed when two rounds at least 10 s apart show the same one, and
15 s have passed since our last fill of its symbol, because answers of one round are not of one moment. Then it is
explained (``orders.py``, ``positions.py``, ``wallet.py``):

    open there, ended here           its report goes to the desk, which finds missing fills; and it is canceled
    our name, unknown here           of an earlier life: a lost tail, its fills are found, and it is canceled once every
                                     position has its stop; made since our start: a second engine, no entries
    open here, not there             the desk looks it up
    position smaller, larger, other  by fills since the last agreement: ours go to the desk, forced ones and those of
                                     others are found; the newest that add up to the difference are its explanation
    position without such fills      what is more on our side, or where we hold nothing, is foreign; else the position
                                     is corrected, and entries pause until an operator confirms
    wallet                           by the venue's history of income; what that does not explain is corrected too, and
                                     pauses above 0.1 % of equity
    rules                            ``rules.py`` compares lists of instruments

While something differs, the evidence is asked for and comes with the next round. A correction is an event with both
sides' numbers; nothing is edited.
"""
