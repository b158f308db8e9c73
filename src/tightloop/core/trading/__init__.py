"""Orders, positions, money: what an account holds, owes and may do."""
