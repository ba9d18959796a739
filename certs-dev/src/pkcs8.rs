//! Private keys in the one form that everything reads.

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::der_parser::asn1_rs::{Any, Class, FromDer, Tag};
use x509_parser::der_parser::oid;

use crate::der;

const RSA: &[u8] = &oid!(raw 1.2.840.113549.1.1.1);
const EC: &[u8] = &oid!(raw 1.2.840.10045.2.1);

/// A private key that cannot be brought into another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the private key does not say what kind it is: convert it with `openssl pkcs8 -topk8 -nocrypt -in KEY -out FILE`"
)]
pub struct UnknownKind;

/// The key as PKCS#8, which it may be already: OpenSSL's older forms (`BEGIN RSA PRIVATE KEY`, `BEGIN EC PRIVATE KEY`)
/// say in the PEM label only what it is a key for.
///
/// # Errors
/// An elliptic curve key that does not name its curve.
pub fn convert(key: &PrivateKeyDer<'_>) -> Result<PrivatePkcs8KeyDer<'static>, UnknownKind> {
    let (algorithm, key) = match key {
        PrivateKeyDer::Pkcs8(key) => return Ok(key.clone_key()),
        PrivateKeyDer::Pkcs1(key) => {
            let algorithm = [der::oid(RSA), der::null()];
            (algorithm, key.secret_pkcs1_der())
        }
        PrivateKeyDer::Sec1(key) => {
            let key = key.secret_sec1_der();
            let curve = curve(key).ok_or(UnknownKind)?;
            ([der::oid(EC), curve], key)
        }
        _ => return Err(UnknownKind),
    };
    let pkcs8 = [der::integer(0), der::sequence(&algorithm), der::octets(key)];
    Ok(der::sequence(&pkcs8).into())
}

/// The parameters of an `ECPrivateKey` (RFC 5915, section 3), which name its curve.
fn curve(key: &[u8]) -> Option<Vec<u8>> {
    let (_, key) = Any::from_der(key).ok()?;
    let mut rest = key.data;
    while !rest.is_empty() {
        let (behind, element) = Any::from_der(rest).ok()?;
        if element.class() == Class::ContextSpecific && element.tag() == Tag(0) {
            return Some(element.data.to_vec());
        }
        rest = behind;
    }
    None
}
