//! Payloads that carry a number, so that a test can tell which of thousands arrived, how often, and in what order.

use std::collections::BTreeMap;

/// The payload with the number `n`.
#[must_use]
pub fn payload(n: u32) -> Vec<u8> {
    format!(r#"{{"aps":{{"alert":"number {n}"}},"n":{n}}}"#).into_bytes()
}

/// The payload with the number `n`, `len` bytes long.
#[must_use]
pub fn payload_of_len(n: u32, len: usize) -> Vec<u8> {
    let mut payload = payload(n);
    assert!(
        payload.len() <= len,
        "number {n} needs {} bytes",
        payload.len()
    );
    let end = payload.pop().expect("it ends in a brace");
    payload.resize(len - 1, b' ');
    payload.push(end);
    payload
}

/// The number of a payload made here.
///
/// # Panics
///
/// When the payload was not made here.
#[must_use]
pub fn number(payload: &[u8]) -> u32 {
    let text = String::from_utf8_lossy(payload);
    let n = text
        .rsplit_once(r#""n":"#)
        .map(|(_, n)| n.trim_end_matches([' ', '}']));
    n.and_then(|n| n.parse().ok())
        .unwrap_or_else(|| panic!("not a numbered payload: {text}"))
}

/// How often each number occurs.
#[must_use]
pub fn tally(numbers: impl IntoIterator<Item = u32>) -> BTreeMap<u32, usize> {
    let mut tally = BTreeMap::new();
    for n in numbers {
        *tally.entry(n).or_default() += 1;
    }
    tally
}

/// Says that `numbers` are exactly `expected`, each once, in whatever order.
///
/// # Errors
///
/// How many are there, and the first few that are missing, too many or not expected at all.
pub fn each_once(
    numbers: impl IntoIterator<Item = u32>,
    expected: impl IntoIterator<Item = u32>,
) -> Result<(), String> {
    let tally = tally(numbers);
    let expected: std::collections::BTreeSet<_> = expected.into_iter().collect();
    let few = |numbers: Vec<u32>| {
        format!(
            "{} ({:?}…)",
            numbers.len(),
            &numbers[..numbers.len().min(5)]
        )
    };
    let missing: Vec<_> = expected
        .iter()
        .copied()
        .filter(|n| !tally.contains_key(n))
        .collect();
    let repeated: Vec<_> = tally
        .iter()
        .filter(|(_, times)| **times > 1)
        .map(|(n, _)| *n)
        .collect();
    let foreign: Vec<_> = tally
        .keys()
        .copied()
        .filter(|n| !expected.contains(n))
        .collect();
    if missing.is_empty() && repeated.is_empty() && foreign.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} of {}; missing {}, repeated {}, not expected {}",
        tally.len(),
        expected.len(),
        few(missing),
        few(repeated),
        few(foreign)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_survives_its_payload() {
        for n in [0, 7, u32::MAX] {
            assert_eq!(number(&payload(n)), n);
            assert_eq!(number(&payload_of_len(n, 200)), n);
            assert_eq!(payload_of_len(n, 200).len(), 200);
        }
        serde_json::from_slice::<serde_json::Value>(&payload_of_len(3, 100)).unwrap();
    }

    #[test]
    fn exactly_once_is_neither_missing_nor_repeated_nor_foreign() {
        assert_eq!(each_once([2, 1], 1..=2), Ok(()));
        for wrong in [vec![1], vec![1, 2, 2], vec![1, 2, 3]] {
            assert!(each_once(wrong, 1..=2).is_err());
        }
    }
}
