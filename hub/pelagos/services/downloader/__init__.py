"""The downloader: the process that brings what was ordered into the pool."""
