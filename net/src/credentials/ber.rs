//! Reads BER as far as PKCS#12 goes: exports of NSS, Keychain and Windows have indefinite lengths and strings in pieces,
//! which DER forbids and the DER parsers of the certificates therefore refuse.
//!
//! Every length is checked against what is there, nesting is bounded, nothing is allocated but joined strings.

use std::borrow::Cow;

use x509_parser::der_parser::asn1_rs::{Any, Class, Err, FromBer, Oid, Tag};

use super::pkcs12::Pkcs12Error;

/// A string in pieces may have pieces in pieces; nobody writes more than two levels.
const PIECES_DEPTH_MAX: usize = 4;

/// Reads one element after the other; `place` names the structure in errors.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    place: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8], place: &'static str) -> Self {
        Self { rest: bytes, place }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The same elements, called by another name.
    pub(super) const fn named(self, place: &'static str) -> Self {
        Self { place, ..self }
    }

    pub(super) const fn damaged(&self, reason: &'static str) -> Pkcs12Error {
        Pkcs12Error::Damaged {
            place: self.place,
            reason,
        }
    }

    /// Fails when something follows that is not part of the structure.
    pub(super) const fn end(&self) -> Result<(), Pkcs12Error> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.damaged("something follows where it should end"))
        }
    }

    pub(super) fn sequence(&mut self) -> Result<Self, Pkcs12Error> {
        self.inside(Class::Universal, Tag::Sequence)
    }

    pub(super) fn set(&mut self) -> Result<Self, Pkcs12Error> {
        self.inside(Class::Universal, Tag::Set)
    }

    /// What an explicit tag `[number]` wraps.
    pub(super) fn explicit(&mut self, number: u32) -> Result<Self, Pkcs12Error> {
        self.inside(Class::ContextSpecific, Tag(number))
    }

    pub(super) fn oid(&mut self) -> Result<Oid<'a>, Pkcs12Error> {
        let element = self.expect(Class::Universal, Tag::Oid)?;
        Ok(Oid::new(Cow::Borrowed(element.data)))
    }

    /// An integer that counts something. One beyond 64 bits is as good as the largest: both are over every limit.
    pub(super) fn count(&mut self) -> Result<u64, Pkcs12Error> {
        let digits = self.expect(Class::Universal, Tag::Integer)?.data;
        match digits.first() {
            None => return Err(self.damaged("a number is empty")),
            Some(first) if first & 0x80 != 0 => {
                return Err(self.damaged("a number is negative"));
            }
            Some(_) => {}
        }
        let significant = &digits[digits.iter().take_while(|digit| **digit == 0).count()..];
        if significant.len() > size_of::<u64>() {
            return Ok(u64::MAX);
        }
        Ok(significant
            .iter()
            .fold(0, |count, digit| count << 8 | u64::from(*digit)))
    }

    pub(super) fn octets(&mut self) -> Result<Cow<'a, [u8]>, Pkcs12Error> {
        let element = self.expect(Class::Universal, Tag::OctetString)?;
        self.joined(&element, PIECES_DEPTH_MAX)
    }

    /// An octet string under an implicit tag `[number]`.
    pub(super) fn implicit_octets(&mut self, number: u32) -> Result<Cow<'a, [u8]>, Pkcs12Error> {
        let element = self.expect(Class::ContextSpecific, Tag(number))?;
        self.joined(&element, PIECES_DEPTH_MAX)
    }

    /// The next element whole, with its tag and length.
    pub(super) fn whole(&mut self) -> Result<&'a [u8], Pkcs12Error> {
        let before = self.rest;
        self.element()?;
        Ok(&before[..before.len() - self.rest.len()])
    }

    /// The contents of a string, whatever kind of string it is.
    pub(super) fn string(&mut self, tag: Tag) -> Result<&'a [u8], Pkcs12Error> {
        Ok(self.expect(Class::Universal, tag)?.data)
    }

    /// Whether the next element has this universal tag.
    pub(super) fn next_is(&self, tag: Tag) -> bool {
        let mut ahead = *self;
        ahead
            .element()
            .is_ok_and(|element| element.class() == Class::Universal && element.tag() == tag)
    }

    fn inside(&mut self, class: Class, tag: Tag) -> Result<Self, Pkcs12Error> {
        let element = self.expect(class, tag)?;
        if element.header.is_primitive() {
            return Err(self.damaged("something simple stands where a structure should"));
        }
        Ok(Self::new(element.data, self.place))
    }

    fn expect(&mut self, class: Class, tag: Tag) -> Result<Any<'a>, Pkcs12Error> {
        let element = self.element()?;
        if element.class() == class && element.tag() == tag {
            Ok(element)
        } else {
            Err(self.damaged("something of another kind stands where it should be"))
        }
    }

    fn element(&mut self) -> Result<Any<'a>, Pkcs12Error> {
        let (rest, element) = Any::from_ber(self.rest).map_err(|error| match error {
            Err::Incomplete(_) => self.damaged("it ends too early"),
            Err::Error(_) | Err::Failure(_) => self.damaged("it is not ASN.1"),
        })?;
        self.rest = rest;
        Ok(element)
    }

    fn joined(&self, string: &Any<'a>, depth: usize) -> Result<Cow<'a, [u8]>, Pkcs12Error> {
        if string.header.is_primitive() {
            return Ok(Cow::Borrowed(string.data));
        }
        if depth == 0 {
            return Err(self.damaged("a string is in pieces of pieces"));
        }
        let mut pieces = Self::new(string.data, self.place);
        let mut whole = Vec::new();
        while !pieces.is_empty() {
            let piece = pieces.expect(Class::Universal, Tag::OctetString)?;
            whole.extend_from_slice(&self.joined(&piece, depth - 1)?);
        }
        Ok(Cow::Owned(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Reader<'_> {
        Reader::new(bytes, "the test")
    }

    #[test]
    fn a_string_is_the_same_whole_in_pieces_and_of_indefinite_length() {
        for encoding in [
            &[0x04, 4, 1, 2, 3, 4][..],
            &[0x04, 0x81, 4, 1, 2, 3, 4],
            &[0x24, 8, 0x04, 2, 1, 2, 0x04, 2, 3, 4],
            &[0x24, 0x80, 0x04, 1, 1, 0x04, 3, 2, 3, 4, 0, 0],
            &[0x24, 0x80, 0x24, 0x80, 0x04, 4, 1, 2, 3, 4, 0, 0, 0, 0],
        ] {
            let mut reader = read(encoding);
            assert_eq!(*reader.octets().unwrap(), [1, 2, 3, 4], "{encoding:?}");
            reader.end().unwrap();
        }
    }

    #[test]
    fn a_structure_of_indefinite_length_ends_where_its_end_is_marked() {
        let mut reader = read(&[0x30, 0x80, 0x30, 0x80, 0x02, 1, 7, 0, 0, 0, 0, 0x02, 1, 9]);
        let mut inner = reader.sequence().unwrap().sequence().unwrap();
        assert_eq!(inner.count().unwrap(), 7);
        inner.end().unwrap();
        assert_eq!(reader.count().unwrap(), 9);
    }

    #[test]
    fn a_count_beyond_every_limit_is_the_largest_and_a_negative_one_is_damage() {
        assert_eq!(read(&[0x02, 1, 0]).count().unwrap(), 0);
        assert_eq!(read(&[0x02, 2, 0, 0x80]).count().unwrap(), 0x80);
        let nine = [0x02, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(read(&nine).count().unwrap(), u64::MAX);
        assert!(read(&[0x02, 1, 0x80]).count().is_err());
        assert!(read(&[0x02, 0]).count().is_err());
    }

    #[test]
    fn what_is_cut_off_nested_too_deep_or_of_another_kind_is_damage() {
        for damage in [
            &[][..],
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 0x82, 0xff],
            &[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x31, 0],
            &[0x10, 0],
        ] {
            assert!(read(damage).sequence().is_err(), "{damage:?}");
        }
        assert!(read(&[0x30, 0x80].repeat(100_000)).sequence().is_err());
        assert!(read(&[0x24, 0x80].repeat(100_000)).octets().is_err());
    }
}
