//! A phone: frames by hand on a connection to the courier.

use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::super::Trial;
use super::super::target::Port;
use crate::bytes::courier;
use crate::case::{Failed, Need, ensure};
use crate::link::{Ending, Heard as Bytes, Hello, Link};

/// What a phone says.
pub(super) const CONNECT: u8 = 0x07;
pub(super) const FILTER_TOPICS: u8 = 0x09;
pub(super) const ACK: u8 = 0x0b;
pub(super) const KEEP_ALIVE: u8 = 0x0c;
pub(super) const SCOPED_TOKEN: u8 = 0x11;

/// What it is told.
pub(super) const CONNECT_ACK: u8 = 0x08;
pub(super) const NOTIFICATION: u8 = 0x0a;
pub(super) const KEEP_ALIVE_ACK: u8 = 0x0d;
pub(super) const SCOPED_TOKEN_ACK: u8 = 0x12;

/// What became of a notification [C-07] [C-08].
pub(super) const RECEIVED: u8 = 0;
pub(super) const APP_GONE: u8 = 3;

const HEADER: usize = 5;

/// The SHA-1 of a topic's name [C-05].
pub(super) fn hash(topic: &str) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, topic.as_bytes())
        .as_ref()
        .to_vec()
}

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) command: u8,
    pub(super) fields: Vec<(u8, Vec<u8>)>,
}

impl Frame {
    /// Takes a frame off the front of `bytes`; none where it has not come yet.
    fn split(bytes: &mut Vec<u8>) -> Result<Option<Self>, Failed> {
        let Some([command, len @ ..]) = bytes.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let (command, end) = (*command, HEADER + u32::from_be_bytes(*len) as usize);
        let Some(mut rest) = bytes.get(HEADER..end) else {
            return Ok(None);
        };
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let field = rest
                .split_first_chunk::<3>()
                .and_then(|([id, len @ ..], behind)| {
                    let (value, behind) =
                        behind.split_at_checked(u16::from_be_bytes(*len).into())?;
                    Some((*id, value.to_vec(), behind))
                });
            let Some((id, value, behind)) = field else {
                return Err(Failed(format!(
                    "a field of a frame {command:02x} runs past it"
                )));
            };
            fields.push((id, value));
            rest = behind;
        }
        bytes.drain(..end);
        Ok(Some(Self { command, fields }))
    }

    /// The value of the first field with this id.
    pub(super) fn field(&self, id: u8) -> Option<&[u8]> {
        let mut fields = self.fields.iter();
        fields
            .find(|(of, _)| *of == id)
            .map(|(_, value)| value.as_slice())
    }

    /// Expects a field to have this value.
    pub(super) fn says(&self, id: u8, expected: &[u8]) -> Result<(), Failed> {
        ensure(self.field(id) == Some(expected), || {
            let (command, found) = (self.command, self.field(id));
            format!("field {id:02x} of {command:02x} is {found:02x?}, and not {expected:02x?}")
        })
    }
}

/// What a phone hears.
#[derive(Debug)]
pub(super) enum Heard {
    Frame(Frame),
    End(Ending),
    Nothing,
}

/// A phone with a connection.
pub(super) struct Phone<'a> {
    t: &'a Trial,
    certificate: Need,
    link: Link,
    unread: Vec<u8>,
    pub(super) base: Vec<u8>,
    /// The device tokens of its apps. It had others in other cases.
    tokens: Vec<Vec<u8>>,
}

impl<'a> Phone<'a> {
    /// A connection on which nothing has been said.
    pub(super) async fn dial(t: &'a Trial) -> Result<Self, Failed> {
        Self::dial_as(t, Need::DeviceCertificate).await
    }

    /// The same of the phone that this is the certificate of.
    async fn dial_as(t: &'a Trial, certificate: Need) -> Result<Self, Failed> {
        Ok(Self {
            t,
            certificate,
            link: link(t, certificate).await?,
            unread: Vec::new(),
            base: Vec::new(),
            tokens: Vec::new(),
        })
    }

    /// A phone that connects for the first time, and is given its base token.
    pub(super) async fn connect(t: &'a Trial) -> Result<Self, Failed> {
        Self::connect_as(t, Need::DeviceCertificate).await
    }

    /// The same of the phone that this is the certificate of.
    pub(super) async fn connect_as(t: &'a Trial, certificate: Need) -> Result<Self, Failed> {
        let mut phone = Self::dial_as(t, certificate).await?;
        phone.say(CONNECT, &[(2, &[1])]).await?;
        phone.is_given_a_base_token().await?;
        Ok(phone)
    }

    /// A phone with an app of the suite's topic: phone and device token.
    pub(super) async fn with_app(t: &'a Trial) -> Result<(Self, Vec<u8>), Failed> {
        let mut phone = Self::connect(t).await?;
        let token = phone.install(t.target().topic()?).await?;
        Ok((phone, token))
    }

    /// Expects to be welcomed with a new base token.
    pub(super) async fn is_given_a_base_token(&mut self) -> Result<(), Failed> {
        let welcome = self.expect(CONNECT_ACK).await?;
        welcome.says(1, &[0])?;
        let base = welcome.field(3).filter(|base| !base.is_empty());
        self.base = base
            .ok_or_else(|| Failed::because("the welcome has no base token"))?
            .to_vec();
        Ok(())
    }

    /// Hangs up, and waits until the server has, which then knows it.
    pub(super) async fn hang_up(&mut self) -> Result<(), Failed> {
        self.link.half_close().await?;
        while !matches!(self.link.hear().await?, Bytes::End(_) | Bytes::Nothing) {}
        Ok(())
    }

    /// Connects again with its base token; whether that is welcome shows in what is heard.
    pub(super) async fn redial(&mut self) -> Result<(), Failed> {
        self.link = link(self.t, self.certificate).await?;
        self.unread.clear();
        let base = self.base.clone();
        self.say(CONNECT, &[(1, &base), (2, &[1])]).await
    }

    /// The same, and expects to be welcome.
    pub(super) async fn comes_back(&mut self) -> Result<(), Failed> {
        self.redial().await?;
        self.expect(CONNECT_ACK).await?.says(1, &[0])
    }

    /// Sends a frame.
    pub(super) async fn say(&mut self, command: u8, fields: &[(u8, &[u8])]) -> Result<(), Failed> {
        self.send(&courier(command, fields)).await
    }

    /// Sends bytes; a server that has hung up need not take them.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        self.link.try_send(bytes).await.map(|_| ())
    }

    /// What comes next, within the time that everything expected has.
    pub(super) async fn hear(&mut self) -> Result<Heard, Failed> {
        self.hear_within(self.t.target().timeout).await
    }

    /// What comes next, if it comes within `time`. Notifications that other cases have left are acknowledged and passed over.
    pub(super) async fn hear_within(&mut self, time: Duration) -> Result<Heard, Failed> {
        loop {
            while let Some(frame) = Frame::split(&mut self.unread)? {
                if !self.is_left_over(&frame) {
                    return Ok(Heard::Frame(frame));
                }
                self.acknowledge(&frame, RECEIVED).await?;
            }
            match self.link.hear_within(time).await? {
                Bytes::Record(bytes) => self.unread.extend(bytes),
                Bytes::End(ending) => return Ok(Heard::End(ending)),
                Bytes::Nothing => return Ok(Heard::Nothing),
            }
        }
    }

    fn is_left_over(&self, frame: &Frame) -> bool {
        let foreign = |token| !self.tokens.iter().any(|own| own == token);
        frame.command == NOTIFICATION && frame.field(1).is_some_and(foreign)
    }

    /// Expects a frame with this command to come next.
    pub(super) async fn expect(&mut self, command: u8) -> Result<Frame, Failed> {
        match self.hear().await? {
            Heard::Frame(frame) if frame.command == command => Ok(frame),
            other => Err(Failed(format!("expected a frame {command:02x}: {other}"))),
        }
    }

    /// Expects the server to hang up, and to say nothing before.
    pub(super) async fn is_hung_up_on(&mut self) -> Result<(), Failed> {
        match self.hear().await? {
            Heard::End(_) => Ok(()),
            other => Err(Failed(format!("expected the server to hang up: {other}"))),
        }
    }

    /// Asks whether the server is there: what was said before has been heard then.
    pub(super) async fn is_served(&mut self) -> Result<(), Failed> {
        self.say(KEEP_ALIVE, &[]).await?;
        self.expect(KEEP_ALIVE_ACK).await.map(|_| ())
    }

    /// An app registers: its device token.
    pub(super) async fn install(&mut self, topic: &str) -> Result<Vec<u8>, Failed> {
        let base = self.base.clone();
        let fields: [(u8, &[u8]); 3] = [(1, &base), (2, &hash(topic)), (3, topic.as_bytes())];
        self.say(SCOPED_TOKEN, &fields).await?;
        let answer = self.expect(SCOPED_TOKEN_ACK).await?;
        answer.says(1, &[0])?;
        answer.says(3, &hash(topic))?;
        let token = answer.field(2).unwrap_or_default().to_vec();
        ensure((32..=100).contains(&token.len()), || {
            format!("the device token has {} bytes", token.len())
        })?;
        self.tokens.push(token.clone());
        Ok(token)
    }

    /// Expects a notification with this payload to come next, for whichever of its apps.
    pub(super) async fn receives(&mut self, payload: &[u8]) -> Result<Frame, Failed> {
        let note = self.expect(NOTIFICATION).await?;
        ensure(note.field(3) == Some(payload), || {
            let found = String::from_utf8_lossy(note.field(3).unwrap_or_default()).into_owned();
            let expected = String::from_utf8_lossy(payload);
            format!("the notification that came says {found}, and not {expected}")
        })?;
        Ok(note)
    }

    /// Says what became of a notification.
    pub(super) async fn acknowledge(&mut self, note: &Frame, status: u8) -> Result<(), Failed> {
        let id = note
            .field(4)
            .ok_or_else(|| Failed::because("a notification without a message id"))?;
        self.say(ACK, &[(4, id), (8, &[status])]).await
    }
}

/// A connection on which nothing has been said.
async fn link(t: &Trial, certificate: Need) -> Result<Link, Failed> {
    let login = t.target().papers.login_of(certificate)?;
    t.connect_to(Port::Courier, &Hello::with(login))
        .await
        .map_err(|error| Failed(error.to_string()))
}

impl std::fmt::Display for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Frame(frame) => write!(f, "the server said {:02x}", frame.command),
            Self::End(ending) => write!(f, "the server ended it ({ending})"),
            Self::Nothing => f.write_str("nothing came"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_split_off_when_it_is_whole() {
        let whole = [0x08, 0, 0, 0, 9, 1, 0, 1, 0, 3, 0, 2, 0xab, 0xcd, 0x0d];
        let mut bytes = whole[..13].to_vec();
        assert_eq!(Frame::split(&mut bytes), Ok(None));
        bytes.extend(&whole[13..]);
        let frame = Frame::split(&mut bytes).unwrap().unwrap();
        assert_eq!(frame.command, 8);
        assert_eq!(frame.field(1), Some(&[0][..]));
        assert_eq!(frame.field(3), Some(&[0xab, 0xcd][..]));
        assert_eq!(bytes, [0x0d]);
        let mut past = vec![0x08, 0, 0, 0, 4, 1, 0, 2, 0];
        assert!(Frame::split(&mut past).is_err());
    }

    #[test]
    fn a_topic_is_its_sha_1() {
        // FIPS 180, its first example.
        let digits = data_encoding::HEXLOWER.encode(&hash("abc"));
        assert_eq!(digits, "a9993e364706816aba3e25717850c26c9cd0d89d");
    }
}
