"""What HAProxy is told (config/haproxy.sh). ``python -m config.ingress`` prints it, for the environment of Ray."""

import sys

from config.settings import Settings, SettingsError, load

# By this key replicas know HAProxy.
INGRESS_KEY = "HOLDFAST_INGRESS_KEY"


def ingress_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that HAProxy is started with. Raises OSError without a session key."""
    return {
        INGRESS_KEY: settings.ingress_keys[0],
        "HTTP_HOST": settings.http_host,
        "TRUSTED_PROXIES": str(settings.trusted_proxies),
        "RATE_LIMITS": "on" if settings.rate_limits else "off",
    }


def main() -> int:
    """Print a line for each variable, without spaces in it. Returns 2 when the settings cannot be used."""
    try:
        sys.stdout.writelines(f"{name}={value}\n" for name, value in ingress_environment(load()).items())
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
