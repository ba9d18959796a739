use super::*;
use crate::Fault;

const SECOND: Duration = Duration::from_secs(1);
const FRAME_TIMEOUT: Duration = Duration::from_secs(30);

/// Command 1 with token a1…a1, payload `{}` and the given identifier: 47 bytes.
fn enhanced(identifier: u8) -> Vec<u8> {
    let head = [1, 0, 0, 0, identifier, 0, 0, 0, 0, 0, 32];
    [&head[..], &[0xa1; 32], &[0, 2], b"{}"].concat()
}

/// Command 0 with the same: 39 bytes.
fn simple() -> Vec<u8> {
    [&[0, 0, 32][..], &[0xa1; 32], &[0, 2], b"{}"].concat()
}

/// Command 1 without a token; its end is known.
fn tokenless(identifier: u8) -> Vec<u8> {
    vec![1, 0, 0, 0, identifier, 0, 0, 0, 0, 0, 0, 0, 2, b'{', b'}']
}

#[expect(
    clippy::disallowed_methods,
    reason = "the tests have to count from some instant"
)]
fn start() -> Instant {
    Instant::now()
}

fn session() -> Session {
    Session::new(Limits::BINARY, FRAME_TIMEOUT)
}

/// Hands `bytes` over and returns the seqs given out, malformed ones negative.
fn take(session: &mut Session, bytes: &[u8]) -> Vec<i64> {
    let mut buf = BytesMut::from(bytes);
    std::iter::from_fn(|| session.receive(&mut buf, start()))
        .map(|step| match step {
            Step::Notification { seq, .. } => seq.cast_signed(),
            Step::Malformed { seq, .. } => -seq.cast_signed(),
        })
        .collect()
}

fn packet(status: u8, identifier: u8) -> Reply {
    Reply::Packet(ErrorPacket {
        status: Status(status),
        identifier: Identifier([0, 0, 0, identifier]),
    })
}

#[test]
fn seqs_count_from_1() {
    let mut session = session();
    assert_eq!(session.newest(), None);
    assert_eq!(
        take(&mut session, &[enhanced(9), simple(), enhanced(9)].concat()),
        [1, 2, 3]
    );
    assert_eq!(session.newest(), Some(3));
}

#[test]
fn only_the_newest_is_answered_and_only_once() {
    let mut session = session();
    assert_eq!(
        session.answer(0, Some(Status::INVALID_TOKEN)),
        None,
        "nothing was handed out"
    );
    take(&mut session, &[enhanced(7), enhanced(8)].concat());
    assert_eq!(session.answer(1, Some(Status::INVALID_TOKEN)), None);
    assert_eq!(session.answer(3, Some(Status::INVALID_TOKEN)), None);
    assert_eq!(
        session.answer(2, Some(Status::INVALID_TOKEN)),
        Some(packet(8, 8))
    );
    assert_eq!(session.answer(2, Some(Status::INVALID_TOKEN)), None);
    assert_eq!(session.shutdown(), Reply::Close, "no second packet");
}

#[test]
fn what_follows_an_answer_is_dropped_and_counted() {
    let mut session = session();
    let mut buf = BytesMut::from(&[enhanced(7), enhanced(8), enhanced(9)].concat()[..]);
    assert!(session.receive(&mut buf, start()).is_some());
    assert_eq!(
        session.answer(1, Some(Status::INVALID_TOKEN)),
        Some(packet(8, 7))
    );
    assert!(session.receive(&mut buf, start()).is_none());
    assert_eq!((buf.len(), session.discarded_len()), (0, 94));
    assert_eq!(take(&mut session, b"more"), []);
    assert_eq!(session.discarded_len(), 98);
    assert_eq!(
        session.end(b"x"),
        End::Clean,
        "nothing that counted was cut"
    );
}

#[test]
fn nothing_is_given_out_behind_a_malformed_frame_until_it_is_passed() {
    let mut session = session();
    let mut buf = BytesMut::from(&[enhanced(7), tokenless(8), enhanced(9)].concat()[..]);
    assert!(matches!(
        session.receive(&mut buf, start()),
        Some(Step::Notification { seq: 1, .. })
    ));
    let Some(Step::Malformed { seq: 2, malformed }) = session.receive(&mut buf, start()) else {
        panic!("the second is malformed");
    };
    assert_eq!(malformed.fault, Fault::MissingToken);
    for _ in 0..2 {
        assert!(session.receive(&mut buf, start()).is_none());
        assert_eq!(buf.len(), 47, "and nothing is taken");
    }
    assert!(!session.pass(1), "that is not the one");
    assert!(session.pass(2));
    assert!(!session.pass(2), "it is passed already");
    assert!(matches!(
        session.receive(&mut buf, start()),
        Some(Step::Notification { seq: 3, .. })
    ));
}

#[test]
fn a_malformed_frame_is_answered_with_its_identifier() {
    let mut session = session();
    assert_eq!(take(&mut session, &tokenless(8)), [-1]);
    assert_eq!(
        session.answer(1, Some(Status::MISSING_TOKEN)),
        Some(packet(2, 8))
    );
    assert!(!session.pass(1), "the session is over");
}

#[test]
fn a_frame_without_an_end_cannot_be_passed() {
    for stream in [&[0x16, 3, 1][..], &[2, 0xff, 0xff, 0xff, 0xff]] {
        let mut session = session();
        assert_eq!(take(&mut session, stream), [-1]);
        assert!(!session.pass(1));
        assert_eq!(take(&mut session, &enhanced(7)), []);
    }
}

#[test]
fn an_unknown_command_is_a_bare_close_and_an_oversize_frame_names_zero() {
    let mut unknown = session();
    take(&mut unknown, &[0x16, 3, 1]);
    assert_eq!(unknown.answer(1, None), Some(Reply::Close));
    let mut oversize = session();
    take(&mut oversize, &[2, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(
        oversize.answer(1, Some(Status::PROTOCOL_ERROR)),
        Some(packet(128, 0))
    );
}

#[test]
fn command_0_is_answered_by_a_bare_close_whatever_the_status() {
    let mut session = session();
    take(&mut session, &[enhanced(7), simple()].concat());
    assert_eq!(
        session.answer(2, Some(Status::INVALID_TOKEN)),
        Some(Reply::Close)
    );
}

#[test]
fn shutdown_names_the_newest_taken() {
    let mut session = session();
    take(&mut session, &[enhanced(7), enhanced(8)].concat());
    assert_eq!(session.shutdown(), packet(10, 8));
    assert_eq!(session.shutdown(), Reply::Close);
    assert_eq!(take(&mut session, &enhanced(9)), [], "the session is over");
}

#[test]
fn shutdown_closes_without_a_word_where_there_is_nothing_to_name() {
    assert_eq!(session().shutdown(), Reply::Close, "nothing was taken");
    let mut simple_last = session();
    take(&mut simple_last, &[enhanced(7), simple()].concat());
    assert_eq!(
        simple_last.shutdown(),
        Reply::Close,
        "the newest has no identifier"
    );
}

#[test]
fn shutdown_counts_a_malformed_frame_as_taken_once_it_is_passed() {
    let stream = [enhanced(7), tokenless(8)].concat();
    let mut waiting = session();
    take(&mut waiting, &stream);
    assert_eq!(waiting.shutdown(), packet(10, 7));
    let mut passed = session();
    take(&mut passed, &stream);
    assert!(passed.pass(2));
    assert_eq!(passed.shutdown(), packet(10, 8));
}

#[test]
fn a_frame_has_its_time_from_its_first_byte_however_it_trickles() {
    let (mut session, t0, mut buf) = (session(), start(), BytesMut::new());
    assert_eq!(session.deadline(), None);
    for (second, byte) in enhanced(7).into_iter().enumerate().take(30) {
        let now = t0 + SECOND * u32::try_from(second).unwrap();
        assert_eq!(session.tick(now), None);
        buf.extend_from_slice(&[byte]);
        assert!(session.receive(&mut buf, now).is_none());
        assert_eq!(session.deadline(), Some(t0 + FRAME_TIMEOUT));
    }
    let overdue = session.tick(t0 + FRAME_TIMEOUT).unwrap();
    assert_eq!(
        overdue,
        Overdue {
            len: 30,
            after: FRAME_TIMEOUT
        }
    );
    assert_eq!(
        overdue.to_string(),
        "frame still incomplete 30s after its first byte, with 30 bytes"
    );
    assert_eq!(session.deadline(), None);
    assert_eq!(take(&mut session, &enhanced(8)), [], "the session is over");
}

#[test]
fn each_completed_frame_gives_the_next_its_own_time() {
    let (mut session, t0) = (session(), start());
    let mut buf = BytesMut::from(&enhanced(7)[..20]);
    assert!(session.receive(&mut buf, t0).is_none());
    buf.extend_from_slice(&enhanced(7)[20..]);
    buf.extend_from_slice(&enhanced(8)[..5]);
    assert!(session.receive(&mut buf, t0 + SECOND).is_some());
    assert_eq!(session.deadline(), None);
    assert!(session.receive(&mut buf, t0 + SECOND).is_none());
    assert_eq!(session.deadline(), Some(t0 + SECOND + FRAME_TIMEOUT));
    buf.extend_from_slice(&enhanced(8)[5..]);
    assert!(session.receive(&mut buf, t0 + SECOND * 2).is_some());
    assert!(session.receive(&mut buf, t0 + SECOND * 2).is_none());
    assert_eq!(
        session.deadline(),
        None,
        "an idle connection is not dropped"
    );
}

#[test]
fn a_pause_of_our_own_is_not_the_peers() {
    let (mut session, t0) = (session(), start());
    let mut buf = BytesMut::from(&enhanced(7)[..20]);
    assert!(session.receive(&mut buf, t0).is_none());
    session.resumed(t0 + SECOND * 60);
    assert_eq!(session.tick(t0 + SECOND * 60), None);
    assert_eq!(session.deadline(), Some(t0 + SECOND * 60 + FRAME_TIMEOUT));
}

#[test]
fn no_time_runs_while_a_malformed_frame_waits_for_its_answer() {
    let (mut session, t0) = (session(), start());
    let mut buf = BytesMut::from(&[tokenless(7), enhanced(8)[..9].to_vec()].concat()[..]);
    assert!(session.receive(&mut buf, t0).is_some());
    assert!(session.receive(&mut buf, t0).is_none());
    assert_eq!(session.deadline(), None);
    assert_eq!(session.tick(t0 + SECOND * 600), None);
}

#[test]
fn the_end_is_clean_between_frames_and_truncated_inside_one() {
    let mut session = session();
    let mut buf = BytesMut::from(&[enhanced(7), enhanced(8)[..9].to_vec()].concat()[..]);
    while session.receive(&mut buf, start()).is_some() {}
    assert_eq!(session.end(&buf), End::Truncated { len: 9 });
    assert_eq!(session.end(&[]), End::Clean);
    session.hang_up();
    assert_eq!(session.end(&buf), End::Clean);
}
