//! Encryption under a password, as PKCS#12 stores and encrypted PKCS#8 keys have it: PKCS#12's own schemes (RFC 7292,
//! appendix C) and PBES2 (RFC 8018, section 6.2).

mod cipher;
mod digest;
mod password;
mod scheme;
mod sealed;
mod work;

pub use cipher::Cipher;
pub use digest::Digest;
pub use password::Password;
pub use scheme::{Pbkdf2, Scheme};

pub(super) use digest::Purpose;
pub(super) use scheme::{iterations, salt};
pub(super) use sealed::Sealed;

pub(super) use work::Work;
