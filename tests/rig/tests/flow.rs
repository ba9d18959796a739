//! The flow: backend → gateway → simulator → phone, which shows and acknowledges.

use apns_rig::certificates::certificates;
use apns_rig::eventually::eventually;
use apns_rig::numbered::{each_once, payload, payload_of_len};
use apns_rig::{Knobs, Rig, frames};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_of_every_command_reaches_the_phone_byte_for_byte_and_is_acknowledged() {
    let rig = Rig::start().await;
    let phone = &rig.phones[0];
    let token = &phone.token;
    let odd = br#"{ "n" : 3 , "aps":{"sound":"default","alert":"\u00e9\u20ac caf\u0065 \ud83d\ude00","badge":9},"x":[1, 2]}"#;
    let biggest = payload_of_len(4, 2048);
    let mut backend = rig.backend().await;
    let pushy_order: &[(u8, &[u8])] = &[
        (3, &[0xff, 0xff, 0xff, 0xff]),
        (1, token),
        (2, &biggest),
        (4, &[0x7f, 0xff, 0xff, 0xff]),
        (5, &[10]),
    ];
    backend
        .send(&frames::simple(token, &payload(1)))
        .await
        .unwrap();
    backend
        .send(&frames::enhanced(0, 86_400, token, &payload(2)))
        .await
        .unwrap();
    backend.send(&frames::framed(0, token, odd)).await.unwrap();
    backend.send(&frames::items(pushy_order)).await.unwrap();

    eventually("four to be received", async || phone.shows_exactly(4)).await;
    let received = phone.received();
    assert_eq!(
        received
            .iter()
            .map(|received| received.payload.to_vec())
            .collect::<Vec<_>>(),
        [payload(1), payload(2), odd.to_vec(), biggest]
    );
    assert_eq!(phone.shown().len(), 4);
    assert_eq!(phone.shown()[2].alert.body.as_deref(), Some("é€ cafe 😀"));
    rig.settled(|counts| counts.accepted == 4 && counts.delivered == 4 && counts.queued == 0)
        .await;
    eventually(
        "every acknowledgement over the phone's socket",
        async || match rig.acknowledged() {
            4 => Ok(()),
            other => Err(other),
        },
    )
    .await;
    assert!(
        backend.hears_nothing_for(rig.knobs.quiet_period).await,
        "success is silence [P-30]"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_cut_anywhere_and_joined_anyhow_arrive_as_they_were_sent() {
    let rig = Rig::start().await;
    let phone = &rig.phones[0];
    let frame = |n: u32| match n % 3 {
        0 => frames::simple(&phone.token, &payload(n)),
        1 => frames::enhanced(n, 0, &phone.token, &payload(n)),
        _ => frames::framed(n, &phone.token, &payload(n)),
    };
    let stream: Vec<u8> = (1..=300).flat_map(frame).collect();
    let mut backend = rig.backend().await;
    // 100 frames in one write; then pieces of every length up to 61, each a TLS record of its own.
    let joined: usize = (1..=100).map(|n| frame(n).len()).sum();
    backend.send(&stream[..joined]).await.unwrap();
    let mut rest = &stream[joined..];
    for len in (1..=61).cycle() {
        let (piece, behind) = rest.split_at(len.min(rest.len()));
        backend.send(piece).await.unwrap();
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    eventually("300 to be shown", async || {
        each_once(phone.numbers(), 1..=300)
    })
    .await;
    assert!(phone.numbers().is_sorted(), "in the order accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_one_of_many_backends_and_phones_gets_its_pushes_through_once_and_in_order() {
    let rig = Rig::start_with(Knobs {
        phones: 3,
        ..Knobs::default()
    })
    .await;
    let each = 250;
    let mut backends = Vec::new();
    for number in 0..8_u32 {
        let mut backend = rig.backend().await;
        let token = rig.phones[number as usize % 3].token.clone();
        backends.push(tokio::spawn(async move {
            for n in number * each..(number + 1) * each {
                backend
                    .send(&frames::framed(n, &token, &payload(n)))
                    .await
                    .unwrap();
            }
            backend
        }));
    }
    for (index, phone) in rig.phones.iter().enumerate() {
        let mine = move |n: &u32| (n / each) as usize % 3 == index;
        eventually("every push on its phone", async || {
            each_once(phone.numbers(), (0..8 * each).filter(mine))
        })
        .await;
        for number in 0..8 {
            let of_one: Vec<_> = phone
                .numbers()
                .into_iter()
                .filter(|n| n / each == number)
                .collect();
            assert!(
                of_one.is_sorted(),
                "what one backend sent to one token stays in order"
            );
        }
    }
    rig.settled(|counts| counts.accepted == 2000 && counts.delivered == 2000)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_pushes_are_shown_as_often_as_they_are_wanted() {
    let rig = Rig::start().await;
    let phone = &rig.phones[0];
    let same = frames::framed(0, &phone.token, &payload(7));
    let mut one = rig.backend().await;
    let mut another = rig.backend().await;
    one.send(&same.repeat(3)).await.unwrap();
    another.send(&same.repeat(2)).await.unwrap();
    eventually("five to be shown", async || phone.shows_exactly(5)).await;
    rig.settled(|counts| counts.delivered == 5 && counts.queued == 0)
        .await;
    assert_eq!(phone.numbers(), [7; 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_one_app_never_pushes_for_another() {
    let rig = Rig::start().await;
    let phone = &rig.phones[0];
    let mut backend = rig.backend().await;
    backend
        .send(&frames::framed(1, &phone.second_token, &payload(1)))
        .await
        .unwrap();
    backend
        .send(&frames::framed(2, &phone.token, &payload(2)))
        .await
        .unwrap();
    eventually("the one for its own app", async || {
        each_once(phone.numbers(), [2])
    })
    .await;
    rig.settled(|counts| counts.rejected == 1 && counts.delivered == 1)
        .await;
    // Nobody configured the other app: whoever comes for it is shown out, and nothing is taken from it.
    let mut stranger = rig.backend_as(&certificates().other_topic).await.unwrap();
    stranger
        .send(&frames::framed(3, &phone.second_token, &payload(3)))
        .await
        .unwrap();
    assert_eq!(stranger.farewell().await.unwrap().bytes, [0_u8; 0]);
    assert_eq!(rig.counts().accepted, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_sends_what_was_queued_and_nothing_twice() {
    let mut rig = Rig::start().await;
    rig.upstream.take_down().await;
    let mut backend = rig.backend().await;
    for n in 1..=200 {
        backend
            .send(&frames::framed(n, &rig.phones[0].token, &payload(n)))
            .await
            .unwrap();
    }
    rig.settled(|counts| counts.accepted == 200 && counts.queued == 200)
        .await;
    drop(backend);
    rig.restart_gateway().await;
    rig.upstream.resume();
    let phone = &rig.phones[0];
    eventually("200 to be shown", async || {
        each_once(phone.numbers(), 1..=200)
    })
    .await;
    rig.settled(|counts| counts.accepted == 200 && counts.delivered == 200 && counts.queued == 0)
        .await;
    assert_eq!(phone.numbers().len(), 200);
    assert!(phone.numbers().is_sorted(), "in the order accepted");
}
