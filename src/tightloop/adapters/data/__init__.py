"""Market data in files: the catalog, its quality gate, imports, resampling and synthetic samples."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.adapters.data import _shared
    from tightloop.adapters.data import carry_sample as carry_sample
    from tightloop.adapters.data import catalog as catalog
    from tightloop.adapters.data import frames as frames
    from tightloop.adapters.data import importer as importer
    from tightloop.adapters.data import quality as quality
    from tightloop.adapters.data import resample as resample
    from tightloop.adapters.data import sample as sample
    from tightloop.adapters.data import tick_sample as tick_sample

    shared = _shared
else:
    # Commands answer `--help` without numpy and pyarrow; only `frames` needs polars.
    __getattr__ = modules_on_use(__name__, shared="_shared")
