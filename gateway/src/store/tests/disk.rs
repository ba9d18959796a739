//! Files, locks, commits, failures.

use std::path::Path;

use super::*;

fn store_err(path: &Path) -> OpenError {
    Store::open(path, StoreOptions::default()).expect_err("the store must not open")
}

#[tokio::test]
async fn a_row_comes_back_after_a_restart_as_it_was_given() {
    let bench = Bench::new().await;
    let sparse = NewRow {
        command: Command::SIMPLE,
        identifier: None,
        expiry: None,
        priority: None,
        ..new_row(2)
    };
    bench
        .store
        .append(bench.batch(vec![new_row(1), sparse]))
        .await
        .unwrap();
    let bench = bench.reopen().await;
    let rows = bench
        .store
        .page(bench.app.id, None, 10, 1_000_000)
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    let first = &rows[0];
    assert_eq!(
        (first.seq, first.connection, &*first.backend),
        (1, 1, "mail")
    );
    assert_eq!(first.command, Command::FRAMED);
    assert_eq!(first.identifier, Some(Identifier([0, 0, 0, 1])));
    assert_eq!(first.expiry, Some(Expiry(i32::MAX)));
    assert_eq!(first.priority, Some(Priority::IMMEDIATE));
    assert_eq!(first.token, token(1));
    assert_eq!(&first.payload[..], br#"{"aps":{"alert":"hi"}}"#);
    assert_eq!(first.accepted_at, 1_700_000_000);
    assert_eq!(
        (rows[1].identifier, rows[1].expiry, rows[1].priority),
        (None, None, None)
    );
    assert_eq!(bench.app.committed.borrow().newest, Some(rows[1].id));
}

#[tokio::test]
async fn what_was_answered_survives_a_crash() {
    let bench = Bench::new().await;
    bench.append(1..=100).await;
    let crashed = bench.crash();
    let store = Store::open(&crashed.path().join("store.db"), StoreOptions::default()).unwrap();
    let app = app(&store).await;
    assert_eq!(
        store
            .page(app.id, None, 1_000, 1_000_000)
            .await
            .unwrap()
            .len(),
        100
    );
    assert_eq!(store.counts(app.id).await.unwrap().queued, 100);
}

#[tokio::test]
async fn two_stores_cannot_share_one_file() {
    let bench = Bench::new().await;
    let path = bench.folder.path().join("store.db");
    assert!(matches!(store_err(&path), OpenError::InUse { .. }));
    let alias = bench.folder.path().join("alias.db");
    std::os::unix::fs::symlink(&path, &alias).unwrap();
    assert!(matches!(store_err(&alias), OpenError::InUse { .. }));
    bench.store.close().await.unwrap();
    Store::open(&path, StoreOptions::default()).unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let bench = Bench::new().await;
    let path = bench.folder.path().join("store.db");
    bench.store.clone().close().await.unwrap();
    let outside = bench.outside();
    outside.pragma_update(None, "user_version", 2).unwrap();
    let error = store_err(&path);
    assert!(
        matches!(error, OpenError::Newer { found: 2, .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("schema version 2 and this gateway knows 1"),
        "{error}"
    );
    let run: i64 = outside
        .query_row("SELECT run FROM gateway", [], |row| row.get(0))
        .unwrap();
    assert_eq!(run, 1);
}

#[test]
fn another_programs_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x)")
        .unwrap();
    assert!(matches!(store_err(&path), OpenError::Foreign { .. }));
}

#[test]
fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = store_err(&folder.path().join("missing/store.db"));
    assert!(error.to_string().contains("missing/store.db"), "{error}");
}

#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let _store = Store::open(&folder.path().join("store.db"), StoreOptions::default()).unwrap();
    for name in ["store.db", "store.db-wal", "store.db.lock"] {
        let mode = std::fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_commit_held_shut_from_outside_keeps_append_pending_and_completes_when_released() {
    let bench = Bench::new().await;
    let outside = bench.outside();
    outside.execute_batch("BEGIN IMMEDIATE").unwrap();
    let commits = bench.store.commits();
    let append = bench.store.append(bench.batch(vec![new_row(1)]));
    tokio::pin!(append);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), &mut append)
            .await
            .is_err(),
        "answered without a commit"
    );
    assert_eq!(bench.store.commits(), commits);
    outside.execute_batch("ROLLBACK").unwrap();
    append.await.unwrap();
    assert_eq!(bench.store.commits(), commits + 1);
}

#[tokio::test]
async fn a_lock_that_is_never_released_stops_the_store_for_good_and_everybody_is_told() {
    let bench = Bench::with(StoreOptions {
        busy_timeout: Duration::from_millis(50),
        ..StoreOptions::default()
    })
    .await;
    let outside = bench.outside();
    outside.execute_batch("BEGIN IMMEDIATE").unwrap();
    let appends = (0..10).map(|_| {
        let (store, append) = (bench.store.clone(), bench.batch(vec![new_row(1)]));
        tokio::spawn(async move { store.append(append).await })
    });
    for append in appends.collect::<Vec<_>>() {
        let down = append.await.unwrap().unwrap_err();
        assert!(down.to_string().contains("database is locked"), "{down}");
    }
    assert!(
        bench
            .store
            .stopped()
            .await
            .to_string()
            .contains("database is locked")
    );
    outside.execute_batch("ROLLBACK").unwrap();
    // Not even now that the cause is gone.
    bench.store.counts(bench.app.id).await.unwrap_err();
    bench.store.close().await.unwrap_err();
}

#[tokio::test]
async fn a_full_disk_stops_the_store_for_good_and_takes_nothing_half() {
    let bench = Bench::with(StoreOptions {
        size_max: 160 << 10,
        ..StoreOptions::default()
    })
    .await;
    bench.append(1..=10).await;
    let large = NewRow {
        payload: Bytes::from(vec![b' '; 4096]),
        ..new_row(11)
    };
    let down = bench
        .store
        .append(bench.batch(vec![large; 50]))
        .await
        .unwrap_err();
    assert!(down.to_string().contains("full"), "{down}");
    bench
        .store
        .append(bench.batch(vec![new_row(12)]))
        .await
        .unwrap_err();
    let (rows, accepted): (u64, u64) = bench
        .outside()
        .query_row(
            "SELECT (SELECT count(*) FROM notification), accepted FROM app",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!((rows, accepted), (10, 10));
}

#[tokio::test]
async fn what_a_failed_disk_may_have_lost_stays_in_the_log_after_the_store_has_stopped() {
    let bench = Bench::new().await;
    bench.append(1..=10).await;
    let outside = bench.outside();
    outside.execute_batch("DROP TABLE dead_letter").unwrap();
    drop(outside);
    let bad = bad_row(11, AtOnce::Malformed);
    bench
        .store
        .append(bench.batch(vec![bad]))
        .await
        .unwrap_err();
    // Whoever is told so finds the file closed.
    bench.store.close().await.unwrap_err();
    let log = bench.folder.path().join("store.db-wal");
    assert!(std::fs::metadata(log).unwrap().len() > 0);
}

#[tokio::test]
async fn a_store_is_full_before_the_database_refuses_and_has_room_again_when_rows_have_gone() {
    let bench = Bench::with(StoreOptions {
        size_max: 4 << 20,
        ..StoreOptions::default()
    })
    .await;
    let space = bench.store.space();
    let large = NewRow {
        payload: Bytes::from(vec![b' '; 2048]),
        ..new_row(1)
    };
    let mut batches = 0;
    while !space.borrow().is_full {
        batches += 1;
        assert!(batches < 800, "{:?}", space.borrow());
        let batch = bench.batch(vec![large.clone(); 4]);
        bench.store.append(batch).await.unwrap();
    }
    let full = *space.borrow();
    assert_eq!(full.max, 4 << 20);
    assert!(
        full.used >= full.max / 8 * 7 && full.used < full.max,
        "{full:?}"
    );
    // The reserve: everything can be refused, and each dead letter finds its place.
    let rows = bench.store.page(bench.app.id, None, 4_000, 1 << 30).await;
    for rows in rows.unwrap().chunks(50) {
        let dead = rows.iter().map(|row| settled(row, rejected())).collect();
        bench.settle(dead).await;
    }
    assert!(space.borrow().is_full, "dead letters are kept");
    bench
        .store
        .requeue(bench.app.id, Requeue::All)
        .await
        .unwrap();
    let rows = bench.store.page(bench.app.id, None, 4_000, 1 << 30).await;
    let delivered = rows.unwrap();
    let half = delivered.len() / 2;
    let end = |row| settled(row, End::Delivered);
    bench
        .settle(delivered[..half].iter().map(end).collect())
        .await;
    let room = *space.borrow();
    assert!(!room.is_full && room.used < full.used, "{room:?}");
    bench.append(1..=10).await;
}

#[tokio::test]
async fn messages_that_arrive_while_a_commit_runs_are_one_commit() {
    let bench = Bench::new().await;
    let outside = bench.outside();
    outside.execute_batch("BEGIN IMMEDIATE").unwrap();
    let commits = bench.store.commits();
    let sent = Arc::new(AtomicU64::new(0));
    let appends: Vec<_> = (0..200)
        .map(|seq| {
            let (store, append) = (bench.store.clone(), bench.batch(vec![new_row(seq)]));
            let sent = Arc::clone(&sent);
            tokio::spawn(async move {
                // The channel has room: the append is in it before this task first waits.
                sent.fetch_add(1, Ordering::Relaxed);
                store.append(append).await.unwrap()
            })
        })
        .collect();
    while sent.load(Ordering::Relaxed) < 200 {
        tokio::task::yield_now().await;
    }
    outside.execute_batch("ROLLBACK").unwrap();
    for append in appends {
        append.await.unwrap();
    }
    // Those in the thread's hands when it met the lock, and all others.
    assert!(
        bench.store.commits() - commits <= 2,
        "{} commits",
        bench.store.commits() - commits
    );
    assert_eq!(
        bench.store.counts(bench.app.id).await.unwrap().accepted,
        200
    );
}

#[tokio::test]
async fn reading_commits_nothing() {
    let bench = Bench::new().await;
    let commits = bench.store.commits();
    bench
        .store
        .page(bench.app.id, None, 10, 1_000)
        .await
        .unwrap();
    bench
        .store
        .random_row(bench.app.id, Vec::new())
        .await
        .unwrap();
    bench
        .store
        .dead_letters(bench.app.id, None, 10)
        .await
        .unwrap();
    bench.store.counts(bench.app.id).await.unwrap();
    assert_eq!(bench.store.commits(), commits);
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let bench = Bench::new().await;
    bench.store.clone().close().await.unwrap();
    let down = bench
        .store
        .append(bench.batch(vec![new_row(1)]))
        .await
        .unwrap_err();
    assert_eq!(down.to_string(), "the store has stopped: it was closed");
}

#[tokio::test]
async fn no_connection_has_the_number_of_one_of_an_earlier_run() {
    let bench = Bench::new().await;
    let before: Vec<u64> = (0..3).map(|_| bench.store.next_connection()).collect();
    let bench = bench.reopen().await;
    let after = bench.store.next_connection();
    assert!(
        before[0] > 0 && before[0] < before[1] && before[1] < before[2] && before[2] < after,
        "{before:?} {after}"
    );
}

#[tokio::test]
async fn a_store_is_the_same_after_a_restart_and_no_two_are() {
    let bench = Bench::new().await;
    let installation = bench.store.installation();
    let bench = bench.reopen().await;
    assert_eq!(bench.store.installation(), installation);
    assert_ne!(Bench::new().await.store.installation(), installation);
}

#[tokio::test]
async fn the_write_ahead_log_is_moved_into_the_database_before_it_grows_without_end() {
    let bench = Bench::new().await;
    for _ in 0..40 {
        let large = NewRow {
            payload: Bytes::from(vec![b' '; 2048]),
            ..new_row(1)
        };
        bench
            .store
            .append(bench.batch(vec![large; 500]))
            .await
            .unwrap();
    }
    let wal = std::fs::metadata(bench.folder.path().join("store.db-wal"))
        .unwrap()
        .len();
    assert!(
        wal < 2 * 4_096 * 4_096,
        "40 MB were written and the log has {wal} bytes"
    );
}
