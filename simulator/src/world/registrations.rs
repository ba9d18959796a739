//! The device tokens that were given out: whose each is, and which a phone has.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::SystemTime;

use apns_proto::Token;
use apns_proto::courier::TopicHash;
use slab::Slab;

use super::device::DeviceEntry;
use crate::event::DeviceId;
use crate::faults::magic;
use crate::pool::Pool;

/// What a token is made of here, and all that is kept of it: its place among the registrations, below 32 bits of chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed(NonZeroU64);

impl Seed {
    /// Any; `None` where its token would be magic, and never answered as itself.
    pub(super) fn new(number: u64) -> Option<Self> {
        let seed = Self(NonZeroU64::new(number)?);
        (!seed.token().as_bytes().starts_with(&magic::PREFIX)).then_some(seed)
    }

    /// That of a token, if it was made here.
    fn of(token: &Token) -> Option<Self> {
        let (first, last) = (
            token.as_bytes().first_chunk()?,
            token.as_bytes().last_chunk()?,
        );
        let seed = u64::from_be_bytes(*first) ^ u64::from_be_bytes(*last);
        let seed = Self(NonZeroU64::new(seed)?);
        (seed.token() == *token).then_some(seed)
    }

    /// The seed in its last eight bytes, hidden by the first eight; those before them follow from it.
    pub(super) fn token(self) -> Token {
        let mut rng = fastrand::Rng::with_seed(self.0.get());
        let [first, second, third] = std::array::from_fn(|_| rng.u64(..));
        let words = [first, second, third, first ^ self.0.get()];
        Token::new(words.map(u64::to_be_bytes).as_flattened())
    }

    const fn place(self) -> usize {
        (self.0.get() & u32::MAX as u64) as usize
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Registrations {
    kept: Slab<Registration>,
    topics: Pool<Topic>,
}

/// A device token and whose it is.
#[derive(Debug)]
pub(super) struct Registration {
    /// The token's.
    pub(super) seed: Seed,
    pub(super) device: DeviceId,
    pub(super) topic: Arc<Topic>,
    /// The phone's [`base_tokens`](DeviceEntry::base_tokens) when it was asked for: of an earlier base token it is a relic of a wiped phone.
    pub(super) base_tokens: u32,
    /// The event of its latest registration.
    pub(super) since: u64,
    /// When the phone said that the app is gone [C-08].
    pub(super) gone: Option<SystemTime>,
    /// The token that its phone got before this one.
    earlier: Option<Seed>,
}

/// An app as APNs knows it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    pub(super) hash: TopicHash,
}

impl Registrations {
    pub(super) fn get(&self, token: &Token) -> Option<&Registration> {
        self.at(Seed::of(token)?)
    }

    pub(super) fn get_mut(&mut self, token: &Token) -> Option<&mut Registration> {
        let seed = Seed::of(token)?;
        let registration = self.kept.get_mut(seed.place())?;
        (registration.seed == seed).then_some(registration)
    }

    /// That of the next token to be [inserted](Self::insert). `None`: there are four billion already.
    pub(super) fn next(&self, rng: &mut fastrand::Rng) -> Option<Seed> {
        let place = u32::try_from(self.kept.vacant_key()).ok()?;
        loop {
            let chance = rng.u64(..) & !u64::from(u32::MAX);
            if let Some(seed) = Seed::new(chance | u64::from(place)) {
                return Some(seed);
            }
        }
    }

    /// In no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Registration> {
        self.kept.iter().map(|(_, registration)| registration)
    }

    /// Those of a phone, of apps that are gone too; the latest first.
    pub(super) fn of(&self, device: &DeviceEntry) -> impl Iterator<Item = &Registration> {
        let latest = device.latest.and_then(|seed| self.at(seed));
        std::iter::successors(latest, |registration| self.at(registration.earlier?))
    }

    /// The [next](Self::next) token is the phone's now.
    pub(super) fn insert(
        &mut self,
        device: &mut DeviceEntry,
        seed: Seed,
        topic: Topic,
        since: u64,
    ) {
        self.kept.insert(Registration {
            seed,
            device: device.id,
            topic: self.topics.share(Arc::new(topic)),
            base_tokens: device.base_tokens,
            since,
            gone: None,
            earlier: device.latest.replace(seed),
        });
    }

    /// The phone's token is nobody's any more.
    pub(super) fn remove(&mut self, device: &mut DeviceEntry, seed: Seed) -> Option<Registration> {
        let removed = self.kept.try_remove(seed.place())?;
        if device.latest == Some(seed) {
            device.latest = removed.earlier;
        } else {
            let later = self.of(device).find(|it| it.earlier == Some(seed))?.seed;
            self.kept.get_mut(later.place())?.earlier = removed.earlier;
        }
        Some(removed)
    }

    fn at(&self, seed: Seed) -> Option<&Registration> {
        let registration = self.kept.get(seed.place());
        registration.filter(|registration| registration.seed == seed)
    }
}

#[cfg(test)]
mod tests {
    use apns_net::credentials::Environment;

    use super::*;

    fn topic() -> Topic {
        Topic {
            name: "app".into(),
            hash: TopicHash([0; 20]),
        }
    }

    #[test]
    fn a_token_leads_back_to_its_seed_and_one_that_differs_anywhere_does_not() {
        let seed = Seed::new(7).unwrap();
        let token = seed.token();
        assert_eq!(Seed::of(&token), Some(seed));
        for at in 0..token.as_bytes().len() {
            let mut other = token.as_bytes().to_owned();
            other[at] ^= 1;
            assert_eq!(Seed::of(&Token::new(other)), None, "{at}");
        }
        assert_eq!(Seed::of(&Token::new(&token.as_bytes()[1..])), None);
    }

    #[test]
    fn no_seed_makes_a_magic_token() {
        let magic = (0_u64..).find(|number| Seed::new(number + 1).is_none());
        let seed = Seed(NonZeroU64::new(magic.unwrap() + 1).unwrap());
        assert!(seed.token().as_bytes().starts_with(&magic::PREFIX));
    }

    #[test]
    fn a_phone_has_its_other_tokens_whichever_was_removed() {
        for (removed, left) in [(0, [2, 1]), (1, [2, 0]), (2, [1, 0])] {
            let mut rng = fastrand::Rng::with_seed(7);
            let mut registrations = Registrations::default();
            let mut device = DeviceEntry::new(DeviceId(0), "phone".into(), Environment::Sandbox);
            let seeds: [_; 3] = std::array::from_fn(|number| {
                let seed = registrations.next(&mut rng).unwrap();
                registrations.insert(&mut device, seed, topic(), number as u64);
                seed
            });
            let gone = registrations.remove(&mut device, seeds[removed]).unwrap();
            assert_eq!(gone.since, removed as u64);
            let its = registrations.of(&device).map(|it| it.seed);
            assert_eq!(its.collect::<Vec<_>>(), left.map(|number| seeds[number]));
        }
    }

    #[test]
    fn a_token_that_was_removed_does_not_lead_to_the_one_in_its_place() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut registrations = Registrations::default();
        let mut device = DeviceEntry::new(DeviceId(0), "phone".into(), Environment::Sandbox);
        let first = registrations.next(&mut rng).unwrap();
        registrations.insert(&mut device, first, topic(), 1);
        registrations.remove(&mut device, first).unwrap();
        let second = registrations.next(&mut rng).unwrap();
        registrations.insert(&mut device, second, topic(), 2);
        assert_eq!(first.place(), second.place());
        assert!(registrations.get(&first.token()).is_none());
        assert!(registrations.get(&second.token()).is_some());
    }
}
