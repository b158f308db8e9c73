"""Binance USD-M futures on the wire, over the exchange of ``engine.py``. Source: Binance's papers, live 2026-11."""
