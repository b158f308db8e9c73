"""One run or sweep from files to results."""
