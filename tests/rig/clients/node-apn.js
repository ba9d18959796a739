// Drives the unmodified npm package apn 1.7.8, to which NODE_PATH must lead, for the rig's tests. One JSON object on
// standard input says what to do; every event of the client leaves as one JSON line on standard output.
//
//   node node-apn.js push     {"address","port","ca","cert","key","notifications":[{"token","alert"}]}
//   node node-apn.js feedback {"address","port","ca","cert","key"}
"use strict";

const apn = require("apn");
const fs = require("fs");

const say = (event) => fs.writeSync(1, JSON.stringify(event) + "\n");
const options = (job) => ({
  address: job.address, port: job.port, ca: [job.ca], cert: job.cert, key: job.key, rejectUnauthorized: true,
});

function push(job) {
  const connection = new apn.Connection(Object.assign(options(job), { cacheLength: 10000 }));
  connection.on("transmissionError", (code, notification, device) => say({
    event: "rejected", code,
    alert: notification ? notification.alert : null,
    token: device ? device.toString() : null,
  }));
  connection.on("socketError", (error) => say({ event: "socketError", message: error && error.message }));
  connection.on("cacheTooSmall", (missing) => say({ event: "cacheTooSmall", missing }));
  connection.on("error", (error) => { say({ event: "failed", message: error.message }); process.exitCode = 1; });
  connection.on("connected", () => say({ event: "connected" }));
  connection.on("disconnected", () => say({ event: "disconnected" }));
  connection.on("completed", () => say({ event: "completed" }));
  for (const { token, alert } of job.notifications) {
    const notification = new apn.Notification();
    notification.alert = alert;
    connection.pushNotification(notification, new apn.Device(token));
  }
  connection.shutdown(); // closes 2.5 s after the last notification was sent
}

function feedback(job) {
  const service = new apn.Feedback(Object.assign(options(job), { interval: 0 }));
  service.on("feedbackError", (error) => { say({ event: "failed", message: error.message }); process.exitCode = 1; });
  service.on("error", (error) => { say({ event: "failed", message: error.message }); process.exitCode = 1; });
  service.on("feedback", (tuples) => {
    say({ event: "feedback", tuples: tuples.map(({ time, device }) => ({ time, token: device.toString() })) });
    service.cancel();
  });
}

const verbs = { push, feedback };
verbs[process.argv[2]](JSON.parse(fs.readFileSync(0, "utf8")));
