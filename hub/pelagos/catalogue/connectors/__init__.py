"""Connectors: one small class per protocol, each in its own module."""

from __future__ import annotations

import importlib
from typing import Any

from pelagos.catalogue.connectors.base import Connector
from pelagos.settings.sources import Source, SourceKind

# module:class of each; imported when it is first needed, as some bring large libraries
_CLASSES = {
    SourceKind.FILES: "files:FilesConnector",
    SourceKind.CSW: "csw:CswConnector",
    SourceKind.ERDDAP: "erddap:ErddapConnector",
    SourceKind.ARGO_INDEX: "argo_index:ArgoIndexConnector",
    SourceKind.CDI: "cdi:CdiConnector",
    SourceKind.STAC: "stac:StacConnector",
    SourceKind.ENA: "ena:EnaConnector",
    SourceKind.OBIS: "obis:ObisConnector",
    SourceKind.ECOTAXA: "ecotaxa:EcotaxaConnector",
    SourceKind.ICOS: "icos:IcosConnector",
    SourceKind.DCAT: "dcat:DcatConnector",
    SourceKind.BLUECLOUD: "bluecloud:BlueCloudConnector",
    SourceKind.ARGO_FLEET: "argo_fleet:ArgoFleetConnector",
}


def connector_for(source: Source) -> type[Connector[Any]]:
    """The class that reads a source."""
    module, name = _CLASSES[source.kind].split(":")
    found: type[Connector[Any]] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return found
