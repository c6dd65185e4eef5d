"""The workspace service: people's page of their storage, its API for programs, its metrics."""
