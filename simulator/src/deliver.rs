//! Sending a payload to an app from inside: what APNs does with it is what it does with any push.

use apns_net::credentials::Environment;
use apns_proto::Token;
use bytes::Bytes;

use crate::apns_file::ApnsFile;
use crate::shared::Shared;

/// Why nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeliverError {
    /// Nobody has the app, or not with a token.
    #[error("no app {topic} has a token{}", on(.phone.as_deref()))]
    NoToken {
        /// The app.
        topic: String,
        /// The phone looked at; `None`: every phone.
        phone: Option<String>,
    },
    /// Several have it.
    #[error("{topic} is on several phones; say which, with the parameter phone: {}", .phones.join(", "))]
    Several {
        /// The app.
        topic: String,
        /// The phones.
        phones: Vec<String>,
    },
    /// Too many notifications are on their way to the phone.
    #[error("{phone} has not taken what is on its way to it")]
    Busy {
        /// The phone.
        phone: String,
    },
}

fn on(phone: Option<&str>) -> String {
    phone.map_or_else(
        || " on any phone".to_owned(),
        |phone| format!(" on {phone}"),
    )
}

impl Shared {
    /// Pushes the file's payload to its app and says under which event. The phone may be left out where only one has the app.
    ///
    /// # Errors
    ///
    /// When it is not clear to which token, or the phone takes nothing.
    pub(crate) fn deliver(
        &self,
        file: &ApnsFile,
        phone: Option<&str>,
    ) -> Result<u64, DeliverError> {
        let ApnsFile { topic, .. } = file;
        let payload = Bytes::from(file.payload());
        self.with(|world, now| {
            let mut found: Vec<(String, Environment, Token)> = world
                .registrations()
                .filter(|registered| {
                    registered.topic == topic
                        && !registered.gone
                        && phone.is_none_or(|name| name == registered.phone)
                })
                .map(|it| (it.phone.to_owned(), it.environment, it.token))
                .collect();
            found.sort_by(|(one, ..), (other, ..)| one.cmp(other));
            let (name, environment, token) = match (found.pop(), found.is_empty()) {
                (Some(only), true) => only,
                (Some((last, ..)), false) => {
                    let mut phones: Vec<_> = found.into_iter().map(|(name, ..)| name).collect();
                    phones.push(last);
                    return Err(DeliverError::Several {
                        topic: topic.clone(),
                        phones,
                    });
                }
                (None, _) => {
                    return Err(DeliverError::NoToken {
                        topic: topic.clone(),
                        phone: phone.map(str::to_owned),
                    });
                }
            };
            match world.deliver_file(now, environment, &token, topic, payload) {
                Some(push) => Ok(push),
                None => Err(DeliverError::Busy { phone: name }),
            }
        })
    }
}
