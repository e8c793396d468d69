"""MongoDB and Redis behind the seams of the runtime; every query lives here, one module for each collection."""
