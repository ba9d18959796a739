"use strict";

const assert = require("node:assert/strict");
const { describe, test } = require("node:test");

const { pushToday } = require("./backend.js");
const { APP, open } = require("./simulator.js");

const hello = { aps: { alert: "hello" } };

describe("the HTTP/2 provider API", { concurrency: true }, () => {
    test("a push is stored for a phone that is offline, and comes when it is back", async (t) => {
        const project = await open(t);
        const token = await project.phone("phone");
        await project.patch("/phones/phone", { airplane: true });
        const { status, id } = await pushToday(await project.login("http2"), APP, token, hello);
        assert.equal(status, 200);
        await project.expect(1, { apns_id: id, outcome: "stored" });
        await project.patch("/phones/phone", { airplane: false });
        await project.wait({ apns_id: id, outcome: "delivered" });
    });

    test("every reason of APNs can be had", async (t) => {
        const project = await open(t);
        const login = await project.login("http2");
        const token = await project.phone("phone");
        assert.equal((await pushToday(login, "com.example.Other", token, hello)).reason, "TopicDisallowed");
        assert.equal((await pushToday(login, APP, "ab".repeat(32), hello)).reason, "BadDeviceToken");
        assert.equal((await pushToday(login, APP, token, { aps: { alert: "x".repeat(5000) } })).reason, "PayloadTooLarge");
        await project.expect(3, { outcome: "rejected" });
    });

    test("an assertion that fails names the push that comes nearest", async (t) => {
        const project = await open(t);
        const token = await project.phone("phone");
        await pushToday(await project.login("http2"), APP, token, hello);
        await assert.rejects(project.expect(1, { payload: { aps: { alert: "bye" } } }), /expected "bye", got "hello"/);
    });
});
