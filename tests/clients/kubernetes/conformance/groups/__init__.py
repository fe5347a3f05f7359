"""The groups of steps: each is a function of a Session and works in a namespace of its own name, so that groups disturb each
other in nothing. What a step is called, what it sends and what came of it stands in recorded/GROUP.json."""
import importlib
import pkgutil


def all_groups():
    """name -> function."""
    return {m.name.replace("_", "-"): importlib.import_module(f"{__name__}.{m.name}").steps for m in pkgutil.iter_modules(__path__)}
