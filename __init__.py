"""The public face of Bequest; the names in ``__all__`` are what users import."""
