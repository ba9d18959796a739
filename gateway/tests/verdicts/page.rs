//! `docs/verdicts.md`, made from the tables.

use std::fmt::Write as _;

use apns_gateway::verdict::{
    Answer, Auth, Class, ErrorCode, Fault, GoAway, Outcome, Place, Reason, Retry, Verdict, When,
};
use apns_proto::Status;

use crate::made;

const INTRODUCTION: &str = "\
# Verdicts

What the gateway makes of everything an upstream can say about a notification. The tables are those of `gateway/src/verdict/`: a test
compares, and `UPDATE=1 cargo test -p apns-gateway --test verdicts` writes this page anew.

| verdict | what follows |
|---|---|
| delivered | Settled. It vouches for the upstream's word: its later verdicts on tokens are believed. |
| bad token | Rejected: a dead letter. If the upstream is trusted, the token goes to the dead-token table for the time named, and the next notification to it is answered at once with the status; this one only if it is still the newest on its connection. |
| unregistered | Rejected in silence: a dead letter, and in the same commit a feedback tuple with the second the upstream names (or now). Never in the dead-token table, since the same token may live again. It vouches as a delivery does. |
| rejected | A dead letter. The backend is told the status if the notification is still the newest on its connection. |
| rejected, alarm | The same, for what this gateway made of the notification or for a reason nobody knows: an error is logged and counted as `gateway_faults`. Ten in a row (a hundred once the upstream is trusted) hold the app, so that a queue does not become dead letters. |
| hold | Nothing is the notification's fault: it stays queued, the app is held, an error is logged. Once a minute one notification is tried, to another token than those it was said of, if there is one; a delivery or an unregistered one ends the hold. A backend is never told status 8 for it. Where it is said in an answer, and was said of that notification before, and others of the app were taken in between, it is the notification's fault after all: *again*, class *blamed*, and the app is not held. From then on the same is true wherever that is said, until it was said ten times in a row (a hundred once the upstream is trusted): then the app is held. |
| again | It stays queued, and later notifications to its token wait behind it. With a class it is charged one attempt of that budget; without one it costs nothing. |

Who is told what is for the mode to say: this is `next-time`; in `continue` nobody is told anything, in `exact` everything is told at first sight.

A notification whose expiry was in the future when it was accepted is not tried any more once that has passed, whatever its budget. A clock that jumps
ahead by more than a minute is not believed about that until it has stayed there for five.
";

const UNKNOWN: &str = "\
**May have been delivered** means that another attempt may be shown as a second notification; it is made all the same, under the same
`apns-id`, because not to make it might lose the first.
";

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Delivered => "delivered".to_owned(),
        Verdict::BadToken { status, lifetime } => {
            format!(
                "bad token: status {status}, for {} d",
                lifetime.as_secs() / 86_400
            )
        }
        Verdict::Unregistered { .. } => "unregistered".to_owned(),
        Verdict::Refused {
            status,
            fault: Fault::Backend,
        } => format!("rejected: status {status}"),
        Verdict::Refused {
            status,
            fault: Fault::Gateway,
        } => format!("rejected, alarm: status {status}"),
        Verdict::Misconfigured(why) => format!("hold: {why}"),
        Verdict::Retry(Retry { when, place }) => {
            let when = match when {
                When::AtOnce => "at once".to_owned(),
                When::After(pause) => format!("after {pause:?}"),
                When::BackOff(class) => format!("after a pause, class *{}*", name(class)),
            };
            let place = match place {
                Place::Same => "",
                Place::NewConnection => ", on a new connection",
                Place::FreshToken => ", on a new connection with a new provider token",
            };
            format!("again {when}{place}")
        }
    }
}

fn name(class: Class) -> String {
    format!("{class:?}").to_lowercase()
}

fn charged_for(class: Class) -> &'static str {
    match class {
        Class::Broke => {
            "the connection broke with nothing else on it; from then on it is sent alone"
        }
        Class::Failed => "the upstream failed at it, or did not answer",
        Class::Throttled => "the upstream wants less for this token",
        Class::Unavailable => "the upstream is out of order",
        Class::Blamed => {
            "the upstream says again that the configuration is wrong, and took others of the app in between"
        }
    }
}

fn http2(outcome: &Outcome) -> String {
    let judge = |auth| verdict(Verdict::of_http2(outcome, auth));
    let (certificate, token, fresh) = (
        judge(Auth::Certificate),
        judge(Auth::Token),
        judge(Auth::FreshToken),
    );
    if certificate == token && token == fresh {
        return token;
    }
    if token == fresh {
        return format!("{token}; with a certificate: {certificate}");
    }
    format!("{token}; where that was the newest: {fresh}; with a certificate: {certificate}")
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page += "\n## Budgets\n\nA budget that is spent gives the notification up: a dead letter with what was said last. Pauses are a random part of a \
             span that doubles from\n`backoff_base` to `backoff_max`.\n\n| class | attempts | charged when |\n|---|---|---|\n";
    for class in Class::ALL {
        let _ = writeln!(
            page,
            "| {} | {} | {} |",
            name(class),
            class.attempts_max(),
            charged_for(class)
        );
    }

    page += "\n## HTTP/2: answers\n\n| status | reason | verdict |\n|---|---|---|\n| 200 | | delivered |\n";
    for (status, reason) in Reason::ALL {
        let outcome = Outcome::Answered(Answer {
            status: *status,
            reason: Some(reason.clone()),
            timestamp_ms: None,
            foreign: false,
        });
        let _ = writeln!(page, "| {status} | {reason} | {} |", http2(&outcome));
    }
    page += "\nA reason decides where its status is any 4xx (older lists gave some another one); at a 5xx only what concerns the connection \
             does.\nWithout a reason, or with one nobody knows, the status decides:\n\n| status | verdict |\n|---|---|\n";
    for (status, name) in [
        (299, "other 2xx"),
        (403, "403"),
        (408, "408"),
        (410, "410"),
        (413, "413"),
        (429, "429"),
        (400, "other 4xx"),
        (503, "503"),
        (500, "other 5xx"),
        (300, "anything else"),
    ] {
        let outcome = Outcome::Answered(Answer::new(status, b""));
        let _ = writeln!(page, "| {name} | {} |", http2(&outcome));
    }

    page += "\n## HTTP/2: everything else\n\n";
    page += UNKNOWN;
    page += "\n| what happens | may have been delivered | verdict |\n|---|---|---|\n";
    for (event, outcome) in [
        (
            "RST_STREAM with REFUSED_STREAM",
            Outcome::Reset(ErrorCode::REFUSED_STREAM),
        ),
        (
            "RST_STREAM with ENHANCE_YOUR_CALM",
            Outcome::Reset(ErrorCode::ENHANCE_YOUR_CALM),
        ),
        (
            "RST_STREAM with any other code",
            Outcome::Reset(ErrorCode::NO_ERROR),
        ),
        (
            "GOAWAY, its stream is above the last one",
            GoAway::new(0, ErrorCode::NO_ERROR, b"").unprocessed(),
        ),
        (
            "the same, the debug data says BadCertificate",
            GoAway::new(0, ErrorCode::NO_ERROR, br#"{"reason":"BadCertificate"}"#).unprocessed(),
        ),
        (
            "the same, the debug data says BadCertificateEnvironment",
            GoAway::new(
                0,
                ErrorCode::NO_ERROR,
                br#"{"reason":"BadCertificateEnvironment"}"#,
            )
            .unprocessed(),
        ),
        (
            "the connection ends, behind a GOAWAY or not, with others on it",
            Outcome::Lost { alone: false },
        ),
        (
            "the connection ends with nothing else on it",
            Outcome::Lost { alone: true },
        ),
        (
            "no answer in time, on a connection that lives",
            Outcome::Unanswered,
        ),
        ("an answer that HTTP/2 does not allow", Outcome::Garbled),
        (
            "the connection ends, or the time for an answer, before the upstream's first word of HTTP/2",
            Outcome::NoPreface,
        ),
    ] {
        let unknown = if outcome.is_unknown() { "yes" } else { "no" };
        let _ = writeln!(page, "| {event} | {unknown} | {} |", http2(&outcome));
    }

    page += "\n## Binary\n\nThe status of an error packet, for the notification it names. Those before it are delivered; those behind it were \
             discarded and\nare sent again. A connection that ends without a packet may have delivered what was under way: that is sent again, and \
             one that was\nalone is charged as *broke*.\n\n| status | verdict |\n|---|---|\n";
    for status in [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 128, 255].map(Status) {
        let _ = writeln!(
            page,
            "| {status} | {} |",
            verdict(Verdict::of_binary(status))
        );
    }
    let _ = writeln!(
        page,
        "| any other | {} |",
        verdict(Verdict::of_binary(Status(9)))
    );
    page
}

#[test]
fn docs_verdicts_md_shows_the_tables() {
    let page = page();
    made::compare("verdicts.md", &page, "-p apns-gateway --test verdicts");
}
