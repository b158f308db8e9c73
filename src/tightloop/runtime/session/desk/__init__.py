"""The desk of a session: what is between the commands of the step and the adapter of a venue.

``desk.py`` is all that the rest of a session needs, ``records.py`` has what goes in and comes out, and ``machine.py``
says how it works.
"""
