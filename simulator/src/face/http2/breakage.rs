//! What faults make of a push and of the connection it came on. No socket, no clock.

use std::sync::Arc;
use std::time::Duration;

use apns_net::h2tap::GoAway;
use h2::Reason as Http2Reason;

use crate::face::breakage::Break;
use crate::faults::Action;

/// What faults have done to a connection so far.
#[derive(Debug, Default)]
pub(super) struct Breakage {
    /// So many streams at once, whoever the provider is.
    streams_max: Option<u32>,
    /// The last stream that is answered; once those up to it are, the connection is over.
    last_stream: Option<u32>,
    /// Has not been said yet.
    goaway: Option<GoAway>,
    broken: Option<Break>,
}

/// What becomes of a push that is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Course {
    /// It waits so long first.
    pub(super) delay: Duration,
    /// The world is shown it.
    pub(super) shown: bool,
    pub(super) end: End,
}

/// How the stream of a push ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// With what the world said; with 200 where it was not asked.
    Answer,
    /// With these words.
    Reason { status: u16, reason: Arc<str> },
    /// With RST_STREAM.
    Reset(Http2Reason),
    /// Not at all.
    Silence,
    /// With the connection.
    Break(Break),
}

impl Course {
    /// Without a fault.
    pub(super) const TRUTH: Self = Self {
        delay: Duration::ZERO,
        shown: true,
        end: End::Answer,
    };

    const fn unseen(end: End) -> Self {
        Self {
            delay: Duration::ZERO,
            shown: false,
            end,
        }
    }
}

impl Breakage {
    /// What a fault makes of the push on `stream`, or with 0 of a connection that has just been opened.
    pub(super) fn course(&mut self, action: &Action, stream: u32) -> Course {
        let shown = action.taken();
        match action {
            Action::Latency { delay, .. } => Course {
                delay: *delay,
                ..Course::TRUTH
            },
            Action::Swallow { delay } => Course {
                delay: *delay,
                ..Course::unseen(End::Answer)
            },
            Action::Reason { status, reason } => Course::unseen(End::Reason {
                status: *status,
                reason: reason.clone(),
            }),
            Action::RstStream { error_code, .. } => Course {
                shown,
                ..Course::unseen(End::Reset((*error_code).into()))
            },
            Action::MaxStreams { streams } => {
                self.streams_max = Some(*streams);
                Course::TRUTH
            }
            Action::Goaway {
                last_stream_id,
                error_code,
                debug,
                ..
            } => {
                // At the beginning of a connection none has been.
                let asked = last_stream_id.unwrap_or(0);
                // Never more than was said before.
                let last_stream = self.last_stream.map_or(asked, |last| last.min(asked));
                self.last_stream = Some(last_stream);
                self.goaway = Some(GoAway {
                    last_stream,
                    reason: (*error_code).into(),
                    debug_data: debug.as_bytes().to_vec().into(),
                });
                let end = if self.answers(stream) {
                    End::Answer
                } else {
                    End::Silence
                };
                Course {
                    shown,
                    ..Course::unseen(end)
                }
            }
            action => match Break::of(action) {
                Some(how) => Course {
                    shown,
                    ..Course::unseen(End::Break(how))
                },
                None => Course::TRUTH,
            },
        }
    }

    /// The connection breaks. The first break counts.
    pub(super) fn breaks(&mut self, how: Break) {
        self.broken.get_or_insert(how);
    }

    pub(super) const fn broken(&self) -> Option<Break> {
        self.broken
    }

    pub(super) const fn streams_max(&self) -> Option<u32> {
        self.streams_max
    }

    pub(super) const fn last_stream(&self) -> Option<u32> {
        self.last_stream
    }

    /// Whether a stream is answered at all.
    pub(super) fn answers(&self, stream: u32) -> bool {
        self.last_stream.is_none_or(|last| stream <= last)
    }

    /// The GOAWAY that is to be said now.
    pub(super) fn take_goaway(&mut self) -> Option<GoAway> {
        self.goaway.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Rule;

    fn action(text: &str) -> Action {
        let rule: Rule = format!("action={text}").parse().unwrap();
        rule.action
    }

    /// What a fault makes of the push on stream 5: whether the world is shown it, and how its stream ends.
    fn course(text: &str) -> (bool, End) {
        let course = Breakage::default().course(&action(text).on_stream(5), 5);
        assert_eq!(course.delay, Duration::ZERO, "{text}");
        (course.shown, course.end)
    }

    #[test]
    fn a_push_takes_the_course_that_its_fault_says() {
        let table = [
            ("max_streams,streams=3", (true, End::Answer)),
            ("swallow", (false, End::Answer)),
            (
                "reason,reason=Odd",
                (
                    false,
                    End::Reason {
                        status: 400,
                        reason: "Odd".into(),
                    },
                ),
            ),
            (
                "rst_stream",
                (false, End::Reset(Http2Reason::REFUSED_STREAM)),
            ),
            (
                "rst_stream,error_code=2,taken=true",
                (true, End::Reset(Http2Reason::INTERNAL_ERROR)),
            ),
            ("reset_peer", (false, End::Break(Break::Reset))),
            ("close,taken=true", (true, End::Break(Break::Close))),
            ("goaway", (false, End::Silence)),
            ("goaway,taken=true", (true, End::Answer)),
            ("goaway,last_stream_id=5", (true, End::Answer)),
            ("goaway,last_stream_id=4", (false, End::Silence)),
            ("goaway,last_stream_id=3,taken=true", (true, End::Silence)),
        ];
        for (text, expected) in table {
            assert_eq!(course(text), expected, "{text}");
        }
        let mut breakage = Breakage::default();
        let late = Duration::from_millis(7);
        let held = breakage.course(&action("latency,ms=7"), 5);
        assert_eq!(
            (held.delay, held.shown, held.end),
            (late, true, End::Answer)
        );
        let held = breakage.course(&action("swallow,ms=7"), 5);
        assert_eq!(
            (held.delay, held.shown, held.end),
            (late, false, End::Answer)
        );
    }

    #[test]
    fn a_goaway_names_the_stream_before_or_this_one_or_any_and_never_more_than_the_last() {
        let last = |text: &str, stream| {
            let mut breakage = Breakage::default();
            breakage.course(&action(text).on_stream(stream), stream);
            breakage.take_goaway().unwrap().last_stream
        };
        assert_eq!(last("goaway", 1), 0);
        assert_eq!(last("goaway", 5), 3);
        assert_eq!(last("goaway,taken=true", 5), 5);
        assert_eq!(last("goaway,last_stream_id=2147483647", 5), 0x7fff_ffff);
        let mut breakage = Breakage::default();
        breakage.course(&action("goaway").on_stream(5), 5);
        breakage.course(&action("goaway,last_stream_id=9").on_stream(3), 3);
        assert_eq!(breakage.take_goaway().unwrap().last_stream, 3);
        assert_eq!(breakage.take_goaway(), None, "it is said once");
        assert!(breakage.answers(3) && !breakage.answers(5));
        let mut new = Breakage::default();
        new.course(&action("goaway"), 0);
        assert_eq!(new.take_goaway().unwrap().last_stream, 0);
    }
}
