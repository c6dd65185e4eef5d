"""Settings: what an operator writes in pelagos.yaml."""

from pelagos.settings.load import load_settings
from pelagos.settings.models import (
    AuthenticationKind,
    BackendKind,
    CommunityImage,
    DataPool,
    Dataspace,
    Limits,
    QuotaKind,
    Settings,
    Size,
    Storage,
    VirtualLab,
    Workspace,
    WorkspaceKind,
)

__all__ = [
    "AuthenticationKind",
    "BackendKind",
    "CommunityImage",
    "DataPool",
    "Dataspace",
    "Limits",
    "QuotaKind",
    "Settings",
    "Size",
    "Storage",
    "VirtualLab",
    "Workspace",
    "WorkspaceKind",
    "load_settings",
]
