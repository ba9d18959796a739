//! Projects over REST: listed, reset, and what a reset says to who waits.

use serde_json::{Value, json};

use super::Bench;
use super::events::Reader;
use crate::support::{alert, soon};

const PHONE: &str = r#"{"name": "iPhone 1", "apps": [{"topic": "com.example.Mail"}]}"#;

#[tokio::test]
async fn projects_are_listed_with_what_is_in_them() {
    let bench = Bench::set().await;
    let phone: Value = serde_json::from_str(PHONE).unwrap();
    for team in ["TEAM000002", "TEAM000001"] {
        bench
            .post(&format!("/v1/phones?project={team}"), phone.clone())
            .await;
    }
    let token = bench.phone("iPhone 1").await;
    bench.push(&token, &alert("hi")).await;
    bench.get("/v1/pushes/wait?outcome=delivered").await;
    let list = bench.get("/v1/projects").await;
    let projects = list["projects"].as_array().unwrap();
    let teams: Vec<_> = projects.iter().map(|project| &project["team"]).collect();
    assert_eq!(teams, ["DEVTEAM001", "TEAM000001", "TEAM000002"]);
    assert_eq!(
        projects[2],
        json!({"team": "TEAM000002", "default": false, "phones": 1, "pushes": 0, "connections": 0})
    );
    assert_eq!(
        (&projects[0]["default"], &projects[0]["pushes"]),
        (&json!(true), &json!(1))
    );
}

#[tokio::test]
async fn a_reset_makes_one_project_as_at_its_start_and_leaves_the_others() {
    let bench = Bench::set_with(|config| {
        config.faults.rules = vec!["action=swallow,name=of the start".parse().unwrap()];
    })
    .await;
    let phone: Value = serde_json::from_str(PHONE).unwrap();
    bench
        .post("/v1/phones?project=TEAM000001", phone.clone())
        .await;
    bench.post("/v1/phones", phone).await;
    bench.scene.simulator.faults(|faults| faults.clear());
    let (status, body) = bench.ask("POST", "/v1/reset", &Value::Null).await;
    assert_eq!((status, body), (204, Value::Null));
    let list = bench.get("/v1/projects").await;
    let phones = |index: usize| &list["projects"][index]["phones"];
    assert_eq!((phones(0), phones(1)), (&json!(0), &json!(1)));
    let names: Vec<String> = bench.scene.simulator.faults(|faults| {
        let names = faults.rules().iter().map(|rule| rule.name.to_string());
        names.collect()
    });
    assert_eq!(names, ["of the start"]);
}

#[tokio::test]
async fn who_waits_is_told_of_a_reset_at_once() {
    let bench = Bench::set().await;
    let waiting = bench.ask("GET", "/v1/pushes/wait?timeout=60", &Value::Null);
    let asserting = json!({"count": 1, "within": 60});
    let asserting = bench.ask("POST", "/v1/assert", &asserting);
    let resetting = async {
        // Nobody can see when the two have begun to wait: again until both are told.
        loop {
            bench.ask("POST", "/v1/reset", &Value::Null).await;
            tokio::task::yield_now().await;
        }
    };
    let (waited, asserted) = tokio::select! {
        told = soon(async { tokio::join!(waiting, asserting) }) => told,
        () = resetting => unreachable!("it goes on"),
    };
    for (status, problem) in [waited, asserted] {
        assert_eq!((status, &problem["error"]), (409, &json!("reset")));
    }
}

#[tokio::test]
async fn a_stream_of_events_goes_on_after_a_reset() {
    let bench = Bench::set().await;
    let mut reader = Reader::open(&bench, "", "").await;
    bench.phone("iPhone 1").await;
    let (first, ..) = reader.next().await;
    bench.ask("POST", "/v1/reset", &Value::Null).await;
    bench.phone("iPhone 2").await;
    let mut last = first;
    loop {
        let (id, _, data) = reader.next().await;
        assert!(id > last, "{id} after {last}");
        last = id;
        if data["phone"] == "iPhone 2" {
            break;
        }
    }
}
