//! How PEM is written: what programs pass over, and what they do not read though a person would.

use super::finding::{Code, Finding};
use super::pem::{Fault, Oddity, Text};
use crate::shell::Word;

/// What there is to say of the text around the sections.
pub(super) fn text(text: &Text, file: Word<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if text.byte_order_mark {
        let message = "it begins with a byte order mark, behind which OpenSSL does not see the first BEGIN: save it as UTF-8 \
                           without one";
        findings.push(
            Finding::new(Code::ByteOrderMark, message)
                .mend(format!("sed '1s/^\\xEF\\xBB\\xBF//' {} > plain.pem", file)),
        );
    }
    if text.crlf {
        findings.push(Finding::new(
            Code::Crlf,
            "its lines end as Windows' do: OpenSSL and apns-gateway do not mind",
        ));
    }
    if text.text_outside {
        findings.push(Finding::new(
                Code::TextOutside,
                "text stands outside of the sections (\"Bag Attributes\"): OpenSSL and apns-gateway pass over it",
            ));
    }
    findings
}

/// What to say of a section that a person could read.
pub(super) fn oddity(oddity: Oddity, line: usize, file: Word<&str>) -> Finding {
    match oddity {
            Oddity::Dashes => Finding::new(
                Code::BeginLine,
                format!("the section in line {line}: its BEGIN and END lines must begin and end with exactly five hyphens"),
            ),
            Oddity::Indented => Finding::new(
                Code::Indented,
                format!(
                    "the section in line {line} has spaces before BEGIN or END, and OpenSSL and apns-gateway pass over it: take \
                     them away"
                ),
            )
            .mend(format!("sed 's/^[[:space:]]*//' {file} > plain.pem")),
            Oddity::OneLine => Finding::new(
                Code::LineEnds,
                format!(
                    "the section in line {line}: BEGIN and END must be on lines of their own; the line ends were lost, as when \
                     pasted into a form or an unquoted shell variable"
                ),
            ),
            Oddity::EscapedLineEnds => Finding::new(
                Code::LineEnds,
                "the characters \\n stand where lines should end, as in JSON or an environment variable: turn them into line ends",
            )
            .mend(format!("printf '%b' \"$(cat {file})\" > plain.pem")),
        }
}

/// What to say of a section without contents.
pub(super) fn fault(fault: Fault, label: &str, line: usize) -> Finding {
    match fault {
        Fault::NoEnd => Finding::new(
            Code::EndLine,
            format!(
                "the section in line {line} has no END line (\"-----END {label}-----\"): it was cut short; copy it whole"
            ),
        ),
        Fault::OtherEnd => Finding::new(
            Code::EndLine,
            format!(
                "the section in line {line} begins as {label} and ends as another: two were mixed up; copy each whole"
            ),
        ),
        Fault::NotBase64 => Finding::new(
            Code::NotBase64,
            format!(
                "the section in line {line} is not base64: it was damaged on the way; copy or export it again"
            ),
        ),
    }
}

/// What to say of a section with another label.
pub(super) fn other_section(label: &str, line: usize) -> Option<Finding> {
    // OpenSSL writes them before an elliptic curve key, and reads past them.
    if label == "EC PARAMETERS" {
        return None;
    }
    Some(Finding::new(
        Code::OtherSection,
        format!("the section in line {line} is {label:?}, which push has no use for"),
    ))
}
