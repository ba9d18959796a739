//! Reading PEM as leniently as a person would, and saying what no program reads so.
//!
//! The sections are found wherever they are: indented, on one line, without an END, with `\n` for line ends. What is
//! odd about each is kept beside its contents, for the findings.

use std::borrow::Cow;

use data_encoding::{BASE64, BASE64_NOPAD, Encoding};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// A chain and its key are four or five sections; a bundle of every public root a hundred and fifty.
const SECTIONS_MAX: usize = 1000;

/// A text with PEM in it.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) sections: Vec<Section>,
    /// It begins with the byte order mark of UTF-8.
    pub(super) byte_order_mark: bool,
    /// Its lines end as Windows' do.
    pub(super) crlf: bool,
    /// Something other than space stands before, between or behind the sections.
    pub(super) text_outside: bool,
}

/// What stands between a BEGIN and its END.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) label: String,
    /// The line of the BEGIN, from 1.
    pub(super) line: usize,
    pub(super) oddity: Option<Oddity>,
    /// A header says that the contents are encrypted: `Proc-Type: 4,ENCRYPTED`.
    pub(super) encrypted: bool,
    pub(super) contents: Result<Vec<u8>, Fault>,
}

/// How a section is written that programs do not read, though a person would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    /// The BEGIN or END line does not end in five hyphens.
    Dashes,
    /// Spaces before the BEGIN or END line.
    Indented,
    /// BEGIN and END are not on lines of their own.
    OneLine,
    /// The characters `\n` stand for the line ends.
    EscapedLineEnds,
}

/// Why a section has no contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The text, or the next section, comes before its END.
    NoEnd,
    /// The END is that of another section.
    OtherEnd,
    /// Its contents are not base64.
    NotBase64,
}

/// Reads the sections; `None` when there is no BEGIN line.
pub(super) fn read(bytes: &[u8]) -> Option<Text> {
    let text = String::from_utf8_lossy(bytes);
    let (byte_order_mark, text) = match text.strip_prefix('\u{feff}') {
        Some(rest) => (true, rest),
        None => (false, text.as_ref()),
    };
    let escaped = has_escaped_line_ends(text);
    let text = if escaped {
        Cow::Owned(text.replace("\\r", "").replace("\\n", "\n"))
    } else {
        Cow::Borrowed(text)
    };
    let mut reader = Reader {
        text: &text,
        at: 0,
        text_outside: false,
    };
    let mut sections = Vec::new();
    while sections.len() < SECTIONS_MAX
        && let Some(section) = reader.section(escaped)
    {
        sections.push(section);
    }
    reader.skip(text.len());
    (!sections.is_empty()).then(|| Text {
        byte_order_mark,
        crlf: text.contains("\r\n"),
        // Around escaped PEM stands what it is quoted in.
        text_outside: reader.text_outside && !escaped,
        sections,
    })
}

/// As in an environment variable or a JSON string: right after a BEGIN line.
fn has_escaped_line_ends(text: &str) -> bool {
    text.find(BEGIN).is_some_and(|begin| {
        let behind = &text[begin + BEGIN.len()..];
        behind.find(DASHES).is_some_and(|end| {
            let line_end = &behind[end + DASHES.len()..];
            line_end.starts_with("\\n") || line_end.starts_with("\\r\\n")
        })
    })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    text_outside: bool,
}

impl Reader<'_> {
    fn section(&mut self, escaped: bool) -> Option<Section> {
        let begin = self.at + self.text[self.at..].find(BEGIN)?;
        self.skip(begin);
        let (label, opening_len) = marker(&self.text[begin..], BEGIN);
        let body_at = begin + opening_len;
        let body = &self.text[body_at..];
        let next = body.find(BEGIN).unwrap_or(body.len());
        let (body_len, end_len, fault) = match body[..next].find(END) {
            None => (next, 0, Some(Fault::NoEnd)),
            Some(end) => {
                let (end_label, end_len) = marker(&body[end..next], END);
                let other = end_label != label;
                (end, end_len, other.then_some(Fault::OtherEnd))
            }
        };
        let line = 1 + self.text[..begin].matches('\n').count();
        let opening = &self.text[begin..body_at];
        let closing = &body[body_len..body_len + end_len];
        let oddity = if !has_five_dashes(opening) || (end_len > 0 && !has_five_dashes(closing)) {
            Some(Oddity::Dashes)
        } else {
            self.oddity(begin, body_at, body_at + body_len, escaped)
        };
        let (encrypted, contents) = contents(&body[..body_len]);
        self.at = body_at + body_len + end_len;
        Some(Section {
            label: label.to_owned(),
            line,
            oddity,
            encrypted,
            contents: match fault {
                Some(fault) => Err(fault),
                None => contents.ok_or(Fault::NotBase64),
            },
        })
    }

    fn oddity(&self, begin: usize, body: usize, end: usize, escaped: bool) -> Option<Oddity> {
        let before = |at: usize| {
            let line = self.text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1);
            &self.text[line..at]
        };
        let alone = |prefix: &str| prefix.chars().all(char::is_whitespace);
        let body = self.text[body..].trim_start_matches([' ', '\t']);
        if escaped {
            Some(Oddity::EscapedLineEnds)
        } else if !alone(before(begin))
            || !alone(before(end))
            || !(body.is_empty() || body.starts_with(['\n', '\r']))
        {
            Some(Oddity::OneLine)
        } else if !before(begin).is_empty() || !before(end).is_empty() {
            Some(Oddity::Indented)
        } else {
            None
        }
    }

    /// Passes over what is no section.
    fn skip(&mut self, to: usize) {
        let outside = &self.text[self.at.min(to)..to];
        self.text_outside |= !outside.trim().is_empty();
        self.at = to;
    }
}

/// The label of a BEGIN or END line, and the length of the line up to its last dash. No label has a dash in it.
fn marker<'a>(text: &'a str, opening: &str) -> (&'a str, usize) {
    let behind = &text[opening.len()..];
    let label_len = behind.find(['-', '\n', '\r']).unwrap_or(behind.len());
    let dashes = behind[label_len..].trim_start_matches('-');
    (behind[..label_len].trim(), text.len() - dashes.len())
}

fn has_five_dashes(marker: &str) -> bool {
    marker.len() - marker.trim_end_matches('-').len() == DASHES.len()
}

/// Whether the headers say that it is encrypted, and the contents if they are base64.
fn contents(body: &str) -> (bool, Option<Vec<u8>>) {
    let mut encrypted = false;
    let mut base64 = String::with_capacity(body.len());
    for line in body.lines() {
        // The dash of one header's `DEK-Info` is not base64, nor is any header's colon.
        if line.contains(':') {
            encrypted |= line.contains("ENCRYPTED");
        } else {
            base64.extend(line.chars().filter(|c| !c.is_whitespace()));
        }
    }
    (encrypted, decode(&base64))
}

/// Base64 with its padding or without.
fn decode(base64: &str) -> Option<Vec<u8>> {
    let encoding: &Encoding = if base64.ends_with('=') {
        &BASE64
    } else {
        &BASE64_NOPAD
    };
    encoding.decode(base64.as_bytes()).ok()
}

/// The contents of a text that is nothing but base64, as PEM's without BEGIN and END.
pub(super) fn bare_base64(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let base64: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    // Shorter text is a word, not a certificate.
    (base64.len() >= 40).then(|| decode(&base64)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "-----BEGIN X-----\nAAEC\n-----END X-----\n";

    fn only(text: &str) -> Section {
        let mut text = read(text.as_bytes()).unwrap();
        assert_eq!(text.sections.len(), 1, "{text:?}");
        text.sections.remove(0)
    }

    #[test]
    fn a_section_is_read_with_nothing_to_say_about_it() {
        for text in [
            PLAIN.to_owned(),
            PLAIN.replace('\n', "\r\n"),
            PLAIN.replace('\n', "\r"),
            PLAIN.trim_end().to_owned(),
            PLAIN.replace("AAEC", "AA\nEC"),
            PLAIN.replace("AAEC", " AA EC "),
            PLAIN.replace("X-----\n", "X----- \n"),
        ] {
            let section = only(&text);
            assert_eq!(section.label, "X");
            assert_eq!(section.oddity, None, "{text:?}");
            assert_eq!(section.contents, Ok(vec![0, 1, 2]), "{text:?}");
            assert!(!section.encrypted);
        }
    }

    #[test]
    fn what_a_person_would_read_is_read_and_called_odd() {
        for (text, oddity) in [
            (PLAIN.replace("X-----\nA", "X----\nA"), Oddity::Dashes),
            (PLAIN.replace("END X-----", "END X"), Oddity::Dashes),
            (PLAIN.replace("X-----", "X------"), Oddity::Dashes),
            (format!("  {PLAIN}"), Oddity::Indented),
            (PLAIN.replace("-----END", "\t-----END"), Oddity::Indented),
            (PLAIN.replace('\n', " "), Oddity::OneLine),
            (PLAIN.replace('\n', ""), Oddity::OneLine),
            (format!("key={PLAIN}"), Oddity::OneLine),
            (PLAIN.replace('\n', "\\n"), Oddity::EscapedLineEnds),
            (
                format!("\"{}\"", PLAIN.replace('\n', "\\r\\n")),
                Oddity::EscapedLineEnds,
            ),
        ] {
            let section = only(&text);
            assert_eq!(section.oddity, Some(oddity), "{text:?}");
            assert_eq!(section.contents, Ok(vec![0, 1, 2]), "{text:?}");
        }
    }

    #[test]
    fn what_has_no_contents_says_why() {
        for (text, fault) in [
            ("-----BEGIN X-----\nAAEC\n", Fault::NoEnd),
            (
                "-----BEGIN X-----\nAAEC\n-----END Y-----\n",
                Fault::OtherEnd,
            ),
            (
                "-----BEGIN X-----\nAA*C\n-----END X-----\n",
                Fault::NotBase64,
            ),
            ("-----BEGIN X-----", Fault::NoEnd),
            ("-----BEGIN ", Fault::NoEnd),
        ] {
            assert_eq!(only(text).contents, Err(fault), "{text:?}");
        }
    }

    #[test]
    fn a_section_without_an_end_does_not_swallow_the_next() {
        let text = format!("-----BEGIN Y-----\nAAEC\n{PLAIN}");
        let text = read(text.as_bytes()).unwrap();
        assert_eq!(text.sections.len(), 2);
        assert_eq!(text.sections[0].contents, Err(Fault::NoEnd));
        assert_eq!(text.sections[1].contents, Ok(vec![0, 1, 2]));
        assert_eq!(text.sections[1].line, 3);
    }

    #[test]
    fn headers_marks_line_ends_and_text_outside_are_noticed() {
        let section = only(
            "-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAEC\n-----END X-----\n",
        );
        assert!(section.encrypted);
        assert_eq!(section.contents, Ok(vec![0, 1, 2]));
        let text = read(format!("\u{feff}{PLAIN}").as_bytes()).unwrap();
        assert!(text.byte_order_mark && !text.text_outside && !text.crlf);
        let text = read(PLAIN.replace('\n', "\r\n").as_bytes()).unwrap();
        assert!(text.crlf && !text.text_outside);
        for text in [format!("Bag Attributes\n{PLAIN}"), format!("{PLAIN}x")] {
            assert!(read(text.as_bytes()).unwrap().text_outside, "{text:?}");
        }
        assert!(read(b"no PEM").is_none());
    }
}
