"""Fetch what checks pages and documents, at these versions and hashes: axe-core, vnu (HTML) and AsyncAPI's parser."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".browser-tools"


@dataclass(frozen=True, slots=True)
class Tool:
    """A file of an npm package. The hash is that of the whole package."""

    package: str
    sha256: str
    member: str

    @property
    def path(self) -> Path:
        """Where the file is once it is fetched."""
        return FOLDER / self.package / Path(self.member).name


AXE = Tool("axe-core@4.14.1", "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745", "package/axe.min.js")
VNU = Tool(
    "vnu-jar@26.9.27",
    "5970d3ffca91a627cf0965e5d91bb2e4242307c29292998de0b419d6a901b2b7",
    "package/build/dist/vnu.jar",
)
# The build for browsers is one file, which Node runs as well.
ASYNCAPI = Tool(
    "@asyncapi/parser@3.6.6",
    "46352c768e39d323525350d3154fb40f5107d21634453bf6dc6631708fcfee33",
    "package/browser/index.js",
)


def fetch(tool: Tool) -> None:
    """Bring the file here if it is not. Raises OSError without npm, and ValueError for a package of another hash."""
    if tool.path.exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", tool.package, "--pack-destination", folder]
        subprocess.run(command, check=True, timeout=120, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != tool.sha256:
            raise ValueError(f"{tool.package} is not what it was: {found}")
        tool.path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as members:
            member = members.extractfile(tool.member)
            if member is None:
                raise ValueError(f"{tool.package} has no {tool.member}")
            tool.path.write_bytes(member.read())


if __name__ == "__main__":
    try:
        for each in (AXE, VNU, ASYNCAPI):
            fetch(each)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        sys.exit(f"{error}")
