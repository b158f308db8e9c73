"""The simulated venues of carry: exchanges, pools, staking protocols and the chain between them.

It keeps books of its own, as real ones do, and never reads State. Instructions come in bundles: all of one take place,
at the prices in force, or none does, and the books are as before. What is on its way arrives at its own time.
"""
