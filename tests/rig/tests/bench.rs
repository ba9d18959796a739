//! `apns-bench`, with next to nothing to measure: that it measures, and the one figure that neither the machine nor the build changes.

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    let few = "--notifications 400 --phones 20 --couriers 2";
    Command::new(env!("CARGO_BIN_EXE_apns-bench"))
        .args(few.split(' '))
        .args(arguments)
        .output()
        .unwrap()
}

fn report(idle_phones: &str) -> Value {
    let output = bench(&["--json", "--connections", "3", "--idle-phones", idle_phones]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_bench_has_a_figure_and_a_target_for_everything_it_measures() {
    let report = report("20");
    let figures = report["figures"].as_array().unwrap();
    let units: Vec<_> = figures.iter().map(|figure| &figure["unit"]).collect();
    let provider = ["µs of CPU", "µs of CPU", "µs of CPU", "ratio", "ratio"];
    let all = [&provider[..], &provider, &["bytes", "bytes"]].concat();
    assert_eq!(units, all, "{report}");
    for figure in figures {
        let measured = figure["measured"].as_f64().unwrap();
        // Memory grows by pages: of a few phones it may not show.
        let shows = figure["unit"] == "bytes" || measured > 0.0;
        assert!(measured.is_finite() && shows, "{figure}");
        assert!(figure["target"].as_f64().unwrap() > 0.0, "{figure}");
    }
}

#[test]
fn an_idle_virtual_phone_costs_no_more_memory_than_its_target() {
    // As many as the events that are remembered: of fewer, the events would be counted too.
    let report = report("100000");
    let figures = report["figures"].as_array().unwrap();
    let idle = |figure: &&Value| {
        figure["what"]
            .as_str()
            .unwrap()
            .contains("idle virtual phone")
    };
    let phone = figures.iter().find(idle).unwrap();
    let (measured, target) = (phone["measured"].as_f64(), phone["target"].as_f64());
    assert!(measured > Some(0.0) && measured <= target, "{phone}");
}

#[test]
fn the_bench_refuses_to_measure_nothing() {
    let output = bench(&["--connections", "0"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
