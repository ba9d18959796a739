//! A device token as text, the way apps have sent it to their servers since 2009.
//!
//! ```text
//! <0f744707 bebcf74f 9b7c25d4 … >        what NSLog(@"%@", token) prints up to iOS 12
//! 0f744707bebcf74f9b7c25d4…              hex, any case, spaces anywhere
//! D3RHB7689PebfCXU…                      base64, either alphabet, padded or not
//! {length = 32, bytes = 0x0f74 … 3301}   what the same NSLog prints since iOS 13: the middle is missing, refused
//! ```

use apns_proto::Token;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};

/// Why a text is not a device token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenTextError {
    /// Nothing but white space.
    #[error("the device token is empty")]
    Empty,
    /// `{length = 32, bytes = 0x0f74 … }`: the description of `NSData` since iOS 13, which leaves out the middle.
    #[error(
        "this is the description of an NSData object; since iOS 13 it leaves out the middle of the token, so the token cannot be \
         read back from it: send the bytes themselves as hex, in Swift \
         `deviceToken.map {{ String(format: \"%02x\", $0) }}.joined()`, in Objective-C by looping over `deviceToken.bytes`"
    )]
    Description,
    /// `<` without `>`, or the other way round.
    #[error("the device token has only one of its angle brackets: it was cut off")]
    Bracket,
    /// Hex digits, but an odd number of them.
    #[error("the device token has an odd number of hex digits ({digits}): one is missing")]
    OddDigits {
        /// How many there are.
        digits: usize,
    },
    /// Neither hex nor base64.
    #[error("the device token is neither hex nor base64")]
    Alphabet,
    /// Decodes, to a length no token has.
    #[error("a device token has 32 to 100 bytes (32 on every device so far), this one has {len}")]
    Length {
        /// Length in bytes.
        len: usize,
    },
}

/// Reads a device token from any of the forms above.
///
/// # Errors
///
/// Says what is wrong with the text, and what to send instead, in words for the app's author.
pub fn parse(text: &str) -> Result<Token, TokenTextError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(TokenTextError::Empty);
    }
    if text.starts_with('{') {
        return Err(TokenTextError::Description);
    }
    let inner = match (text.strip_prefix('<'), text.ends_with('>')) {
        (Some(rest), true) => &rest[..rest.len() - 1],
        (None, false) => text,
        _ => return Err(TokenTextError::Bracket),
    };
    let compact: String = inner.chars().filter(|c| !c.is_whitespace()).collect();
    if compact.is_empty() {
        return Err(TokenTextError::Empty);
    }
    let bytes = bytes(&compact)?;
    if !(Token::LEN_MIN..=Token::LEN_MAX).contains(&bytes.len()) {
        return Err(TokenTextError::Length { len: bytes.len() });
    }
    Ok(Token::new(bytes))
}

/// The form `NSLog(@"%@", token)` printed up to iOS 12: `<0f744707 bebcf74f …>`, in groups of four bytes.
#[must_use]
pub fn description(token: &Token) -> String {
    let hex = token.to_hex();
    let mut text = String::with_capacity(hex.len() + hex.len() / 8 + 2);
    text.push('<');
    for (index, digit) in hex.chars().enumerate() {
        if index > 0 && index % 8 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text.push('>');
    text
}

/// Every hex text of a token's length is also well-formed base64, so hex goes first.
fn bytes(compact: &str) -> Result<Vec<u8>, TokenTextError> {
    if compact.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return HEXLOWER_PERMISSIVE.decode(compact.as_bytes()).map_err(|_| {
            TokenTextError::OddDigits {
                digits: compact.len(),
            }
        });
    }
    [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD]
        .iter()
        .find_map(|alphabet| alphabet.decode(compact.as_bytes()).ok())
        .ok_or(TokenTextError::Alphabet)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0f744707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad";

    #[test]
    fn every_form_an_app_sends_gives_the_same_token() {
        let forms = [
            "<0f744707 bebcf74f 9b7c25d4 8e335894 5f6aa01d a5ddb387 462c7eaf 61bb78ad>",
            "<0f744707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad>",
            "0f744707 bebcf74f 9b7c25d4 8e335894 5f6aa01d a5ddb387 462c7eaf 61bb78ad",
            "0f744707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad",
            "0F744707BEBCF74F9B7C25D48E3358945F6AA01DA5DDB387462C7EAF61BB78AD",
            "  0f744707bebcf74f9b7c25d48e3358945f6aa01d\na5ddb387462c7eaf61bb78ad\r\n",
            "D3RHB76890+bfCXUjjNYlF9qoB2l3bOHRix+r2G7eK0=",
            "D3RHB76890+bfCXUjjNYlF9qoB2l3bOHRix+r2G7eK0",
            "D3RHB76890-bfCXUjjNYlF9qoB2l3bOHRix-r2G7eK0=",
            "D3RHB76890-bfCXUjjNYlF9qoB2l3bOHRix-r2G7eK0",
        ];
        for form in forms {
            assert_eq!(
                parse(form).map(|token| token.to_hex()),
                Ok(HEX.to_owned()),
                "{form}"
            );
        }
    }

    #[test]
    fn what_is_no_token_is_told_why() {
        let length = |len| TokenTextError::Length { len };
        let table = [
            ("", TokenTextError::Empty),
            (" \n", TokenTextError::Empty),
            ("<>", TokenTextError::Empty),
            ("< >", TokenTextError::Empty),
            (
                "{length = 32, bytes = 0x0f744707 bebcf74f 9b7c25d4 8e335894 ... 462c7eaf 61bb78ad }",
                TokenTextError::Description,
            ),
            (
                "{length=32,bytes=0x0f744707bebcf74f9b7c25d48e335894...462c7eaf61bb78ad}",
                TokenTextError::Description,
            ),
            ("<0f744707 bebcf74f", TokenTextError::Bracket),
            ("0f744707 bebcf74f>", TokenTextError::Bracket),
            ("0f744", TokenTextError::OddDigits { digits: 5 }),
            ("0f744707", length(4)),
            ("<0f744707 bebcf74f>", length(8)),
            ("not a token!", TokenTextError::Alphabet),
            ("null", length(3)),
            ("токен", TokenTextError::Alphabet),
        ];
        for (text, error) in table {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn lengths_from_32_to_100_bytes_are_tokens() {
        for (len, fits) in [
            (31, false),
            (32, true),
            (80, true),
            (100, true),
            (101, false),
        ] {
            assert_eq!(parse(&"a1".repeat(len)).is_ok(), fits, "{len} bytes");
        }
    }

    #[test]
    fn the_description_error_says_what_to_send_instead() {
        let sentence = TokenTextError::Description.to_string();
        assert!(sentence.contains("iOS 13"), "{sentence}");
        assert!(
            sentence.contains(r#"deviceToken.map { String(format: "%02x", $0) }.joined()"#),
            "{sentence}"
        );
    }

    #[test]
    fn a_token_prints_as_nslog_did() {
        let token = parse(HEX).unwrap();
        assert_eq!(
            description(&token),
            "<0f744707 bebcf74f 9b7c25d4 8e335894 5f6aa01d a5ddb387 462c7eaf 61bb78ad>"
        );
    }
}
