"""Settings: what an operator writes in pelagos.yaml."""

from pelagos.settings.load import load_settings
from pelagos.settings.models import (
    AuthenticationKind,
    BackendKind,
    CommunityImage,
    Limits,
    Settings,
    Size,
    VirtualLab,
)

__all__ = [
    "AuthenticationKind",
    "BackendKind",
    "CommunityImage",
    "Limits",
    "Settings",
    "Size",
    "VirtualLab",
    "load_settings",
]
