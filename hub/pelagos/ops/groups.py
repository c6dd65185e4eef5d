"""Taking people out of a virtual lab when the settings no longer name them.

JupyterHub's `load_groups` only ever adds. What the settings granted last time is remembered, so
that members whom an administrator added by hand on the hub's own pages stay.
"""

from __future__ import annotations

import json

from pelagos.deployment import Deployment
from pelagos.files import write_private
from pelagos.hubconfig.auth import groups_of
from pelagos.ops.hubapi import HubApi

_FILE = "granted.json"


def withdraw(deployment: Deployment) -> list[str]:
    """Remove those who were granted a group by earlier settings and are not any more.

    Returns `person from group` for each. Raises PelagosError if the hub refuses.
    """
    path = deployment.state.hub / _FILE
    now = {group: members["users"] for group, members in groups_of(deployment.settings).items()}
    before: dict[str, list[str]] = json.loads(path.read_text()) if path.exists() else {}
    withdrawn = []
    with HubApi(deployment) as hub:
        for group, people in before.items():
            gone = sorted(set(people) - set(now.get(group, [])))
            if gone:
                hub.call("DELETE", f"/groups/{group}/users", {"users": gone}, missing_ok=True)
                withdrawn += [f"{person} from {group}" for person in gone]
    write_private(path, json.dumps(now, indent=1) + "\n")
    return withdrawn
