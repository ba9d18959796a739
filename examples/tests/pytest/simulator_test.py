"""What a test has of the simulator: its words when something is not as expected, and a project to itself."""

import pytest

HELLO = '{"aps":{"alert":"hello"}}'


def test_an_assertion_that_fails_names_the_push_that_comes_nearest(project, phone, backend):
    backend.push(phone.token, HELLO)
    project.wait(text="hello")
    with pytest.raises(AssertionError, match='expected "bye", got "hello"'):
        project.expect(1, payload={"aps": {"alert": "bye"}})


@pytest.mark.parametrize("run", range(8))
def test_nobody_sees_what_others_do_at_the_same_time(project, phone, backend, run):
    """The phone has the same name everywhere, and the push the same text."""
    for identifier in range(20):
        backend.push(phone.token, HELLO, identifier)
    project.wait(identifier=19, outcome="delivered")
    project.expect(20)
    assert len(project.get("/phones")["phones"]) == 1
