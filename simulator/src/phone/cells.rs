//! Text in terminal cells. What comes from a payload is laid out as it is seen: wide characters take two cells, combining ones none, and control
//! characters (an escape sequence in an alert, say) never reach the terminal.

/// How many cells a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(cells).sum()
}

/// Near enough to Unicode's East Asian Width for a lock screen: the blocks of wide characters and of emoji.
const fn cells(c: char) -> usize {
    match c as u32 {
        // Combining marks, zero-width spaces and joiners, variation selectors, skin tones.
        0x0300..=0x036F
        | 0x200B..=0x200D
        | 0x2060
        | 0x20D0..=0x20FF
        | 0xFE00..=0xFE0F
        | 0xFEFF
        | 0x1F3FB..=0x1F3FF
        | 0xE0000..=0xE01FF => 0,
        0x1100..=0x115F
        | 0x231A..=0x231B
        | 0x23E9..=0x23EC
        | 0x2614..=0x2615
        | 0x26A1
        | 0x26BD..=0x26BE
        | 0x2705
        | 0x270A..=0x270B
        | 0x2728
        | 0x274C
        | 0x2753..=0x2755
        | 0x2795..=0x2797
        | 0x2B50
        | 0x2E80..=0x303E
        | 0x3041..=0xA4CF
        | 0xA960..=0xA97F
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F1E6..=0x1F1FF
        | 0x1F300..=0x1F64F
        | 0x1F680..=0x1F6FF
        | 0x1F900..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

/// A text a terminal can be given: control characters become spaces, and marks that turn the writing direction go.
fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'))
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect()
}

/// Cut to at most `max` cells, with an ellipsis where something went.
pub(super) fn shortened(text: &str, max: usize) -> String {
    let text = clean(text);
    if width(&text) <= max {
        return text;
    }
    let mut taken = 0;
    let mut out: String = text
        .chars()
        .take_while(|c| {
            taken += cells(*c);
            taken < max
        })
        .collect();
    out.push('…');
    out
}

/// Exactly `cells` cells: shortened, or filled up with spaces.
pub(super) fn fitted(text: &str, cells: usize) -> String {
    let mut out = shortened(text, cells);
    let fill = cells - width(&out);
    out.extend(std::iter::repeat_n(' ', fill));
    out
}

/// In the middle of `cells` cells.
pub(super) fn centred(text: &str, cells: usize) -> String {
    let text = shortened(text, cells);
    format!("{}{text}", " ".repeat((cells - width(&text)) / 2))
}

/// One text at each end of `cells` cells; the left one gives way.
pub(super) fn between(left: &str, right: &str, cells: usize) -> String {
    let room = cells.saturating_sub(width(right) + 1);
    format!("{} {right}", fitted(left, room))
}

/// Broken at spaces into lines of at most `cells` cells, words longer than a line broken anywhere; at most `lines` lines, the last with an ellipsis
/// where something went.
pub(super) fn wrapped(text: &str, cells: usize, lines: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace().map(clean) {
        for piece in pieces(&word, cells) {
            if !line.is_empty() && width(&line) + 1 + width(&piece) > cells {
                out.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&piece);
        }
    }
    out.push(line);
    if out.len() > lines {
        out.truncate(lines);
        if let Some(last) = out.last_mut() {
            *last = shortened(&format!("{last} …"), cells);
        }
    }
    out
}

/// A word in pieces of at most `max` cells.
fn pieces(word: &str, max: usize) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut filled = 0;
    for c in word.chars() {
        if filled + cells(c) > max {
            out.push(String::new());
            filled = 0;
        }
        filled += cells(c);
        if let Some(piece) = out.last_mut() {
            piece.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wide_characters_take_two_cells_and_combining_ones_none() {
        assert_eq!(width("abc"), 3);
        assert_eq!(width("日本"), 4);
        assert_eq!(width("e\u{301}"), 1);
        assert_eq!(width("🎉"), 2);
    }

    #[test]
    fn an_escape_sequence_never_reaches_the_terminal() {
        let hostile = "\u{1b}[2J\u{7}boo\r\nnext\u{202e}line\u{9b}1m";
        for out in [
            fitted(hostile, 40),
            shortened(hostile, 9),
            centred(hostile, 40),
            wrapped(hostile, 12, 9).concat(),
        ] {
            assert!(!out.chars().any(char::is_control), "{out:?}");
            assert!(!out.contains('\u{202e}'));
        }
    }

    #[test]
    fn long_text_breaks_at_spaces_and_ends_in_an_ellipsis() {
        assert_eq!(
            wrapped("the quick brown fox", 10, 3),
            ["the quick", "brown fox"]
        );
        assert_eq!(
            wrapped("the quick brown fox jumps", 10, 2),
            ["the quick", "brown fox…"]
        );
        assert_eq!(wrapped("abcdefghijkl", 5, 3), ["abcde", "fghij", "kl"]);
        assert_eq!(wrapped("", 5, 3), [""]);
    }

    proptest! {
        #[test]
        fn whatever_the_text_it_fits(text in any::<String>(), cells in 4_usize..60, lines in 1_usize..5) {
            prop_assert_eq!(width(&fitted(&text, cells)), cells);
            prop_assert!(width(&shortened(&text, cells)) <= cells);
            let lines_out = wrapped(&text, cells, lines);
            prop_assert!(lines_out.len() <= lines);
            prop_assert!(lines_out.iter().all(|line| width(line) <= cells));
        }
    }
}
