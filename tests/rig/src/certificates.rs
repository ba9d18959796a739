//! Every certificate the tests need, minted in memory once per process: nothing expires, nothing is committed.

use std::sync::OnceLock;

use apns_certs::{Ca, KeyKind, Kind, Minted, PushCertificate, Validity};

use crate::provider::Login;

/// The app everything is about.
pub const TOPIC: &str = "com.example.Mail";

/// A second push app on every phone: the last push app's removal would leave no feedback [C-15].
pub const SECOND_TOPIC: &str = "com.example.Chat";

/// One of each.
#[derive(Debug)]
pub struct Certificates {
    /// The CA everybody trusts, of RSA as the portal's.
    pub ca: Ca,
    /// A CA nobody trusts.
    pub foreign_ca: Ca,
    /// For every server, valid for 127.0.0.1 and localhost.
    pub server: Minted,
    /// The backend's push certificate for [`TOPIC`], both environments, RSA as the portal's.
    pub backend: Minted,
    /// Another one for the same topic: another backend.
    pub second_backend: Minted,
    /// The gateway's own, for the same topic, towards the simulator.
    pub upstream: Minted,
    /// For [`SECOND_TOPIC`].
    pub other_topic: Minted,
    /// For [`TOPIC`], in the sandbox only.
    pub sandbox: Minted,
    /// For [`TOPIC`], in production only.
    pub production: Minted,
    /// For [`TOPIC`], ended yesterday.
    pub expired: Minted,
    /// For [`TOPIC`], from the CA nobody trusts.
    pub foreign: Minted,
    /// A certificate of a phone, which is no push certificate.
    pub device: Minted,
}

/// The certificates of this process.
#[must_use]
pub fn certificates() -> &'static Certificates {
    static CERTIFICATES: OnceLock<Certificates> = OnceLock::new();
    CERTIFICATES.get_or_init(|| mint().expect("certificates can be minted"))
}

fn mint() -> Result<Certificates, apns_certs::MintError> {
    let ca = Ca::new()?;
    let foreign_ca = Ca::with_key(KeyKind::P256)?;
    let of = |kind, topic: &str| PushCertificate {
        key: KeyKind::P256,
        ..PushCertificate::new(kind, topic)
    };
    Ok(Certificates {
        server: ca.server(&["127.0.0.1", "localhost"])?,
        backend: ca.push(&PushCertificate::new(Kind::Universal, TOPIC))?,
        second_backend: ca.push(&of(Kind::Universal, TOPIC))?,
        upstream: ca.push(&of(Kind::Universal, TOPIC))?,
        other_topic: ca.push(&of(Kind::Universal, SECOND_TOPIC))?,
        sandbox: ca.push(&of(Kind::Development, TOPIC))?,
        production: ca.push(&of(Kind::Production, TOPIC))?,
        expired: ca.push(&PushCertificate {
            validity: Validity::ended(),
            ..of(Kind::Universal, TOPIC)
        })?,
        foreign: foreign_ca.push(&of(Kind::Universal, TOPIC))?,
        device: ca.device("rig")?,
        ca,
        foreign_ca,
    })
}

/// The login with a minted certificate.
#[must_use]
pub fn login(minted: &Minted) -> Login<'_> {
    Login::Certificate {
        certificate: &minted.cert_pem,
        key: &minted.key_pem,
    }
}
