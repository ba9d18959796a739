//! The report for CI servers: JUnit XML. A note is a passed test with its words in `system-out`.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::suite::{Finding, Summary, Verdict};

pub(super) fn write(summary: &Summary, to: impl Write) -> io::Result<()> {
    let mut suite = TestSuite::new(format!("apns-conformance {}", summary.suite));
    suite.add_property(("subject", summary.subject.as_str()));
    suite.add_property(("seed", summary.seed.to_string().as_str()));
    suite.add_test_cases(summary.cases.iter().map(case));
    let mut report = Report::new("apns-conformance");
    report.add_test_suite(suite);
    report.serialize(to).map_err(io::Error::other)
}

fn case(finding: &Finding) -> TestCase {
    let (status, output) = match &finding.verdict {
        Verdict::Passed => (TestCaseStatus::success(), None),
        Verdict::Noted { why, transcript } => {
            let output = format!("our choice; {why}\n{}", transcript.join("\n"));
            (TestCaseStatus::success(), Some(output))
        }
        Verdict::Skipped { option } => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("needs {option}"));
            (status, None)
        }
        Verdict::Failed { why, transcript } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(why.clone());
            status.set_description(transcript.join("\n"));
            (status, None)
        }
    };
    let mut case = TestCase::new(finding.name, status);
    // What CI servers group by.
    if let Some(clause) = finding.clauses.first() {
        case.set_classname(clause.to_string());
    }
    case.set_time(finding.took);
    if let Some(output) = output {
        case.set_system_out(output);
    }
    case
}
