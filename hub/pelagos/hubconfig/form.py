"""The spawn page's form: virtual lab, image and size, filled in so that one click is enough."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2

from pelagos.backends.base import ServerMixin
from pelagos.deployment import TEMPLATES, Deployment
from pelagos.settings import VirtualLab
from pelagos.units import format_bytes, format_cores
from pelagos.virtual_labs import images_of, sizes_of, virtual_labs_of


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)


def choices(deployment: Deployment, labs: list[VirtualLab]) -> list[dict[str, Any]]:
    """What each virtual lab offers, ready for the page: names, titles and descriptions."""
    settings = deployment.settings
    return [
        {
            "name": lab.name,
            "title": lab.title or lab.name,
            "description": lab.description,
            "images": [
                {
                    "name": name,
                    "title": deployment.images[name].title,
                    "description": deployment.images[name].description,
                }
                for name in images_of(settings, lab)
            ],
            "sizes": [
                {
                    "name": size.name,
                    "title": size.title or size.name,
                    "description": (
                        f"{format_cores(size.cores)}, {format_bytes(size.memory)} of memory"
                    ),
                }
                for size in sizes_of(settings, lab)
            ],
        }
        for lab in labs
    ]


def options_form(spawner: ServerMixin) -> str:
    """HTML of the form for the owner of `spawner`, with their last choice filled in."""
    deployment = spawner.deployment
    labs = virtual_labs_of(deployment.settings, spawner.groups())
    server_name = spawner.name
    if server_name:
        labs = [lab for lab in labs if lab.name == server_name]
    last = spawner.orm_spawner.user_options or {}
    return (
        _environment()
        .get_template("options.html")
        .render(labs=choices(deployment, labs), last=last, server_name=server_name)
    )
