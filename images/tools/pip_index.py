"""Print pip's index options for a uv.toml: pip installs uv, then uv takes over.

Usage: pip_index.py [FILE]. Without a file, or with none of these settings in it, prints nothing.
"""

import sys
import tomllib
from pathlib import Path
from typing import Any


def options(config: dict[str, Any]) -> list[str]:
    """Options for `pip install` with the same indexes in them as `config` has for uv."""
    settings = {**config.get("pip", {}), **config}
    indexes = settings.get("index", [])
    default = next((i["url"] for i in indexes if i.get("default")), settings.get("index-url"))
    extra = [i["url"] for i in indexes if not i.get("default") and not i.get("explicit")]
    extra += settings.get("extra-index-url", [])
    links = settings.get("find-links", [])
    found = ["--index-url", default] if default else []
    found += [part for url in extra for part in ("--extra-index-url", url)]
    found += [part for url in links for part in ("--find-links", url)]
    return found


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else ""
    if path:
        print(*options(tomllib.loads(Path(path).read_text())))
