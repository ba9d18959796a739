//! The bags: a key, an encrypted key, a certificate, each with the names given to it.

use rustls::pki_types::PrivatePkcs8KeyDer;
use x509_parser::der_parser::asn1_rs::{Oid, Tag};
use x509_parser::der_parser::oid;

use super::outline::{self, BagKind};
use super::{Certificate, Key, Pkcs12, Pkcs12Error};
use crate::credentials::ber::Reader;
use crate::credentials::key::private_key;
use crate::credentials::pbe::{Password, Sealed, Work};

const KEY: Oid<'static> = oid!(1.2.840.113549.1.12.10.1.1);
const SHROUDED_KEY: Oid<'static> = oid!(1.2.840.113549.1.12.10.1.2);
const CERTIFICATE: Oid<'static> = oid!(1.2.840.113549.1.12.10.1.3);
const SAFE_CONTENTS: Oid<'static> = oid!(1.2.840.113549.1.12.10.1.6);
const X509: Oid<'static> = oid!(1.2.840.113549.1.9.22.1);
const FRIENDLY_NAME: Oid<'static> = oid!(1.2.840.113549.1.9.20);
const LOCAL_KEY_ID: Oid<'static> = oid!(1.2.840.113549.1.9.21);

/// More than every trust store of public roots holds.
const BAGS_MAX: usize = 1024;
/// Bags of bags are allowed; nobody writes them.
const DEPTH_MAX: usize = 4;

pub(super) struct Bag {
    value: Value,
    friendly_name: Option<String>,
    local_key_id: Option<Vec<u8>>,
}

enum Value {
    Key(PrivatePkcs8KeyDer<'static>),
    ShroudedKey(Sealed),
    Certificate(Vec<u8>),
    Other,
}

/// How many bags one file may still have.
#[derive(Clone, Copy)]
pub(super) struct Room(usize);

impl Room {
    pub(super) const fn new() -> Self {
        Self(BAGS_MAX)
    }

    pub(super) fn take(&mut self) -> Result<(), Pkcs12Error> {
        self.0 = self.0.checked_sub(1).ok_or(Pkcs12Error::TooMany {
            what: "parts",
            max: BAGS_MAX,
        })?;
        Ok(())
    }
}

/// Reads a `SafeContents` (RFC 7292, section 4.2).
pub(super) fn read(bytes: &[u8], room: &mut Room) -> Result<Vec<Bag>, Pkcs12Error> {
    let mut reader = Reader::new(bytes, "its list of keys and certificates");
    let mut bags = Vec::new();
    read_into(&mut bags, reader.sequence()?, room, DEPTH_MAX)?;
    reader.end()?;
    Ok(bags)
}

fn read_into(
    bags: &mut Vec<Bag>,
    mut list: Reader<'_>,
    room: &mut Room,
    depth: usize,
) -> Result<(), Pkcs12Error> {
    while !list.is_empty() {
        room.take()?;
        let mut bag = list.sequence()?;
        let kind = bag.oid()?;
        let mut inner = bag.explicit(0)?;
        if kind == SAFE_CONTENTS {
            if depth == 0 {
                return Err(inner.damaged("lists are nested too deeply"));
            }
            read_into(bags, inner.sequence()?, room, depth - 1)?;
            continue;
        }
        let value = match kind {
            kind if kind == KEY => Value::Key(private_key(inner.whole()?)?),
            kind if kind == SHROUDED_KEY => Value::ShroudedKey(Sealed::key(&mut inner)?),
            kind if kind == CERTIFICATE => certificate(&mut inner)?,
            _ => Value::Other,
        };
        let (friendly_name, local_key_id) = if bag.is_empty() {
            (None, None)
        } else {
            attributes(bag.set()?)?
        };
        bags.push(Bag {
            value,
            friendly_name,
            local_key_id,
        });
    }
    Ok(())
}

fn certificate(bag: &mut Reader<'_>) -> Result<Value, Pkcs12Error> {
    let mut certificate = bag.sequence()?.named("a certificate in it");
    if certificate.oid()? != X509 {
        return Ok(Value::Other);
    }
    let der = certificate.explicit(0)?.octets()?;
    Ok(Value::Certificate(der.into_owned()))
}

/// Friendly name and local key id.
fn attributes(
    mut attributes: Reader<'_>,
) -> Result<(Option<String>, Option<Vec<u8>>), Pkcs12Error> {
    let (mut friendly_name, mut local_key_id) = (None, None);
    while !attributes.is_empty() {
        let mut attribute = attributes.sequence()?.named("a name in it");
        let id = attribute.oid()?;
        let mut values = attribute.set()?;
        if values.is_empty() {
            continue;
        }
        if id == FRIENDLY_NAME {
            friendly_name = Some(utf16(values.string(Tag::BmpString)?));
        } else if id == LOCAL_KEY_ID {
            local_key_id = Some(values.octets()?.into_owned());
        }
    }
    Ok((friendly_name, local_key_id))
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes
        .as_chunks()
        .0
        .iter()
        .map(|unit| u16::from_be_bytes(*unit));
    char::decode_utf16(units)
        .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

impl Bag {
    pub(super) fn outline(&self) -> outline::Bag {
        let (kind, protection) = match &self.value {
            Value::Key(_) => (BagKind::Key, None),
            Value::ShroudedKey(sealed) => (BagKind::Key, Some(sealed.scheme().into())),
            Value::Certificate(_) => (BagKind::Certificate, None),
            Value::Other => (BagKind::Other, None),
        };
        outline::Bag {
            kind,
            protection,
            friendly_name: self.friendly_name.clone(),
            local_key_id: self.local_key_id.clone(),
        }
    }

    /// Adds what it holds to `store`, decrypted.
    pub(super) fn open(
        &self,
        password: &Password,
        work: &mut Work,
        store: &mut Pkcs12,
    ) -> Result<(), Pkcs12Error> {
        let (friendly_name, local_key_id) = (self.friendly_name.clone(), self.local_key_id.clone());
        let der = match &self.value {
            Value::Key(key) => key.clone_key(),
            Value::ShroudedKey(sealed) => private_key(&sealed.open(password, work)?)?,
            Value::Certificate(der) => {
                store.certificates.push(Certificate {
                    der: der.clone().into(),
                    friendly_name,
                    local_key_id,
                });
                return Ok(());
            }
            Value::Other => return Ok(()),
        };
        store.keys.push(Key {
            der,
            friendly_name,
            local_key_id,
        });
        Ok(())
    }
}
