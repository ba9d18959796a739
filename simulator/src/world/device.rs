//! One phone as APNs sees it: its connection, what is on its way to it, what is kept for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use apns_net::credentials::Environment;
use apns_proto::courier::{Message, TopicHash};
use apns_proto::{Expiry, Priority, Token};
use bytes::Bytes;

use super::ConnectionId;
use super::registrations::Seed;
use crate::event::{Device, DeviceId};
use crate::provider_api::PushType;

/// A phone.
#[derive(Debug)]
pub(super) struct DeviceEntry {
    pub(super) id: DeviceId,
    pub(super) name: Arc<str>,
    pub(super) environment: Environment,
    /// Its base token's; none before the first Connect.
    pub(super) base: Option<Seed>,
    /// How many base tokens it has been given.
    pub(super) base_tokens: u32,
    /// The latest of its device tokens.
    pub(super) latest: Option<Seed>,
    /// Topics the user does not want [C-05], in ascending order.
    ignored: Box<[TopicHash]>,
    pub(super) line: Option<Line>,
    /// Somebody waits for room.
    pub(super) wanted: bool,
    /// The last message id given out.
    last_id: u32,
    /// How many connections it has had.
    pub(super) connections: u32,
}

/// Its connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) connection: ConnectionId,
    /// None while both are empty: most phones are idle.
    queues: Option<Box<Queues>>,
    /// The face has been woken and has not looked yet.
    pub(super) woken: bool,
    /// The face hangs up after writing what is there.
    pub(super) closing: bool,
}

/// Queues that were emptied last, for whoever needs some next.
#[derive(Debug, Default)]
pub(super) struct Spare(Option<Box<Queues>>);

/// What a connection has to carry.
#[derive(Debug, Default)]
struct Queues {
    /// Not written yet.
    out: VecDeque<Out>,
    /// How many of those are notifications.
    out_items: usize,
    /// Written and not acknowledged, oldest first.
    unacknowledged: VecDeque<Item>,
}

#[derive(Debug)]
enum Out {
    Says(Message),
    Item(Item),
}

/// A notification on its way, or kept.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// The event of its acceptance.
    pub(super) push: u64,
    /// What the phone acknowledges. However often it is sent, it is the same, so that a phone knows it again [C-17].
    pub(super) id: [u8; 4],
    pub(super) token: Token,
    pub(super) topic: Arc<str>,
    pub(super) hash: TopicHash,
    pub(super) payload: Bytes,
    pub(super) expiry: Option<Expiry>,
    pub(super) priority: Option<Priority>,
    pub(super) push_type: Option<PushType>,
    pub(super) collapse_id: Option<Arc<str>>,
    pub(super) accepted_at: SystemTime,
    /// 1: it was stored, 2: it is the last that was [C-06].
    pub(super) storage: Option<u8>,
}

impl DeviceEntry {
    pub(super) fn new(id: DeviceId, name: Arc<str>, environment: Environment) -> Self {
        Self {
            id,
            name,
            environment,
            base: None,
            base_tokens: 0,
            latest: None,
            ignored: Box::default(),
            line: None,
            wanted: false,
            last_id: 0,
            connections: 0,
        }
    }

    pub(super) fn public(&self) -> Device {
        Device {
            id: self.id,
            name: self.name.clone(),
        }
    }

    pub(super) fn ignore(&mut self, mut topics: Vec<TopicHash>) {
        topics.sort_unstable();
        self.ignored = topics.into();
    }

    pub(super) fn ignores(&self, topic: &TopicHash) -> bool {
        self.ignored.binary_search(topic).is_ok()
    }

    /// Whether this is its base token.
    pub(super) fn has_base(&self, token: &Token) -> bool {
        self.base.is_some_and(|base| base.token() == *token)
    }

    /// Its Connect was accepted, and it has not been told to go.
    pub(super) fn is_online(&self) -> bool {
        self.line.as_ref().is_some_and(|line| !line.closing)
    }

    /// Notifications on their way to it.
    pub(super) fn on_the_way(&self) -> usize {
        self.line.as_ref().map_or(0, Line::on_the_way)
    }

    pub(super) fn line_mut(&mut self, connection: ConnectionId) -> Option<&mut Line> {
        self.line
            .as_mut()
            .filter(|line| line.connection == connection)
    }

    /// A message id this phone has not seen, or not for four billion notifications.
    pub(super) fn next_id(&mut self) -> [u8; 4] {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id.to_be_bytes()
    }

    /// Puts a notification on its way. Nothing happens on a phone that is offline.
    pub(super) fn queue(&mut self, item: Item, spare: &mut Spare) {
        if let Some(line) = &mut self.line {
            let queues = line.queues(spare);
            queues.out.push_back(Out::Item(item));
            queues.out_items += 1;
        }
    }
}

impl Line {
    pub(super) fn new(connection: ConnectionId) -> Self {
        Self {
            connection,
            queues: None,
            woken: false,
            closing: false,
        }
    }

    pub(super) fn on_the_way(&self) -> usize {
        let queues = self.queues.as_ref();
        queues.map_or(0, |queues| queues.out_items + queues.unacknowledged.len())
    }

    fn queues(&mut self, Spare(spare): &mut Spare) -> &mut Queues {
        self.queues
            .get_or_insert_with(|| spare.take().unwrap_or_default())
    }

    pub(super) fn say(&mut self, message: Message, spare: &mut Spare) {
        let queues = self.queues(spare);
        queues.out.push_back(Out::Says(message));
    }

    /// What is to be written next. A notification waits for its acknowledgement from now on.
    pub(super) fn next_message(&mut self, spare: &mut Spare) -> Option<Message> {
        let queues = self.queues.as_mut()?;
        match queues.out.pop_front()? {
            Out::Says(message) => {
                self.give_back(spare);
                Some(message)
            }
            Out::Item(item) => {
                let message = item.message();
                queues.out_items -= 1;
                queues.unacknowledged.push_back(item);
                Some(message)
            }
        }
    }

    /// Answers that have not been written.
    pub(super) fn unsaid(&self) -> usize {
        let queues = self.queues.as_ref();
        queues.map_or(0, |queues| queues.out.len() - queues.out_items)
    }

    pub(super) fn is_drained(&self) -> bool {
        let queues = self.queues.as_ref();
        queues.is_none_or(|queues| queues.out.is_empty())
    }

    /// The notification an acknowledgement means. Phones acknowledge in order, so it is at the front.
    pub(super) fn acknowledged(&mut self, id: [u8; 4], spare: &mut Spare) -> Option<Item> {
        let waiting = &mut self.queues.as_mut()?.unacknowledged;
        let at = waiting.iter().position(|item| item.id == id)?;
        let item = waiting.remove(at);
        self.give_back(spare);
        item
    }

    fn give_back(&mut self, Spare(spare): &mut Spare) {
        let empty =
            |queues: &mut Box<Queues>| queues.out.is_empty() && queues.unacknowledged.is_empty();
        if let Some(emptied) = self.queues.take_if(empty) {
            *spare = Some(emptied);
        }
    }

    /// Everything that was on its way, oldest first.
    pub(super) fn into_items(self) -> impl Iterator<Item = Item> {
        let queues = self.queues.map(|queues| *queues).unwrap_or_default();
        let unwritten = queues.out.into_iter().filter_map(|out| match out {
            Out::Says(_) => None,
            Out::Item(item) => Some(item),
        });
        queues.unacknowledged.into_iter().chain(unwritten)
    }
}

impl Item {
    fn message(&self) -> Message {
        let since = self.accepted_at.duration_since(UNIX_EPOCH).ok();
        Message::Notification {
            token: self.token.clone(),
            topic: self.hash,
            payload: self.payload.clone(),
            id: self.id,
            expiry: self.expiry,
            timestamp_ns: since.and_then(|since| u64::try_from(since.as_nanos()).ok()),
            storage: self.storage,
            priority: self.priority,
            push_type: self
                .push_type
                .map(|push_type| Bytes::from_static(push_type.name().as_bytes())),
            collapse_id: self
                .collapse_id
                .as_ref()
                .map(|id| Bytes::copy_from_slice(id.as_bytes())),
        }
    }
}
