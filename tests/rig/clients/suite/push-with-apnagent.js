// The unmodified npm package apnagent 1.1.3 as `apns-conformance client` wants it (tests/conformance/README.md). It knows no hosts but Apple's, so
// tls.connect is told where to go.
"use strict";

const fs = require("fs");
const tls = require("tls");

const env = process.env;
const connect = tls.connect;
tls.connect = (options, done) => connect({ ...options, host: env.APNS_HOST, port: Number(env.APNS_PORT) }, done);

const apnagent = require("apnagent");
const say = (line) => fs.writeSync(1, JSON.stringify(line) + "\n");
const complain = (error) => console.error(error && error.message);
const start = (agent) => {
  agent.set("cert file", env.APNS_CERT).set("key file", env.APNS_KEY).set("ca", fs.readFileSync(env.APNS_CA));
  for (const event of ["gateway:error", "feedback:error", "queue:error"]) agent.on(event, complain);
  agent.connect();
  return agent;
};

if (env.APNS_DO === "send") {
  const agent = start(new apnagent.Agent());
  const identifiers = new Map();
  agent.on("message:error", (error, message) => {
    complain(error);
    const token = message && message.meta.device && message.meta.device.toString();
    say({ error: { status: error.code, identifier: identifiers.get(token) } });
  });
  for (const line of fs.readFileSync(env.APNS_NOTIFICATIONS, "utf8").trim().split("\n")) {
    const { identifier, token, payload, expiry } = JSON.parse(line);
    identifiers.set(token, identifier);
    agent.createMessage().device(token).alert(payload.aps.alert).expires("90d").send(complain);
  }
} else {
  const service = start(new apnagent.Feedback());
  service.use((device, time, done) => {
    say({ feedback: { token: device.toString(), timestamp: time.getTime() / 1000 } });
    done();
  });
}
