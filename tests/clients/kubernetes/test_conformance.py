"""The same steps against a real Kubernetes control plane and against modelkit. `recorded/` has the real one's answers, so that
this takes seconds; where the real one is built, it is asked again and must still say the same."""
import pytest
from conformance import real
from conformance.compare import KNOWN_MAX, differences, known_differences, open_steps, report
from conformance.groups import all_groups
from conformance.record import record, recorded

GROUPS = all_groups()


@pytest.fixture(scope="module")
def known():
    return known_differences()


@pytest.fixture(scope="module")
def real_one(tmp_path_factory):
    if not real.BINARY.exists():
        pytest.skip(real.HOW_TO_BUILD)
    plane = real.RealKubernetes(tmp_path_factory.mktemp("real"))
    yield plane
    plane.stop()


@pytest.mark.parametrize("group", GROUPS)
def test_answers_as_a_real_one(group, server, tmp_path, known):
    ours, problem = record(group, GROUPS[group], server.url, None, tmp_path)
    still_open = open_steps(group)
    found = [d for d in differences(recorded(group), ours)
             if d.step not in still_open and not any(k.covers(d) for k in known)]
    assert not found, f"./x conformance diff {group} shows it in full; {problem or 'all steps ran'}\n{report(found)}"
    assert not problem or still_open, problem


def test_few_differences_are_left(known):
    assert len(known) <= KNOWN_MAX
    for row in known:
        assert row.reason, f"{row.name} says why it is so"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("group", GROUPS)
def test_the_real_one_still_answers_so(group, real_one, tmp_path):
    now, problem = record(group, GROUPS[group], real_one.url, real_one.token, tmp_path)
    found = list(differences(recorded(group), now))
    assert not found and not problem, f"./x conformance record {group}, then read the diff; {problem or ''}\n{report(found)}"
