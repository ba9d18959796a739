//! Reading the queue: each backend in its turn, each token in its order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// A row's backend and token, in few letters: `("a", 1)`.
type Short = (&'static str, u64);

const BACKENDS: [&str; 3] = ["a", "b", "c"];

/// Appends rows, each batch of one backend; their seqs count from `first`.
async fn append(bench: &Bench, first: u64, rows: &[Short]) {
    let mut rows = rows.iter().zip(first..).peekable();
    while let Some(((backend, _), _)) = rows.peek().copied() {
        let mut batch = Vec::new();
        while let Some(((_, number), seq)) = rows.next_if(|((other, _), _)| other == backend) {
            batch.push(NewRow {
                token: token(*number),
                ..new_row(seq)
            });
        }
        let append = Append {
            backend: Arc::from(*backend),
            ..bench.batch(batch)
        };
        bench.store.append(append).await.unwrap();
    }
}

/// Reads up to so many of each backend.
async fn read(bench: &Bench, rewind: bool, room: usize) -> Vec<Portion> {
    let read = Read {
        app: bench.app.id,
        rewind,
        room: BTreeMap::new(),
        room_of_others: room,
        bytes_max: usize::MAX,
    };
    bench.store.read(read).await.unwrap()
}

/// Whose turns, which seqs, and whether there are more.
fn seqs(portions: &[Portion]) -> Vec<(&str, Vec<u64>, bool)> {
    let short = |portion: &Portion| portion.rows.iter().map(|row| row.seq).collect();
    let portions = portions.iter();
    portions
        .map(|portion| (&*portion.backend, short(portion), portion.more))
        .collect()
}

#[tokio::test]
async fn each_backend_is_read_for_itself_however_much_another_has() {
    let bench = Bench::new().await;
    let mut rows: Vec<Short> = (0..50).map(|number| ("a", number)).collect();
    rows.extend([("b", 100), ("b", 101), ("a", 50), ("b", 102)]);
    append(&bench, 0, &rows).await;
    let portions = read(&bench, true, 2).await;
    assert_eq!(
        seqs(&portions),
        [("a", vec![0, 1], true), ("b", vec![50, 51], true)]
    );
    let portions = read(&bench, false, 2).await;
    assert_eq!(
        seqs(&portions),
        [("a", vec![2, 3], true), ("b", vec![53], false)]
    );
    let portions = read(&bench, false, 100).await;
    let mut rest: Vec<u64> = (4..50).collect();
    rest.push(52);
    assert_eq!(seqs(&portions), [("a", rest, false)]);
    assert_eq!(read(&bench, false, 100).await, []);
    let again = read(&bench, true, 1).await;
    assert_eq!(seqs(&again), [("a", vec![0], true), ("b", vec![50], true)]);
}

#[tokio::test]
async fn where_there_is_no_room_nothing_is_read_and_it_is_said_that_there_is_more() {
    let bench = Bench::new().await;
    append(&bench, 0, &[("a", 1), ("b", 2)]).await;
    let read = Read {
        app: bench.app.id,
        rewind: true,
        room: BTreeMap::from([("a".into(), 0)]),
        room_of_others: 5,
        bytes_max: 1,
    };
    let portions = bench.store.read(read).await.unwrap();
    assert_eq!(
        seqs(&portions),
        [("a", vec![], true), ("b", vec![1], false)]
    );
}

#[tokio::test]
async fn a_row_to_a_token_with_older_unread_ones_comes_behind_those_and_they_come_once() {
    let bench = Bench::new().await;
    let rows = [
        ("a", 1),
        ("a", 7),
        ("a", 2),
        ("a", 7),
        ("a", 3),
        ("b", 7),
        ("b", 8),
        ("a", 7),
    ];
    append(&bench, 0, &rows).await;
    let portions = read(&bench, true, 1).await;
    assert_eq!(
        seqs(&portions),
        [("a", vec![0], true), ("b", vec![1], true)],
        "there was no room for more than the first of them"
    );
    let portions = read(&bench, false, 3).await;
    assert_eq!(
        seqs(&portions),
        [("a", vec![2, 3, 4], true), ("b", vec![5, 6], false)],
        "the one that was read before its turn is passed over"
    );
    assert_eq!(seqs(&read(&bench, false, 3).await), [("a", vec![7], false)]);
}

#[tokio::test]
async fn the_queued_rows_to_a_token_can_be_read_again() {
    let bench = Bench::new().await;
    append(
        &bench,
        0,
        &[("a", 7), ("a", 1), ("b", 7), ("a", 7), ("b", 7)],
    )
    .await;
    let rows = bench
        .store
        .page(bench.app.id, None, 10, usize::MAX)
        .await
        .unwrap();
    let line = async |after: usize, up_to: usize, rows_max| {
        let line = Line {
            token: token(7),
            after: rows[after].id,
            up_to: rows[up_to].id,
            rows_max,
        };
        let rows = bench.store.line(line).await.unwrap();
        rows.iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    assert_eq!(line(0, 4, 10).await, [2, 3, 4]);
    assert_eq!(line(0, 3, 10).await, [2, 3]);
    assert_eq!(line(1, 4, 1).await, [2]);
    assert_eq!(line(4, 4, 1).await, [0_u64; 0]);
    bench.settle(vec![settled(&rows[2], End::Delivered)]).await;
    assert_eq!(line(0, 4, 10).await, [3, 4]);
}

#[tokio::test]
async fn a_probe_is_the_oldest_row_to_its_token() {
    let bench = Bench::new().await;
    append(
        &bench,
        0,
        &[("a", 1), ("b", 2), ("b", 1), ("a", 2), ("a", 2)],
    )
    .await;
    let mut drawn = BTreeSet::new();
    for _ in 0..100 {
        let row = bench
            .store
            .random_row(bench.app.id, Vec::new())
            .await
            .unwrap();
        drawn.insert(row.unwrap().seq);
    }
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn a_probe_is_to_another_token_than_named_wherever_in_the_queue_there_is_one() {
    for other in 0..4 {
        let bench = Bench::new().await;
        let rows: Vec<_> = (0..4).map(|n| ("a", u64::from(n == other) + 1)).collect();
        append(&bench, 0, &rows).await;
        let not = vec![token(1)];
        for _ in 0..20 {
            let row = bench.store.random_row(bench.app.id, not.clone()).await;
            assert_eq!(row.unwrap().unwrap().token, token(2));
        }
        let both = vec![token(1), token(2)];
        let row = bench.store.random_row(bench.app.id, both).await.unwrap();
        assert!(row.is_some(), "rather one of them than none");
    }
}

#[derive(Clone, Debug)]
enum Action {
    Append(Vec<(usize, u64)>),
    Read(usize),
    Rewind,
    /// Which of those that are queued, whether they were read or not.
    Settle(Vec<usize>),
    Reject(usize),
    Requeue,
    Reopen,
}

fn action() -> impl Strategy<Value = Action> {
    let row = (0..BACKENDS.len(), 0_u64..4);
    prop_oneof![
        4 => prop::collection::vec(row, 1..12).prop_map(Action::Append),
        6 => (1_usize..8).prop_map(Action::Read),
        1 => Just(Action::Rewind),
        3 => prop::collection::vec(0_usize..12, 1..6).prop_map(Action::Settle),
        1 => (0_usize..12).prop_map(Action::Reject),
        1 => Just(Action::Requeue),
        1 => Just(Action::Reopen),
    ]
}

struct Life {
    bench: Bench,
    seq: u64,
    rewind: bool,
    /// Since the last rewind.
    read: BTreeSet<RowId>,
}

impl Life {
    async fn act(&mut self, action: &Action) {
        match action {
            Action::Append(rows) => {
                let rows: Vec<Short> = rows
                    .iter()
                    .map(|(at, token)| (BACKENDS[*at], *token))
                    .collect();
                append(&self.bench, self.seq, &rows).await;
                self.seq += rows.len() as u64;
            }
            Action::Read(room) => self.read(*room).await,
            Action::Rewind => self.rewind(),
            Action::Settle(which) => {
                let queued = self.queued().await;
                let rows = which.iter().filter_map(|at| queued.get(*at));
                let ends = rows.map(|row| settled(row, End::Delivered)).collect();
                self.bench.settle(ends).await;
            }
            Action::Reject(which) => {
                let queued = self.queued().await;
                let rows = queued.get(*which).into_iter();
                self.bench
                    .settle(rows.map(|row| settled(row, rejected())).collect())
                    .await;
            }
            Action::Requeue => {
                let Bench { store, app, .. } = &self.bench;
                store.requeue(app.id, Requeue::All).await.unwrap();
            }
            Action::Reopen => {
                let Bench {
                    store,
                    app: state,
                    folder,
                } = &mut self.bench;
                store.clone().close().await.unwrap();
                let path = folder.path().join("store.db");
                *store = Store::open(&path, StoreOptions::default()).unwrap();
                *state = app(store).await;
                self.rewind();
            }
        }
    }

    async fn queued(&self) -> Vec<Row> {
        let Bench { store, app, .. } = &self.bench;
        store
            .page(app.id, None, usize::MAX, usize::MAX)
            .await
            .unwrap()
    }

    fn rewind(&mut self) {
        self.rewind = true;
        self.read.clear();
    }

    async fn read(&mut self, room: usize) {
        let queued = self.queued().await;
        let portions = read(&self.bench, std::mem::take(&mut self.rewind), room).await;
        for backend in BACKENDS {
            let unread = |row: &&Row| *row.backend == *backend && !self.read.contains(&row.id);
            let unread = queued.iter().filter(unread).count();
            let portion = portions.iter().find(|portion| *portion.backend == *backend);
            let rows = portion.map_or(0, |portion| portion.rows.len());
            let pulled = portions.iter().flat_map(|portion| &portion.rows);
            let pulled = pulled.filter(|row| *row.backend == *backend).count();
            assert!(
                rows.max(pulled) >= unread.min(room),
                "{backend} did not get its share"
            );
            assert!(rows <= room);
        }
        for portion in &portions {
            for row in &portion.rows {
                assert!(self.read.insert(row.id), "{} twice", row.id);
                let older = |other: &&Row| other.token == row.token && other.id < row.id;
                let mut older = queued.iter().filter(older);
                assert!(
                    older.all(|other| self.read.contains(&other.id)),
                    "{} overtook",
                    row.id
                );
                if row.backend != portion.backend {
                    let behind = |other: &&Row| {
                        other.token == row.token
                            && other.backend == portion.backend
                            && other.id > row.id
                    };
                    assert!(
                        queued.iter().any(|other| behind(&other)),
                        "{} was nobody's turn",
                        row.id
                    );
                }
            }
        }
        let unread: BTreeSet<_> = queued
            .iter()
            .filter(|row| !self.read.contains(&row.id))
            .map(|row| &row.backend)
            .collect();
        let more: BTreeSet<_> = portions
            .iter()
            .filter(|portion| portion.more)
            .map(|portion| &portion.backend)
            .collect();
        assert!(unread.is_subset(&more), "{unread:?} {more:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_row_is_read_once_in_its_tokens_order_and_each_backend_has_its_share(
        actions in prop::collection::vec(action(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new().await;
            let mut life = Life { bench, seq: 0, rewind: true, read: BTreeSet::new() };
            for action in &actions {
                life.act(action).await;
            }
            for _ in 0..1_000 {
                life.read(5).await;
                if read(&life.bench, false, 0).await.iter().all(|portion| !portion.more) {
                    break;
                }
            }
            let queued = life.queued().await;
            assert!(queued.iter().all(|row| life.read.contains(&row.id)));
        });
    }
}
