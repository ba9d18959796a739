//! Certificates and keys: ours to show ([`Identity`]) and theirs to judge ([`CertificateInfo`]), from PEM, DER and
//! PKCS#12 ([`pkcs12`]).

mod ber;
mod certificate;
mod environment;
mod error;
mod identity;
mod key;
pub mod pbe;
mod pem;
pub mod pkcs12;

pub use certificate::{CertificateInfo, Pin, PinError};
pub use environment::{Environment, EnvironmentError, Environments};
pub use error::{CredentialsError, Origin};
pub use identity::{Identity, certificates_from_pem, certificates_from_pem_file};
pub use key::{decrypt_key, decrypt_key_within, private_key_from_pem, private_key_from_pem_file};

pub(crate) use certificate::is_self_issued;
