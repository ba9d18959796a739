//! Dead letters and feedback.

use apns_proto::feedback::Tuple;

use super::*;

#[tokio::test]
async fn dead_letters_over_the_limit_go_oldest_first_and_are_counted() {
    let bench = Bench::with(StoreOptions {
        dead_letters_max: 3,
        ..StoreOptions::default()
    })
    .await;
    let rows = bench.append(1..=5).await;
    // In another order than accepted: the age of a letter counts from its death.
    let order = [4, 3, 2, 1, 0];
    for at in order {
        bench.settle(vec![settled(&rows[at], rejected())]).await;
    }
    let counts = bench.store.counts(bench.app.id).await.unwrap();
    assert_eq!(
        (
            counts.rejected,
            counts.dead_letters,
            counts.dead_letters_dropped
        ),
        (5, 3, 2)
    );
    let letters = bench
        .store
        .dead_letters(bench.app.id, None, 10)
        .await
        .unwrap();
    assert_eq!(
        letters
            .iter()
            .map(|letter| letter.row.seq)
            .collect::<Vec<_>>(),
        [3, 2, 1]
    );
    let rest = bench
        .store
        .dead_letters(bench.app.id, Some(letters[0].id), 1)
        .await
        .unwrap();
    assert_eq!(rest, [letters[1].clone()]);
    assert_eq!(letters[0].row, rows[2]);
}

#[tokio::test]
async fn requeueing_puts_a_dead_letter_at_the_end_of_the_queue_and_forgets_its_token() {
    let bench = Bench::new().await;
    let rows = bench.append(1..=3).await;
    bench
        .settle(vec![
            settled(&rows[0], rejected()),
            settled(&rows[1], given_up()),
        ])
        .await;
    let changes = (1..=3)
        .map(|n| DeadTokenChange::Put(dead_token(n, 0, n)))
        .collect();
    bench
        .store
        .dead_tokens(bench.app.id, changes)
        .await
        .unwrap();
    let letters = bench
        .store
        .dead_letters(bench.app.id, None, 10)
        .await
        .unwrap();
    let requeued = bench
        .store
        .requeue(bench.app.id, Requeue::One(letters[0].id))
        .await
        .unwrap();
    assert_eq!(
        requeued,
        Requeued {
            rows: 1,
            tokens: vec![token(1)]
        }
    );
    let counts = bench.store.counts(bench.app.id).await.unwrap();
    assert_eq!(
        (
            counts.accepted,
            counts.queued,
            counts.rejected,
            counts.given_up,
            counts.dead_letters,
            counts.requeued
        ),
        (3, 2, 0, 1, 1, 1)
    );
    let queue = bench
        .store
        .page(bench.app.id, None, 10, 1_000_000)
        .await
        .unwrap();
    let last = &queue[1];
    assert_eq!((queue[0].seq, last.seq), (3, 1));
    assert_eq!(bench.app.committed.borrow().newest, Some(last.id));
    // Nobody on the connection it came on hears of it again.
    assert_eq!(
        *last,
        Row {
            id: last.id,
            connection: 0,
            ..rows[0].clone()
        }
    );
    // Once is once.
    let again = bench
        .store
        .requeue(bench.app.id, Requeue::One(letters[0].id))
        .await
        .unwrap();
    assert_eq!(again, Requeued::default());
    let bench = bench.reopen().await;
    assert_eq!(
        bench.app.dead_tokens,
        [dead_token(2, 0, 2), dead_token(3, 0, 3)]
    );
}

#[tokio::test]
async fn requeueing_all_leaves_what_is_malformed() {
    let bench = Bench::new().await;
    let rows = bench.append(1..=3).await;
    bench
        .settle(rows.iter().map(|row| settled(row, rejected())).collect())
        .await;
    let at_once = vec![
        bad_row(4, AtOnce::Malformed),
        bad_row(3, AtOnce::DeadToken { used: 1 }),
    ];
    bench.store.append(bench.batch(at_once)).await.unwrap();
    let requeued = bench
        .store
        .requeue(bench.app.id, Requeue::All)
        .await
        .unwrap();
    assert_eq!(
        (requeued.rows, requeued.tokens),
        (4, vec![token(1), token(2), token(3)])
    );
    let letters = bench
        .store
        .dead_letters(bench.app.id, None, 10)
        .await
        .unwrap();
    assert_eq!(
        letters
            .iter()
            .map(|letter| letter.row.seq)
            .collect::<Vec<_>>(),
        [4]
    );
    assert!(bench.store.counts(bench.app.id).await.unwrap().balanced());
}

fn tuple(number: u64, timestamp: u32) -> Tuple {
    Tuple {
        timestamp,
        token: token(number),
    }
}

async fn feedback(bench: &Bench, after: Option<FeedbackId>) -> Vec<Tuple> {
    let page = bench
        .store
        .feedback_page(bench.app.id, after, 100)
        .await
        .unwrap();
    page.into_iter().map(|row| row.tuple).collect()
}

#[tokio::test]
async fn the_newest_timestamp_of_a_token_wins_and_a_list_read_twice_counts_once() {
    let bench = Bench::new().await;
    let list = vec![tuple(1, 100), tuple(2, 100)];
    bench
        .store
        .feedback_append(bench.app.id, list.clone())
        .await
        .unwrap();
    let page = bench
        .store
        .feedback_page(bench.app.id, None, 100)
        .await
        .unwrap();
    let read_to = Some(page[1].id);
    bench
        .store
        .feedback_append(bench.app.id, list)
        .await
        .unwrap();
    assert_eq!(feedback(&bench, read_to).await, []);
    bench
        .store
        .feedback_append(bench.app.id, vec![tuple(1, 200), tuple(2, 50)])
        .await
        .unwrap();
    assert_eq!(feedback(&bench, read_to).await, [tuple(1, 200)]);
    assert_eq!(feedback(&bench, None).await, [tuple(2, 100), tuple(1, 200)]);
    assert_eq!(bench.store.counts(bench.app.id).await.unwrap().feedback, 2);
}

#[tokio::test]
async fn a_requeued_letter_keeps_the_key_it_was_first_accepted_under_however_often() {
    let bench = Bench::new().await;
    let first = bench.append(1..=1).await.remove(0);
    assert_eq!(first.origin, first.id);
    let mut row = first.clone();
    for _ in 0..2 {
        bench.settle(vec![settled(&row, given_up())]).await;
        let store = &bench.store;
        let letters = store.dead_letters(bench.app.id, None, 10).await.unwrap();
        assert_eq!(
            (letters[0].row.id, letters[0].row.origin),
            (first.id, first.id)
        );
        store.requeue(bench.app.id, Requeue::All).await.unwrap();
        let page = store.page(bench.app.id, None, 10, usize::MAX).await;
        let requeued = page.unwrap().remove(0);
        assert!(requeued.id > row.id);
        row = requeued;
        assert_eq!(row.origin, first.id);
    }
}

#[tokio::test]
async fn an_unregistered_row_is_a_dead_letter_and_its_tuple_is_in_the_same_commit_once() {
    let bench = Bench::new().await;
    let rows = bench.append(1..=2).await;
    let settlement = |row: &Row| settled(row, unregistered(row.seq));
    let before = bench.store.commits();
    let counts = bench.settle(vec![settlement(&rows[0])]).await;
    assert_eq!(bench.store.commits(), before + 1);
    assert_eq!((counts.rejected, counts.queued, counts.feedback), (1, 1, 1));
    assert!(counts.balanced());
    // Another answer to the same push settles nothing, and says nothing.
    let counts = bench.settle(vec![settlement(&rows[0])]).await;
    assert_eq!((counts.rejected, counts.feedback), (1, 1));
    let reopened = bench.reopen().await;
    assert_eq!(feedback(&reopened, None).await, [tuple(1, 100)]);
    let letters = reopened
        .store
        .dead_letters(reopened.app.id, None, 10)
        .await
        .unwrap();
    assert_eq!(
        (letters[0].end, letters[0].reason.as_str()),
        (
            DeadLetterEnd::Rejected(Status::INVALID_TOKEN),
            "the app is gone"
        )
    );
}

#[tokio::test]
async fn every_backend_has_a_cursor_of_its_own_that_never_goes_back() {
    let bench = Bench::new().await;
    bench
        .store
        .feedback_append(bench.app.id, (1..=4).map(|n| tuple(n, 100)).collect())
        .await
        .unwrap();
    let page = bench
        .store
        .feedback_page(bench.app.id, None, 100)
        .await
        .unwrap();
    let (mail, news): (Arc<str>, Arc<str>) = ("mail".into(), "news".into());
    assert_eq!(
        bench
            .store
            .feedback_cursor(bench.app.id, mail.clone())
            .await
            .unwrap(),
        None
    );
    bench
        .store
        .feedback_advance(bench.app.id, mail.clone(), page[2].id)
        .await
        .unwrap();
    bench
        .store
        .feedback_advance(bench.app.id, mail.clone(), page[0].id)
        .await
        .unwrap();
    bench
        .store
        .feedback_advance(bench.app.id, news.clone(), page[0].id)
        .await
        .unwrap();
    let bench = bench.reopen().await;
    let cursor = bench
        .store
        .feedback_cursor(bench.app.id, mail)
        .await
        .unwrap();
    assert_eq!(cursor, Some(page[2].id));
    assert_eq!(feedback(&bench, cursor).await, [tuple(4, 100)]);
    assert_eq!(
        bench
            .store
            .feedback_cursor(bench.app.id, news)
            .await
            .unwrap(),
        Some(page[0].id)
    );
}

#[tokio::test]
async fn feedback_over_the_limit_goes_oldest_first_and_is_counted() {
    let bench = Bench::with(StoreOptions {
        feedback_max: 2,
        ..StoreOptions::default()
    })
    .await;
    bench
        .store
        .feedback_append(bench.app.id, (1..=5).map(|n| tuple(n, 100)).collect())
        .await
        .unwrap();
    assert_eq!(feedback(&bench, None).await, [tuple(4, 100), tuple(5, 100)]);
    let counts = bench.store.counts(bench.app.id).await.unwrap();
    assert_eq!((counts.feedback, counts.feedback_dropped), (2, 3));
}
