//! Certificates and keys: ours to show ([`Identity`]) and theirs to judge ([`CertificateInfo`]).

mod certificate;
mod environment;
mod error;
mod identity;
mod pem;

pub use certificate::{CertificateInfo, Pin, PinError};
pub use environment::{Environment, EnvironmentError, Environments};
pub use error::{CredentialsError, Origin};
pub use identity::{Identity, certificates_from_pem, certificates_from_pem_file};

pub(crate) use certificate::is_self_issued;
