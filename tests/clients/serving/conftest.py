"""Models to serve, registered through the real MLflow client."""
import pytest

from serving_parts import Kubectl, register_times


@pytest.fixture(scope="module")
def kubectl(server):
    return Kubectl(server)


@pytest.fixture(scope="module")
def registered(server):
    return register_times(server)
