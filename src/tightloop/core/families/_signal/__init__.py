"""Parts of the signal family: planning entries, protecting positions."""
