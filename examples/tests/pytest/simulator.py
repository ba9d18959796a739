"""The simulator's REST API, as far as a test wants more than `project.get("/phones")`."""

import httpx


class Project:
    """A team's own phones, tokens, pushes, faults and clock in a simulator that others use at the same time."""

    def __init__(self, address, team):
        self.team = team
        self.http = httpx.Client(base_url=f"{address}/v1", params={"project": team}, timeout=70)

    def ask(self, method, path, **options):
        answer = self.http.request(method, path, **options)
        # What is wrong, where, and what to do; for an assertion, which push came nearest and why it is not the one.
        assert answer.is_success, answer.json()["message"]
        return answer.json() if answer.content else None

    def get(self, path, **query):
        return self.ask("GET", path, params=query)

    def post(self, path, **body):
        return self.ask("POST", path, json=body)

    def patch(self, path, **body):
        return self.ask("PATCH", path, json=body)

    def delete(self, path):
        return self.ask("DELETE", path)

    def wait(self, **conditions):
        """The first push that meets the conditions."""
        return self.get("/pushes/wait", **conditions)

    def expect(self, count, **conditions):
        """That so many pushes meet the conditions, now."""
        self.post("/assert", push=conditions, count=count)
