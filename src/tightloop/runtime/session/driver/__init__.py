"""What a session does with facts: steps them, journals them, repeats them, shows what came of them."""
