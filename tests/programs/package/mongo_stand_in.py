"""FiftyOne keeps its data in MongoDB, which no Python package brings: mongomock in its place.

Imported before fiftyone. Where FIFTYONE_DATABASE_URI names a MongoDB, that is used.
"""

import os

os.environ.setdefault("FIFTYONE_DO_NOT_TRACK", "1")
if "FIFTYONE_DATABASE_URI" not in os.environ:
    os.environ["FIFTYONE_DATABASE_URI"] = "mongodb://in.memory"
    os.environ["FIFTYONE_DATABASE_VALIDATION"] = "false"
    os.environ["FIFTYONE_DATABASE_ADMIN"] = "false"

    import mongomock
    import mongomock.codec_options
    import mongomock.store
    import pymongo

    STORE = mongomock.store.ServerStore()

    class Client(mongomock.MongoClient):
        """Every connection sees the same data."""

        _closed = False

        def __init__(self, *_, **__):
            super().__init__(_store=STORE)

    mongomock.codec_options.is_supported = (
        lambda options: None
    )  # FiftyOne's set nothing that matters
    pymongo.MongoClient = Client
