"""What is done differently on the embedded database, SecantusDB, and only there.

Each workaround names the test in `tests/runtime/test_embedded_faults.py` that fails when the database is mended: then
the workaround can go, and the one for every server takes its place. When all are gone, so can this folder.
"""
