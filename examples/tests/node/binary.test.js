"use strict";

const assert = require("node:assert/strict");
const { describe, test } = require("node:test");

const { LegacyBackend } = require("./backend.js");
const { APP, open } = require("./simulator.js");

const hello = { aps: { alert: "hello", sound: "default" } };

describe("the binary protocol", { concurrency: true }, () => {
    test("a push is on the lock screen", async (t) => {
        const project = await open(t);
        const token = await project.phone("phone");
        const backend = await LegacyBackend.connect(await project.login("binary"));
        backend.push(token, hello, 7);
        const push = await project.wait({ text: "hello", outcome: "delivered" });
        assert.deepEqual([push.phone, push.identifier], ["phone", 7]);
        const screen = await project.get("/phones/phone/screen");
        assert.deepEqual(screen.notes.map((note) => note.body), ["hello"]);
        backend.close();
    });

    test("a token nobody has is refused, and what was sent behind it is lost", async (t) => {
        const project = await open(t);
        const token = await project.phone("phone");
        const backend = await LegacyBackend.connect(await project.login("binary"));
        backend.push(token, hello, 1);
        backend.push("ab".repeat(32), hello, 2);
        backend.push(token, hello, 3);
        assert.deepEqual(await backend.errorPacket(), { command: 8, status: 8, identifier: 2 });
        await project.expect(1, { identifier: 1, outcome: "delivered" });
        await project.expect(0, { identifier: 3 });
    });

    test("a magic token is answered with the status it names", async (t) => {
        const project = await open(t);
        const backend = await LegacyBackend.connect(await project.login("binary"));
        backend.push("FFFF0007".padEnd(64, "0"), hello, 0xcafe);
        assert.deepEqual(await backend.errorPacket(), { command: 8, status: 7, identifier: 0xcafe });
    });

    test("a rule breaks what it matches, and nothing else", async (t) => {
        const project = await open(t);
        const token = await project.phone("phone");
        await project.post("/faults", { action: "status", status: 4, alert: "bye" });
        const backend = await LegacyBackend.connect(await project.login("binary"));
        backend.push(token, hello, 1);
        backend.push(token, { aps: { alert: "bye" } }, 2);
        assert.deepEqual(await backend.errorPacket(), { command: 8, status: 4, identifier: 2 });
        await project.expect(1, { identifier: 1, outcome: "delivered" });
    });

    test("a deleted app is on the feedback list", async (t) => {
        const project = await open(t);
        const token = await project.phone("phone");
        const backend = await LegacyBackend.connect(await project.login("binary"));
        await project.delete(`/phones/phone/apps/${APP}`);
        backend.push(token, hello);
        await project.wait({ outcome: "app_gone" });
        const reader = await LegacyBackend.connect(await project.login("feedback"));
        assert.deepEqual(await reader.feedback(), [token]);
        backend.close();
    });
});
