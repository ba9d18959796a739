//! Names nobody can guess.

use std::array;

use aws_lc_rs::rand;
use data_encoding::{BASE32_NOPAD, HEXLOWER};

use crate::mint::MintError;

/// Random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], MintError> {
    let mut bytes = array::from_fn(|_| 0);
    rand::fill(&mut bytes).map_err(|_| MintError::Random)?;
    Ok(bytes)
}

/// A UUID of version 4.
pub(crate) fn uuid() -> Result<String, MintError> {
    let mut bytes: [u8; 16] = bytes()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = HEXLOWER.encode(&bytes);
    let groups = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    Ok(groups.join("-"))
}

/// Ten characters such as Apple gives its keys: capital letters and digits.
pub(crate) fn key_id() -> Result<String, MintError> {
    let mut id = BASE32_NOPAD.encode(&bytes::<7>()?);
    id.truncate(10);
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_shapes_and_differ() {
        let uuid = uuid().unwrap();
        let lengths: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
        assert_eq!(&uuid[14..15], "4");
        assert_ne!(uuid, super::uuid().unwrap());
        let id = key_id().unwrap();
        assert_eq!(id.len(), 10);
        assert!(
            id.bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()),
            "{id}"
        );
    }
}
