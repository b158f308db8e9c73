"""What is measured over many runs, or against what is known to have happened."""
