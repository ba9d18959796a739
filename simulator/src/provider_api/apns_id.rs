//! What a push is called: `apns-id` [H-12].

use std::fmt;

/// A UUID in text, as its provider wrote it, or lower-case where APNs chose it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApnsId([u8; Self::LEN]);

impl ApnsId {
    const LEN: usize = 36;
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];

    /// A random UUID (version 4) of these bits.
    #[must_use]
    pub fn of(bits: u128) -> Self {
        const VERSION: u128 = 0xf << 76;
        const VARIANT: u128 = 0b11 << 62;
        let bits = bits & !VERSION & !VARIANT | 0x4 << 76 | 0b10 << 62;
        let mut digits = bits.to_be_bytes().into_iter().flat_map(|byte| {
            let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            [digit(byte >> 4), digit(byte & 0xf)]
        });
        Self(std::array::from_fn(|at| {
            match Self::HYPHENS.contains(&at) {
                true => b'-',
                false => digits
                    .next()
                    .expect("16 bytes have the 32 digits of a UUID"),
            }
        }))
    }

    /// `None`: that is no UUID in its canonical form. Upper case is one.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = <[u8; Self::LEN]>::try_from(text).ok()?;
        text.iter()
            .enumerate()
            .all(|(at, byte)| match Self::HYPHENS.contains(&at) {
                true => *byte == b'-',
                false => byte.is_ascii_hexdigit(),
            })
            .then_some(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it is made of digits and hyphens")
    }
}

impl fmt::Display for ApnsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ApnsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApnsId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_id_is_a_lower_case_uuid_of_version_4() {
        assert_eq!(
            ApnsId::of(u128::MAX).as_str(),
            "ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
        assert_eq!(
            ApnsId::of(0).as_str(),
            "00000000-0000-4000-8000-000000000000"
        );
        let made = ApnsId::of(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(made.as_str(), "01234567-89ab-4def-8123-456789abcdef");
        assert_eq!(ApnsId::parse(made.as_str().as_bytes()), Some(made));
    }

    #[test]
    fn only_the_canonical_form_is_one() {
        for good in [
            "eabeae54-14a8-11e5-b60b-1697f925ec7b",
            "EABEAE54-14A8-11E5-B60B-1697F925EC7B",
        ] {
            assert_eq!(ApnsId::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "eabeae54",
            "eabeae5414a811e5b60b1697f925ec7b",
            "eabeae54-14a8-11e5-b60b-1697f925ec7",
            "eabeae54-14a8-11e5-b60b-1697f925ec7bb",
            "eabeae54-14a8-11e5-b60b_1697f925ec7b",
            "{abeae54-14a8-11e5-b60b-1697f925ec7}",
            "gabeae54-14a8-11e5-b60b-1697f925ec7b",
        ] {
            assert_eq!(ApnsId::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
