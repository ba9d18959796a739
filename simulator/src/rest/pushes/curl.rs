//! A push as a command line for today's APNs.

use apns_net::credentials::Environment;
use apns_proto::{Priority, Token};

use crate::event::Sent;
use crate::inbox::Push;
use crate::phone::Payload;
use crate::provider_api::{PushType, VOIP_SUFFIX};

/// The same push over HTTP/2, with a certificate; `None` where the frame carried no token or no text.
pub(super) fn command(push: &Push) -> Option<String> {
    let token = push.request.token.as_ref().map(Token::to_hex)?;
    let payload = std::str::from_utf8(&push.payload)
        .ok()
        .filter(|payload| !payload.is_empty())?;
    let host = match push.request.environment {
        Environment::Sandbox => "api.sandbox.push.apple.com",
        Environment::Production => "api.push.apple.com",
    };
    let mut words = vec![
        "curl --http2 --cert push.pem --key push.key".to_owned(),
        header("apns-topic", &push.request.topic),
    ];
    let mut priority = push.priority;
    match &push.request.sent {
        Sent::Post(post) => {
            let push_type = post.push_type;
            words.extend(push_type.map(|push_type| header("apns-push-type", push_type)));
            let collapse_id = post.collapse_id.as_deref();
            words.extend(collapse_id.map(|id| header("apns-collapse-id", id)));
        }
        Sent::Frame { .. } | Sent::File { .. } => {
            let push_type = push_type(&push.request.topic, &push.payload);
            words.push(header("apns-push-type", push_type));
            if push_type == PushType::Background {
                priority = Some(Priority::POWER_SAVING); // Any other is refused [H-17].
            }
        }
    }
    if let Some(priority) = priority {
        words.push(header("apns-priority", priority));
    }
    if let Some(expiry) = push.expiry {
        // Today's has no sign [H-13].
        words.push(header("apns-expiration", expiry.0.max(0)));
    }
    // Of `-d` an @ in front is the name of a file.
    words.push(format!("--data-raw {}", quoted(payload)));
    words.push(format!("https://{host}/3/device/{token}"));
    Some(words.join(" "))
}

fn header(name: &str, value: impl std::fmt::Display) -> String {
    format!("-H {}", quoted(&format!("{name}: {value}")))
}

/// The binary protocol has no push type; today's demands one.
fn push_type(topic: &str, payload: &[u8]) -> PushType {
    if topic.ends_with(VOIP_SUFFIX) {
        return PushType::Voip;
    }
    match Payload::parse(payload) {
        Ok(Payload::DeviceManagement) => PushType::Mdm,
        Ok(Payload::App(aps))
            if aps.alert.is_none() && aps.badge.is_none() && aps.sound.is_none() =>
        {
            PushType::Background
        }
        _ => PushType::Alert,
    }
}

/// One word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_the_shell() {
        let text = "it's \"$HOME\" `and` \\n é\n";
        let echoed = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {}", quoted(text))])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(echoed.stdout).unwrap(), text);
    }

    #[test]
    fn the_push_type_follows_from_topic_and_payload() {
        for (payload, kind) in [
            (r#"{"aps":{"alert":"hi"}}"#, PushType::Alert),
            (
                r#"{"aps":{"badge":1,"content-available":1}}"#,
                PushType::Alert,
            ),
            (r#"{"aps":{"content-available":1}}"#, PushType::Background),
            (r#"{"mdm":"x"}"#, PushType::Mdm),
            ("no JSON", PushType::Alert),
        ] {
            assert_eq!(
                push_type("com.example.Mail", payload.as_bytes()),
                kind,
                "{payload}"
            );
        }
        assert_eq!(push_type("com.example.Mail.voip", b"{}"), PushType::Voip);
    }
}
