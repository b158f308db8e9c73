"""Machine code of the core: taken from an image of the repository, or made by the compiler.

``image.py`` maps the image and finds functions in it; ``call.py`` calls them from Python; both without a compiler.
``compiler.py`` speaks to numba and is imported only when something has to be compiled. ``core/compiled.py`` decides.
"""


class MachineCodeError(Exception):
    """No machine code can be had here; the message says why and what to do, for the user."""
