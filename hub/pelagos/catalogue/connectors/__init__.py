"""Connectors: one small class per protocol, each in its own module."""
