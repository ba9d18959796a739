// The unmodified npm package apn 1.x, to which NODE_PATH must lead, as `apns-conformance client` wants it (tests/conformance/README.md). An argument
// is another name it was installed under.
"use strict";

const apn = require(process.argv[2] || "apn");
const fs = require("fs");

const env = process.env;
const say = (line) => fs.writeSync(1, JSON.stringify(line) + "\n");
const options = {
  address: env.APNS_HOST, gateway: env.APNS_HOST, port: Number(env.APNS_PORT), ca: [fs.readFileSync(env.APNS_CA)], cert: env.APNS_CERT, key: env.APNS_KEY, rejectUnauthorized: true,
};

if (env.APNS_DO === "send") {
  const connection = new apn.Connection(Object.assign(options, { cacheLength: 10000 }));
  const identifiers = new Map();
  connection.on("transmissionError", (status, notification, device) => say({
    error: { status, identifier: device ? identifiers.get(device.toString()) : undefined },
  }));
  for (const event of ["error", "socketError"]) connection.on(event, (error) => console.error(event, error && error.message));
  for (const line of fs.readFileSync(env.APNS_NOTIFICATIONS, "utf8").trim().split("\n")) {
    const { identifier, token, payload, expiry, priority } = JSON.parse(line);
    identifiers.set(token, identifier);
    const notification = new apn.Notification(payload);
    Object.assign(notification, { expiry, priority });
    notification.alert = payload.aps.alert;
    connection.pushNotification(notification, new apn.Device(token));
  }
  if (connection.shutdown) connection.shutdown(); // closes 2.5 s after the last notification was sent
} else {
  const service = new apn.Feedback(Object.assign(options, { interval: 0 }));
  for (const event of ["error", "feedbackError"]) service.on(event, (error) => console.error(event, error && error.message));
  service.on("feedback", (tuples) => {
    for (const { time, device } of tuples) say({ feedback: { token: device.toString(), timestamp: time } });
    service.cancel();
  });
}
