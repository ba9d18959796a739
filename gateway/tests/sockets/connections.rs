//! Several connections to a binary upstream: when there are more, what goes where, and what the end of one means for the others.

use std::collections::BTreeMap;
use std::time::Duration;

use apns_gateway::config::OnReject;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::*;

/// Long enough for another connection to be made while what is on the first is not confirmed.
const LONG_QUIET: Duration = Duration::from_millis(500);

/// A gateway with so many connections to its upstream, over each of which something was delivered. Each takes four at a time.
async fn several(connections: usize) -> (Bench, Vec<Peer>, Backend, u64) {
    let bench = Bench::with(|config| {
        let upstream = binary(config);
        upstream.connections_max = connections;
        upstream.window = 4;
        upstream.quiet_period = LONG_QUIET;
    })
    .await;
    let mut backend = bench.backend().await;
    let count = u8::try_from(4 * connections).unwrap();
    backend.push(101..=100 + count).await;
    let mut peers = Vec::new();
    for _ in 0..connections {
        let mut peer = bench.upstream.accept().await;
        peer.names(4).await;
        peers.push(peer);
    }
    bench.delivered(count.into()).await;
    (bench, peers, backend, count.into())
}

/// What the next `count` notifications are called, by the connection that each came on, in order.
async fn next_on(peers: &mut [Peer], count: usize) -> Vec<Vec<Notification>> {
    let mut seen: Vec<Vec<Notification>> = peers.iter().map(|_| Vec::new()).collect();
    for _ in 0..count {
        let nexts = peers.iter_mut().map(|peer| Box::pin(peer.next()));
        let (notification, at, _) = futures_util::future::select_all(nexts).await;
        seen[at].push(notification);
    }
    seen
}

fn names(notifications: &[Notification]) -> Vec<u8> {
    notifications.iter().map(name).collect()
}

#[tokio::test]
async fn what_finds_no_room_makes_another_connection_and_never_more_than_are_allowed() {
    for connections in [1, 2, 3] {
        let bench = Bench::with(|config| {
            let upstream = binary(config);
            upstream.connections_max = connections;
            upstream.window = 2;
            upstream.quiet_period = Duration::from_secs(3_600);
        })
        .await;
        let mut backend = bench.backend().await;
        backend.push(1..=9).await;
        let mut taken = Vec::new();
        let mut peers = Vec::new();
        for _ in 0..connections {
            let mut peer = bench.upstream.accept().await;
            taken.extend(peer.names(2).await);
            peers.push(peer);
        }
        assert!(
            bench
                .upstream
                .is_left_alone(Duration::from_millis(500))
                .await
        );
        let expected: Vec<u8> = (1..).take(connections * 2).collect();
        assert_eq!(taken, expected, "in order, as there was room");
        assert_eq!(bench.counts().queued, 9);
    }
}

#[tokio::test]
async fn what_an_answer_on_one_connection_throws_away_goes_on_at_once_and_the_others_are_not_disturbed()
 {
    let (bench, mut peers, mut backend, before) = several(2).await;
    backend.push(1..=5).await;
    let seen = next_on(&mut peers, 5).await;
    // Which goes where is for their tokens' hashes to say.
    let sizes = [seen[0].len(), seen[1].len()];
    assert!(!sizes.contains(&0), "spread: {sizes:?}");
    let at = usize::from(sizes[1] > sizes[0]);
    let refused = &seen[at][0];
    let tail = names(&seen[at][1..]);
    let behind = peers.remove(at).answer(8, identifier(refused)).await;
    assert!(behind.is_empty(), "{behind:?} came behind them");
    let other = &mut peers[0];
    assert_eq!(
        other.names(tail.len()).await,
        tail,
        "there is room for them"
    );
    bench.delivered(before + 4).await;
    assert_eq!(bench.counts().rejected, 1);
    assert!(other.is_left_alone(QUIET).await, "once is enough");
    assert_eq!(bench.gateway().counters().unknown_outcomes.read(), 0);
}

#[tokio::test]
async fn what_was_on_a_connection_that_closed_without_a_word_is_sent_again_in_order_and_nothing_else()
 {
    let (bench, mut peers, mut backend, before) = several(2).await;
    backend.push(1..=5).await;
    let seen = next_on(&mut peers, 5).await;
    let lost = names(&seen[0]);
    peers.remove(0).close().await;
    let mut successor = bench.upstream.accept().await;
    assert_eq!(successor.names(lost.len()).await, lost);
    bench.delivered(before + 5).await;
    assert!(peers[0].is_left_alone(QUIET).await);
    assert!(successor.is_left_alone(QUIET).await);
    let unknown = bench.gateway().counters().unknown_outcomes.read();
    assert_eq!(unknown, lost.len() as u64);
}

#[tokio::test]
async fn a_token_stays_on_its_connection_while_something_to_it_is_not_confirmed() {
    let (bench, mut peers, mut backend, before) = several(2).await;
    // Four to one token fill the window of one connection; the fifth waits for it, though there is room on the other.
    let to_one = |n: u32| enhanced_with(n, 1, format!("{{\"n\":{n}}}").as_bytes());
    let frames: Vec<u8> = (1..=5).flat_map(to_one).collect();
    backend.write(&frames).await;
    backend.push([2, 3]).await;
    let seen = next_on(&mut peers, 7).await;
    let with_the_token: Vec<_> = seen
        .iter()
        .filter(|seen| seen.iter().any(|notification| name(notification) == 1))
        .collect();
    assert_eq!(with_the_token.len(), 1, "one connection");
    let payloads: Vec<_> = with_the_token[0]
        .iter()
        .filter(|notification| name(notification) == 1)
        .map(|notification| notification.payload.clone())
        .collect();
    let expected: Vec<_> = (1..=5).map(|n| format!("{{\"n\":{n}}}")).collect();
    assert_eq!(payloads, expected);
    bench.delivered(before + 7).await;
}

/// A notification on which the upstream breaks.
const POISON: u8 = 66;

#[tokio::test]
async fn one_that_breaks_its_connection_is_found_there_and_what_is_on_another_is_sent_once() {
    let (bench, peers, mut backend, before) = several(2).await;
    backend.push((1..=3).chain([POISON])).await;
    backend.push(4..=6).await;
    let mut taken: BTreeMap<u8, usize> = BTreeMap::new();
    let (reports, mut reported) = mpsc::channel(100);
    let mut servers = JoinSet::new();
    // Like a server with a bug: it ends the connection when it comes to the one.
    let serve = async |mut peer: Peer, reports: mpsc::Sender<(u64, u8)>, number| {
        while let Some(notification) = peer.try_next().await {
            reports.send((number, name(&notification))).await.unwrap();
            if name(&notification) == POISON {
                peer.close().await;
                return;
            }
        }
    };
    let mut number = 0;
    for peer in peers {
        servers.spawn(serve(peer, reports.clone(), number));
        number += 1;
    }
    let mut on: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut broken = None;
    while bench.counts().given_up == 0 {
        tokio::select! {
            peer = bench.upstream.accept() => {
                servers.spawn(serve(peer, reports.clone(), number));
                number += 1;
            }
            Some((number, name)) = reported.recv() => {
                on.entry(number).or_default().push(name);
                if name == POISON {
                    broken.get_or_insert(number);
                }
                *taken.entry(name).or_default() += 1;
            }
            () = eventually("the end", || bench.counts().given_up == 1) => {}
        }
    }
    let letters = bench.dead_letters().await;
    let expected = "tried 10 times: upstream closes the connection whenever it is sent";
    assert_eq!(letters, [(POISON, expected.to_owned())]);
    bench.delivered(before + 6).await;
    // What was on the other of the first two connections; the one goes alone there, too, once it is known.
    let other = &on[&(1 - broken.unwrap())];
    for name in other.iter().filter(|name| **name != POISON) {
        assert_eq!(taken[name], 1, "{name} was not disturbed");
    }
    servers.abort_all();
}

/// How many notifications a connection lives for, and how it ends then.
#[derive(Clone, Copy, Debug)]
enum Life {
    /// Takes everything.
    Long,
    /// Says nothing, and has taken the last.
    Closes(usize),
    /// Says something that nobody understands.
    Babbles(usize),
    /// Says with this status what it has to say of the last: taken, refused for good, or for now.
    Answers(usize, u8),
}

impl Life {
    fn random(random: &mut fastrand::Rng) -> Self {
        let len = random.usize(1..30);
        match random.u8(0..8) {
            0 => Self::Closes(len),
            1 => Self::Babbles(len),
            2 => Self::Answers(len, 10),
            3 => Self::Answers(len, 8),
            4 | 5 => Self::Answers(len, 1),
            _ => Self::Long,
        }
    }
}

/// What an upstream has made of a notification.
type Said = (Notification, bool);

async fn live(mut peer: Peer, life: Life, reports: mpsc::Sender<Said>) {
    let (len, status) = match life {
        Life::Long => (usize::MAX, None),
        Life::Closes(len) | Life::Babbles(len) => (len, None),
        Life::Answers(len, status) => (len, Some(status)),
    };
    for number in 1..=len {
        let Some(notification) = peer.try_next().await else {
            return;
        };
        let named = identifier(&notification);
        let taken = number < len || !matches!(status, Some(1 | 8));
        let for_good = status == Some(8);
        if taken || for_good {
            reports.send((notification, taken)).await.unwrap();
        }
        if number < len {
            continue;
        }
        match (life, status) {
            (_, Some(status)) => drop(peer.answer(status, named).await),
            (Life::Babbles(_), None) => {
                peer.write(&[1, 2, 3, 4, 5, 6]).await;
                peer.close().await;
            }
            _ => drop(peer.close().await),
        }
        return;
    }
}

/// Connections that end in every way, under load; what each token is shown first comes in its order, and nothing is left out.
#[tokio::test]
async fn whatever_ends_every_token_is_sent_its_notifications_in_order_and_all_of_them() {
    const TOKENS: u8 = 8;
    const EACH: u32 = 25;
    let seed = fastrand::u64(..);
    for connections in [1, 2, 4] {
        let mut random = fastrand::Rng::with_seed(seed);
        let bench = Bench::with(|config| {
            config.apps[0].on_reject = OnReject::Continue;
            let upstream = binary(config);
            upstream.connections_max = connections;
            upstream.window = 10;
            upstream.quiet_period = Duration::from_millis(300);
        })
        .await;
        let mut backend = bench.backend().await;
        let frames: Vec<u8> = (0..EACH)
            .flat_map(|n| (1..=TOKENS).map(move |token| (n, token)))
            .flat_map(|(n, token)| enhanced_with(n, token, format!("{{\"n\":{n}}}").as_bytes()))
            .collect();
        backend.write(&frames).await;
        let all = u64::from(TOKENS) * u64::from(EACH);
        eventually("acceptance", || bench.counts().accepted == all).await;
        let (reports, mut reported) = mpsc::channel(1);
        let mut servers = JoinSet::new();
        let mut seen: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
        let mut refused = 0;
        while bench.counts().queued > 0 {
            tokio::select! {
                peer = bench.upstream.accept() => {
                    servers.spawn(live(peer, Life::random(&mut random), reports.clone()));
                }
                Some((notification, taken)) = reported.recv() => {
                    refused += u64::from(!taken);
                    let payload = notification.payload.to_vec();
                    let seen = seen.entry(name(&notification)).or_default();
                    if !seen.contains(&payload) {
                        seen.push(payload);
                    }
                }
                () = eventually("the end", || bench.counts().queued == 0) => {}
            }
        }
        let counts = bench.counts();
        let case = format!("{connections} connections, seed {seed}");
        assert_eq!(
            (counts.delivered, counts.rejected),
            (all - refused, refused),
            "{case}"
        );
        let expected: Vec<_> = (0..EACH)
            .map(|n| format!("{{\"n\":{n}}}").into_bytes())
            .collect();
        for token in 1..=TOKENS {
            assert_eq!(seen[&token], expected, "{case}");
        }
        servers.abort_all();
    }
}

#[tokio::test]
async fn an_app_that_goes_on_hold_with_several_connections_loses_nothing_and_probes_alone() {
    let (bench, mut peers, mut backend, before) = several(2).await;
    backend.push(1..=5).await;
    let seen = next_on(&mut peers, 5).await;
    let mut other = peers.pop().unwrap();
    let wrong_topic = &seen[0][0];
    // The other one ends as well: nothing is left whose delivery could end the hold.
    let third = [identifier(wrong_topic), identifier(&seen[1][0])];
    peers.remove(0).answer(3, third[0]).await;
    eventually("the hold", || bench.held().is_some()).await;
    assert_eq!(bench.counts().queued, 5);
    other.write(&[8, 3]).await;
    other.write(&third[1]).await;
    other.close().await;

    let mut peer = bench.upstream.accept().await;
    peer.next().await;
    assert!(peer.is_left_alone(QUIET).await, "a probe goes alone");
    peer.names(4).await;
    bench.delivered(before + 5).await;
    assert_eq!(bench.held(), None);
}
