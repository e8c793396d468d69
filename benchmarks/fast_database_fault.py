"""``python -m benchmarks.fast_database_fault``: why the fast database is for benchmarks, and not for a market of yours.

An update leaves the value before it in a unique index. So what nobody has any more stays taken: the address of an
account that was closed, for ever. The journal is not affected, as its commits never change. Try it on another release
before you believe this.
"""

import argparse
import sys
from typing import Any

import pymongo
from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from benchmarks.support import databases


def main() -> int:
    """Show it. Returns 1 if the server has the fault, 0 if not."""
    parser = argparse.ArgumentParser(prog="benchmarks.fast_database_fault", description=__doc__)
    parser.add_argument("--database", help="fast, embedded, or a URL; fast by default where it is there")
    asked = parser.parse_args()
    try:
        choice = databases.chosen(asked.database)
    except ValueError as error:
        parser.error(str(error))
    with databases.running_beside(choice) as server:
        has_fault = keeps_old_values(server.url)
        said = "keeps what was there before an update in a unique index" if has_fault else "has no such fault"
        print(f"{databases.described(server.url)}: {said}")
    return int(has_fault)


def keeps_old_values(url: str) -> bool:
    """Whether a value that an update took away is still taken. Raises PyMongoError."""
    with pymongo.MongoClient[dict[str, Any]](url) as client:
        accounts = client.get_default_database()[f"fault_{ObjectId()}"]
        accounts.create_index("address", unique=True)
        accounts.insert_one({"_id": 1, "address": "a"})
        accounts.update_one({"_id": 1}, {"$set": {"address": "b"}})
        try:
            accounts.insert_one({"_id": 2, "address": "a"})
        except DuplicateKeyError:
            return True
        finally:
            accounts.drop()
    return False


if __name__ == "__main__":
    sys.exit(main())
