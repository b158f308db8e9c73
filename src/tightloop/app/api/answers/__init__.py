"""The forms of answers: problems, pages of lists, repeats of requests."""
