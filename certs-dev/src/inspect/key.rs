//! Private keys: of what kind, in which form, and which public key is theirs. Nothing secret leaves this module.

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use serde::Serialize;
use x509_parser::der_parser::asn1_rs::{Any, Class, FromDer, Oid, Tag};
use x509_parser::oid_registry::{OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::finding::{Code, Finding};
use super::kind::ObjectKind;
use super::verdict::Verdict;
use crate::der;
use crate::public_key::PublicKeyKind;
use crate::shell::Word;

/// A private key, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Key {
    /// Its kind and length: "RSA 2048".
    pub kind: String,
    /// How it is written: "PKCS#8".
    pub form: &'static str,
    /// Whether it stands encrypted in the file; then a password opened it.
    pub encrypted: bool,
    /// The key id Apple gave it, from the name of its file.
    pub key_id: Option<String>,
    /// Whether today's APNs would take it.
    pub apns: Verdict,
    /// Whether apns-gateway would take it.
    pub gateway: Verdict,
}

/// A key, with what it is compared by.
pub(super) struct Examined {
    pub(super) facts: Key,
    pub(super) findings: Vec<Finding>,
    /// Its public key, as the bits of a certificate's.
    pub(super) public: Option<Vec<u8>>,
    /// It signs tokens, and so has no certificate.
    pub(super) signs_tokens: bool,
}

/// Looks at a private key of one of the three forms; `None` when it is damaged.
pub(super) fn examine(
    kind: ObjectKind,
    key: &[u8],
    encrypted: bool,
    name: &str,
) -> Option<Examined> {
    let parts = Parts::read(kind, key)?;
    let form = match kind {
        ObjectKind::Pkcs1 => "PKCS#1",
        ObjectKind::Sec1 => "SEC 1",
        _ => "PKCS#8",
    };
    let loaded = PrivateKeyDer::try_from(key)
        .ok()
        .and_then(|key| any_supported_type(&key).ok());
    let public = parts.public.or_else(|| {
        let spki = loaded.as_ref()?.public_key()?;
        let (_, spki) = SubjectPublicKeyInfo::from_der(&spki).ok()?;
        Some(spki.subject_public_key.data.to_vec())
    });
    let kind = kind_of(&parts.algorithm, public.as_deref().unwrap_or_default())?;

    let file = Word(name);
    let mut findings = Vec::new();
    let taken = match &kind {
        _ if kind.has_bad_length() => {
            findings.push(weak(&kind, "the key"));
            Err(format!("{kind} is of a length that TLS refuses"))
        }
        PublicKeyKind::Other(_) => {
            findings.push(other(&kind, "the key"));
            Err(format!("{kind} is a kind of key that TLS refuses"))
        }
        _ if loaded.is_none() => {
            findings.push(Finding::new(
                Code::Damaged,
                format!("the private key ({kind}) is not consistent: export it again"),
            ));
            Err("the key is damaged".to_owned())
        }
        _ => Ok(()),
    };
    let named_p8 = has_extension(name, "p8");
    let is_p256 = kind == PublicKeyKind::P256;
    if named_p8 && !is_p256 {
        findings.push(Finding::new(
            Code::NotTokenKey,
            format!("named .p8, but {kind}: APNs takes tokens signed with a P-256 key (ES256) alone; download the key from Apple's portal again"),
        ));
    }
    if is_p256 && form != "PKCS#8" {
        findings.push(
            Finding::new(
                Code::NotPkcs8,
                format!("written after {form}: libraries that sign APNs tokens read PKCS#8 (\"BEGIN PRIVATE KEY\")"),
            )
            .mend(format!("openssl pkcs8 -topk8 -nocrypt -in {file} -out key.p8")),
        );
    }
    let apns = match &taken {
        Err(why) => Verdict::no(why.clone()),
        Ok(()) if is_p256 && form == "PKCS#8" && named_p8 => Verdict::on_condition(
            "if Apple's portal made it: it signs tokens (ES256), with its key id and team id",
        ),
        Ok(()) if is_p256 && form == "PKCS#8" => Verdict::on_condition(
            "with its certificate, or as a token key (.p8) if Apple's portal made it",
        ),
        Ok(()) => Verdict::on_condition("with its certificate"),
    };
    let gateway = match taken {
        Err(why) => Verdict::no(why),
        Ok(()) if named_p8 => Verdict::no("it logs in with a certificate, not with tokens"),
        Ok(()) if encrypted => Verdict::no("it is encrypted"),
        Ok(()) => Verdict::on_condition("with its certificate"),
    };
    Some(Examined {
        facts: Key {
            kind: kind.to_string(),
            form,
            encrypted,
            key_id: key_id(name),
            apns,
            gateway,
        },
        findings,
        public,
        signs_tokens: named_p8,
    })
}

/// What to say of a key of a length that nobody takes.
pub(super) fn weak(kind: &PublicKeyKind, what: &str) -> Finding {
    Finding::new(
        Code::WeakKey,
        format!("{what} is {kind}: TLS libraries and Apple's portal want RSA of 2048 bits; make a new one"),
    )
    .mend("apns-certs csr --email you@example.com --name \"Example Push\"")
    .mend("openssl req -new -newkey rsa:2048 -nodes -keyout Push.key -out Push.certSigningRequest")
}

/// What to say of a key of a kind that nobody takes.
pub(super) fn other(kind: &PublicKeyKind, what: &str) -> Finding {
    Finding::new(
        Code::OtherKey,
        format!("{what} is {kind}: TLS libraries do not take it; RSA of 2048 bits is what Apple's portal wants"),
    )
    .mend("apns-certs csr --email you@example.com --name \"Example Push\"")
}

/// Whether a file's name ends so, in either case.
pub(super) fn has_extension(name: &str, extension: &str) -> bool {
    std::path::Path::new(name)
        .extension()
        .is_some_and(|there| there.eq_ignore_ascii_case(extension))
}

/// Apple names the file after the key: `AuthKey_ABC1234567.p8`.
fn key_id(name: &str) -> Option<String> {
    let stem = std::path::Path::new(name).file_stem()?.to_str()?;
    let id = stem.strip_prefix("AuthKey_")?;
    let is_id = id.len() == 10
        && id
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    is_id.then(|| id.to_owned())
}

/// What is not secret in a private key.
struct Parts {
    /// The algorithm and its parameters, as DER.
    algorithm: Vec<u8>,
    /// The public key, where it stands beside the private one.
    public: Option<Vec<u8>>,
}

impl Parts {
    fn read(kind: ObjectKind, key: &[u8]) -> Option<Self> {
        let (_, whole) = Any::from_der(key).ok()?;
        match kind {
            ObjectKind::Pkcs1 => Some(Self {
                algorithm: der::sequence(&[oid(&OID_PKCS1_RSAENCRYPTION), der::null()]),
                public: Some(rsa_public(key)?),
            }),
            ObjectKind::Sec1 => {
                let curve = tagged(whole.data, 0)?;
                Some(Self {
                    algorithm: der::sequence(&[oid(&OID_KEY_TYPE_EC_PUBLIC_KEY), curve.to_vec()]),
                    public: ec_public(key),
                })
            }
            _ => {
                let (rest, _version) = Any::from_der(whole.data).ok()?;
                let (behind, algorithm) = Any::from_der(rest).ok()?;
                let (_, inner) = Any::from_der(behind).ok()?;
                let (_, name) = Oid::from_der(algorithm.data).ok()?;
                let public = if name == OID_PKCS1_RSAENCRYPTION {
                    Some(rsa_public(inner.data)?)
                } else if name == OID_KEY_TYPE_EC_PUBLIC_KEY {
                    ec_public(inner.data)
                } else {
                    None
                };
                Some(Self {
                    algorithm: rest[..rest.len() - behind.len()].to_vec(),
                    public,
                })
            }
        }
    }
}

/// Modulus and exponent of a PKCS#1 key, as a certificate has them.
fn rsa_public(key: &[u8]) -> Option<Vec<u8>> {
    let (_, whole) = Any::from_der(key).ok()?;
    let mut numbers = Vec::new();
    let mut rest = whole.data;
    // Version, modulus, exponents, primes and what speeds up the reckoning. A DSA key has fewer.
    while numbers.len() < 9 {
        let (behind, number) = Any::from_der(rest).ok()?;
        if number.tag() != Tag::Integer {
            return None;
        }
        numbers.push(&rest[..rest.len() - behind.len()]);
        rest = behind;
    }
    Some(der::sequence(&[numbers[1].to_vec(), numbers[2].to_vec()]))
}

/// The point that may stand at the end of a SEC 1 key.
fn ec_public(key: &[u8]) -> Option<Vec<u8>> {
    let (_, whole) = Any::from_der(key).ok()?;
    let (_, bits) = Any::from_der(tagged(whole.data, 1)?).ok()?;
    // Before the bits stands how many of the last byte are unused: none.
    let point = bits.data.strip_prefix(&[0])?;
    (bits.tag() == Tag::BitString).then(|| point.to_vec())
}

/// What the explicit tag `[number]` wraps, among elements in a row.
fn tagged(mut elements: &[u8], number: u32) -> Option<&[u8]> {
    while let Ok((behind, element)) = Any::from_der(elements) {
        if element.class() == Class::ContextSpecific && element.tag() == Tag(number) {
            return Some(element.data);
        }
        elements = behind;
    }
    None
}

fn oid(oid: &Oid<'_>) -> Vec<u8> {
    der::element(OBJECT_IDENTIFIER, oid.as_bytes())
}

const OBJECT_IDENTIFIER: u8 = 0x06;
const BIT_STRING: u8 = 0x03;

/// The kind, read as of a certificate with this algorithm and public key.
fn kind_of(algorithm: &[u8], public: &[u8]) -> Option<PublicKeyKind> {
    let bits = der::element(BIT_STRING, &[&[0], public].concat());
    let spki = der::sequence(&[algorithm.to_vec(), bits]);
    let (_, spki) = SubjectPublicKeyInfo::from_der(&spki).ok()?;
    Some(PublicKeyKind::of(&spki))
}
