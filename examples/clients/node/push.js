// Sends one push with the unmodified npm package apn 1.7.8, the last one that speaks the binary protocol.
// `npm ci` first; `node push.js --help` says how.
"use strict";

const fs = require("fs");

const USAGE = `usage: node push.js --token HEX [options]

  --token HEX         the device token (required)
  --host NAME         the gateway or the simulator       [127.0.0.1]
  --port N            its binary provider port           [22000]
  --cert FILE         the certificate, PEM               [aps_developer_identity.pem]
  --key FILE          its key, PEM                       [push_noenc.pem]
  --p12 FILE          both in one file, PKCS#12, instead of --cert and --key
  --passphrase TEXT   of the key or the PKCS#12 file
  --ca FILE           the CA to trust, PEM               [ca.pem]
  --alert TEXT        what the phone is to show          [Hello from node]

Exit codes: 0 no error came, which is all the protocol says of success; 1 the push failed; 2 usage.
`;

let failure = null;
let sent = false;

// The first thing that went wrong; the process ends when nothing is left to wait for.
function fail(line) {
  if (failure === null) failure = line;
}

function usage(line) {
  process.stderr.write(`push.js: ${line}\n`);
  process.exit(2);
}

function parse(args) {
  const options = {
    token: "", host: "127.0.0.1", port: "22000", cert: "aps_developer_identity.pem", key: "push_noenc.pem",
    p12: "", passphrase: "", ca: "ca.pem", alert: "Hello from node",
  };
  while (args.length > 0) {
    const option = args.shift();
    if (option === "--help" || option === "-h") {
      process.stdout.write(USAGE);
      process.exit(0);
    }
    const name = option.replace(/^--/, "");
    if (name === option || !(name in options)) usage(`unknown option ${option}; --help lists them`);
    if (args.length === 0) usage(`${option} wants a value`);
    options[name] = args.shift();
  }
  if (!/^([0-9a-f]{2})+$/i.test(options.token)) {
    usage("give the device token with --token, in hexadecimal; the simulator prints it when a phone registers");
  }
  for (const name of options.p12 ? ["p12", "ca"] : ["cert", "key", "ca"]) {
    try {
      fs.accessSync(options[name], fs.constants.R_OK);
    } catch (error) {
      usage(`cannot read ${options[name]}: name another file with --${name}`);
    }
  }
  return options;
}

const options = parse(process.argv.slice(2));

let apn;
try {
  apn = require("apn");
} catch (error) {
  usage("the package apn is not installed: run `npm ci` in the folder of this script");
}

const login = options.p12 ? { pfx: options.p12 } : { cert: options.cert, key: options.key };
const connection = new apn.Connection(Object.assign(login, {
  address: options.host, port: Number(options.port), ca: [options.ca], passphrase: options.passphrase,
  rejectUnauthorized: true, connectionRetryLimit: 1,
}));

connection.on("transmitted", () => { sent = true; });
connection.on("transmissionError", (status, notification) => {
  if (status > 255) return; // the package's own; "error" says more
  const means = Object.keys(apn.Errors).find((name) => apn.Errors[name] === status) || "nobody has assigned it";
  const which = notification ? `, of ${JSON.stringify(notification.alert)}` : "";
  fail(`error packet: status ${status} (${means})${which}`);
});
connection.on("socketError", (error) => fail(`no connection to ${options.host}:${options.port}: ${error.message}`));
connection.on("error", (error) => fail(error.message));
process.on("exit", () => {
  if (failure === null && !sent) failure = "the push was not written";
  if (failure === null) {
    process.stdout.write("sent; no error within 2.5 s\n");
  } else {
    process.stderr.write(`push.js: ${failure}\n`);
    process.exitCode = 1;
  }
});

const notification = new apn.Notification();
notification.alert = options.alert;
notification.sound = "default";
notification.expiry = Math.floor(Date.now() / 1000) + 3600;
connection.pushNotification(notification, new apn.Device(options.token));
connection.shutdown(); // closes 2.5 s after the push was written, which leaves time for an error packet
