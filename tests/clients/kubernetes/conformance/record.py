"""One server's answers to a group of steps; and the real one's, as they were kept."""
import json
from pathlib import Path

from .session import Session

RECORDED = Path(__file__).resolve().parent / "recorded"


def record(group, steps, url, token, folder):
    """What one server answers to one group of steps, and why it could not go on to the end (None when it could)."""
    session = Session(group, url, token, Path(folder) / group)
    try:
        steps(session)
        return session.records, None
    except (TimeoutError, LookupError, TypeError, AttributeError, OSError) as problem:  # the next step needs what this one did not get
        return session.records, f"{type(problem).__name__}: {problem}"
    finally:
        session.close()


def recorded(group):
    """What the real one answered when it was asked last."""
    return json.loads((RECORDED / f"{group}.json").read_text())


def write_recorded(group, records):
    (RECORDED / f"{group}.json").write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n")
