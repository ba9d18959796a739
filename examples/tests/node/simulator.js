// The simulator's REST API. Every test has a project of its own, so all of them run at the same time against one simulator:
//
//     apns-simulator run --phones 0 &
//     APNS_SIMULATOR=http://127.0.0.1:22004 node --test
"use strict";

const assert = require("node:assert/strict");
const { createHash } = require("node:crypto");

const APP = "com.example.Mail";

/** The project of a test, as if it were new. A team id has ten characters; these are made from the test's name. */
async function open(test) {
    const team = "NODE" + createHash("sha256").update(test.name).digest("hex").slice(0, 6).toUpperCase();
    const project = new Project(process.env.APNS_SIMULATOR, team);
    await project.post("/reset");
    test.after(() => project.post("/reset"));
    return project;
}

class Project {
    constructor(address, team) {
        this.address = address;
        this.team = team;
    }

    async ask(method, path, query, body) {
        const url = new URL("/v1" + path, this.address);
        url.search = new URLSearchParams({ ...query, project: this.team });
        const answer = await fetch(url, { method, body: body && JSON.stringify(body) });
        const text = await answer.text();
        const json = text && JSON.parse(text);
        // What is wrong, where, and what to do; for an assertion, which push came nearest and why it is not the one.
        assert.ok(answer.ok, json.message);
        return json;
    }

    get(path, query) {
        return this.ask("GET", path, query);
    }

    post(path, body) {
        return this.ask("POST", path, {}, body);
    }

    patch(path, body) {
        return this.ask("PATCH", path, {}, body);
    }

    delete(path) {
        return this.ask("DELETE", path);
    }

    /** The first push that meets the conditions. */
    wait(conditions) {
        return this.get("/pushes/wait", conditions);
    }

    /** That so many pushes meet the conditions, now. */
    expect(count, conditions) {
        return this.post("/assert", { count, push: conditions });
    }

    /** The device token of the app on a phone that was just switched on. */
    async phone(name) {
        // With a second app, the phone stays in touch with APNs when the first is deleted.
        const phone = await this.post("/phones", { name, apps: [{ topic: APP }, { topic: "com.example.Chat" }] });
        return phone.apps[0].token;
    }

    /** A port of the sandbox, with a push certificate of the team's and the CA to trust, as node's tls and http2 take them. */
    async login(face) {
        const { sandbox } = await this.get("/health");
        const [host, port] = sandbox[face].split(":");
        const { certificate: cert, private_key: key, ca } = await this.post("/portal/credentials", { app_id: APP });
        return { host, port: Number(port), cert, key, ca };
    }
}

module.exports = { APP, open };
