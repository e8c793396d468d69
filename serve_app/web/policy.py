"""Content-Security-Policy of pages: nothing from elsewhere, nothing inline; one page adds Stripe's form."""

from dataclasses import dataclass

# https://docs.stripe.com/security/guide, section "Content security policy".
_STRIPE_FILES = ("https://js.stripe.com", "https://*.js.stripe.com")
_STRIPE_FRAMES = (*_STRIPE_FILES, "https://hooks.stripe.com")
_STRIPE_API = ("https://api.stripe.com",)


@dataclass(frozen=True, slots=True)
class Policy:
    """Who besides the market itself may send scripts, be framed and be asked."""

    scripts: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    connects: tuple[str, ...] = ()

    def header(self, *, https: bool) -> str:
        """Return the value of the header."""
        directives = {
            "default-src": ("'none'",),
            "script-src": ("'self'", *self.scripts),
            "style-src": ("'self'",),
            "img-src": ("'self'", "data:"),
            "font-src": ("'self'",),
            "connect-src": ("'self'", *self.connects),
            "frame-src": self.frames,
            "manifest-src": ("'self'",),
            "form-action": ("'self'",),
            "base-uri": ("'none'",),
            "frame-ancestors": ("'none'",),
        }
        parts = [f"{name} {' '.join(sources)}" for name, sources in directives.items() if sources]
        return "; ".join([*parts, "upgrade-insecure-requests"] if https else parts)


OWN = Policy()
WITH_STRIPE = Policy(_STRIPE_FILES, _STRIPE_FRAMES, _STRIPE_API)
