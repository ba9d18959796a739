//! The device tokens that were given out: whose each is, and which a phone has.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::SystemTime;

use apns_proto::Token;
use apns_proto::courier::TopicHash;
use rustc_hash::FxHashMap;
use slab::Slab;

use super::device::DeviceEntry;
use crate::event::DeviceId;
use crate::faults::magic;
use crate::pool::Pool;

/// Bytes of a base token and of a device token made here; tokens of other lengths are only ever received.
const TOKEN_LEN: usize = 32;

/// What a token is made of here, and all that is kept of it: its first eight bytes, from which the others follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Seed(NonZeroU64);

impl Seed {
    /// `None` where its token would be magic, and never answered as itself.
    pub(super) fn new(number: u64) -> Option<Self> {
        let seed = NonZeroU64::new(number)?;
        (!number.to_be_bytes().starts_with(&magic::PREFIX)).then_some(Self(seed))
    }

    /// That of a token, if it was made here.
    fn of(token: &Token) -> Option<Self> {
        let first = token.as_bytes().first_chunk()?;
        let seed = Self::new(u64::from_be_bytes(*first))?;
        (seed.token() == *token).then_some(seed)
    }

    pub(super) fn token(self) -> Token {
        let mut token = [0; TOKEN_LEN];
        let (first, rest) = token.split_at_mut(size_of_val(&self.0));
        first.copy_from_slice(&self.0.get().to_be_bytes());
        fastrand::Rng::with_seed(self.0.get()).fill(rest);
        Token::new(token)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Registrations {
    kept: Slab<Registration>,
    /// Where they are. Every key was made here: nobody can choose ones that collide.
    places: FxHashMap<Seed, usize>,
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
        let place = self.places.get(&Seed::of(token)?)?;
        self.kept.get_mut(*place)
    }

    pub(super) fn contains(&self, seed: Seed) -> bool {
        self.places.contains_key(&seed)
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

    /// A token that nobody has is the phone's now.
    pub(super) fn insert(
        &mut self,
        device: &mut DeviceEntry,
        seed: Seed,
        topic: Topic,
        since: u64,
    ) {
        let place = self.kept.insert(Registration {
            seed,
            device: device.id,
            topic: self.topics.share(Arc::new(topic)),
            base_tokens: device.base_tokens,
            since,
            gone: None,
            earlier: device.latest.replace(seed),
        });
        self.places.insert(seed, place);
    }

    /// The phone's token is nobody's any more.
    pub(super) fn remove(&mut self, device: &mut DeviceEntry, seed: Seed) -> Option<Registration> {
        let removed = self.kept.try_remove(self.places.remove(&seed)?)?;
        if device.latest == Some(seed) {
            device.latest = removed.earlier;
        } else {
            let later = self.of(device).find(|it| it.earlier == Some(seed))?.seed;
            self.kept.get_mut(*self.places.get(&later)?)?.earlier = removed.earlier;
        }
        Some(removed)
    }

    fn at(&self, seed: Seed) -> Option<&Registration> {
        self.kept.get(*self.places.get(&seed)?)
    }
}

#[cfg(test)]
mod tests {
    use apns_net::credentials::Environment;

    use super::*;

    fn seed(number: u64) -> Seed {
        Seed::new(number).unwrap()
    }

    #[test]
    fn a_token_leads_back_to_its_seed_and_one_that_only_begins_alike_does_not() {
        let token = seed(7).token();
        assert_eq!(Seed::of(&token), Some(seed(7)));
        let mut other: [u8; TOKEN_LEN] = token.as_bytes().try_into().unwrap();
        other[TOKEN_LEN - 1] ^= 1;
        assert_eq!(Seed::of(&Token::new(other)), None);
        assert_eq!(Seed::of(&Token::new(&token.as_bytes()[1..])), None);
    }

    #[test]
    fn no_seed_makes_a_magic_token() {
        assert_eq!(Seed::new(0xffff_0000_0000_0000), None);
        assert_eq!(Seed::new(u64::MAX), None);
    }

    #[test]
    fn a_phone_has_its_tokens_whichever_was_removed() {
        for (removed, left) in [(1, [3, 2]), (2, [3, 1]), (3, [2, 1])] {
            let mut registrations = Registrations::default();
            let mut device = DeviceEntry::new(DeviceId(0), "phone".into(), Environment::Sandbox);
            for number in 1..=3 {
                let topic = Topic {
                    name: "app".into(),
                    hash: TopicHash([0; 20]),
                };
                registrations.insert(&mut device, seed(number), topic, number);
            }
            let gone = registrations.remove(&mut device, seed(removed)).unwrap();
            assert_eq!(gone.since, removed);
            let tokens = registrations.of(&device).map(|it| it.seed);
            assert_eq!(tokens.collect::<Vec<_>>(), left.map(seed));
            assert!(registrations.get(&seed(removed).token()).is_none());
        }
    }
}
