"""The catalogue without its web service: records, connectors, the harvester and the index."""
