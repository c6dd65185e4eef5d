"""The models of `catalogue` in pelagos.yaml: which infrastructures are harvested, and how."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pelagos.units import Bytes, Seconds

WebAddress = Annotated[
    str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s#]*)?$", max_length=2000)
]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,38}[a-z0-9]$")]


class SourceKind(StrEnum):
    """How a source is spoken to."""

    FILES = "files"
    CSW = "csw"
    ERDDAP = "erddap"
    ARGO_INDEX = "argo-index"
    CDI = "cdi"
    STAC = "stac"
    ENA = "ena"
    OBIS = "obis"
    ECOTAXA = "ecotaxa"
    ICOS = "icos"
    DCAT = "dcat"
    BLUECLOUD = "bluecloud"
    ARGO_FLEET = "argo-fleet"


class Source(BaseModel):
    """What all sources have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: SourceName = Field(description="Short name: part of identifiers, paths and links.")
    title: str = Field("", description="The infrastructure, as people know it; the name if empty.")
    kind: SourceKind = Field(description="How it is spoken to.")
    schedule: Seconds = Field(
        86400, description="Harvested again this long after the last run; 0: only by hand."
    )
    hosts: list[HostName] = Field(
        [], description="Further hosts that its records, pages and files may lead to."
    )
    rate: float = Field(
        2.0, description="Requests per second to one of its hosts, at most.", gt=0, le=100
    )
    size_limit: Bytes = Field(
        2 * 2**30, description="The most that one answer may have, unpacked.", ge=2**20
    )
    record_limit: int = Field(
        5_000_000, description="Records that are kept at most, of one run.", ge=1
    )
    licence: str = Field("", description="SPDX identifier of the licence, where records name none.")
    token_file: str = Field(
        "",
        description=(
            "An absolute path of a file that holds a token, where orders of its data need one; "
            "only root has to be able to read it."
        ),
        pattern=r"^(/[^\x00\n]*[^\x00\n/])?$",
    )


class FilesSource(Source):
    """A folder of this machine, or a THREDDS catalogue: NetCDF and ODV files."""

    kind: Literal[SourceKind.FILES]
    path: str = Field(
        "",
        description=(
            "An absolute path of a folder, or `package:NAME/FOLDER` in an installed Python package."
        ),
        pattern=r"^(/[^\x00\n]*|package:[a-z0-9_]+(/[A-Za-z0-9_.-]+)*)?$",
    )
    url: WebAddress | Literal[""] = Field("", description="Or a THREDDS catalogue (catalog.xml).")
    description: str = Field(
        "",
        description=(
            "A YAML file with title, licence and more of each collection; `collections.yaml` in "
            "the folder if empty, `builtin:starter` for the starter source."
        ),
        pattern=r"^(/[^\x00\n]*|builtin:[a-z]+)?$",
    )


class CswSource(Source):
    """A catalogue service for the web (CSW 2.0.2) with ISO 19115/19139 records."""

    kind: Literal[SourceKind.CSW]
    url: WebAddress = Field(description="Its address, without a query.")
    query: str = Field("", description="Only records with these words (CQL AnyText), if given.")


class ErddapSource(Source):
    """An ERDDAP server: its data sets are collections."""

    kind: Literal[SourceKind.ERDDAP]
    url: WebAddress = Field(description="Its address, ending in /erddap.")
    datasets: list[str] = Field([], description="Data set ids, `*` allowed; all if empty.")


class ArgoIndexSource(Source):
    """The profile index of an Argo GDAC (ar_index_global_prof.txt, also .gz)."""

    kind: Literal[SourceKind.ARGO_INDEX]
    url: WebAddress = Field(description="The address of the index file.")
    files: WebAddress = Field(description="The address of the folder `dac`, where files are.")


class CdiSource(Source):
    """SeaDataNet's Common Data Index: an aggregation of ISO 19139 records in XML."""

    kind: Literal[SourceKind.CDI]
    url: WebAddress = Field(description="The address of the aggregation.")


class StacSource(Source):
    """A STAC API or a static STAC catalogue."""

    kind: Literal[SourceKind.STAC]
    url: WebAddress = Field(description="Its landing page or catalog.json.")
    collections: list[str] = Field([], description="Collection ids, `*` allowed; all if empty.")
    live: bool = Field(
        False, description="Keep collections only, and pass searches of granules on to it."
    )


class EnaSource(Source):
    """The European Nucleotide Archive: studies, and the files of their runs."""

    kind: Literal[SourceKind.ENA]
    url: WebAddress = Field(description="The address of the portal API.")
    query: str = Field(description="Which studies, in the portal's query language.")


class ObisSource(Source):
    """OBIS or EurOBIS: data sets of occurrences of species."""

    kind: Literal[SourceKind.OBIS]
    url: WebAddress = Field(description="The address of the API, version 3.")
    node: str = Field("", description="Only data sets of this OBIS node (its identifier).")


class EcotaxaSource(Source):
    """EcoTaxa: projects of plankton images."""

    kind: Literal[SourceKind.ECOTAXA]
    url: WebAddress = Field(description="The address of the API.")


class IcosSource(Source):
    """The ICOS Carbon Portal: data objects, by SPARQL."""

    kind: Literal[SourceKind.ICOS]
    url: WebAddress = Field(description="The address of the SPARQL endpoint.")
    project: WebAddress | Literal[""] = Field(
        "", description="IRI of the project or theme whose objects are wanted."
    )


class DcatSource(Source):
    """A DCAT catalogue in Turtle or JSON-LD, such as EurOBIS': it names its data sets."""

    kind: Literal[SourceKind.DCAT]
    url: WebAddress = Field(description="The address of the catalogue.")


class BlueCloudSource(Source):
    """Blue-Cloud's data discovery service, level 1: descriptions of other infrastructures' data."""

    kind: Literal[SourceKind.BLUECLOUD]
    url: WebAddress = Field(description="The address of the list of collections.")


class ArgoFleetSource(Source):
    """Argo's fleet monitoring: floats, with all profiles of each in one file."""

    kind: Literal[SourceKind.ARGO_FLEET]
    url: WebAddress = Field(description="The address of the service.")
    files: WebAddress = Field(description="The address of the folder `dac`, where files are.")


AnySource = Annotated[
    FilesSource
    | CswSource
    | ErddapSource
    | ArgoIndexSource
    | CdiSource
    | StacSource
    | EnaSource
    | ObisSource
    | EcotaxaSource
    | IcosSource
    | DcatSource
    | BlueCloudSource
    | ArgoFleetSource,
    Field(discriminator="kind"),
]


class CatalogueSettings(BaseModel):
    """What can be searched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    anonymous: bool = Field(
        False, description="Anybody may search, without a sign-in; else only people of the hub."
    )
    sources: list[AnySource] = Field(
        [
            FilesSource(
                name="starter",
                title="Starter data",
                kind=SourceKind.FILES,
                path="package:iris_sample_data/sample_data",
                description="builtin:starter",
            )
        ],
        description="The infrastructures that are harvested.",
    )


class CatalogueScope(BaseModel):
    """What the people of a virtual lab see of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    collections: list[str] = Field(
        [],
        description=("Collections they find: `SOURCE.ID`, with `*` for any text; all if empty."),
    )
    featured: list[str] = Field([], description="Collections that stand first, in the same way.")
