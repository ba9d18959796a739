//! Rules as text and at work; no socket.

use std::collections::BTreeSet;
use std::time::Duration;

use apns_proto::{Identifier, Status};
use proptest::prelude::*;

use super::*;
use crate::provider_api::Reason;

const TOKEN: [u8; 32] = [0xa1; 32];
const PAYLOAD: &[u8] = br#"{"aps":{"alert":{"title":"Hello","body":"wor\u006cd"}},"id":7}"#;

fn push(face: Face) -> Facts<'static> {
    Facts {
        face: Some(face),
        moment: Moment::Push,
        topic: "com.example.Mail",
        connection: 1,
        token: Some(&TOKEN),
        payload: Some(PAYLOAD),
    }
}

fn rule(text: &str) -> Rule {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn with(rules: &[&str]) -> Faults {
    let mut faults = Faults::default();
    for text in rules {
        faults.add(rule(text)).unwrap();
    }
    faults
}

/// Which of the first `n` equal questions are answered with an injection, from 1.
fn hits(faults: &mut Faults, n: u64) -> Vec<u64> {
    (1..=n)
        .filter(|_| faults.judge(&push(Face::Binary)).is_some())
        .collect()
}

#[test]
fn a_rule_acts_each_time_once_or_every_so_often() {
    let table: [(&str, &[u64]); 6] = [
        ("action=close", &[1, 2, 3, 4, 5, 6, 7]),
        ("action=close,nth=3", &[3]),
        ("action=close,every=3", &[3, 6]),
        ("action=close,limit=2", &[1, 2]),
        ("action=close,every=2,limit=2", &[2, 4]),
        ("action=close,probability=0", &[]),
    ];
    for (text, expected) in table {
        assert_eq!(hits(&mut with(&[text]), 7), expected, "{text}");
    }
}

#[test]
fn every_condition_must_hold() {
    let table = [
        ("action=close,face=binary", true),
        ("action=close,face=http2", false),
        ("action=close,token=A1A", true),
        ("action=close,token=a1b", false),
        ("action=close,topic=com.example.Mail", true),
        ("action=close,topic=com.example.Ma", false),
        ("action=close,connection=1", true),
        ("action=close,connection=2", false),
        (r#"action=close,payload="id":7"#, true),
        ("action=close,payload=Hello", true),
        ("action=close,payload=world", false),
        ("action=close,alert=world", true),
        ("action=close,alert=Hell", true),
        ("action=close,alert=id", false),
        ("action=close,at=connect", false),
        (
            "action=close,token=a1,alert=world,topic=com.example.Mail",
            true,
        ),
        ("action=close,token=a1,alert=nothing", false),
    ];
    for (text, expected) in table {
        assert_eq!(
            with(&[text]).judge(&push(Face::Binary)).is_some(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn the_first_rule_that_acts_wins_and_each_counts_for_itself() {
    let mut faults = with(&[
        "name=second,action=status,status=1,nth=2",
        "action=status,status=7,limit=2",
        "action=close",
    ]);
    let said: Vec<_> = (0..5)
        .map(|_| faults.judge(&push(Face::Binary)).unwrap().fault.to_string())
        .collect();
    let other = "rule 2 (status)";
    assert_eq!(
        said,
        [other, "second", other, "rule 3 (close)", "rule 3 (close)"]
    );
    let counts: Vec<_> = faults
        .rules()
        .iter()
        .map(|rule| (rule.matched, rule.injected))
        .collect();
    assert_eq!(counts, [(5, 1), (2, 2), (2, 2)]);
}

#[test]
fn a_rule_without_a_face_acts_where_its_action_is_possible() {
    let mut faults = with(&["action=status,status=1", "action=reason,reason=Forbidden"]);
    let said = |faults: &mut Faults, face| faults.judge(&push(face)).unwrap().action.name();
    assert_eq!(said(&mut faults, Face::Binary), "status");
    assert_eq!(said(&mut faults, Face::Http2), "reason");
}

#[test]
fn on_the_feedback_face_everything_happens_when_the_connection_is_opened() {
    let mut faults = with(&["action=slicer,bytes=3"]);
    let mut facts = push(Face::Feedback);
    assert_eq!(faults.judge(&facts), None);
    (facts.moment, facts.token, facts.payload) = (Moment::Connect, None, None);
    assert_eq!(faults.judge(&facts).unwrap().action.name(), "slicer");
}

#[test]
fn connections_are_counted_on_each_face_until_all_is_cleared() {
    let mut faults = with(&["action=close"]);
    assert_eq!(faults.opened(Face::Binary), 1);
    assert_eq!(faults.opened(Face::Binary), 2);
    assert_eq!(faults.opened(Face::Feedback), 1);
    faults.set_magic_tokens(false);
    faults.clear();
    assert_eq!(faults.opened(Face::Binary), 1);
    assert!(faults.rules().is_empty() && faults.magic_tokens());
}

#[test]
fn a_removed_rule_acts_no_more_and_the_number_of_rules_is_bounded() {
    let mut faults = with(&["action=close,limit=1"]);
    let id = faults.rules()[0].id;
    assert!(faults.remove(id) && !faults.remove(id));
    assert_eq!(faults.judge(&push(Face::Binary)), None);
    for _ in 0..RULES_MAX {
        faults.add(rule("action=close")).unwrap();
    }
    assert_eq!(faults.add(rule("action=close")), Err(TooManyRules));
}

#[test]
fn magic_tokens_act_behind_the_rules_unless_they_are_off() {
    let mut token = [0x11; 32];
    token[..4].copy_from_slice(&[0xff, 0xff, 0x00, 0x07]);
    let facts = Facts {
        token: Some(&token),
        ..push(Face::Binary)
    };
    let mut faults = with(&["action=close,nth=2"]);
    let first = faults.judge(&facts).unwrap();
    assert_eq!(first.action, Action::Status { status: Status(7) });
    assert_eq!(&*first.fault, magic::NAME);
    assert_eq!(faults.judge(&facts).unwrap().action.name(), "close");
    faults.set_magic_tokens(false);
    assert_eq!(faults.judge(&facts), None);
}

#[test]
fn magic_tokens_mean_what_their_prefix_says_on_both_faces() {
    let status = |status| {
        Some(Action::Status {
            status: Status(status),
        })
    };
    let reason = |status, reason: &str| {
        Some(Action::Reason {
            status,
            reason: reason.into(),
        })
    };
    let swallow = |millis| {
        Some(Action::Swallow {
            delay: Duration::from_millis(millis),
        })
    };
    let close = || Some(Action::Close { taken: false });
    let shutdown = || Some(Action::Shutdown { taken: false });
    let table = [
        ([0x00, 0x08], status(8), reason(400, "BadDeviceToken")),
        ([0x00, 0x07], status(7), reason(413, "PayloadTooLarge")),
        ([0x00, 0x0a], shutdown(), reason(503, "Shutdown")),
        (
            [0x00, 0x63],
            status(0x63),
            reason(500, "InternalServerError"),
        ),
        ([0x01, 0x00], swallow(0), swallow(0)),
        ([0x01, 0x1e], swallow(3_000), swallow(3_000)),
        ([0x02, 0x00], close(), close()),
        ([0x02, 0x77], close(), close()),
        ([0x03, 0x00], None, None),
        ([0x03, 0x01], status(1), reason(400, "BadCollapseId")),
        ([0x03, 0x1a], swallow(0), reason(410, "Unregistered")),
        ([0x03, 0x20], shutdown(), reason(503, "Shutdown")),
        ([0x03, 0x21], None, None),
        ([0x04, 0x01], None, None),
    ];
    for (number, binary, http2) in table {
        let mut token = vec![0xff, 0xff, number[0], number[1]];
        token.resize(32, 0);
        assert_eq!(magic::action(Face::Binary, &token), binary, "{number:02x?}");
        assert_eq!(magic::action(Face::Http2, &token), http2, "{number:02x?}");
        assert_eq!(magic::action(Face::Feedback, &token), None);
        for len in [4, 31, 101] {
            token.resize(len, 0);
            assert_eq!(magic::action(Face::Binary, &token), None, "{len} bytes");
        }
    }
}

#[test]
fn a_status_that_is_about_the_notification_comes_back_through_its_reason() {
    for number in [2, 3, 4, 6, 7, 8, 10] {
        let status = Status(number);
        assert_eq!(magic::status(magic::reason(status)), Some(status));
    }
    assert!(Reason::ALL.is_sorted_by_key(|reason| (reason.status(), reason.to_string())));
}

/// For every action a rule that says everything it can say.
fn one_of_each() -> Vec<String> {
    let value = |key: &str| match key {
        "reason" => "Forbidden",
        "debug" => r#"{"reason":"Shutdown"}"#,
        "taken" => "true",
        _ => "200",
    };
    let text = |entry: &Entry| {
        let keys = entry.needs.iter().chain(entry.takes);
        let keys: String = keys.map(|key| format!(",{key}={}", value(key))).collect();
        format!("action={}{keys}", entry.name)
    };
    ACTIONS.iter().map(text).collect()
}

#[test]
fn every_action_of_the_table_can_be_said_and_is_written_as_it_was_read() {
    for (text, entry) in one_of_each().iter().zip(ACTIONS) {
        let rule = rule(text);
        assert_eq!(rule.action.entry().name, entry.name);
        let json = serde_json::to_value(&rule).unwrap();
        assert_eq!(serde_json::from_value::<Rule>(json.clone()).unwrap(), rule);
        let said: BTreeSet<_> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let keys = entry.needs.iter().chain(entry.takes).copied();
        assert_eq!(said, keys.chain(["action"]).collect(), "{text}");
        let toml = toml::to_string(&rule).unwrap();
        assert_eq!(toml::from_str::<Rule>(&toml).unwrap(), rule, "{toml}");
    }
}

#[test]
fn every_key_is_known_to_all_three_forms() {
    let expected: BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
    let refusal = serde_json::from_str::<Rule>(r#"{"nonsense":1}"#)
        .unwrap_err()
        .to_string();
    let known: BTreeSet<_> = refusal.split('`').skip(3).step_by(2).collect();
    assert_eq!(known, expected, "{refusal}");
    let spoken = ACTIONS
        .iter()
        .flat_map(|entry| entry.needs.iter().chain(entry.takes));
    assert!(spoken.copied().all(|key| expected.contains(key)));
}

#[test]
fn a_file_is_read_whole() {
    let plan: Plan = toml::from_str(
        r#"
        magic_tokens = false

        [[rule]]
        name = "slow mail"
        face = "binary"
        token = "A1b2"
        action = "latency"
        ms = 300
        jitter_ms = 100
        probability = 0.5
        seed = 7

        [[rule]]
        action = "wrong_identifier"
        identifier = 4_000_000_000
        nth = 2
        "#,
    )
    .unwrap();
    assert!(!plan.magic_tokens);
    assert_eq!(
        plan.rules[0],
        rule(
            "name=slow mail,face=binary,token=a1b2,action=latency,ms=300,jitter_ms=100,probability=0.5,seed=7"
        )
    );
    assert_eq!(
        plan.rules[1].action,
        Action::WrongIdentifier {
            status: Status(8),
            identifier: Some(Identifier::from_u32(4_000_000_000))
        }
    );
    assert_eq!(
        toml::from_str::<Plan>("").unwrap(),
        Plan {
            magic_tokens: true,
            rules: Vec::new()
        }
    );
}

#[test]
fn what_is_no_rule_is_told_why() {
    let table = [
        ("", "`` is not of the form key=value"),
        ("action", "`action` is not of the form key=value"),
        (
            "fase=binary",
            "there is no key `fase`; the keys are name, face, token,",
        ),
        ("action=close,action=close", "`action` is said twice"),
        ("face=binary", "missing field `action`"),
        (
            "action=explode",
            "there is no action `explode`; the actions are latency, bandwidth,",
        ),
        (
            "action=close,face=courier",
            "`face`: unknown variant `courier`, expected one of `binary`, `feedback`, `http2`",
        ),
        (
            "action=latency",
            "`ms` is missing: the action `latency` needs it",
        ),
        (
            "action=latency,ms=soon",
            "`ms` is a whole number, not `soon`",
        ),
        (
            "action=latency,ms=600001",
            "`ms` must be at most 600000, ten minutes",
        ),
        (
            "action=close,ms=1",
            "the action `close` takes no `ms`; it takes taken",
        ),
        (
            "action=no_packet,ms=1",
            "the action `no_packet` takes no `ms`; it takes none",
        ),
        (
            "action=status,status=8,face=http2",
            "the action `status` is not possible on the http2 face; it is on binary",
        ),
        ("action=status,status=256", "`status` must be from 0 to 255"),
        (
            "action=reason,reason=X,status=99",
            "`status` must be from 200 to 599 for the action `reason`",
        ),
        (
            "action=status,status=8,at=connect",
            "the action `status` is not possible at `connect`; it is at push",
        ),
        (
            "action=close,at=connect,token=a1",
            "a rule with `token` looks at a notification",
        ),
        (
            "action=close,at=connect,taken=true",
            "a rule with `taken` looks at a notification",
        ),
        (
            "action=close,face=feedback,alert=x",
            "a rule with `alert` looks at a notification",
        ),
        (
            "action=certificate_expired,connection=1",
            "a certificate is refused on every face alike, and before the connection has a number: leave `connection` out",
        ),
        (
            "action=close,nth=1,every=1",
            "a rule has one of `nth`, `every` and `probability`",
        ),
        ("action=close,nth=0", "`nth` must be at least 1"),
        ("action=close,limit=0", "`limit` must be at least 1"),
        (
            "action=close,probability=1.5",
            "`probability` must be from 0 to 1",
        ),
        (
            "action=close,probability=NaN",
            "`probability` is a number from 0 to 1, not `NaN`",
        ),
        (
            "action=close,token=xyz",
            "`token` is how a token begins, in hexadecimal digits, not `xyz`",
        ),
        ("action=slicer,bytes=0", "`bytes` must be at least 1"),
        (
            "action=goaway,last_stream_id=2147483648",
            "`last_stream_id` must be at most 2147483647",
        ),
    ];
    for (text, expected) in table {
        let error = text.parse::<Rule>().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn a_file_with_a_mistake_says_where_and_what_is_allowed() {
    let error = toml::from_str::<Plan>("[[rule]]\naction = \"close\"\nmillis = 3\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 3") && error.contains("unknown field `millis`, expected one of"),
        "{error}"
    );
    let error = toml::from_str::<Plan>("[[rule]]\naction = \"latency\"\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`ms` is missing: the action `latency` needs it"),
        "{error}"
    );
}

#[test]
fn a_whole_token_in_a_rule_is_not_printed() {
    let rule = rule(&format!("action=close,token={}", "a1".repeat(32)));
    let shown = format!("{rule:?}");
    assert!(
        shown.contains("a1a1a1a1…") && !shown.contains("a1a1a1a1a1"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn the_same_seed_gives_the_same_run(seed: u64, probability in 0.0..=1.0) {
        let text = format!("action=latency,ms=100,jitter_ms=50,probability={probability},seed={seed}");
        let run = || {
            let mut faults = with(&[&text]);
            (0..50).map(|_| faults.judge(&push(Face::Binary))).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn a_jitter_stays_around_its_delay(seed: u64, delay in 0..1_000u64, jitter in 0..2_000u64) {
        let mut faults = with(&[&format!("action=latency,ms={delay},jitter_ms={jitter},seed={seed}")]);
        for _ in 0..20 {
            let action = faults.judge(&push(Face::Binary)).unwrap().action;
            let Action::Latency { delay: rolled, jitter: rest } = action else { panic!("{action:?}") };
            let rolled = u64::try_from(rolled.as_millis()).unwrap();
            prop_assert!(rest.is_zero() && rolled >= delay.saturating_sub(jitter) && rolled <= delay + jitter);
        }
    }

    #[test]
    fn a_probability_is_about_kept(seed: u64) {
        let hits = hits(&mut with(&[&format!("action=close,probability=0.5,seed={seed}")]), 1_000).len();
        prop_assert!((350..650).contains(&hits), "{}", hits);
    }

    #[test]
    fn nth_every_and_limit_count_as_they_say(every in 1..20u64, limit in 1..20u64, n in 0..200u64) {
        let expected: Vec<_> = (1..=n).filter(|i| i % every == 0).take(limit.try_into().unwrap()).collect();
        prop_assert_eq!(hits(&mut with(&[&format!("action=close,every={every},limit={limit}")]), n), expected);
    }

    #[test]
    fn a_prefix_is_found_at_the_beginning_only(token in prop::collection::vec(any::<u8>(), 32..40), digits in 1..64usize) {
        let hex = data_encoding::HEXLOWER.encode(&token);
        let prefix = TokenPrefix::parse(&hex[..digits]).unwrap();
        prop_assert!(prefix.begins(&token));
        let other: Vec<_> = token.iter().map(|byte| !byte).collect();
        prop_assert!(!prefix.begins(&other));
        prop_assert!(!prefix.begins(&token[..(digits - 1) / 2]));
    }

    #[test]
    fn no_text_makes_a_rule_panic(text in "[a-z_]{0,10}=[a-z0-9.\"]{0,8}(,(ms|bytes|status|action|nth|token)=[a-z0-9]{0,8}){0,4}") {
        let _ = text.parse::<Rule>();
    }
}

/// The rows of the tables in `docs/simulator.md`.
fn documented_rows() -> Vec<String> {
    let list = |names: Vec<&str>| names.join(", ");
    let quoted = |names: Vec<String>| match names.is_empty() {
        true => "—".to_owned(),
        false => names.join(", "),
    };
    let mut rows = Vec::new();
    for (index, reason) in Reason::ALL.into_iter().enumerate() {
        let binary = match magic::status(reason) {
            None => "silence, and delivered nowhere".to_owned(),
            Some(Status::SHUTDOWN) => "shutdown, status 10".to_owned(),
            Some(status) => format!("status {}", status.0),
        };
        rows.push(format!(
            "| `FFFF03{:02X}` | {} {reason} | {binary} |",
            index + 1,
            reason.status()
        ));
    }
    for Key { name, kind, says } in KEYS {
        rows.push(format!("| `{name}` | {kind} | {says} |"));
    }
    for entry in ACTIONS {
        let needs = entry.needs.iter().map(|key| format!("**`{key}`**"));
        let takes = entry.takes.iter().map(|key| format!("`{key}`"));
        rows.push(format!(
            "| `{}` | {} | {} | {} | {} |",
            entry.name,
            list(entry.faces.iter().map(|face| face.name()).collect()),
            list(entry.moments.iter().map(|moment| moment.name()).collect()),
            quoted(needs.chain(takes).collect()),
            entry.does,
        ));
    }
    rows
}

#[test]
fn the_documentation_has_every_reason_key_and_action() {
    let document = include_str!("../../../docs/simulator.md");
    let rows = documented_rows();
    let missing: Vec<_> = rows
        .iter()
        .filter(|row| !document.lines().any(|line| line == **row))
        .collect();
    assert!(missing.is_empty(), "docs/simulator.md lacks:\n{missing:#?}");
    let (_, chapter) = document
        .split_once("\n## Faults\n")
        .expect("a chapter on faults");
    let chapter = chapter.split("\n## ").next().unwrap_or(chapter);
    let shown = chapter.lines().filter(|line| {
        line.starts_with("| `")
            && !line.contains('…')
            && !line.contains("xx")
            && !line.contains("nn`")
    });
    let stale: Vec<_> = shown
        .filter(|line| !rows.iter().any(|row| row == line))
        .collect();
    assert!(
        stale.is_empty(),
        "docs/simulator.md has more than there is:\n{stale:#?}"
    );
}
