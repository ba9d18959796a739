//! Random lives of a store, with crashes, against a model that fits on a page.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

const LETTERS_MAX: u64 = 6;

#[derive(Clone, Debug)]
enum Action {
    /// Rows to append: true = rejected at once.
    Append(Vec<bool>),
    /// Which of the queued rows to settle, and how; also some that are settled already.
    Settle(Vec<(usize, u8)>),
    RequeueOne(usize),
    RequeueAll,
    Reopen,
    Crash,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => prop::collection::vec(prop::bool::weighted(0.2), 1..8).prop_map(Action::Append),
        4 => prop::collection::vec((0_usize..30, 0_u8..5), 1..8).prop_map(Action::Settle),
        1 => (0_usize..10).prop_map(Action::RequeueOne),
        1 => Just(Action::RequeueAll),
        1 => Just(Action::Reopen),
        1 => Just(Action::Crash),
    ]
}

/// What a store is, in few words.
#[derive(Default)]
struct Model {
    seq: u64,
    /// Every row ever handed out, with its seq.
    known: Vec<(RowId, u64)>,
    queued: BTreeMap<RowId, u64>,
    /// Seq, whether it counts as given up, whether it is malformed.
    letters: VecDeque<(u64, bool, bool)>,
    /// The seqs whose tokens are in the feedback list.
    feedback: BTreeSet<u64>,
    counts: Counts,
}

impl Model {
    fn bury(&mut self, seq: u64, given_up: bool, malformed: bool) {
        self.letters.push_back((seq, given_up, malformed));
    }

    fn drop_oldest(&mut self) {
        while self.letters.len() as u64 > LETTERS_MAX {
            self.letters.pop_front();
            self.counts.dead_letters_dropped += 1;
        }
        self.counts.dead_letters = self.letters.len() as u64;
        self.counts.queued = self.queued.len() as u64;
        self.counts.feedback = self.feedback.len() as u64;
    }
}

struct Life {
    bench: Bench,
    model: Model,
    options: StoreOptions,
}

impl Life {
    async fn act(&mut self, action: &Action) {
        match action {
            Action::Append(rows) => self.append(rows).await,
            Action::Settle(which) => self.settle(which).await,
            Action::RequeueOne(at) => {
                let letters = self.letters().await;
                if let Some(letter) = letters.get(*at) {
                    self.bench
                        .store
                        .requeue(self.bench.app.id, Requeue::One(letter.id))
                        .await
                        .unwrap();
                    self.requeued(|index, _| index == *at).await;
                }
            }
            Action::RequeueAll => {
                self.bench
                    .store
                    .requeue(self.bench.app.id, Requeue::All)
                    .await
                    .unwrap();
                self.requeued(|_, _| true).await;
            }
            Action::Reopen => {
                self.bench.store.clone().close().await.unwrap();
                self.open(self.bench.folder.path().to_owned()).await;
            }
            Action::Crash => {
                let folder = self.bench.crash();
                self.open(folder.path().to_owned()).await;
                self.bench.folder = folder;
            }
        }
        self.model.drop_oldest();
    }

    async fn open(&mut self, folder: std::path::PathBuf) {
        self.bench.store = Store::open(&folder.join("store.db"), self.options.clone()).unwrap();
        self.bench.app = app(&self.bench.store).await;
    }

    async fn append(&mut self, rows: &[bool]) {
        let before = self.bench.app.committed.borrow().newest;
        let first = self.model.seq;
        let batch = rows
            .iter()
            .zip(first..)
            .map(|(bad, seq)| {
                if *bad {
                    bad_row(seq, AtOnce::Malformed)
                } else {
                    new_row(seq)
                }
            })
            .collect();
        self.bench
            .store
            .append(self.bench.batch(batch))
            .await
            .unwrap();
        let queued = self
            .bench
            .store
            .page(self.bench.app.id, before, 100, usize::MAX)
            .await
            .unwrap();
        self.model
            .known
            .extend(queued.iter().map(|row| (row.id, row.seq)));
        self.model
            .queued
            .extend(queued.iter().map(|row| (row.id, row.seq)));
        for (bad, seq) in rows.iter().zip(first..) {
            self.model.seq += 1;
            self.model.counts.accepted += 1;
            if *bad {
                self.model.counts.rejected += 1;
                self.model.bury(seq, false, true);
            }
        }
    }

    async fn settle(&mut self, which: &[(usize, u8)]) {
        let mut rows = Vec::new();
        for (at, end) in which {
            let Some(&(row, seq)) = self.model.known.get(*at) else {
                continue;
            };
            let end = match end {
                0 => End::Delivered,
                1 => rejected(),
                2 => End::Expired,
                3 => given_up(),
                _ => unregistered(seq),
            };
            if self.model.queued.remove(&row).is_some() {
                match &end {
                    End::Delivered => self.model.counts.delivered += 1,
                    End::Rejected { .. } => {
                        self.model.counts.rejected += 1;
                        self.model.bury(seq, false, false);
                    }
                    End::Unregistered { .. } => {
                        self.model.counts.rejected += 1;
                        self.model.bury(seq, false, false);
                        self.model.feedback.insert(seq);
                    }
                    End::Expired => self.model.counts.expired += 1,
                    End::GivenUp { .. } => {
                        self.model.counts.given_up += 1;
                        self.model.bury(seq, true, false);
                    }
                }
            }
            let token = token(seq);
            rows.push(Settlement { row, token, end });
        }
        self.bench.settle(rows).await;
    }

    /// Moves the chosen letters of the model, and finds out which keys they got.
    async fn requeued(&mut self, chosen: impl Fn(usize, u64) -> bool) {
        let mut kept = VecDeque::new();
        let mut moved = Vec::new();
        for (index, letter) in std::mem::take(&mut self.model.letters)
            .into_iter()
            .enumerate()
        {
            let (seq, given_up, malformed) = letter;
            if malformed || !chosen(index, seq) {
                kept.push_back(letter);
                continue;
            }
            self.model.counts.requeued += 1;
            if given_up {
                self.model.counts.given_up -= 1;
            } else {
                self.model.counts.rejected -= 1;
            }
            moved.push(seq);
        }
        self.model.letters = kept;
        let newest = self.model.queued.last_key_value().map(|(id, _)| *id);
        let page = self
            .bench
            .store
            .page(self.bench.app.id, newest, 100, usize::MAX)
            .await
            .unwrap();
        assert_eq!(page.iter().map(|row| row.seq).collect::<Vec<_>>(), moved);
        self.model
            .known
            .extend(page.iter().map(|row| (row.id, row.seq)));
        self.model
            .queued
            .extend(page.iter().map(|row| (row.id, row.seq)));
    }

    async fn letters(&self) -> Vec<DeadLetter> {
        self.bench
            .store
            .dead_letters(self.bench.app.id, None, 100)
            .await
            .unwrap()
    }

    async fn check(&self) {
        audit(&self.bench.outside());
        let counts = self.bench.store.counts(self.bench.app.id).await.unwrap();
        assert_eq!(counts, self.model.counts);
        assert_eq!(self.bench.app.committed.borrow().counts, counts);
        let queued = self
            .bench
            .store
            .page(self.bench.app.id, None, 1_000, usize::MAX)
            .await
            .unwrap();
        let queued: BTreeMap<RowId, u64> = queued.iter().map(|row| (row.id, row.seq)).collect();
        assert_eq!(queued, self.model.queued);
        let letters: VecDeque<_> = self
            .letters()
            .await
            .iter()
            .map(|letter| {
                (
                    letter.row.seq,
                    letter.end == DeadLetterEnd::GivenUp,
                    letter.malformed,
                )
            })
            .collect();
        assert_eq!(letters, self.model.letters);
        let feedback = self
            .bench
            .store
            .feedback_page(self.bench.app.id, None, 1_000)
            .await
            .unwrap();
        let feedback: BTreeSet<Token> = feedback.into_iter().map(|row| row.tuple.token).collect();
        let expected = self.model.feedback.iter().map(|seq| token(*seq));
        assert_eq!(feedback, expected.collect());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_what_its_model_says_whatever_happens_to_it(actions in prop::collection::vec(action(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let options = StoreOptions { dead_letters_max: LETTERS_MAX, ..StoreOptions::default() };
            let bench = Bench::with(options.clone()).await;
            let mut life = Life { bench, model: Model::default(), options };
            for action in &actions {
                life.act(action).await;
                life.check().await;
            }
        });
    }
}
