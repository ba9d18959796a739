"""One simulator for all, a project for each worker: `pytest -n 4` never has two tests see each other's phones.

    apns-simulator run --phones 0 &
    APNS_SIMULATOR=http://127.0.0.1:22004 pytest -n 4
"""

import os
from types import SimpleNamespace

import pytest

from backend import LegacyBackend, TodaysBackend
from simulator import Project

APP = "com.example.Mail"


@pytest.fixture(scope="session")
def team(worker_id):
    """Apple's team ids have ten characters: PYTESTGW00 is that of the first worker, PYTESTMAIN that of a run without any."""
    if worker_id == "master":
        return "PYTESTMAIN"
    return f"PYTESTGW{int(worker_id.removeprefix('gw')):02}"


@pytest.fixture(scope="session")
def worker_project(team):
    return Project(os.environ["APNS_SIMULATOR"], team)


@pytest.fixture
def project(worker_project):
    """The worker's project, as if it were new."""
    worker_project.post("/reset")
    return worker_project


@pytest.fixture(scope="session")
def ports(worker_project):
    return worker_project.get("/health")["sandbox"]


@pytest.fixture(scope="session")
def files(worker_project, tmp_path_factory):
    """A push certificate of the team's, by which the simulator knows whose project a connection is for; and its key, and the CA."""
    issued = worker_project.post("/portal/credentials", app_id=APP)
    folder = tmp_path_factory.mktemp("credentials")
    files = SimpleNamespace()
    for name in ["certificate", "private_key", "ca"]:
        (folder / name).write_text(issued[name])
        setattr(files, name, folder / name)
    return files


@pytest.fixture
def phone(project):
    """A phone with the app on it; it has another one, so that it stays in touch with APNs when the app is deleted."""
    phone = project.post("/phones", name="my phone", apps=[{"topic": APP}, {"topic": "com.example.Chat"}])
    return SimpleNamespace(name="my phone", path="/phones/my%20phone", token=phone["apps"][0]["token"])


@pytest.fixture
def backend(project, ports, files):
    with LegacyBackend(ports["binary"], files) as backend:
        yield backend


@pytest.fixture
def read_feedback(project, ports, files):
    def read():
        with LegacyBackend(ports["feedback"], files) as reader:
            return reader.feedback()

    return read


@pytest.fixture
def todays_backend(project, ports, files):
    with TodaysBackend(ports["http2"], files, APP) as backend:
        yield backend
