//! Frames read by hand from the tables of docs/protocol.md, as strictly as no server would.

/// A notification as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// None in command 0, or where command 2 leaves it out.
    pub(super) identifier: Option<u32>,
    pub(super) token: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

/// The first frame in `bytes` and its length; nothing while it is incomplete.
///
/// # Errors
///
/// What is wrong with it. Behind such a frame nothing can be read.
pub(super) fn first(bytes: &[u8]) -> Result<Option<(Sent, usize)>, String> {
    let mut reader = Reader(bytes);
    let read = match reader.number(1) {
        None => return Ok(None),
        Some(0) => reader.simple(None),
        Some(1) => reader.enhanced(),
        Some(2) => match reader.counted(4) {
            None => None,
            Some(items) => Some(framed(items)?),
        },
        Some(command) => return Err(format!("{command:02x} is no command [P-18]")),
    };
    Ok(read.map(|sent| (sent, bytes.len() - reader.0.len())))
}

/// Command 2 [P-12] [P-13].
fn framed(items: &[u8]) -> Result<Sent, String> {
    let mut reader = Reader(items);
    let mut found: [Option<&[u8]>; 6] = [None; 6];
    while !reader.0.is_empty() {
        let id = reader.number(1).unwrap_or_default();
        let Some(data) = reader.counted(2) else {
            return Err(format!("item {id} runs past the frame [P-16]"));
        };
        let fixed = [None, None, None, Some(4), Some(4), Some(1)];
        let (Ok(place), Some(fixed)) = (usize::try_from(id), fixed.get(id as usize)) else {
            return Err(format!("{id} is no item [P-15]"));
        };
        if id == 0 {
            return Err("0 is no item [P-15]".to_owned());
        }
        if fixed.is_some_and(|len| len != data.len()) {
            return Err(format!("item {id} has {} bytes [P-16]", data.len()));
        }
        if found[place].replace(data).is_some() {
            return Err(format!("item {id} comes twice [P-14]"));
        }
    }
    let required = |item: Option<&[u8]>, name: &str| {
        item.map(<[u8]>::to_vec)
            .ok_or_else(|| format!("a frame without {name} [P-13]"))
    };
    Ok(Sent {
        identifier: found[3].map(number),
        token: required(found[1], "a token")?,
        payload: required(found[2], "a payload")?,
    })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, len: usize) -> Option<u32> {
        self.take(len).map(number)
    }

    /// So many bytes as the `len` bytes before them say.
    fn counted(&mut self, len: usize) -> Option<&'a [u8]> {
        let counted = self.number(len)?;
        self.take(usize::try_from(counted).ok()?)
    }

    /// Command 0 [P-10], and the end of command 1.
    fn simple(&mut self, identifier: Option<u32>) -> Option<Sent> {
        Some(Sent {
            identifier,
            token: self.counted(2)?.to_vec(),
            payload: self.counted(2)?.to_vec(),
        })
    }

    /// Command 1 [P-11].
    fn enhanced(&mut self) -> Option<Sent> {
        let identifier = self.number(4)?;
        let _expiry = self.number(4)?;
        self.simple(Some(identifier))
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    const TOKEN: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn read(hex: &str) -> Result<Option<(Sent, usize)>, String> {
        first(&HEXLOWER.decode(hex.as_bytes()).unwrap())
    }

    #[test]
    fn frames_are_those_of_the_tables() {
        for (hex, identifier) in [
            (format!("000020{TOKEN}00027b7d"), None),
            (format!("01000000076553f1000020{TOKEN}00027b7d"), Some(7)),
            (
                format!("020000002f010020{TOKEN}0200027b7d03000400000007"),
                Some(7),
            ),
            (format!("0200000028010020{TOKEN}0200027b7d"), None),
        ] {
            let (sent, len) = read(&format!("{hex}02")).unwrap().unwrap();
            assert_eq!(len, hex.len() / 2, "{hex}");
            assert_eq!(sent.identifier, identifier);
            assert_eq!(HEXLOWER.encode(&sent.token), TOKEN);
            assert_eq!(sent.payload, b"{}");
            assert_eq!(read(&hex[..hex.len() - 2]), Ok(None));
        }
    }

    #[test]
    fn what_no_table_has_is_refused_with_its_clause() {
        for (hex, clause) in [
            ("03", "P-18"),
            ("0200000005010020aabb", "P-16"),
            ("02000000050300020000", "P-16"),
            ("020000000e0300040000000103000400000001", "P-14"),
            ("0200000003090000", "P-15"),
            ("0200000003010000", "P-13"),
        ] {
            let why = read(hex).unwrap_err();
            assert!(why.contains(clause), "{hex}: {why}");
        }
    }
}
