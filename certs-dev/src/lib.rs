//! The developer portal's certificates, minted on this machine: a development CA, server certificates, provider push
//! certificates that look like Apple's (`docs/protocol.md`, [P-60] to [P-65]), device certificates.
//!
//! ```
//! use apns_certs::{Ca, KeyKind, Kind, PushCertificate};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ca = Ca::with_key(KeyKind::P256)?;
//! let push = ca.push(&PushCertificate {
//!     key: KeyKind::P256,
//!     ..PushCertificate::new(Kind::Universal, "com.example.Mail")
//! })?;
//! assert_eq!(
//!     push.identity()?.certificate().common_name,
//!     "Apple Push Services: com.example.Mail"
//! );
//! # Ok(())
//! # }
//! ```
//!
//! Nobody but programs told to trust this CA believes these certificates. They are for development.

mod ca;
pub mod csr;
mod der;
pub mod dev;
pub mod files;
pub mod inspect;
mod mint;
pub mod pem;
pub mod pkcs12;
pub mod pkcs8;
pub mod portal;
pub mod portal_dir;
pub mod public_key;
mod push;
mod random;
mod rfc3339;
pub mod shell;

pub use ca::{Ca, check_server_name};
pub use mint::{KeyKind, MintError, Minted, Validity};
pub use push::{DEFAULT_ORGANIZATION, DEFAULT_TEAM, Kind, KindError, PushCertificate, check_topic};
