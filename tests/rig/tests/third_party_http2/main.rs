//! Clients of the HTTP/2 provider API that are not ours and cannot be changed: npm `@parse/node-apn@8.1`, PyPI `aioapns==4.0`, and curl and
//! nghttp for what a client library never sends. All against the simulator.
//!
//! Needs node 20, `npm ci --ignore-scripts --prefix tests/rig/clients/parse-node-apn`, a Python with
//! `tests/rig/clients/aioapns/requirements.txt` in `tests/rig/clients/aioapns/venv`, curl with HTTP/2, and nghttp. What is missing is
//! a failure, not a skip.

mod curl;
mod libraries;
mod nghttp;
#[path = "../third_party/ran.rs"]
#[expect(dead_code, reason = "shared with the clients of the binary protocol")]
mod ran;

use std::time::SystemTime;

use apns_certs::portal::Portal;
use apns_rig::certificates::certificates;
use apns_rig::{Knobs, Rig};
use apns_simulator::provider_api::ProviderKey;
use serde_json::{Value, json};

/// The team the portal's keys belong to.
const TEAM: &str = "DEVTEAM001";

/// A simulator with a phone, and logins of both kinds in files.
struct Scene {
    rig: Rig,
    certificate: Value,
    key: Value,
}

impl Scene {
    async fn set() -> Self {
        let rig = Rig::prepare(Knobs::default()).await;
        let file = |name: &str, text: &str| {
            let path = rig.folder().join(name);
            std::fs::write(&path, text).expect("the folder can be written");
            path
        };
        let provider = &certificates().backend;
        let (cert, key) = rig.write(provider, "provider");
        let combined = file("combined.pem", &provider.combined_pem());
        let mut portal = Portal::default();
        let made = portal
            .create_key("rig", SystemTime::now())
            .expect("this machine can make keys");
        let known = ProviderKey::from_portal(&portal.keys()[0], TEAM);
        let known = known.expect("a key of the portal can be read");
        rig.simulator
            .world(|world, _| world.add_provider_key(known));
        let p8 = file("AuthKey.p8", &made.key_pem);
        Self {
            certificate: json!({ "cert": cert, "key": key, "combined": combined }),
            key: json!({ "token": { "key": p8, "keyId": made.key_id, "teamId": TEAM } }),
            rig,
        }
    }

    fn ca(&self) -> std::path::PathBuf {
        let ca = self.rig.folder().join("simulator-ca.pem");
        std::fs::write(&ca, self.rig.ca()).expect("the folder can be written");
        ca
    }
}
