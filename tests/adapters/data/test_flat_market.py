from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data.flat_market import write_flat_market
from tightloop.model.instruments import InstrumentId


def test_a_catalog_reads_the_bars(tmp_path):
    instrument = InstrumentId.parse("test:AAAUSDT-perp")
    write_flat_market(tmp_path, instrument, 30, 100.0)
    bars = Catalog(tmp_path).bars(instrument, "1m").bars
    assert len(bars) == 30
    assert set(bars["close"]) == {100.0}
