use std::sync::OnceLock;
use std::time::Duration;

use apns_net::credentials::CertificateInfo;

use super::*;
use crate::csr;

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// In 2011, when the portal looked like this.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_300_000_000)
}

fn ca() -> &'static Ca {
    static CA: OnceLock<Ca> = OnceLock::new();
    CA.get_or_init(|| Ca::with_key(KeyKind::P256).unwrap())
}

fn request() -> SigningRequest {
    let made = csr::create("dev@example.com", "Push", KeyKind::P256).unwrap();
    csr::read(made.request_pem.as_bytes()).unwrap()
}

fn id(text: &str) -> Identifier {
    text.parse().unwrap()
}

/// A portal where push is enabled for these.
fn portal(app_ids: &[&str]) -> Portal {
    let mut portal = Portal::default();
    for text in app_ids {
        portal.create_app_id(id(text));
        portal.enable_push(&id(text)).unwrap();
    }
    portal
}

fn issue(portal: &mut Portal, kind: Kind, app_id: &str) -> Result<Issued, PortalError> {
    let order = Order::new(kind, Some(id(app_id)));
    let (issued, _) = portal.issue(ca(), &request(), &order, now())?;
    Ok(issued)
}

/// Development and production column of an App ID.
fn columns(portal: &Portal, app_id: &str, now: SystemTime) -> (PushStatus, PushStatus) {
    let app_id = portal.app_id(&id(app_id), now).unwrap();
    (app_id.development, app_id.production)
}

#[test]
fn an_identifier_is_known_by_its_shape() {
    use IdentifierKind::{App, Management, Pass, Website, Wildcard};
    for (text, kind) in [
        ("com.example.App", App),
        ("com.example-x.App2", App),
        ("webshop", App),
        ("com.example.*", Wildcard),
        ("*", Wildcard),
        ("web.com.example", Website),
        ("pass.com.example", Pass),
        ("com.apple.mgmt.External.x", Management),
    ] {
        assert_eq!(id(text).kind(), kind, "{text}");
    }
    for text in [
        "",
        ".",
        "com..App",
        "com.*.App",
        "com.example*",
        "**",
        "a b",
        "com/x",
        "ü",
        &"x".repeat(156),
    ] {
        let error = text.parse::<Identifier>().unwrap_err().to_string();
        assert!(error.contains("com.example.App"), "{text:?}: {error}");
    }
}

#[test]
fn creating_and_enabling_once_more_changes_nothing() {
    let mut portal = Portal::default();
    assert!(portal.create_app_id(id("com.x")));
    assert!(portal.enable_push(&id("com.x")).unwrap());
    let before = portal.clone();
    assert!(!portal.create_app_id(id("com.x")));
    assert!(!portal.enable_push(&id("com.x")).unwrap());
    assert_eq!(portal, before);
}

#[test]
fn the_columns_go_from_off_to_configurable_to_enabled() {
    use PushStatus::{Configurable, Enabled, Off};
    let mut portal = Portal::default();
    portal.create_app_id(id("com.x"));
    assert_eq!(columns(&portal, "com.x", now()), (Off, Off));
    portal.enable_push(&id("com.x")).unwrap();
    assert_eq!(
        columns(&portal, "com.x", now()),
        (Configurable, Configurable)
    );
    issue(&mut portal, Kind::Voip, "com.x").unwrap();
    assert_eq!(
        columns(&portal, "com.x", now()),
        (Configurable, Configurable),
        "VoIP is another topic"
    );
    issue(&mut portal, Kind::Development, "com.x").unwrap();
    assert_eq!(columns(&portal, "com.x", now()), (Enabled, Configurable));
    issue(&mut portal, Kind::Production, "com.x").unwrap();
    assert_eq!(columns(&portal, "com.x", now()), (Enabled, Enabled));
    assert_eq!(
        columns(&portal, "com.x", now() + YEAR),
        (Enabled, Enabled),
        "to the last second"
    );
    let later = now() + YEAR + Duration::from_secs(1);
    assert_eq!(
        columns(&portal, "com.x", later),
        (Configurable, Configurable)
    );
}

#[test]
fn a_universal_certificate_enables_both_columns_until_it_is_revoked() {
    use PushStatus::{Configurable, Enabled};
    let mut portal = portal(&["com.x", "com.y"]);
    let issued = issue(&mut portal, Kind::Universal, "com.x").unwrap();
    assert_eq!(columns(&portal, "com.x", now()), (Enabled, Enabled));
    assert_eq!(
        columns(&portal, "com.y", now()),
        (Configurable, Configurable)
    );
    portal.revoke(&issued.serial, now()).unwrap();
    assert_eq!(
        columns(&portal, "com.x", now()),
        (Configurable, Configurable)
    );
}

#[test]
fn a_wildcard_is_greyed_out_and_says_why() {
    let mut portal = Portal::default();
    for (wildcard, example) in [
        ("com.example.*", "com.example.App"),
        ("*", "com.example.App"),
        ("com.shop.*", "com.shop.App"),
    ] {
        portal.create_app_id(id(wildcard));
        assert_eq!(
            columns(&portal, wildcard, now()),
            (PushStatus::Unavailable, PushStatus::Unavailable)
        );
        for error in [
            portal.enable_push(&id(wildcard)).unwrap_err(),
            issue(&mut portal, Kind::Development, wildcard).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains("a wildcard stands for many"), "{text}");
            assert!(
                text.contains(&format!("`apns-certs app-id create {example}`")),
                "{text}"
            );
        }
    }
}

#[test]
fn websites_and_passes_have_push_from_the_start_and_no_development() {
    let mut portal = Portal::default();
    for (text, kind) in [("web.com.x", Kind::Website), ("pass.com.x", Kind::Pass)] {
        portal.create_app_id(id(text));
        assert_eq!(
            columns(&portal, text, now()),
            (PushStatus::Unavailable, PushStatus::Configurable)
        );
        issue(&mut portal, kind, text).unwrap();
        assert_eq!(
            columns(&portal, text, now()),
            (PushStatus::Unavailable, PushStatus::Enabled)
        );
    }
}

#[test]
fn an_order_that_cannot_be_met_says_what_to_type() {
    let mut portal = portal(&["com.x"]);
    portal.create_app_id(id("com.off"));
    portal.create_app_id(id("web.com.x"));
    for (kind, app_id, said) in [
        (
            Kind::Development,
            "com.unknown",
            "(there are: com.off, com.x, web.com.x): create it with `apns-certs app-id create com.unknown`",
        ),
        (
            Kind::Development,
            "com.off",
            "enable it with `apns-certs app-id enable-push com.off`",
        ),
        (Kind::Universal, "web.com.x", "order --kind web"),
        (Kind::Website, "com.x", "begin with \"web.\""),
        (Kind::Pass, "com.x", "begin with \"pass.\""),
        (Kind::Mdm, "com.x", "leave --app-id out"),
        (Kind::Voip, "com.apple.mgmt.External.x", "order --kind mdm"),
    ] {
        let text = issue(&mut portal, kind, app_id).unwrap_err().to_string();
        assert!(text.contains(said), "{text}");
    }
    let nothing = Order::new(Kind::Development, None);
    let error = portal.issue(ca(), &request(), &nothing, now()).unwrap_err();
    assert!(error.to_string().contains("--app-id"), "{error}");
    assert!(portal.certificates().is_empty());
}

#[test]
fn a_certificate_says_what_was_ordered_for_a_year_from_now_and_certifies_the_requests_key() {
    let mut portal = portal(&["com.x"]);
    let request = request();
    let order = Order {
        team: "TEAM123456".to_owned(),
        ..Order::new(Kind::Universal, Some(id("com.x")))
    };
    let (issued, der) = portal.issue(ca(), &request, &order, now()).unwrap();
    let info = CertificateInfo::parse(&der).unwrap();
    assert_eq!(info.common_name, "Apple Push Services: com.x");
    assert_eq!(info.common_name, issued.common_name);
    assert_eq!(info.team.as_deref(), Some("TEAM123456"));
    assert_eq!(info.topic.as_deref(), Some("com.x"));
    assert_eq!(info.topics, ["com.x", "com.x.voip", "com.x.complication"]);
    assert_eq!(info.not_after, now() + YEAR);
    assert_eq!(
        (info.not_before, info.not_after),
        (issued.not_before, issued.not_after)
    );
    assert_eq!(info.pin, issued.pin);
    let public_key = request.public_key_der();
    assert!(
        der.windows(public_key.len())
            .any(|window| window == public_key)
    );
    assert!(
        der.windows(8)
            .any(|window| window == issued.serial.as_bytes())
    );
}

#[test]
fn the_same_request_gets_a_new_number_each_time() {
    let mut portal = portal(&["com.x"]);
    let first = issue(&mut portal, Kind::Development, "com.x").unwrap();
    let second = issue(&mut portal, Kind::Development, "com.x").unwrap();
    assert_ne!(first.serial, second.serial);
    assert_eq!(portal.certificates(), [first.clone(), second]);
    assert_eq!(portal.certificate(&first.serial).unwrap(), &first);
    assert_eq!(portal.certificate_by_pin(&first.pin).unwrap(), &first);
}

#[test]
fn a_revoked_certificate_is_known_by_its_fingerprint_and_stays_revoked_since_the_first_time() {
    let mut portal = portal(&["com.x"]);
    let kept = issue(&mut portal, Kind::Development, "com.x").unwrap();
    let lost = issue(&mut portal, Kind::Production, "com.x").unwrap();
    assert_eq!(lost.status(now()), Status::Active);
    portal.revoke(&lost.serial, now()).unwrap();
    let again = portal.revoke(&lost.serial, now() + YEAR).unwrap();
    assert_eq!(again.revoked, Some(now()));
    assert_eq!(again.status(now() + 2 * YEAR), Status::Revoked);
    assert!(portal.is_revoked(&lost.pin) && !portal.is_revoked(&kept.pin));
    assert!(!portal.is_revoked(&Pin::from([0; 32])));
}

#[test]
fn an_unknown_number_is_answered_with_those_there_are() {
    let mut portal = portal(&["com.x"]);
    let unknown: Serial = "0123456789abcdef".parse().unwrap();
    let error = portal.revoke(&unknown, now()).unwrap_err().to_string();
    assert!(
        error.ends_with("no certificate 0123456789abcdef (there is none)"),
        "{error}"
    );
    let mut issued = Vec::new();
    for _ in 0..11 {
        issued.push(
            issue(&mut portal, Kind::Development, "com.x")
                .unwrap()
                .serial,
        );
    }
    let error = portal.revoke(&unknown, now()).unwrap_err().to_string();
    assert!(
        error.contains(&format!("(there are: {} development com.x, ", issued[0])),
        "{error}"
    );
    assert!(
        error.ends_with(", …)") && !error.contains(&issued[10].to_string()),
        "{error}"
    );
}

#[test]
fn device_management_has_a_topic_made_up_and_keeps_it_when_renewed() {
    let mut portal = Portal::default();
    let order = Order::new(Kind::Mdm, None);
    let (first, _) = portal.issue(ca(), &request(), &order, now()).unwrap();
    assert!(
        first.topic.starts_with("com.apple.mgmt.External."),
        "{}",
        first.topic
    );
    let renewed = issue(&mut portal, Kind::Mdm, &first.topic).unwrap();
    assert_eq!(renewed.topic, first.topic);
}

#[test]
fn a_serial_number_is_read_as_openssl_prints_it() {
    let serial: Serial = "712670470cc693a1".parse().unwrap();
    for text in [
        "712670470CC693A1",
        "71:26:70:47:0c:c6:93:a1",
        " 712670470cc693a1\n",
    ] {
        assert_eq!(text.parse(), Ok(serial), "{text:?}");
    }
    for text in ["", "71", "712670470cc693a1ff", "712670470cc693ax"] {
        assert_eq!(text.parse::<Serial>(), Err(SerialError), "{text:?}");
    }
}

#[test]
fn a_key_is_remembered_by_its_public_half() {
    let mut portal = Portal::default();
    let made = portal.create_key("APNs", now()).unwrap();
    let [known] = portal.keys() else {
        panic!("one key");
    };
    assert_eq!(known.key_id, made.key_id);
    let json = serde_json::to_string(&portal).unwrap();
    assert!(!json.contains("PRIVATE"), "{json}");
    assert!(!format!("{made:?}").contains("PRIVATE"));
}

#[test]
fn a_portal_survives_json() {
    let mut portal = portal(&["com.x"]);
    portal.create_app_id(id("*"));
    let issued = issue(&mut portal, Kind::Voip, "com.x").unwrap();
    portal.revoke(&issued.serial, now()).unwrap();
    issue(&mut portal, Kind::Development, "com.x").unwrap();
    portal.create_key("APNs", now()).unwrap();
    let json = serde_json::to_string(&portal).unwrap();
    assert_eq!(serde_json::from_str::<Portal>(&json).unwrap(), portal);
}
