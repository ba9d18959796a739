//! The store as it stands in the file: nothing of it decrypted yet.

use x509_parser::der_parser::asn1_rs::Oid;
use x509_parser::der_parser::oid;

use super::bag::{self, Bag, Room};
use super::mac::Mac;
use super::outline::{Outline, Part, Protection};
use super::{Pkcs12, Pkcs12Error};
use crate::credentials::ber::Reader;
use crate::credentials::pbe::{Password, Scheme, Sealed, Work};

const DATA: Oid<'static> = oid!(1.2.840.113549.1.7.1);
const ENVELOPED_DATA: Oid<'static> = oid!(1.2.840.113549.1.7.3);
const ENCRYPTED_DATA: Oid<'static> = oid!(1.2.840.113549.1.7.6);

pub(super) struct Store {
    /// What the MAC is made over.
    pub(super) authenticated: Vec<u8>,
    pub(super) mac: Option<Mac>,
    safes: Vec<Safe>,
    /// For the bags that are not read yet.
    room: Room,
}

enum Safe {
    Readable(Vec<Bag>),
    Sealed(Sealed),
}

impl Store {
    /// Reads a `PFX` (RFC 7292, section 4).
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Pkcs12Error> {
        let mut reader = Reader::new(bytes, "its frame");
        let mut pfx = reader.sequence()?;
        reader.end()?;
        pfx.count()?;
        let mut content_info = pfx.sequence()?;
        if content_info.oid()? != DATA {
            return Err(Pkcs12Error::Unsupported {
                what: "a signature instead of a MAC".to_owned(),
            });
        }
        let authenticated = content_info.explicit(0)?.octets()?.into_owned();
        let mac = if pfx.is_empty() {
            None
        } else {
            Some(Mac::read(&mut pfx)?)
        };
        let mut room = Room::new();
        let safes = safes(&authenticated, &mut room)?;
        Ok(Self {
            authenticated,
            mac,
            safes,
            room,
        })
    }

    pub(super) fn outline(&self) -> Outline {
        let parts = self.safes.iter().map(|safe| match safe {
            Safe::Readable(bags) => Part {
                protection: None,
                bags: Some(bags.iter().map(Bag::outline).collect()),
            },
            Safe::Sealed(sealed) => Part {
                protection: Some(sealed.scheme().into()),
                bags: None,
            },
        });
        Outline {
            mac: self.mac.as_ref().map(Mac::protection),
            parts: parts.collect(),
        }
    }

    /// Whether there is something that only the password opens.
    pub(super) fn is_encrypted(&self) -> bool {
        self.safes.iter().any(|safe| match safe {
            Safe::Readable(bags) => bags.iter().any(|bag| bag.outline().protection.is_some()),
            Safe::Sealed(_) => true,
        })
    }

    /// Decrypts all of it. A wrong password is that, or damage inside of what was encrypted.
    pub(super) fn decrypt(
        &self,
        password: &Password,
        work: &mut Work,
    ) -> Result<Pkcs12, Pkcs12Error> {
        let mut opened = Pkcs12 {
            keys: Vec::new(),
            certificates: Vec::new(),
            outline: self.outline(),
        };
        let mut room = self.room;
        for (at, safe) in self.safes.iter().enumerate() {
            let unsealed;
            let bags = match safe {
                Safe::Readable(bags) => bags,
                Safe::Sealed(sealed) => {
                    unsealed = bag::read(&sealed.open(password, work)?, &mut room)?;
                    opened.outline.parts[at].bags =
                        Some(unsealed.iter().map(Bag::outline).collect());
                    &unsealed
                }
            };
            for bag in bags {
                bag.open(password, work, &mut opened)?;
            }
        }
        Ok(opened)
    }
}

/// Reads an `AuthenticatedSafe` (RFC 7292, section 4.1).
fn safes(bytes: &[u8], room: &mut Room) -> Result<Vec<Safe>, Pkcs12Error> {
    let mut reader = Reader::new(bytes, "its list of parts");
    let mut list = reader.sequence()?;
    reader.end()?;
    let mut safes = Vec::new();
    while !list.is_empty() {
        room.take()?;
        let mut content_info = list.sequence()?;
        let kind = content_info.oid()?;
        let safe = if kind == DATA {
            let bags = content_info.explicit(0)?.octets()?;
            Safe::Readable(bag::read(&bags, room)?)
        } else if kind == ENCRYPTED_DATA {
            Safe::Sealed(Sealed::content(&mut content_info.explicit(0)?)?)
        } else if kind == ENVELOPED_DATA {
            Safe::Sealed(Sealed::unsupported("a recipient's public key"))
        } else {
            return Err(list.damaged("a part is of an unknown kind"));
        };
        safes.push(safe);
    }
    Ok(safes)
}

impl From<&Scheme> for Protection {
    fn from(scheme: &Scheme) -> Self {
        Self {
            name: scheme.name(),
            iterations: scheme.iterations(),
        }
    }
}
