//! Every row counted once, at every commit (order contract, rule 14).

use super::*;

#[tokio::test]
async fn each_end_is_counted_under_its_own_name() {
    let bench = Bench::new().await;
    let rows = bench.append(1..=5).await;
    let counts = bench
        .settle(vec![
            settled(&rows[0], End::Delivered),
            settled(&rows[1], rejected()),
            settled(&rows[2], End::Expired),
            settled(&rows[3], given_up()),
        ])
        .await;
    let expected = Counts {
        accepted: 5,
        delivered: 1,
        rejected: 1,
        expired: 1,
        given_up: 1,
        queued: 1,
        dead_letters: 2,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
    let left = bench
        .store
        .page(bench.app.id, None, 10, 1_000_000)
        .await
        .unwrap();
    assert_eq!(left, [rows[4].clone()]);
    let bench = bench.reopen().await;
    assert_eq!(bench.app.committed.borrow().counts, expected);
}

#[tokio::test]
async fn a_row_settled_twice_is_counted_once() {
    let bench = Bench::new().await;
    let rows = bench.append(1..=2).await;
    let twice = vec![
        settled(&rows[0], End::Delivered),
        settled(&rows[0], End::Delivered),
        settled(&rows[1], rejected()),
    ];
    let first = bench.settle(twice.clone()).await;
    assert_eq!(
        (
            first.delivered,
            first.rejected,
            first.dead_letters,
            first.queued
        ),
        (1, 1, 1, 0)
    );
    let again = bench.settle(twice).await;
    assert_eq!(again, first);
    // The first end stands.
    let other = bench
        .settle(vec![
            settled(&rows[0], rejected()),
            settled(&rows[1], End::Delivered),
        ])
        .await;
    assert_eq!(other, first);
}

#[tokio::test]
async fn what_is_rejected_at_once_is_accepted_and_rejected_in_one_commit_and_never_queued() {
    let bench = Bench::new().await;
    let commits = bench.store.commits();
    let rows = vec![new_row(1), bad_row(2, AtOnce::Malformed)];
    let appended = bench.store.append(bench.batch(rows)).await.unwrap();
    assert_eq!(bench.store.commits(), commits + 1);
    let counts = bench.store.counts(bench.app.id).await.unwrap();
    assert_eq!(
        (
            counts.accepted,
            counts.queued,
            counts.rejected,
            counts.dead_letters
        ),
        (2, 1, 1, 1)
    );
    let queued = bench
        .store
        .page(bench.app.id, None, 10, 1_000_000)
        .await
        .unwrap();
    assert_eq!(
        queued
            .iter()
            .map(|row| (row.id, row.seq))
            .collect::<Vec<_>>(),
        [(appended.last.unwrap(), 1)]
    );
    let letters = bench
        .store
        .dead_letters(bench.app.id, None, 10)
        .await
        .unwrap();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(
        (letter.row.seq, letter.row.connection, &*letter.row.backend),
        (2, 1, "mail")
    );
    assert_eq!(
        (letter.end, &*letter.reason, letter.malformed),
        (DeadLetterEnd::Rejected(Status(8)), "known", true)
    );
}

#[tokio::test]
async fn a_batch_of_nothing_but_rejections_wakes_nobody() {
    let bench = Bench::new().await;
    let appended = bench
        .store
        .append(bench.batch(vec![bad_row(1, AtOnce::Malformed)]))
        .await
        .unwrap();
    assert_eq!(appended.last, None);
    assert_eq!(bench.app.committed.borrow().newest, None);
}

#[tokio::test]
async fn watchers_see_newest_row_and_counters_of_the_commit_that_was_answered() {
    let bench = Bench::new().await;
    let mut committed = bench.app.committed.clone();
    let rows = bench.append(1..=3).await;
    let seen = *committed.borrow_and_update();
    assert_eq!((seen.newest, seen.counts.queued), (Some(rows[2].id), 3));
    bench.settle(vec![settled(&rows[2], End::Delivered)]).await;
    let seen = *committed.borrow_and_update();
    assert_eq!(
        (seen.newest, seen.counts.queued, seen.counts.delivered),
        (Some(rows[2].id), 2, 1)
    );
    bench.settle(vec![settled(&rows[2], End::Delivered)]).await;
    assert!(
        !committed.has_changed().unwrap(),
        "nothing changed, nobody is woken"
    );
}

#[tokio::test]
async fn no_row_gets_the_key_of_one_that_is_gone() {
    let bench = Bench::new().await;
    let rows = bench.append(1..=3).await;
    bench
        .settle(
            rows.iter()
                .map(|row| settled(row, End::Delivered))
                .collect(),
        )
        .await;
    let bench = bench.reopen().await;
    let appended = bench
        .store
        .append(bench.batch(vec![new_row(1)]))
        .await
        .unwrap();
    assert!(appended.last.unwrap() > rows[2].id);
}

#[tokio::test]
async fn apps_are_counted_apart() {
    let bench = Bench::new().await;
    bench.append(1..=3).await;
    let other = bench
        .store
        .app("com.example.Mail", Environment::Sandbox, "scope")
        .await
        .unwrap();
    assert_ne!(other.id, bench.app.id);
    assert_eq!(
        bench.store.counts(other.id).await.unwrap(),
        Counts::default()
    );
    bench
        .store
        .append(Append {
            app: other.id,
            ..bench.batch(vec![new_row(9)])
        })
        .await
        .unwrap();
    let page = bench
        .store
        .page(other.id, None, 10, 1_000_000)
        .await
        .unwrap();
    assert_eq!(page.iter().map(|row| row.seq).collect::<Vec<_>>(), [9]);
    assert_eq!(
        bench
            .store
            .page(bench.app.id, None, 10, 1_000_000)
            .await
            .unwrap()
            .len(),
        3
    );
    assert_eq!(bench.store.counts(bench.app.id).await.unwrap().accepted, 3);
}

#[tokio::test]
async fn a_crash_between_commits_loses_nothing_that_was_answered_and_adds_up() {
    let bench = Bench::new().await;
    for crash in 0..10_u64 {
        let acked = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (store, acked) = (bench.store.clone(), Arc::clone(&acked));
                let batches: Vec<Append> = (0..10)
                    .map(|n| {
                        bench.batch(vec![
                            new_row(writer * 10 + n),
                            bad_row(0, AtOnce::Malformed),
                        ])
                    })
                    .collect();
                tokio::spawn(async move {
                    for batch in batches {
                        store.append(batch).await.unwrap();
                        acked.fetch_add(2, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        while acked.load(Ordering::SeqCst) < crash * 7 {
            tokio::task::yield_now().await;
        }
        let before = crash * 80;
        let acked_at_crash = before + acked.load(Ordering::SeqCst);
        let crashed = bench.crash();
        for writer in writers {
            writer.await.unwrap();
        }
        let store = Store::open(&crashed.path().join("store.db"), StoreOptions::default()).unwrap();
        let counts = store
            .app("com.example.Mail", Environment::Production, "scope")
            .await
            .unwrap()
            .committed
            .borrow()
            .counts;
        assert!(
            counts.accepted >= acked_at_crash,
            "{counts:?} after {acked_at_crash} answers"
        );
        audit(&Connection::open(crashed.path().join("store.db")).unwrap());
    }
}
