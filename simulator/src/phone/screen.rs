//! A phone's lock screen, and its picture in plain Unicode for a terminal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

use super::event::Received;
use super::payload::{Alert, Payload};
use super::{App, Phone, cells};

/// Notes drawn; the rest is counted underneath.
const NOTES_DRAWN: usize = 5;
/// Lines of message drawn per note.
const BODY_LINES: usize = 3;
/// The narrowest and widest picture, in terminal cells.
const WIDTHS: std::ops::RangeInclusive<usize> = 28..=80;

/// One notification on the lock screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Numbers what the phone received; the handle with which the user opens one.
    pub number: u64,
    /// When it arrived.
    pub at: SystemTime,
    /// The app's bundle id.
    pub topic: Arc<str>,
    /// The app's name.
    pub app: Arc<str>,
    /// What it says.
    pub alert: Alert<'static>,
}

/// The notes on a phone's lock screen: fifty at most, the oldest leaves when one more comes. What they say is read in their payloads by whoever looks.
#[derive(Debug, Clone, Copy)]
pub struct LockScreen<'a> {
    pub(super) phone: &'a Phone,
}

impl<'a> LockScreen<'a> {
    /// The notes, oldest first.
    #[must_use]
    pub fn notes(self) -> impl DoubleEndedIterator<Item = Note> + ExactSizeIterator + use<'a> {
        let noted = self.phone.memory().noted();
        noted.map(move |(number, received)| self.note(number, received))
    }

    fn note(self, number: u64, received: &Received) -> Note {
        // It has been read before, and an app takes its notes with it.
        let alert = match Payload::parse(&received.payload) {
            Ok(Payload::App(aps)) => aps.alert.unwrap_or_default(),
            _ => Alert::default(),
        };
        let topic = received.topic.clone().unwrap_or_default();
        let app = self.phone.app(&topic).map(App::shared_name);
        Note {
            number,
            at: received.at,
            app: app.unwrap_or_else(|| topic.clone()),
            topic,
            alert: alert.into_owned(),
        }
    }
}

/// An app's icon: its name and its badge.
pub(super) struct Icon<'a> {
    pub(super) name: &'a str,
    pub(super) badge: u32,
}

/// Draws the phone, `width` cells wide. The clock shows UTC.
pub(super) fn draw(
    screen: LockScreen<'_>,
    phone: &str,
    online: bool,
    icons: &[Icon<'_>],
    now: SystemTime,
    width: usize,
) -> String {
    let width = width.clamp(*WIDTHS.start(), *WIDTHS.end());
    let mut case = Case {
        inner: width - 4,
        out: String::new(),
    };
    let local = OffsetDateTime::from(now);
    case.edge('╭', '╮');
    case.row(&cells::between(
        phone,
        if online { "●●●●" } else { "no service" },
        case.inner,
    ));
    case.row("");
    for line in clock(local.hour(), local.minute()) {
        case.row(&cells::centred(&line, case.inner));
    }
    case.row(&cells::centred(
        &format!("{}, {} {}", local.weekday(), local.day(), local.month()),
        case.inner,
    ));
    case.row("");
    let count = screen.notes().len();
    for note in screen.notes().rev().take(NOTES_DRAWN) {
        case.note(&note, now);
    }
    if count > NOTES_DRAWN {
        case.row(&cells::centred(
            &format!("{} more", count - NOTES_DRAWN),
            case.inner,
        ));
    }
    if count == 0 {
        case.row(&cells::centred("no notifications", case.inner));
    }
    case.row("");
    case.icons(icons);
    case.row(&cells::centred("━━━━━━━━", case.inner));
    case.edge('╰', '╯');
    case.out
}

/// The phone's outline, filled row by row.
struct Case {
    inner: usize,
    out: String,
}

impl Case {
    fn edge(&mut self, left: char, right: char) {
        self.out.push(left);
        self.out.push_str(&"─".repeat(self.inner + 2));
        self.out.push(right);
        self.out.push('\n');
    }

    fn row(&mut self, text: &str) {
        self.out.push_str("│ ");
        self.out.push_str(&cells::fitted(text, self.inner));
        self.out.push_str(" │\n");
    }

    fn note(&mut self, note: &Note, now: SystemTime) {
        let inner = self.inner - 4;
        self.row(&format!("╭{}╮", "─".repeat(inner + 2)));
        let mut line = |text: &str| self.row(&format!("│ {} │", cells::fitted(text, inner)));
        line(&cells::between(
            &note.app.to_uppercase(),
            &age(note.at, now),
            inner,
        ));
        for heading in [&note.alert.title, &note.alert.subtitle]
            .into_iter()
            .flatten()
        {
            line(heading);
        }
        if let Some(body) = &note.alert.body {
            for text in cells::wrapped(body, inner, BODY_LINES) {
                line(&text);
            }
        }
        self.row(&format!("╰{}╯", "─".repeat(inner + 2)));
    }

    /// The apps with their badges, as many in a row as fit.
    fn icons(&mut self, icons: &[Icon<'_>]) {
        let mut row = String::new();
        for icon in icons {
            let name = cells::shortened(icon.name, self.inner / 2);
            let icon = if icon.badge == 0 {
                format!("▢ {name}")
            } else {
                format!("▣ {name} ({})", icon.badge)
            };
            if !row.is_empty() && cells::width(&row) + 3 + cells::width(&icon) > self.inner {
                self.row(&cells::centred(&std::mem::take(&mut row), self.inner));
            }
            if !row.is_empty() {
                row.push_str("   ");
            }
            row.push_str(&icon);
        }
        self.row(&cells::centred(&row, self.inner));
    }
}

fn age(at: SystemTime, now: SystemTime) -> String {
    let minutes = now.duration_since(at).unwrap_or(Duration::ZERO).as_secs() / 60;
    match minutes {
        0 => "now".to_owned(),
        1..60 => format!("{minutes}m ago"),
        60..1440 => format!("{}h ago", minutes / 60),
        _ => format!("{}d ago", minutes / 1440),
    }
}

/// The time in digits three rows high.
fn clock(hour: u8, minute: u8) -> [String; 3] {
    const DIGITS: [[&str; 10]; 3] = [
        [
            "┏━┓",
            " ╻ ",
            "╺━┓",
            "╺━┓",
            "╻ ╻",
            "┏━╸",
            "┏━╸",
            "╺━┓",
            "┏━┓",
            "┏━┓",
        ],
        [
            "┃ ┃",
            " ┃ ",
            "┏━┛",
            " ━┫",
            "┗━┫",
            "┗━┓",
            "┣━┓",
            "  ┃",
            "┣━┫",
            "┗━┫",
        ],
        [
            "┗━┛",
            " ╹ ",
            "┗━╸",
            "╺━┛",
            "  ╹",
            "╺━┛",
            "┗━┛",
            "  ╹",
            "┗━┛",
            "╺━┛",
        ],
    ];
    let digits = [hour / 10, hour % 10, minute / 10, minute % 10].map(usize::from);
    std::array::from_fn(|row| {
        let [a, b, c, d] = digits.map(|digit| DIGITS[row][digit]);
        let colon = if row == 2 { " " } else { "╻" };
        format!("{a} {b} {} {c} {d}", if row == 1 { "╹" } else { colon })
    })
}
