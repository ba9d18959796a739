//! Everything that can go wrong upstream on demand (`docs/simulator.md`), and what becomes of a batch in the middle of which it does.
//!
//! The promise: whatever is good is shown, and once — more often only what the upstream may have taken before a connection ended without
//! a word it can be told by. What is refused is a dead letter with the status. The accounts add up at every look.

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::ops::RangeInclusive;
use std::time::Duration;

use apns_rig::eventually::{PATIENCE, eventually, eventually_within};
use apns_rig::frames::framed;
use apns_rig::numbered::{each_once, payload, tally};
use apns_rig::{Knobs, Rig};
use apns_simulator::faults::Faults;
use tokio::task::LocalSet;

/// Numbers that are delivered and confirmed before anything goes wrong.
const EARLIER: RangeInclusive<u32> = 1..=10;
/// The batch, and the one in it that a fault is about.
const BATCH: RangeInclusive<u32> = 11..=60;
const STRUCK: u32 = 35;

/// How often something is shown.
type Times = RangeInclusive<usize>;
const NEVER: Times = 0..=0;
const ONCE: Times = 1..=1;
/// It may have been taken before the connection broke, and was sent again then.
const IN_DOUBT: Times = 1..=2;
/// So it was again and again, along with one that the upstream breaks on, until that one was found by halves.
const OFTEN: Times = 4..=9;

/// What becomes of the one that a fault is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Delivered,
    Rejected(u8),
    GivenUp,
}
use End::{Delivered, GivenUp, Rejected};

/// What is to be seen.
#[derive(Clone, Debug)]
struct Expected {
    /// How often what came before the struck one in the batch is shown.
    before: Times,
    /// How often the struck one is.
    struck: Times,
    end: End,
    /// Connections to the upstream at most: nothing turns in circles.
    connections_max: u64,
}

/// Far above what an answer of the simulator takes, also on a busy machine.
const QUIET_PERIOD: Duration = Duration::from_millis(500);

async fn rig() -> Rig {
    let mut rig = Rig::prepare(Knobs {
        phones: 2,
        quiet_period: QUIET_PERIOD,
        ..Knobs::default()
    })
    .await;
    rig.config.apps[0].probe_interval = Duration::from_millis(50);
    // What the upstream fails at is tried sixty times.
    let upstream = rig.binary_upstream();
    // What a batch costs is counted in connections; with several it depends on the load of the machine.
    upstream.connections_max = 1;
    upstream.backoff_base = Duration::from_millis(2);
    upstream.backoff_max = Duration::from_millis(20);
    rig.start_gateway().await;
    rig
}

/// All numbers on all phones.
fn shown(rig: &Rig) -> Vec<u32> {
    rig.phones
        .iter()
        .flat_map(apns_rig::phone::RigPhone::numbers)
        .collect()
}

/// Sends the batch, the struck one to `token`, and holds what becomes of everything against what is expected.
async fn judge(rig: &Rig, case: &str, rules: &[String], token: &[u8], expected: &Expected) {
    let frame = |n| {
        let token = if n == STRUCK {
            token
        } else {
            &rig.phones[0].token
        };
        framed(n, token, &payload(n))
    };
    let mut backend = rig.backend().await;
    let earlier: Vec<u8> = EARLIER.flat_map(frame).collect();
    backend.send(&earlier).await.unwrap();
    rig.settled(|counts| counts.delivered == 10 && counts.queued == 0)
        .await;
    rules.iter().for_each(|rule| rig.fault(rule));
    let batch: Vec<u8> = BATCH.flat_map(frame).collect();
    backend.send(&batch).await.unwrap();

    let (rejected, given_up) = match expected.end {
        Delivered => (0, 0),
        Rejected(_) => (1, 0),
        GivenUp => (0, 1),
    };
    // What upstream fails at sixty times waits for as many quiet periods.
    eventually_within(PATIENCE * 2, case, async || match rig.counts() {
        counts if counts.accepted == 60 && counts.queued == 0 => Ok(()),
        counts => Err(format!("{counts:?}")),
    })
    .await;
    let counts = rig.counts();
    assert_eq!(
        (counts.rejected, counts.given_up, counts.expired),
        (rejected, given_up, 0),
        "{case}"
    );
    let letters: Vec<_> = rig
        .ledger
        .dead_letters()
        .into_iter()
        .map(|letter| (letter.status, letter.payload))
        .collect();
    match expected.end {
        Delivered => assert_eq!(letters, [], "{case}"),
        Rejected(status) => assert_eq!(letters, [(Some(status), payload(STRUCK))], "{case}"),
        GivenUp => assert_eq!(letters, [(None, payload(STRUCK))], "{case}"),
    }
    let dead = if expected.end == Rejected(8) {
        vec![token.to_vec()]
    } else {
        vec![]
    };
    assert_eq!(rig.ledger.dead_tokens(), dead, "{case}");
    assert_eq!(rig.ledger.held(), None, "{case}");

    let times = |n| match n {
        STRUCK => expected.struck.clone(),
        n if BATCH.contains(&n) && n < STRUCK => expected.before.clone(),
        _ => ONCE,
    };
    let as_expected = || {
        let tally = tally(shown(rig));
        let odd: Vec<_> = (*EARLIER.start()..=*BATCH.end())
            .map(|n| (n, tally.get(&n).copied().unwrap_or(0)))
            .filter(|(n, seen)| !times(*n).contains(seen))
            .collect();
        if odd.is_empty() {
            Ok(())
        } else {
            Err(format!("shown so often: {odd:?}"))
        }
    };
    eventually(case, async || as_expected()).await;
    let connections = rig.gateway().counters().upstream_connections.read();
    assert!(
        connections <= expected.connections_max,
        "{case}: {connections} connections"
    );
    let idle = rig.simulator.faults(|faults| {
        faults
            .rules()
            .iter()
            .filter(|rule| rule.injected == 0)
            .count()
    });
    assert_eq!(idle, 0, "{case}: a fault that did not act");
}

/// What is in the table is done once, to the struck one or at the next connection.
fn rules(case: &str) -> Vec<String> {
    let rule = |text: &str| match text.contains("at=connect") {
        true => format!("action={text},face=binary,limit=1"),
        false => format!("action={text},face=binary,limit=1,alert=number {STRUCK}"),
    };
    case.split("; ").map(rule).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_survives_everything_that_can_happen_once_in_the_middle_of_it() {
    let table: &[(&str, Times, Times, End)] = &[
        // Nothing is lost and nothing in doubt.
        ("latency,ms=100,jitter_ms=50", ONCE, ONCE, Delivered),
        ("swallow", ONCE, NEVER, Delivered),
        ("swallow,ms=100", ONCE, NEVER, Delivered),
        // An answer says what was taken.
        ("status,status=0", ONCE, ONCE, Delivered),
        ("status,status=1", ONCE, ONCE, Delivered),
        ("status,status=2", ONCE, NEVER, Rejected(2)),
        ("status,status=3", ONCE, ONCE, Delivered),
        ("status,status=4", ONCE, NEVER, Rejected(4)),
        ("status,status=5", ONCE, NEVER, Rejected(5)),
        ("status,status=6", ONCE, ONCE, Delivered),
        ("status,status=7", ONCE, NEVER, Rejected(7)),
        ("status,status=8", ONCE, NEVER, Rejected(8)),
        ("status,status=10", ONCE, NEVER, Delivered), // It names what was not taken: a lie that cannot be seen through.
        ("status,status=99", ONCE, ONCE, Delivered),
        ("status,status=128", ONCE, ONCE, Delivered),
        ("status,status=255", ONCE, ONCE, Delivered),
        ("slicer,ms=10", ONCE, NEVER, Rejected(8)),
        ("slicer,bytes=4,status=7", ONCE, NEVER, Rejected(7)),
        ("limit_data,bytes=100,status=7", ONCE, NEVER, Rejected(7)),
        ("slow_close,ms=300,status=7", ONCE, NEVER, Rejected(7)),
        ("shutdown", ONCE, ONCE, Delivered),
        ("shutdown,taken=true", ONCE, ONCE, Delivered),
        // One that names nothing does not.
        ("wrong_identifier", IN_DOUBT, ONCE, Delivered),
        ("wrong_identifier,status=10", IN_DOUBT, ONCE, Delivered),
        ("zero_identifier", IN_DOUBT, ONCE, Delivered),
        ("zero_identifier,status=10", IN_DOUBT, ONCE, Delivered),
        ("limit_data,bytes=0", IN_DOUBT, ONCE, Delivered),
        ("limit_data,bytes=5", IN_DOUBT, ONCE, Delivered),
        // Nor does the end of a connection.
        ("no_packet", IN_DOUBT, ONCE, Delivered),
        ("close", IN_DOUBT, ONCE, Delivered),
        ("close,taken=true", IN_DOUBT, IN_DOUBT, Delivered),
        ("half_close", IN_DOUBT, ONCE, Delivered),
        ("half_close,taken=true", IN_DOUBT, IN_DOUBT, Delivered),
        ("reset_peer", IN_DOUBT, ONCE, Delivered),
        ("reset_peer,taken=true", IN_DOUBT, IN_DOUBT, Delivered),
        ("timeout,ms=100", IN_DOUBT, ONCE, Delivered),
        ("timeout,ms=100,taken=true", IN_DOUBT, IN_DOUBT, Delivered),
        // The connection after that fares no better.
        (
            "close; latency,at=connect,ms=100",
            IN_DOUBT,
            ONCE,
            Delivered,
        ),
        (
            "close; bandwidth,at=connect,bytes_per_second=20000",
            IN_DOUBT,
            ONCE,
            Delivered,
        ),
        (
            "close; timeout,at=connect,ms=100",
            IN_DOUBT,
            ONCE,
            Delivered,
        ),
        ("close; half_close,at=connect", IN_DOUBT, ONCE, Delivered),
        ("shutdown; close,at=connect", ONCE, ONCE, Delivered),
        ("shutdown; reset_peer,at=connect", ONCE, ONCE, Delivered),
    ];
    let case = async |(case, before, struck, end): (&str, Times, Times, End)| {
        let rig = rig().await;
        let expected = Expected {
            before,
            struck,
            end,
            connections_max: 3,
        };
        judge(&rig, case, &rules(case), &rig.phones[1].token, &expected).await;
    };
    all(table.iter().cloned().map(case)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_that_upstream_never_takes_is_found_out() {
    let table: &[(&str, Times, End, u64)] = &[
        ("FFFF0000", ONCE, GivenUp, 61),
        ("FFFF0001", ONCE, GivenUp, 61),
        ("FFFF0002", ONCE, Rejected(2), 2),
        ("FFFF0008", ONCE, Rejected(8), 2),
        ("FFFF0080", ONCE, GivenUp, 61),
        ("FFFF00FF", ONCE, GivenUp, 61),
        ("FFFF0063", ONCE, GivenUp, 61),
        ("FFFF0103", ONCE, Delivered, 1),
        ("FFFF0304", ONCE, GivenUp, 61),
        ("FFFF031A", ONCE, Delivered, 1),
        ("FFFF031B", ONCE, Rejected(7), 2),
        // The upstream stops whenever it comes.
        ("FFFF000A", ONCE, GivenUp, 25),
        ("FFFF0320", ONCE, GivenUp, 25),
        // What the upstream has against it cannot be told: what went along with it is in doubt, and sent again, until it is found.
        ("FFFF0200", OFTEN, GivenUp, 25),
        ("no_packet", OFTEN, GivenUp, 25),
        ("reset_peer", OFTEN, GivenUp, 25),
        ("timeout,ms=50", OFTEN, GivenUp, 25),
        ("limit_data,bytes=5", OFTEN, GivenUp, 25),
        ("wrong_identifier", OFTEN, GivenUp, 25),
        ("zero_identifier", OFTEN, GivenUp, 25),
    ];
    let case = async |(case, before, end, connections_max): (&str, Times, End, u64)| {
        let rig = rig().await;
        let expected = Expected {
            before,
            struck: NEVER,
            end,
            connections_max,
        };
        let (token, rules) = match case.strip_prefix("FFFF") {
            Some(number) => (magic(number), vec![]),
            None => (
                rig.phones[1].token.clone(),
                vec![format!("action={case},alert=number {STRUCK}")],
            ),
        };
        judge(&rig, case, &rules, &token, &expected).await;
    };
    all(table.iter().cloned().map(case)).await;
}

/// A token that the simulator has something against whenever it sees it.
fn magic(number: &str) -> Vec<u8> {
    let number = u16::from_str_radix(number, 16).unwrap().to_be_bytes();
    let mut token = [&[0xff, 0xff], &number[..]].concat();
    token.resize(32, 0x77);
    token
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_refused_from_one_moment_to_the_next_holds_everything_until_it_is_taken()
 {
    let case = async |(action, alert): (&str, &str)| {
        let rig = rig().await;
        let frame = |n| framed(n, &rig.phones[0].token, &payload(n));
        let mut backend = rig.backend().await;
        let earlier: Vec<u8> = EARLIER.flat_map(frame).collect();
        backend.send(&earlier).await.unwrap();
        rig.settled(|counts| counts.delivered == 10 && counts.queued == 0)
            .await;

        rig.fault(&format!("action={action}"));
        eventually("the hold", async || match rig.ledger.held() {
            Some(reason) if reason.contains(alert) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        let batch: Vec<u8> = BATCH.flat_map(frame).collect();
        backend.send(&batch).await.unwrap();
        rig.settled(|counts| counts.queued == 50).await;

        rig.simulator.faults(Faults::clear);
        rig.settled(|counts| counts.delivered == 60 && counts.queued == 0)
            .await;
        assert_eq!(each_once(shown(&rig), 1..=60), Ok(()), "{action}");
        assert_eq!(rig.ledger.held(), None, "{action}");
        assert_eq!(rig.ledger.dead_letters(), [], "{action}");
    };
    let table = [
        ("certificate_expired", "CertificateExpired"),
        ("certificate_revoked", "CertificateRevoked"),
    ];
    all(table.into_iter().map(case)).await;
}

/// Runs cases side by side: most of their time is waiting.
async fn all(cases: impl Iterator<Item = impl Future<Output = ()> + 'static>) {
    let tasks = LocalSet::new();
    let running: Vec<_> = cases.map(|case| tasks.spawn_local(case)).collect();
    tasks.await;
    for case in running {
        case.await.unwrap();
    }
}
