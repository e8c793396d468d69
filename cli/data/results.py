"""What the commands say: lines for people, JSON for programs."""

from pathlib import Path
from typing import Any

from actors.read_model.projections import PROJECTIONS
from actors.storage.archive import Archived
from actors.storage.rebuild import Rebuilt
from cli.data.work import Timed


def rebuilt_as_json(done: Rebuilt) -> dict[str, Any]:
    """Return the result of a rebuild for programs."""
    return {
        "commits": done.commits // done.readings,
        "commitsPerSecond": round(done.commits_per_second),
        "documents": {
            collection: {
                "checked": done.checked[collection],
                "written": done.written[collection],
                "removed": done.removed[collection],
            }
            for collection in PROJECTIONS
        },
        "leftOut": sorted(done.left_out),
    }


def rebuilt_lines(done: Rebuilt) -> list[str]:
    """Return the result of a rebuild for people."""
    documents = [
        f"{collection}: {done.checked[collection]:,} checked, {done.written[collection]:,} written, "
        f"{done.removed[collection]:,} removed"
        for collection in PROJECTIONS
    ]
    left_out = [f"{entity} was left as it is: see `holdfast journal show {entity}`" for entity in sorted(done.left_out)]
    commits = f"{done.commits // done.readings:,} commits, read at {done.commits_per_second:,.0f} a second"
    return [commits, *documents, *left_out]


def timed_as_json(done: Timed) -> dict[str, Any]:
    """Return a backup, or what was restored, for programs."""
    return {
        "commits": done.commits,
        "documents": {name: file.documents for name, file in done.manifest.collections.items()},
        "began": done.manifest.began_at,
        "seconds": round(done.seconds, 3),
    }


def timed_line(done: Timed, what: str) -> str:
    """Return one line for people; `what` was done."""
    manifest = done.manifest
    others = manifest.documents - done.commits
    return (
        f"{what}: {done.commits:,} commits and {others:,} other documents of {manifest.began_at}, "
        f"in {done.seconds:.1f} s ({done.documents_per_second:,.0f} a second)"
    )


def archived_as_json(done: Archived, *, dry_run: bool) -> dict[str, Any]:
    """Return the result of an archive for programs."""
    return {
        "dryRun": dry_run,
        "commits": done.commits,
        "kept": done.kept,
        "bytesBefore": done.bytes_before,
        "bytesAfter": done.bytes_after,
        "files": done.files,
    }


def archived_lines(done: Archived, folder: Path, *, dry_run: bool) -> list[str]:
    """Return the result of an archive for people."""
    count = max(done.commits, 1)
    sizes = f"{done.bytes_before / count:,.0f} bytes each become {done.bytes_after / count:,.0f}"
    moved = "would be archived" if dry_run else f"archived into {len(done.files)} files in {folder}"
    kept = f"{done.kept:,} older commits stay, as something in them has not ended"
    return [f"{done.commits:,} commits {moved}" + (f": in the journal {sizes}" if done.commits else ""), kept]
