//! `apns-bench`, with next to nothing to measure: that it measures, and the figures that neither the machine nor the build changes.

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::process::{Command, Output};

use serde_json::Value;

const COST: &str = "µs of CPU";
/// What depends on the machine and has a ratio beside it.
const LATENCY: &str = "milliseconds";

fn bench(arguments: &[&str]) -> Output {
    let few = "--notifications 400 --phones 20 --couriers 2 --backends 20";
    Command::new(env!("CARGO_BIN_EXE_apns-bench"))
        .args(few.split(' '))
        .args(arguments)
        .output()
        .unwrap()
}

fn figures(arguments: &[&str]) -> Vec<Value> {
    let output = bench(&[&["--json", "--connections", "3"], arguments].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let Value::Array(figures) = report["figures"].take() else {
        panic!("no figures: {report}");
    };
    figures
}

/// That these are the units, in this order, and that everything else than a latency has a target.
fn has(figures: &[Value], units: &[&str]) {
    let found: Vec<_> = figures.iter().map(|figure| &figure["unit"]).collect();
    assert_eq!(found, units, "{figures:?}");
    for figure in figures {
        let measured = figure["measured"].as_f64().unwrap();
        // Memory grows by pages: of a little it may not show.
        let shows = figure["unit"] == "bytes" || measured > 0.0;
        assert!(measured.is_finite() && shows, "{figure}");
        let has_target = figure["target"].as_f64().is_some_and(|target| target > 0.0);
        assert_eq!(has_target, figure["unit"] != LATENCY, "{figure}");
        let rate = figure["per_second"].as_f64();
        let is_cost = figure["unit"] == COST;
        assert_eq!(rate.is_some_and(|rate| rate > 0.0), is_cost, "{figure}");
    }
}

fn one<'a>(figures: &'a [Value], what: &str) -> &'a Value {
    let is_it = |figure: &&Value| figure["what"].as_str().unwrap().contains(what);
    figures.iter().find(is_it).unwrap()
}

/// That a figure neither the machine nor the build changes is within its target.
fn holds(figure: &Value) {
    let (measured, target) = (figure["measured"].as_f64(), figure["target"].as_f64());
    assert!(measured > Some(0.0) && measured <= target, "{figure}");
}

#[test]
fn the_bench_has_a_figure_and_a_target_for_all_it_measures_of_the_simulator() {
    let figures = figures(&["--role", "simulator", "--idle-phones", "20"]);
    let protocol = [COST, COST, COST, "ratio", "ratio"];
    has(
        &figures,
        &[&protocol[..], &protocol, &["bytes", "bytes"]].concat(),
    );
}

#[test]
fn the_bench_measures_the_gateway_over_one_connection_and_over_many_to_both_upstreams() {
    let figures = figures(&["--role", "gateway"]);
    let upstream = [COST, COST, COST, "ratio", COST, COST, COST];
    has(&figures, &[upstream, upstream].concat());
}

#[test]
fn a_backlog_is_drained_in_order_after_a_restart_and_memory_does_not_grow_with_it() {
    let figures = figures(&["--role", "backlog", "--backlog", "20000"]);
    let costs = [COST; 4];
    let rest = ["ratio", "bytes", "bytes", "bytes", "seconds"];
    has(&figures, &[&costs[..], &rest].concat());
    for what in ["resident with", "resident at most", "ready again"] {
        holds(one(&figures, what));
    }
}

#[test]
fn the_bench_measures_how_long_a_few_wait_beside_many_of_their_own_app_and_of_another() {
    let figures = figures(&["--role", "fairness", "--backlog", "5000"]);
    let upstream = [LATENCY, LATENCY, LATENCY, "ratio", LATENCY, "ratio"];
    has(&figures, &[upstream; 3].concat());
}

#[test]
fn an_idle_virtual_phone_costs_no_more_memory_than_its_target() {
    // As many as the events that are remembered: of fewer, the events would be counted too.
    let figures = figures(&["--role", "simulator", "--idle-phones", "100000"]);
    holds(one(&figures, "idle virtual phone"));
}

#[test]
fn the_bench_refuses_to_measure_nothing() {
    let output = bench(&["--connections", "0"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
