//! Faults over REST: rules come, act, are counted and go.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::Bench;
use crate::support::{alert, framed, to_the_end};

const PATH: &str = "/v1/faults";

/// What the provider is told about one push to `token`.
async fn answer(bench: &Bench, token: &str) -> Vec<u8> {
    let token = data_encoding::HEXLOWER.decode(token.as_bytes()).unwrap();
    let mut provider = bench.scene.provider().await;
    let frame = framed(7, &token, &alert("hi"));
    provider.write_all(&frame).await.unwrap();
    provider.shutdown().await.unwrap();
    to_the_end(&mut provider).await
}

#[tokio::test]
async fn a_rule_that_was_added_acts_is_counted_and_acts_no_more_once_removed() {
    let bench = Bench::set().await;
    let token = bench.phone("iPhone 1").await;
    let rule = json!({"action": "status", "status": 7, "name": "too big", "every": 2, "token": &token[..4]});
    let added = bench.post(PATH, rule.clone()).await;
    let expected = json!({"id": 1, "name": "too big", "rule": rule, "matched": 0, "injected": 0});
    assert_eq!(added, expected);
    assert_eq!(answer(&bench, &token).await, [0; 0]);
    assert_eq!(answer(&bench, &token).await, [8, 7, 0, 0, 0, 7]);
    let faults = bench.get(PATH).await;
    assert_eq!(faults["magic_tokens"], true);
    let [rule] = &faults["rules"].as_array().unwrap()[..] else {
        panic!("{faults}");
    };
    assert_eq!(
        (&rule["matched"], &rule["injected"]),
        (&json!(2), &json!(1))
    );

    let one = format!("{PATH}/1");
    assert_eq!(bench.ask("DELETE", &one, &Value::Null).await.0, 204);
    let (status, problem) = bench.ask("DELETE", &one, &Value::Null).await;
    assert_eq!(
        (status, &problem["message"]),
        (404, &json!("there is no rule 1: there is none"))
    );
    assert_eq!(answer(&bench, &token).await, [0; 0]);
    assert_eq!(answer(&bench, &token).await, [0; 0]);
}

#[tokio::test]
async fn faults_are_of_one_project_replaced_whole_and_cleared_with_magic_tokens_known_again() {
    let bench = Bench::set_with(|config| {
        config.faults.rules = vec!["action=no_packet,name=of the start".parse().unwrap()];
    })
    .await;
    let magic = format!("ffff0002{}", "00".repeat(28));
    assert_eq!(answer(&bench, &magic).await, [0; 0]);
    let rules = json!([{"action": "close", "nth": 99}, {"action": "latency", "ms": 1, "limit": 1}]);
    let set = json!({"magic_tokens": false, "rules": rules});
    let (status, faults) = bench.ask("PUT", PATH, &set).await;
    assert_eq!(status, 200);
    assert_eq!(faults, bench.get(PATH).await);
    let names = ["rule 1 (close)", "rule 2 (latency)"];
    for (place, name) in names.iter().enumerate() {
        let rule = &faults["rules"][place];
        assert_eq!(
            (&rule["name"], &rule["rule"]),
            (&json!(name), &rules[place])
        );
    }
    assert_eq!(
        answer(&bench, &magic).await,
        [8, 8, 0, 0, 0, 7],
        "it is an unknown token now"
    );
    let other = bench.get("/v1/faults?project=TEAM000001").await;
    assert_eq!(other["rules"][0]["name"], "of the start");

    assert_eq!(bench.ask("DELETE", PATH, &Value::Null).await.0, 204);
    assert_eq!(
        bench.get(PATH).await,
        json!({"magic_tokens": true, "rules": []})
    );
    assert_eq!(answer(&bench, &magic).await, [8, 2, 0, 0, 0, 7]);
    bench.ask("POST", "/v1/reset", &Value::Null).await;
    assert_eq!(bench.get(PATH).await["rules"][0]["name"], "of the start");
}

#[tokio::test]
async fn a_rule_that_is_none_says_which_key_and_what_is_possible() {
    let bench = Bench::set().await;
    for (rule, said) in [
        (
            json!({"action": "explode"}),
            "there is no action `explode`; the actions are latency, ",
        ),
        (
            json!({"action": "close", "when": 1}),
            "there is no key `when`; the keys are name, face, ",
        ),
        (
            json!({"action": "close", "nth": "3"}),
            "`nth` is a whole number, not `\"3\"`",
        ),
        (
            json!({"action": "close", "nth": -1}),
            "`nth` is a whole number, not `-1`",
        ),
        (
            json!({"action": "close", "name": null}),
            "`name` is text, not `null`",
        ),
        (
            json!({"action": "close", "taken": 1}),
            "`taken` is true or false, not `1`",
        ),
        (
            json!({"action": "close", "probability": 2}),
            "`probability` must be from 0 to 1",
        ),
        (
            json!({"action": "close", "face": "courier"}),
            "`face`: unknown variant `courier`, expected one of `binary`, `feedback`, `http2`",
        ),
        (
            json!({"action": "status"}),
            "`status` is missing: the action `status` needs it",
        ),
        (json!({"nth": 1}), "missing field `action`"),
    ] {
        let (status, problem) = bench.ask("POST", PATH, &rule).await;
        let message = problem["message"].as_str().unwrap();
        assert!(status == 400 && message.contains(said), "{rule}: {problem}");
        assert_eq!(problem["error"], "bad_rule");
        let set = json!({"rules": [{"action": "close"}, rule]});
        let (status, problem) = bench.ask("PUT", PATH, &set).await;
        let message = problem["message"].as_str().unwrap();
        assert!(
            status == 400 && message.starts_with("rule 2: ") && message.contains(said),
            "{problem}"
        );
    }
    assert_eq!(bench.get(PATH).await["rules"], json!([]));
}

#[tokio::test]
async fn there_are_no_more_rules_than_may_be() {
    let bench = Bench::set().await;
    let rules = |len| json!({"rules": vec![json!({"action": "close", "nth": 9}); len]});
    let (status, _) = bench.ask("PUT", PATH, &rules(1_000)).await;
    assert_eq!(status, 200);
    let (status, problem) = bench.ask("POST", PATH, &json!({"action": "close"})).await;
    assert_eq!((status, &problem["error"]), (507, &json!("no_room")));
    let (status, _) = bench.ask("PUT", PATH, &rules(1_001)).await;
    assert_eq!(status, 507);
    assert_eq!(
        bench.get(PATH).await["rules"].as_array().unwrap().len(),
        1_000
    );
}
