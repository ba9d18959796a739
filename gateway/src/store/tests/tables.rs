//! Pages, scopes, dead tokens.

use super::*;

#[tokio::test]
async fn a_page_ends_at_either_limit_and_is_never_empty_while_there_is_a_row() {
    let bench = Bench::new().await;
    let rows = bench.append(1..=10).await;
    let page = async |after, rows_max, bytes_max| {
        let page = bench
            .store
            .page(bench.app.id, after, rows_max, bytes_max)
            .await
            .unwrap();
        page.iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 3, 1_000_000).await, [1, 2, 3]);
    assert_eq!(page(Some(rows[2].id), 3, 1_000_000).await, [4, 5, 6]);
    assert_eq!(page(Some(rows[9].id), 3, 1_000_000).await, [0_u64; 0]);
    assert_eq!(page(None, 10, 400).await, [1, 2]);
    assert_eq!(page(None, 10, 1).await, [1]);
    // Behind a row that is gone.
    bench.settle(vec![settled(&rows[4], End::Delivered)]).await;
    assert_eq!(page(Some(rows[4].id), 2, 1_000_000).await, [6, 7]);
}

#[tokio::test]
async fn any_queued_row_can_be_the_random_one() {
    let bench = Bench::new().await;
    assert_eq!(
        bench
            .store
            .random_row(bench.app.id, Vec::new())
            .await
            .unwrap(),
        None
    );
    let rows = bench.append(1..=6).await;
    bench
        .settle(vec![
            settled(&rows[1], End::Delivered),
            settled(&rows[2], End::Delivered),
        ])
        .await;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 4 {
        seen.insert(
            bench
                .store
                .random_row(bench.app.id, Vec::new())
                .await
                .unwrap()
                .unwrap()
                .seq,
        );
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [1, 4, 5, 6]);
}

#[tokio::test]
async fn trust_hold_and_dead_tokens_come_back_after_a_restart() {
    let bench = Bench::new().await;
    let trust = Trust {
        vouched: 17,
        recent: 0b10110,
        bad_run: 1,
    };
    let hold = Hold {
        reason: "upstream refuses our certificate".to_owned(),
        by_operator: false,
    };
    let settle = Settle {
        trust,
        held: Some(hold.clone()),
        dead_tokens: vec![
            DeadTokenChange::Put(dead_token(1, 3, 1)),
            DeadTokenChange::Put(dead_token(2, 9, 2)),
            DeadTokenChange::Put(dead_token(3, 17, 3)),
            DeadTokenChange::Delete(token(2)),
        ],
        rows: vec![],
    };
    bench.store.settle(bench.app.id, settle).await.unwrap();
    let bench = bench.reopen().await;
    assert_eq!(bench.app.trust, trust);
    assert_eq!(bench.app.held, Some(hold));
    assert_eq!(
        bench.app.dead_tokens,
        [dead_token(1, 3, 1), dead_token(3, 17, 3)]
    );
    assert!(!bench.app.reset);
    let waiting = DeadTokenChange::DeleteWaiting { vouched: 17 };
    bench
        .store
        .dead_tokens(bench.app.id, vec![waiting])
        .await
        .unwrap();
    let bench = bench.reopen().await;
    assert_eq!(bench.app.dead_tokens, [dead_token(1, 3, 1)]);
}

#[tokio::test]
async fn an_operators_hold_survives_another_scope() {
    let bench = Bench::new().await;
    let hold = Some(Hold {
        reason: "moving house".to_owned(),
        by_operator: true,
    });
    let settle = Settle {
        trust: Trust::default(),
        held: hold.clone(),
        dead_tokens: vec![],
        rows: vec![],
    };
    bench.store.settle(bench.app.id, settle).await.unwrap();
    let app = bench
        .store
        .app("com.example.Mail", Environment::Production, "another")
        .await;
    assert_eq!(app.unwrap().held, hold);
}

#[tokio::test]
async fn another_scope_forgets_trust_hold_and_dead_tokens_and_keeps_the_rest() {
    let bench = Bench::new().await;
    bench.append(1..=2).await;
    let settle = Settle {
        trust: Trust {
            vouched: 99,
            recent: 1,
            bad_run: 2,
        },
        held: Some(Hold {
            reason: "held".to_owned(),
            by_operator: false,
        }),
        dead_tokens: vec![DeadTokenChange::Put(dead_token(1, 3, 1))],
        rows: vec![],
    };
    bench.store.settle(bench.app.id, settle).await.unwrap();
    let other = bench
        .store
        .app(
            "com.example.Mail",
            Environment::Production,
            "other credentials",
        )
        .await
        .unwrap();
    assert!(other.reset);
    assert_eq!(other.id, bench.app.id);
    assert_eq!(
        (other.trust, other.held, other.dead_tokens.len()),
        (Trust::default(), None, 0)
    );
    assert_eq!(other.committed.borrow().counts.queued, 2);
    // And so it stays, and is the new scope.
    bench.store.close().await.unwrap();
    let store = Store::open(
        &bench.folder.path().join("store.db"),
        StoreOptions::default(),
    )
    .unwrap();
    let again = store
        .app(
            "com.example.Mail",
            Environment::Production,
            "other credentials",
        )
        .await
        .unwrap();
    assert_eq!(
        (
            again.reset,
            again.trust,
            again.held,
            again.dead_tokens.len()
        ),
        (false, Trust::default(), None, 0)
    );
}

#[tokio::test]
async fn expired_dead_tokens_are_not_loaded() {
    let bench = Bench::new().await;
    let expired = DeadToken {
        expires_at: 1_700_000_001,
        ..dead_token(1, 0, 1)
    };
    let changes = vec![
        DeadTokenChange::Put(expired),
        DeadTokenChange::Put(dead_token(2, 0, 2)),
    ];
    bench
        .store
        .dead_tokens(bench.app.id, changes)
        .await
        .unwrap();
    let bench = bench.reopen().await;
    assert_eq!(bench.app.dead_tokens, [dead_token(2, 0, 2)]);
}

#[tokio::test]
async fn an_answered_dead_token_is_the_last_to_go_after_a_restart_too() {
    let bench = Bench::new().await;
    let changes = (1..=3)
        .map(|n| DeadTokenChange::Put(dead_token(n, 0, n)))
        .collect();
    bench
        .store
        .dead_tokens(bench.app.id, changes)
        .await
        .unwrap();
    let row = bad_row(1, AtOnce::DeadToken { used: 4 });
    bench.store.append(bench.batch(vec![row])).await.unwrap();
    let bench = bench.reopen().await;
    let order: Vec<Token> = bench
        .app
        .dead_tokens
        .iter()
        .map(|entry| entry.token.clone())
        .collect();
    assert_eq!(order, [token(2), token(3), token(1)]);
}
