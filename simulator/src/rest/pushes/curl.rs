//! A push as a command line for today's APNs.

use apns_net::credentials::Environment;
use apns_proto::Token;

use crate::event::Sent;
use crate::inbox::Push;
use crate::phone::Payload;

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
    match &push.request.sent {
        Sent::Post(post) => {
            let push_type = post.push_type;
            words.extend(push_type.map(|push_type| header("apns-push-type", push_type)));
            let collapse_id = post.collapse_id.as_deref();
            words.extend(collapse_id.map(|id| header("apns-collapse-id", id)));
        }
        Sent::Frame { .. } | Sent::File { .. } => {
            words.push(header("apns-push-type", push_type(&push.payload)))
        }
    }
    if let Some(priority) = push.priority {
        words.push(header("apns-priority", priority));
    }
    if let Some(expiry) = push.expiry {
        words.push(header("apns-expiration", expiry.0));
    }
    words.push(format!("-d {}", quoted(payload)));
    words.push(format!("https://{host}/3/device/{token}"));
    Some(words.join(" "))
}

fn header(name: &str, value: impl std::fmt::Display) -> String {
    format!("-H {}", quoted(&format!("{name}: {value}")))
}

/// The binary protocol has no push type; today's demands one.
fn push_type(payload: &[u8]) -> &'static str {
    match Payload::parse(payload) {
        Ok(Payload::DeviceManagement) => "mdm",
        Ok(Payload::App(aps))
            if aps.alert.is_none() && aps.badge.is_none() && aps.sound.is_none() =>
        {
            "background"
        }
        _ => "alert",
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
    fn the_push_type_follows_from_the_payload() {
        for (payload, kind) in [
            (r#"{"aps":{"alert":"hi"}}"#, "alert"),
            (r#"{"aps":{"badge":1,"content-available":1}}"#, "alert"),
            (r#"{"aps":{"content-available":1}}"#, "background"),
            (r#"{"mdm":"x"}"#, "mdm"),
            ("no JSON", "alert"),
        ] {
            assert_eq!(push_type(payload.as_bytes()), kind, "{payload}");
        }
    }
}
