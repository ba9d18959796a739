//! What can be seen of a world from outside, without changing it.

use apns_net::credentials::Environment;
use apns_proto::Token;
use apns_proto::feedback::Tuple;

use super::{Provider, World};

/// A device token and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered<'a> {
    /// The name of its phone.
    pub phone: &'a str,
    /// The phone's environment.
    pub environment: Environment,
    /// The app.
    pub topic: &'a str,
    /// The token.
    pub token: Token,
    /// The phone has said that the app is gone [C-08].
    pub gone: bool,
}

impl World {
    /// How many phones were ever connected.
    pub fn devices_len(&self) -> usize {
        self.devices.len()
    }

    /// The feedback lists that are not empty, in no particular order, each with what is on it, oldest first.
    pub fn feedback_lists(
        &self,
    ) -> impl Iterator<Item = (&Provider, impl ExactSizeIterator<Item = &Tuple>)> {
        self.feedback.iter()
    }

    /// Every device token there is, in no particular order.
    pub fn registrations(&self) -> impl Iterator<Item = Registered<'_>> {
        self.registrations.iter().map(|registration| {
            let device = self.device(registration.device);
            Registered {
                phone: &device.name,
                environment: device.environment,
                topic: &registration.topic.name,
                token: registration.seed.token(),
                gone: registration.gone.is_some(),
            }
        })
    }
}
