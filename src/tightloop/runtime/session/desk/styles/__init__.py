"""How an order is worked at the venue: one attempt that rests, a stop that is replaced, an exit that must be filled."""
