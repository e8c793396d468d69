"""``python -m config.ingress_key`` prints the key by which replicas know HAProxy, for the environment of Ray."""

import sys

from config.settings import SettingsError, load

INGRESS_KEY = "HOLDFAST_INGRESS_KEY"


def main() -> int:
    """Print the key of the settings in the environment. Returns 2 when they cannot be used."""
    try:
        sys.stdout.write(f"{load().ingress_keys[0]}\n")
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
