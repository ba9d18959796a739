// Drives the unmodified @parse/node-apn 8.1 for the rig's tests. One JSON object on standard input says what to do, one JSON line on
// standard output what became of each push, in their order.
//
//   {"address","port","ca","cert","key"} or {"address","port","ca","token":{"key","keyId","teamId"}}, with
//   "topic" and "pushes":[{"token","alert"}]
"use strict";

const apn = require("@parse/node-apn");
const fs = require("fs");

const job = JSON.parse(fs.readFileSync(0, "utf8"));
const { address, port, ca, cert, key, token } = job;
const login = token ? { token } : { cert, key };
const provider = new apn.Provider({ address, port, ca, production: true, rejectUnauthorized: true, ...login });

(async () => {
  const sent = job.pushes.map(async (push) => {
    const notification = new apn.Notification({ alert: push.alert, topic: job.topic, pushType: "alert" });
    const { failed } = await provider.send(notification, push.token);
    const [failure] = failed;
    if (!failure) return { status: 200 };
    return { status: failure.status, reason: failure.response && failure.response.reason, error: failure.error && String(failure.error) };
  });
  for (const outcome of await Promise.all(sent)) fs.writeSync(1, JSON.stringify(outcome) + "\n");
  await provider.shutdown();
})();
