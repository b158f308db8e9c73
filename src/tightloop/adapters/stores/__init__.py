"""Where results are kept."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.adapters.stores import disk as disk
    from tightloop.adapters.stores import home as home
    from tightloop.adapters.stores import kept as kept
    from tightloop.adapters.stores import parquet as parquet
else:
    __getattr__ = modules_on_use(__name__)  # commands answer `--help` without them
