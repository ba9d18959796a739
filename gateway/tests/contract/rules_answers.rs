//! Rules 2 to 4 and 11 of the order contract: what a backend is told. What a scenario shows is not repeated here.

use apns_gateway::contract::{AppOptions, Mode};
use apns_gateway::store::DeadLetterEnd;
use apns_proto::Status;
use apns_proto::server::Reply;

use crate::frames::{enhanced, framed, note, payload, simple, token};
use crate::world::{Told, World};

/// Believes everything, so that a test can be short.
const CREDULOUS: AppOptions = AppOptions {
    mode: Mode::NextTime,
    trust_after: 0,
    dead_tokens_max: 1_000_000,
};

/// A world with phone 1 alive and these known to be bad.
async fn world_that_knows(bad: &[u64]) -> World {
    let mut world = World::new(CREDULOUS).await;
    for phone in bad {
        world.upstream.bad.insert(token(*phone));
        let frames = [note(1_000 + phone, *phone), note(2_000, 1)].concat();
        world.send(&frames).await;
        world.dispatch().await;
    }
    assert_eq!(world.told, []);
    world.upstream.shown.clear();
    world
}

fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[tokio::test]
async fn rule_2_what_is_malformed_is_accepted_and_rejected_and_nothing_behind_it_is_accepted() {
    let long = "x".repeat(2049);
    let cases = [
        (2, framed(Some(2), &[], "{}")),
        (5, framed(Some(2), &[7; 31], "{}")),
        (5, enhanced(2, 0, &[7; 101], "{}")),
        (4, enhanced(2, 0, &[7; 32], "")),
        (7, framed(Some(2), &[7; 32], &long)),
        // An item that runs past its frame: no identifier was read yet.
        (128, hex("02 00000004 01 0020 a1")),
    ];
    for (status, bad) in cases {
        let mut world = World::new(AppOptions::default()).await;
        world.send(&[note(1, 1), bad, note(3, 3)].concat()).await;
        let identifier = if status == 128 { 0 } else { 2 };
        assert_eq!(world.replies(), [Told::packet(status, identifier)]);
        let counts = world.counts();
        assert_eq!(
            (counts.accepted, counts.rejected, counts.queued),
            (2, 1, 1),
            "status {status}"
        );
        let letters = world.dead_letters().await;
        assert_eq!(
            (letters[0].row.seq, letters[0].end, letters[0].malformed),
            (2, DeadLetterEnd::Rejected(Status(status)), true)
        );
    }
}

#[tokio::test]
async fn rule_2_a_frame_in_pieces_is_taken_when_it_is_whole() {
    let mut world = World::new(AppOptions::default()).await;
    let connection = world.connect();
    let frames = [
        note(1, 1),
        simple(token(2).as_bytes(), &payload(2)),
        framed(Some(3), &[], "{}"),
        note(4, 4),
    ]
    .concat();
    for byte in frames {
        world.write(connection, &[byte]);
        world.serve(connection).await;
    }
    assert_eq!(world.replies(), [Told::packet(2, 3)]);
    assert_eq!(world.counts().queued, 2);
}

#[tokio::test]
async fn rule_2_a_frame_without_an_end_ends_the_connection_and_is_not_even_a_dead_letter() {
    let cases = [
        (Told::packet(128, 0), hex("02 ffffffff 01 0020")),
        (Reply::Close, hex("0f 00")),
    ];
    for (reply, lost) in cases {
        let mut world = World::new(AppOptions::default()).await;
        world.send(&[note(1, 1), lost, note(3, 3)].concat()).await;
        assert_eq!(world.replies(), [reply]);
        let counts = world.counts();
        assert_eq!(
            (counts.accepted, counts.queued, counts.dead_letters),
            (1, 1, 0)
        );
    }
}

#[tokio::test]
async fn rule_2_probes_of_real_clients_get_their_answers() {
    // java-apns tests a connection with a token of one byte.
    let mut world = World::new(AppOptions::default()).await;
    world
        .send(&hex("01 00000000 00000000 0001 00 0001 00"))
        .await;
    assert_eq!(world.replies(), [Told::packet(5, 0)]);
    // Pushy says goodbye; that is no dead letter (rule 8).
    let mut world = World::new(AppOptions::default()).await;
    let farewell = hex("02 00000018 03 0004 00000005 01 0000 02 0000 04 0004 00000000 05 0001 0a");
    world.send(&[note(1, 1), farewell].concat()).await;
    assert_eq!(world.replies(), [Told::packet(2, 5)]);
    let counts = world.counts();
    assert_eq!((counts.accepted, counts.dead_letters), (1, 0));
}

#[tokio::test]
async fn rule_3_when_the_peer_is_gone_everything_bad_is_a_dead_letter_and_the_rest_is_accepted() {
    let mut world = world_that_knows(&[7]).await;
    let before = world.counts();
    let connection = world.connect();
    let farewell = framed(Some(9), &[], "");
    let frames = [
        note(1, 1),
        framed(Some(2), &[], "{}"),
        note(3, 3),
        note(4, 7),
        farewell,
        simple(&[1; 3], "{}"),
        note(8, 8),
    ];
    world.write(connection, &frames.concat());
    world.fin(connection);
    world.serve(connection).await;
    world.dispatch().await;
    assert_eq!(world.told, []);
    assert_eq!(world.shown(), [1, 3, 8]);
    let counts = world.counts();
    assert_eq!(
        (
            counts.accepted - before.accepted,
            counts.rejected - before.rejected
        ),
        (6, 3)
    );
    // Not for a late rejection, either.
    world.upstream.bad.insert(token(8));
    let connection = world.connect();
    world.write(connection, &note(9, 8));
    world.fin(connection);
    world.serve(connection).await;
    world.dispatch().await;
    assert_eq!(world.told, []);
}

#[tokio::test]
async fn rule_3_when_the_peer_is_gone_a_frame_without_an_end_is_the_end() {
    let mut world = World::new(AppOptions::default()).await;
    let connection = world.connect();
    world.write(
        connection,
        &[note(1, 1), hex("02 ffffffff"), note(3, 3)].concat(),
    );
    world.fin(connection);
    world.serve(connection).await;
    assert!(world.connections[&connection].ended);
    assert_eq!((world.told.len(), world.counts().accepted), (0, 1));
}

#[tokio::test]
async fn rule_4_a_refusal_that_is_not_the_tokens_is_told_without_any_trust() {
    for status in [2, 4, 5, 7] {
        let mut world = World::new(AppOptions::default()).await;
        world.upstream.answers.insert(token(1), Status(status));
        let connection = world.send(&note(6, 1)).await;
        world.dispatch().await;
        assert_eq!(world.replies(), [Told::packet(status, 6)]);
        assert!(world.told[0].late);
        // The connection is over: what still comes is for the client to send again.
        world.write(connection, &note(7, 2));
        world.serve(connection).await;
        assert_eq!(
            (
                world.counts().accepted,
                world.counts().rejected,
                world.contract.dead_tokens()
            ),
            (1, 1, 0)
        );
    }
}

#[tokio::test]
async fn rule_4_a_row_on_its_way_to_the_store_counts_as_accepted() {
    let mut world = world_that_knows(&[]).await;
    world.upstream.bad.insert(token(1));
    let connection = world.send(&note(1, 1)).await;
    world.push(1).await;
    // A second one is taken while the first is judged.
    world.write(connection, &note(2, 2));
    world.read(connection, usize::MAX).await;
    world.upstream_reads(1).await;
    assert_eq!(world.told, []);
}

#[tokio::test]
async fn rule_4_what_was_answered_at_once_is_not_answered_again() {
    let mut world = world_that_knows(&[]).await;
    world.upstream.bad.insert(token(1));
    let connection = world.send(&note(1, 1)).await;
    world.write(connection, &framed(Some(2), &[], "{}"));
    world.serve(connection).await;
    world.dispatch().await;
    assert_eq!(world.replies(), [Told::packet(2, 2)]);
}

#[tokio::test]
async fn rule_11_shutdown_names_the_last_accepted_one() {
    let cases = [
        (vec![note(1, 1), note(2, 2)], Told::packet(10, 2)),
        // Nothing was accepted.
        (vec![], Reply::Close),
        // The last one has no name: naming the one before would bring it twice.
        (
            vec![note(1, 1), simple(token(2).as_bytes(), &payload(2))],
            Reply::Close,
        ),
        (
            vec![note(1, 1), framed(None, token(2).as_bytes(), &payload(2))],
            Reply::Close,
        ),
        // What was rejected at once was not taken.
        (vec![note(1, 1), simple(&[7; 3], "{}")], Told::packet(10, 1)),
        // Half a frame is not accepted.
        (
            vec![note(1, 1), note(2, 2)[..50].to_vec()],
            Told::packet(10, 1),
        ),
    ];
    for (frames, reply) in cases {
        let mut world = World::new(CREDULOUS).await;
        let connection = world.send(&frames.concat()).await;
        assert_eq!(world.shutdown(connection), reply);
    }
}

#[tokio::test]
async fn rule_11_shutdown_says_nothing_where_something_was_said_or_nobody_is_there() {
    let mut world = World::new(CREDULOUS).await;
    let answered = world
        .send(&[note(1, 1), framed(Some(2), &[], "{}")].concat())
        .await;
    assert_eq!(world.shutdown(answered), Reply::Close);
    let gone = world.connect();
    world.write(gone, &note(1, 1));
    world.fin(gone);
    world.serve(gone).await;
    assert_eq!(world.shutdown(gone), Reply::Close);
}
