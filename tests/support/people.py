"""For the folders that still import it from here."""

from benchmarks.support.session_cookies import cookie_for

__all__ = ["cookie_for"]
