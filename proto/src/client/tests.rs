use super::*;

const QUIET: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
const PUSH: Push<'_> = Push {
    token: &[0xa1; 32],
    payload: b"{}",
    expiry: None,
    priority: None,
};

#[expect(
    clippy::disallowed_methods,
    reason = "the tests have to count from some instant"
)]
fn start() -> Instant {
    Instant::now()
}

fn push(session: &mut Session<u32>, tags: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut out = BytesMut::new();
    tags.into_iter()
        .map(|tag| session.push(&PUSH, tag, &mut out).unwrap().to_u32())
        .collect()
}

/// A session that has sent tags 1, 2, …, `len` under the identifiers 1, 2, …, all in one write finished at `now`.
fn sent(len: u32, now: Instant) -> Session<u32> {
    let mut session = Session::new(QUIET, 100);
    push(&mut session, 1..=len);
    session.write_started(now);
    session.write_finished(now);
    session
}

fn packet(status: u8, identifier: u32) -> Option<ErrorPacket> {
    Some(ErrorPacket {
        status: Status(status),
        identifier: Identifier::from_u32(identifier),
    })
}

#[test]
fn identifiers_start_at_1_and_are_written_as_command_2() {
    let mut session = Session::new(QUIET, 100);
    let mut out = BytesMut::new();
    let push = Push {
        expiry: Some(crate::Expiry(0)),
        priority: Some(crate::Priority(10)),
        ..PUSH
    };
    assert_eq!(
        session.push(&push, (), &mut out).unwrap(),
        Identifier([0, 0, 0, 1])
    );
    let expected = [
        &[2, 0, 0, 0, 58, 1, 0, 32][..],
        &[0xa1; 32],
        &[
            2, 0, 2, b'{', b'}', 3, 0, 4, 0, 0, 0, 1, 4, 0, 4, 0, 0, 0, 0, 5, 0, 1, 10,
        ],
    ]
    .concat();
    assert_eq!(out, expected);
}

#[test]
fn a_write_that_carried_nothing_new_announces_no_confirmation() {
    let now = start();
    let mut session = sent(1, now);
    session.write_started(now + MS);
    session.write_finished(now + 2 * MS);
    assert_eq!(session.confirmed(now + QUIET + MS), [1]);
    assert_eq!(session.next_confirmation(), None);
}

#[test]
fn what_is_too_long_uses_no_identifier() {
    let mut session = Session::new(QUIET, 100);
    let long = Push {
        payload: &[b'x'; 20_000],
        ..PUSH
    };
    assert!(session.push(&long, 1, &mut BytesMut::new()).is_err());
    assert_eq!(session.pending_len(), 0);
    assert_eq!(push(&mut session, [2]), [1]);
}

#[test]
fn the_window_bounds_what_is_pending() {
    let mut session = Session::new(QUIET, 3);
    assert_eq!(session.room(), 3);
    push(&mut session, 1..=3);
    assert_eq!((session.room(), session.pending_len()), (0, 3));
    let t0 = start();
    session.write_started(t0);
    session.write_finished(t0);
    assert_eq!(session.confirmed(t0 + QUIET), [1, 2, 3]);
    assert_eq!((session.room(), session.pending_len()), (3, 0));
    assert_eq!(
        Session::<u32>::new(QUIET, 0).room(),
        1,
        "a window of none would never move"
    );
}

#[test]
fn quiet_after_the_write_confirms() {
    let t0 = start();
    let mut session = sent(2, t0);
    assert_eq!(session.next_confirmation(), Some(t0 + QUIET));
    assert_eq!(session.confirmed(t0 + QUIET - MS), []);
    assert_eq!(session.confirmed(t0 + QUIET), [1, 2]);
    assert_eq!(session.confirmed(t0 + QUIET * 2), []);
    assert_eq!(session.next_confirmation(), None);
}

#[test]
fn the_quiet_clock_stands_still_while_a_write_is_pending() {
    let t0 = start();
    let mut session = sent(1, t0);
    push(&mut session, [2]);
    session.write_started(t0 + QUIET / 2);
    assert_eq!(session.next_confirmation(), None);
    assert_eq!(
        session.confirmed(t0 + QUIET * 100),
        [],
        "a stalled server confirms nothing"
    );
    session.write_finished(t0 + QUIET * 100);
    assert_eq!(
        session.next_confirmation(),
        Some(t0 + QUIET * 100 + QUIET / 2)
    );
    assert_eq!(session.confirmed(t0 + QUIET * 100 + QUIET / 2), [1]);
    assert_eq!(session.confirmed(t0 + QUIET * 101), [2]);
}

#[test]
fn what_is_pushed_while_a_write_is_pending_belongs_to_the_next() {
    let t0 = start();
    let mut session = Session::new(QUIET, 100);
    push(&mut session, [1]);
    session.write_started(t0);
    push(&mut session, [2]);
    session.write_finished(t0);
    assert_eq!(session.confirmed(t0 + QUIET * 10), [1]);
    session.write_started(t0 + QUIET * 10);
    session.write_finished(t0 + QUIET * 10);
    assert_eq!(session.confirmed(t0 + QUIET * 11), [2]);
}

#[test]
fn nothing_is_confirmed_that_was_not_written() {
    let t0 = start();
    let mut session = sent(0, t0);
    push(&mut session, [1]);
    assert_eq!(session.confirmed(t0 + QUIET * 10), []);
    assert_eq!(session.next_confirmation(), None);
}

#[test]
fn from_the_first_byte_of_an_answer_on_silence_confirms_nothing() {
    let t0 = start();
    let mut session = sent(3, t0);
    let mut buf = BytesMut::from(&[8][..]);
    assert_eq!(session.receive(&mut buf), None);
    assert_eq!(session.confirmed(t0 + QUIET * 10), []);
    assert_eq!(session.next_confirmation(), None);
    assert_eq!(session.room(), 0, "there is no point in sending more");
    buf.extend_from_slice(&[8, 0, 0, 0, 2]);
    let packet = session.receive(&mut buf).unwrap().unwrap();
    let outcome = session.finish(Some(packet));
    assert_eq!(outcome.confirmed, [1]);
    assert_eq!(outcome.rejected, Some((2, Status::INVALID_TOKEN)));
    assert_eq!(outcome.resend, [3]);
}

#[test]
fn reading_nothing_is_still_silence() {
    let t0 = start();
    let mut session = sent(1, t0);
    assert_eq!(session.receive(&mut BytesMut::new()), None);
    assert_eq!(session.confirmed(t0 + QUIET), [1]);
}

/// What the server says about 1, 2, 3, 4, of which 1 is confirmed by silence and 4 was not written.
#[test]
fn each_packet_leads_to_exactly_this_outcome() {
    let confirmed_already = |behind| Some(Surprise::AlreadyConfirmed { behind });
    let status = Status;
    #[rustfmt::skip]
    let table = [
        (None,                      vec![],     None,                   vec![2, 3, 4], 2, None),
        (packet(8, 2),              vec![],     Some((2, status(8))),   vec![3, 4],    0, None),
        (packet(8, 3),              vec![2],    Some((3, status(8))),   vec![4],       0, None),
        (packet(0, 3),              vec![2],    Some((3, status(0))),   vec![4],       0, None),
        (packet(128, 2),            vec![],     Some((2, status(128))), vec![3, 4],    0, None),
        (packet(255, 2),            vec![],     Some((2, status(255))), vec![3, 4],    0, None),
        (packet(77, 2),             vec![],     Some((2, status(77))),  vec![3, 4],    0, None),
        (packet(10, 2),             vec![2],    None,                   vec![3, 4],    0, None),
        (packet(10, 3),             vec![2, 3], None,                   vec![4],       0, None),
        (packet(10, 1),             vec![],     None,                   vec![2, 3, 4], 0, None),
        (packet(8, 1),              vec![],     None,                   vec![2, 3, 4], 0, confirmed_already(0)),
        (packet(8, 4),              vec![],     None,                   vec![2, 3, 4], 2, Some(Surprise::NeverSent)),
        (packet(8, 5),              vec![],     None,                   vec![2, 3, 4], 2, Some(Surprise::NeverSent)),
        (packet(8, 0),              vec![],     None,                   vec![2, 3, 4], 2, Some(Surprise::NeverSent)),
        (packet(10, 0),             vec![],     None,                   vec![2, 3, 4], 2, Some(Surprise::NeverSent)),
        (packet(8, u32::MAX),       vec![],     None,                   vec![2, 3, 4], 2, Some(Surprise::NeverSent)),
    ];
    for (packet, confirmed, rejected, resend, doubtful, surprise) in table {
        let t0 = start();
        let mut session = sent(1, t0);
        assert_eq!(session.confirmed(t0 + QUIET), [1]);
        push(&mut session, 2..=3);
        session.write_started(t0 + QUIET);
        push(&mut session, [4]);
        let expected = Outcome {
            confirmed,
            rejected,
            resend,
            doubtful,
            surprise,
        };
        assert_eq!(session.finish(packet), expected, "{packet:?}");
    }
}

#[test]
fn a_packet_that_names_what_was_confirmed_says_how_much_is_lost_behind_it() {
    for (status, identifier, surprise) in [
        (8, 2, Some(Surprise::AlreadyConfirmed { behind: 3 })),
        (8, 5, Some(Surprise::AlreadyConfirmed { behind: 0 })),
        (10, 2, Some(Surprise::AlreadyConfirmed { behind: 3 })),
        (10, 5, None),
    ] {
        let t0 = start();
        let mut session = sent(5, t0);
        assert_eq!(session.confirmed(t0 + QUIET).len(), 5);
        push(&mut session, [6]);
        let outcome = session.finish(packet(status, identifier));
        assert_eq!((outcome.resend, outcome.doubtful), (vec![6], 0));
        assert_eq!(outcome.surprise, surprise);
    }
}

/// An asking session that has sent tags 1 and 2, and a farewell, which is number 3.
fn asked(now: Instant) -> (Session<u32>, BytesMut) {
    let mut session = Session::asking(QUIET, 100);
    push(&mut session, 1..=2);
    session.write_started(now);
    session.write_finished(now);
    let mut out = BytesMut::new();
    assert_eq!(session.farewell(&mut out), Identifier([0, 0, 0, 3]));
    (session, out)
}

#[test]
fn a_farewell_is_command_2_with_nothing_but_an_identifier_and_the_last_word() {
    let (session, out) = asked(start());
    assert_eq!(&out[..], [2, 0, 0, 0, 7, 3, 0, 4, 0, 0, 0, 3]);
    assert!(session.is_leaving());
    assert_eq!((session.room(), session.pending_len()), (0, 2));
}

#[test]
fn where_the_session_asks_silence_confirms_nothing_before_the_farewell_and_everything_after_it() {
    let t0 = start();
    let (mut session, _) = asked(t0);
    assert_eq!(session.next_confirmation(), None);
    assert_eq!(session.confirmed(t0 + QUIET * 10), []);
    let t1 = t0 + QUIET * 10;
    session.write_started(t1);
    session.write_finished(t1);
    assert_eq!(session.next_confirmation(), Some(t1 + QUIET));
    assert_eq!(session.confirmed(t1 + QUIET - MS), []);
    assert_eq!(session.confirmed(t1 + QUIET), [1, 2]);
    let outcome = session.finish(packet(2, 3));
    assert_eq!(outcome.surprise, None, "a late answer is none");
}

/// What the server says about 1, 2 and a farewell with identifier 3.
#[test]
fn the_answer_to_a_farewell_confirms_everything_before_it_and_no_other_does() {
    let never_sent = Some(Surprise::NeverSent);
    #[rustfmt::skip]
    let table = [
        (packet(2, 3),  vec![1, 2], None,                           vec![],     0, None),
        (packet(5, 3),  vec![1, 2], None,                           vec![],     0, None),
        (packet(10, 3), vec![1, 2], None,                           vec![],     0, None),
        (packet(2, 0),  vec![1, 2], None,                           vec![],     0, None),
        (packet(8, 1),  vec![],     Some((1, Status(8))),           vec![2],    0, None),
        (packet(8, 2),  vec![1],    Some((2, Status(8))),           vec![],     0, None),
        (packet(10, 1), vec![1],    None,                           vec![2],    0, None),
        (packet(10, 2), vec![1, 2], None,                           vec![],     0, None),
        (packet(8, 0),  vec![],     None,                           vec![1, 2], 2, never_sent),
        (packet(2, 4),  vec![],     None,                           vec![1, 2], 2, never_sent),
        (None,          vec![],     None,                           vec![1, 2], 2, None),
    ];
    for (packet, confirmed, rejected, resend, doubtful, surprise) in table {
        let t0 = start();
        let (mut session, _) = asked(t0);
        session.write_started(t0);
        let expected = Outcome {
            confirmed,
            rejected,
            resend,
            doubtful,
            surprise,
        };
        assert_eq!(session.finish(packet), expected, "{packet:?}");
    }
}

#[test]
fn a_farewell_that_was_not_written_cannot_be_answered() {
    for packet in [packet(2, 3), packet(2, 0)] {
        let outcome = asked(start()).0.finish(packet);
        assert_eq!(outcome.confirmed, []);
        assert_eq!(outcome.surprise, Some(Surprise::NeverSent));
    }
}

#[test]
fn identifiers_wrap_past_zero_and_are_still_told_apart() {
    let t0 = start();
    let session = || {
        let mut session = Session::from_place(QUIET, 100, u64::from(u32::MAX) - 3);
        assert_eq!(push(&mut session, 1..=2), [u32::MAX - 2, u32::MAX - 1]);
        session.write_started(t0);
        session.write_finished(t0);
        assert_eq!(session.confirmed(t0 + QUIET), [1, 2]);
        assert_eq!(push(&mut session, 3..=6), [u32::MAX, 1, 2, 3]);
        session.write_started(t0 + QUIET);
        session.write_finished(t0 + QUIET);
        session
    };
    for (identifier, confirmed, rejected, resend) in [
        (u32::MAX, vec![], 3, vec![4, 5, 6]),
        (1, vec![3], 4, vec![5, 6]),
        (3, vec![3, 4, 5], 6, vec![]),
    ] {
        let outcome = session().finish(packet(8, identifier));
        assert_eq!(outcome.confirmed, confirmed, "{identifier:#x}");
        assert_eq!(outcome.rejected, Some((rejected, Status::INVALID_TOKEN)));
        assert_eq!(outcome.resend, resend);
        assert_eq!(outcome.surprise, None);
    }
    for (identifier, surprise) in [
        (u32::MAX - 2, Surprise::AlreadyConfirmed { behind: 1 }),
        (u32::MAX - 1, Surprise::AlreadyConfirmed { behind: 0 }),
        (u32::MAX - 3, Surprise::NeverSent),
        (4, Surprise::NeverSent),
        (0, Surprise::NeverSent),
    ] {
        let outcome = session().finish(packet(8, identifier));
        assert_eq!(outcome.surprise, Some(surprise), "{identifier:#x}");
        assert_eq!(outcome.resend, [3, 4, 5, 6]);
    }
    let mut session = session();
    assert_eq!(
        session.confirmed(t0 + QUIET * 2),
        [3, 4, 5, 6],
        "across the wrap"
    );
    assert_eq!(session.finish(packet(10, 3)).surprise, None);
}

#[test]
fn surprises_read_as_sentences() {
    assert_eq!(
        format!("the server {}", Surprise::AlreadyConfirmed { behind: 3 }),
        "the server named a notification that counted as confirmed, with 3 confirmed after it"
    );
    assert_eq!(
        format!("the server {}", Surprise::NeverSent),
        "the server named a notification that was never sent"
    );
}
