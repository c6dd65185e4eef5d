"""The service of the data pool: people order, and see how it goes."""
