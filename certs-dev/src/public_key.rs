//! What kind of key a certificate or a signing request is for.

use std::fmt;

use x509_parser::der_parser::asn1_rs::Oid;
use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_SIG_ED25519,
};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The smallest RSA key that is any good, and the only size Apple's portal takes.
const RSA_BITS_MIN: usize = 2048;
/// The largest that TLS libraries work with.
const RSA_BITS_MAX: usize = 8192;

/// The kind of a public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKeyKind {
    /// RSA, with the length of its modulus in bits.
    Rsa(usize),
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
    /// Another one, by its name in OpenSSL or its OID.
    Other(String),
}

impl PublicKeyKind {
    /// The kind of a key as certificates and requests carry it.
    pub fn of(key: &SubjectPublicKeyInfo<'_>) -> Self {
        if let Ok(PublicKey::RSA(rsa)) = key.parsed() {
            return Self::Rsa(modulus_bits(rsa.modulus));
        }
        let algorithm = &key.algorithm.algorithm;
        if *algorithm == OID_SIG_ED25519 {
            return Self::Ed25519;
        }
        if *algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY {
            return Self::Other(name(algorithm));
        }
        let curve = key.algorithm.parameters.as_ref();
        match curve.and_then(|curve| curve.as_oid().ok()) {
            Some(curve) if curve == OID_EC_P256 => Self::P256,
            Some(curve) if curve == OID_NIST_EC_P384 => Self::P384,
            Some(curve) if curve == OID_NIST_EC_P521 => Self::P521,
            Some(curve) => Self::Other(name(&curve)),
            None => Self::Other("elliptic curve with explicit parameters".to_owned()),
        }
    }

    /// Whether the key could be broken, or is too long for TLS libraries.
    pub const fn has_bad_length(&self) -> bool {
        matches!(self, Self::Rsa(bits) if *bits < RSA_BITS_MIN || *bits > RSA_BITS_MAX)
    }
}

impl fmt::Display for PublicKeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::P521 => f.write_str("P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// An algorithm's name in OpenSSL, or its OID where it has none.
pub fn name(algorithm: &Oid<'_>) -> String {
    oid2sn(algorithm, oid_registry()).map_or_else(|_| algorithm.to_id_string(), str::to_owned)
}

/// The integer's length without the zeros before it.
fn modulus_bits(modulus: &[u8]) -> usize {
    let significant = modulus.iter().position(|byte| *byte != 0);
    significant.map_or(0, |start| {
        let zeros = modulus[start].leading_zeros() as usize;
        (modulus.len() - start) * 8 - zeros
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modulus_is_measured_to_the_bit() {
        for (modulus, bits) in [
            (&[][..], 0),
            (&[0, 0], 0),
            (&[0, 0x80, 0], 16),
            (&[0x7f, 0xff], 15),
        ] {
            assert_eq!(modulus_bits(modulus), bits, "{modulus:?}");
        }
    }

    #[test]
    fn rsa_is_measured_against_both_ends() {
        for (bits, bad) in [
            (1024, true),
            (2047, true),
            (2048, false),
            (8192, false),
            (16384, true),
        ] {
            assert_eq!(PublicKeyKind::Rsa(bits).has_bad_length(), bad, "{bits}");
        }
        assert!(!PublicKeyKind::P256.has_bad_length());
    }
}
