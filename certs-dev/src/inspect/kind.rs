//! What a file is, by what is in it and never by its name.

use std::borrow::Cow;

use x509_parser::der_parser::asn1_rs::{Class, FromBer, Header, Length, Oid, Tag};
use x509_parser::der_parser::oid;

use super::pem::{self, Text};

/// PKCS#7's signed data: a chain without keys, or a signed text.
const SIGNED_DATA: Oid<'static> = oid!(1.2.840.113549.1.7.2);

/// What a file is made of.
#[derive(Debug)]
pub(super) enum Content<'a> {
    Empty,
    /// PEM with at least one section.
    Pem(Text),
    /// One ASN.1 object.
    Asn1(Object<'a>),
    /// The same, in base64 without BEGIN and END.
    BareBase64(Object<'a>),
    /// Text that means to be PEM: BEGIN is there, its dashes are not.
    AlmostPem,
    Utf16,
    WebPage,
    JavaKeystore,
    DeviceToken,
    Unknown,
}

/// One ASN.1 object.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) kind: ObjectKind,
    /// Its bytes, as many as it says it has and are there.
    pub(super) der: Cow<'a, [u8]>,
    /// How many bytes are missing of those it says it has.
    pub(super) missing: usize,
    /// How many bytes follow it.
    pub(super) trailing: usize,
}

/// What an ASN.1 object is, by its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectKind {
    Certificate,
    Request,
    /// A private key after PKCS#8.
    Pkcs8,
    /// An RSA private key after PKCS#1.
    Pkcs1,
    /// An elliptic curve private key after SEC 1.
    Sec1,
    /// An encrypted private key after PKCS#8.
    EncryptedKey,
    Pkcs12,
    PublicKey,
    Pkcs7,
    /// PKCS#7 around a property list.
    ProvisioningProfile,
    RevocationList,
    Unknown,
}

impl ObjectKind {
    /// What it is called, with its article.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "a certificate",
            Self::Request => "a certificate signing request",
            Self::Pkcs8 | Self::Pkcs1 | Self::Sec1 => "a private key",
            Self::EncryptedKey => "an encrypted private key",
            Self::Pkcs12 => "a PKCS#12 store",
            Self::PublicKey => "a public key",
            Self::Pkcs7 => "a PKCS#7 container",
            Self::ProvisioningProfile => "a provisioning profile",
            Self::RevocationList => "a certificate revocation list",
            Self::Unknown => "something unknown",
        }
    }
}

/// Looks at what there is.
pub(super) fn recognise(bytes: &[u8]) -> Content<'_> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Content::Empty;
    }
    if let Some(text) = pem::read(bytes) {
        return Content::Pem(text);
    }
    if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) || bytes.starts_with(&[0xce; 4]) {
        return Content::JavaKeystore;
    }
    if let Some(object) = object(bytes) {
        return Content::Asn1(object);
    }
    text(bytes).unwrap_or(Content::Unknown)
}

fn text(bytes: &[u8]) -> Option<Content<'_>> {
    let every_other_is_zero = |offset: usize| {
        let mut half = bytes.iter().skip(offset).step_by(2).take(32);
        bytes.len() >= 8 && half.all(|byte| *byte == 0)
    };
    let marked = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    if marked || every_other_is_zero(0) || every_other_is_zero(1) {
        return Some(Content::Utf16);
    }
    let text = std::str::from_utf8(bytes).ok()?;
    if is_device_token(text) {
        return Some(Content::DeviceToken);
    }
    if let Some(decoded) = pem::bare_base64(bytes)
        && let Some(object) = object(&decoded)
    {
        return Some(Content::BareBase64(object.into_owned()));
    }
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let start: String = start.chars().take(16).collect::<String>().to_lowercase();
    if ["<!doctype", "<html", "<?xml", "<head", "<body"]
        .iter()
        .any(|tag| start.starts_with(tag))
    {
        return Some(Content::WebPage);
    }
    let almost = ["BEGIN CERTIFICATE", "PRIVATE KEY", "END CERTIFICATE"]
        .iter()
        .any(|part| text.contains(part));
    almost.then_some(Content::AlmostPem)
}

/// 32 bytes in hexadecimal, plain, in base64's place or as `NSLog` printed them: `<740f4707 bebcf74f …>`.
fn is_device_token(text: &str) -> bool {
    let text = text.trim();
    let inner = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'))
        .unwrap_or(text);
    let digits = inner.chars().filter(|c| !c.is_whitespace());
    let hexadecimal = digits.clone().all(|c| c.is_ascii_hexdigit());
    hexadecimal && (64..=200).contains(&digits.count())
}

/// Takes bytes for one ASN.1 structure, if they begin like one.
pub(super) fn object(bytes: &[u8]) -> Option<Object<'_>> {
    let outer = Element::first(bytes)?;
    if !outer.is(Tag::Sequence) || outer.contents.is_empty() {
        return None;
    }
    let kind = kind(&outer);
    // Of text that begins with the digit 0, nearly anything is a sequence of forty-odd bytes.
    if kind == ObjectKind::Unknown && std::str::from_utf8(bytes).is_ok() {
        return None;
    }
    Some(Object {
        kind,
        der: Cow::Borrowed(&bytes[..bytes.len() - outer.rest.len()]),
        missing: outer.missing,
        trailing: outer.rest.len(),
    })
}

impl Object<'_> {
    fn into_owned(self) -> Object<'static> {
        Object {
            der: Cow::Owned(self.der.into_owned()),
            ..self
        }
    }
}

fn kind(outer: &Element<'_>) -> ObjectKind {
    use ObjectKind::{
        Certificate, EncryptedKey, Pkcs1, Pkcs7, Pkcs8, Pkcs12, ProvisioningProfile, PublicKey,
        Request, RevocationList, Sec1, Unknown,
    };
    let Some(first) = Element::first(outer.contents) else {
        return Unknown;
    };
    let second = Element::first(first.rest);
    let second_is = |tag| second.as_ref().is_some_and(|second| second.is(tag));
    if first.is(Tag::Integer) {
        return match first.contents {
            [3] if second_is(Tag::Sequence) => Pkcs12,
            [0 | 1] if second_is(Tag::Sequence) => Pkcs8,
            [0] if second_is(Tag::Integer) => Pkcs1,
            [1] if second_is(Tag::OctetString) => Sec1,
            _ => Unknown,
        };
    }
    if first.is(Tag::Oid) {
        if first.contents != SIGNED_DATA.as_bytes() {
            return Unknown;
        }
        let is_plist = outer.contents.windows(6).any(|window| window == b"<plist");
        return if is_plist { ProvisioningProfile } else { Pkcs7 };
    }
    let Some(inner) = first
        .is(Tag::Sequence)
        .then(|| Element::first(first.contents))
        .flatten()
    else {
        return Unknown;
    };
    if inner.is(Tag::Oid) {
        return if second_is(Tag::OctetString) {
            EncryptedKey
        } else if second_is(Tag::BitString) {
            PublicKey
        } else {
            Unknown
        };
    }
    // Certificates of version 3 say so in [0] first; older ones and lists have an algorithm where a request has a name.
    if inner.class == Class::ContextSpecific && inner.tag == Tag(0) {
        return Certificate;
    }
    let algorithm_at = |element: &Element<'_>| {
        element.is(Tag::Sequence)
            && Element::first(element.contents).is_some_and(|inner| inner.is(Tag::Oid))
    };
    let Some(next) = Element::first(inner.rest) else {
        return Unknown;
    };
    if algorithm_at(&inner) {
        return RevocationList;
    }
    match inner.contents {
        _ if !inner.is(Tag::Integer) => Unknown,
        [0] if next.is(Tag::Sequence) && !algorithm_at(&next) => Request,
        _ if algorithm_at(&next) => {
            let third = Element::first(next.rest);
            let fourth = third.and_then(|third| Element::first(third.rest));
            match fourth {
                Some(time) if !time.is(Tag::Sequence) => RevocationList,
                _ => Certificate,
            }
        }
        _ => Unknown,
    }
}

/// One element, as far as it is there.
struct Element<'a> {
    class: Class,
    tag: Tag,
    contents: &'a [u8],
    missing: usize,
    rest: &'a [u8],
}

impl<'a> Element<'a> {
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let (behind, header) = Header::from_ber(bytes).ok()?;
        let len = match header.length() {
            Length::Definite(len) => len,
            // It ends where what is in it ends: all of it, for a look at how it begins.
            Length::Indefinite => behind.len(),
        };
        let there = len.min(behind.len());
        Some(Self {
            class: header.class(),
            tag: header.tag(),
            contents: &behind[..there],
            missing: len - there,
            rest: &behind[there..],
        })
    }

    fn is(&self, tag: Tag) -> bool {
        self.class == Class::Universal && self.tag == tag
    }
}
