"""ENA: no recording exists. All answers are made here, in the shape that EMBL-EBI documents."""

from __future__ import annotations

from loopback import Loopback, Reply
from pelagos.catalogue.connectors import ena
from pelagos.settings.sources import EnaSource, SourceKind
from rest_recordings import windowed

from connector_cases import Case, Routes

STUDY = {
    "study_accession": "PRJEB1787",
    "secondary_study_accession": "ERP001736",
    "study_title": "Shotgun Sequencing of <i>Tara</i> Oceans DNA samples",
    "study_description": "Analysis of 135 marine metagenomes.",
    "center_name": "GENOSCOPE",
    "scientific_name": "marine metagenome",
    "last_updated": "2016-06-08",
    "host": "",
}
FOLDER = "ftp.sra.ebi.ac.uk/vol1/fastq/ERR315/ERR315856"
RUN = {
    "run_accession": "ERR315856",
    "sample_accession": "SAMEA2591057",
    "sample_title": "TARA_20090913T1315Z_004_EVENT_PUMP_P_S_5_m_DNA",
    "scientific_name": "marine metagenome",
    "collection_date": "2009-09-15/2009-09-16",
    "lat": "36.5533",
    "lon": "-6.5669",
    "depth": "5",
    "sampling_platform": "SV Tara",
    "instrument_platform": "ILLUMINA",
    "instrument_model": "Illumina HiSeq 2000",
    "library_strategy": "WGS",
    "last_updated": "2018-11-16",
    "fastq_ftp": f"{FOLDER}/ERR315856_1.fastq.gz;{FOLDER}/ERR315856_2.fastq.gz",
    "fastq_bytes": "9573498223;9921482102",
    "fastq_md5": "d41d8cd98f00b204e9800998ecf8427e;0CC175B9C0F1B6A831C399E269772661",
}
COLUMNS = (*ena._RUN,)


def report(*runs: dict[str, str] | str) -> Reply:
    lines = ["\t".join(COLUMNS)]
    for run in runs:
        lines.append(run if isinstance(run, str) else "\t".join(run.get(c, "") for c in COLUMNS))
    return Reply("\n".join(lines) + "\n", "text/plain")


def _source(url: str) -> EnaSource:
    return EnaSource(
        name="test", kind=SourceKind.ENA, url=f"{url}/api", query="tax_tree(408172)", rate=100
    )


def _routes(server: Loopback) -> Routes:
    other = STUDY | {"study_accession": "PRJEB2"}
    runs = [RUN, RUN | {"run_accession": "ERR2"}, RUN | {"run_accession": "ERR3", "lat": "91"}]
    return {
        "/api/search": windowed([STUDY, other, {"study_accession": "none"}], "offset", "limit"),
        "/api/filereport": report(*runs),
    }


CASES = [Case("ena", _source, _routes, collections=2, granules=4, rejected=3)]
