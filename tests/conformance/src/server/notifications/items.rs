//! The items of a command 2: their order, presence and number [P-13] to [P-16].

use super::super::{Trial, case};
use crate::bytes::{frame, item};
use crate::case::Basis::{AppleSays, Observed, OurChoice};
use crate::case::{Case, Failed, Need};
use crate::clause::Clause;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    case(
        "items-in-any-order",
        "the five items are accepted in each of their 120 orders",
        &[Clause::of("P-13")],
        Observed,
        |t| Box::pin(items_in_any_order(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "optional-items-absent",
        "identifier, expiry and priority may be absent, each and together",
        &[Clause::of("P-13")],
        AppleSays,
        |t| Box::pin(optional_items_absent(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "token-twice",
        "a second token is answered 128",
        &[Clause::of("P-14")],
        OurChoice,
        |t| Box::pin(async move { twice(t, item(1, t.good()?), 7).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "payload-twice",
        "a second payload is answered 128",
        &[Clause::of("P-14")],
        OurChoice,
        |t| Box::pin(async move { twice(t, item(2, &t.payload()), 7).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "identifier-twice",
        "a second identifier is answered 128, and the first is named",
        &[Clause::of("P-14")],
        OurChoice,
        |t| Box::pin(async move { twice(t, item(3, &[0, 0, 0, 9]), 7).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "expiry-twice",
        "a second expiry is answered 128",
        &[Clause::of("P-14")],
        OurChoice,
        |t| Box::pin(async move { twice(t, item(4, &[0; 4]), 7).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "priority-twice",
        "a second priority is answered 128",
        &[Clause::of("P-14")],
        OurChoice,
        |t| Box::pin(async move { twice(t, item(5, &[10]), 7).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "unknown-items-are-skipped",
        "items that nobody knows are skipped, wherever they stand and whatever is in them",
        &[Clause::of("P-15")],
        OurChoice,
        |t| Box::pin(unknown_items_are_skipped(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "items-of-a-wrong-length",
        "an identifier, expiry or priority of another length than its own is answered 128",
        &[Clause::of("P-16")],
        OurChoice,
        |t| Box::pin(items_of_a_wrong_length(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "identifier-of-a-wrong-length",
        "an identifier that cannot be read is not named: the answer has identifier 0",
        &[Clause::of("P-16"), Clause::of("P-38")],
        OurChoice,
        |t| {
            Box::pin(async move {
                for identifier in [&[][..], &[0, 0, 7], &[0, 0, 0, 0, 7]] {
                    let items = [
                        item(1, t.good()?),
                        item(2, &t.payload()),
                        item(3, identifier),
                    ];
                    t.refused(&frame(&items), 128, 0).await?;
                }
                Ok(())
            })
        },
    )
    .needs(&[Need::GoodToken]),
    case(
        "first-fault-ends-the-reading",
        "an identifier behind an item that runs past the frame is not named",
        &[Clause::of("P-16")],
        OurChoice,
        |t| {
            Box::pin(async move {
                // The token says it has 255 bytes.
                let broken = [&[1, 0x00, 0xff][..], &[0xaa; 32], &item(3, &[0, 0, 0, 7])].concat();
                t.refused(&frame(&[broken]), 128, 0).await
            })
        },
    ),
    case(
        "a-body-that-does-not-add-up-goes-first",
        "an item of a wrong length is answered before a missing token",
        &[Clause::of("P-16"), Clause::of("P-32")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let items = [item(3, &[0, 0, 0, 7]), item(1, &[]), item(5, &[10, 10])];
                t.refused(&frame(&items), 128, 7).await
            })
        },
    ),
];

/// The five items, of which number and payload are the trial's.
fn five(t: &Trial, identifier: u32) -> Result<[Vec<u8>; 5], Failed> {
    Ok([
        item(1, t.good()?),
        item(2, &t.payload()),
        item(3, &identifier.to_be_bytes()),
        item(4, &[0x7f, 0xff, 0xff, 0xff]),
        item(5, &[10]),
    ])
}

async fn items_in_any_order(t: &Trial) -> Result<(), Failed> {
    let mut frames = Vec::new();
    for order in orders(&[0, 1, 2, 3, 4]) {
        let five = five(t, 7)?;
        frames.extend(frame(&order.map_items(&five)));
    }
    t.accepted(&frames).await
}

async fn optional_items_absent(t: &Trial) -> Result<(), Failed> {
    let mut frames = Vec::new();
    for present in 0..8_u8 {
        let five = five(t, 7)?;
        let kept = five
            .into_iter()
            .enumerate()
            .filter(|(place, _)| *place < 2 || present & (1 << (place - 2)) != 0)
            .map(|(_, item)| item);
        frames.extend(frame(&kept.collect::<Vec<_>>()));
    }
    t.accepted(&frames).await
}

async fn unknown_items_are_skipped(t: &Trial) -> Result<(), Failed> {
    let mut frames = Vec::new();
    for place in 0..=5 {
        let mut items = five(t, 7)?.to_vec();
        for (id, data) in [(0, &b""[..]), (6, b"x"), (255, &[0; 300]), (6, b"again")] {
            items.insert(place, item(id, data));
        }
        frames.extend(frame(&items));
    }
    t.accepted(&frames).await
}

/// Identifier 7, then a whole notification, then one item more.
async fn twice(t: &Trial, again: Vec<u8>, named: u32) -> Result<(), Failed> {
    let mut items = five(t, 7)?.to_vec();
    items.push(again);
    t.refused(&frame(&items), 128, named).await
}

async fn items_of_a_wrong_length(t: &Trial) -> Result<(), Failed> {
    for (id, data) in [
        (4, &[][..]),
        (4, &[0; 3]),
        (4, &[0; 5]),
        (5, &[]),
        (5, &[0, 10]),
    ] {
        let items = [
            item(3, &[0, 0, 0, 7]),
            item(1, t.good()?),
            item(2, &t.payload()),
            item(id, data),
        ];
        t.refused(&frame(&items), 128, 7).await?;
    }
    Ok(())
}

/// Places in a new order.
struct Order(Vec<usize>);

impl Order {
    fn map_items(&self, items: &[Vec<u8>; 5]) -> Vec<Vec<u8>> {
        self.0.iter().map(|place| items[*place].clone()).collect()
    }
}

fn orders(places: &[usize]) -> Vec<Order> {
    if places.is_empty() {
        return vec![Order(Vec::new())];
    }
    let with_first = |first: &usize| {
        let others: Vec<_> = places
            .iter()
            .copied()
            .filter(|place| place != first)
            .collect();
        let first = *first;
        orders(&others).into_iter().map(move |Order(mut rest)| {
            rest.insert(0, first);
            Order(rest)
        })
    };
    places.iter().flat_map(with_first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_items_have_120_orders() {
        let mut all: Vec<_> = orders(&[0, 1, 2, 3, 4])
            .into_iter()
            .map(|order| order.0)
            .collect();
        assert_eq!(all.len(), 120);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 120);
    }
}
