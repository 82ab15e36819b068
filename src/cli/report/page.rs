//! The page: one file, without scripts and without anything from elsewhere. `maud` escapes whatever records say.

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use tidewaiter::detect::ads;
use tidewaiter::policy::{Mode, Policy, RuleName};
use tidewaiter::time::Time;

use super::collect::{Finding, Findings};
use super::picture::{self, number};
use super::series::Points;

/// Should anything hostile ever come through, the browser runs and fetches nothing.
const SECURITY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

pub fn page(findings: &Findings, series: &[Points], name: &str, policy: Option<&Policy>) -> String {
    let title = format!("Findings in {name}");
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(SECURITY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content=(format!("tidewaiter {}", tidewaiter::VERSION));
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                (head(findings, &title))
                main {
                    @if findings.list.is_empty() {
                        h2 { "Nothing was found" }
                        p { "No record has a detection that counts." }
                    } @else {
                        (overview(findings))
                        h2 id="findings" { "Findings" }
                        @for (finding, points) in findings.list.iter().zip(series) { (card(finding, points)) }
                        @if findings.omitted > 0 {
                            p.soft { (findings.omitted) " more findings are not shown: these weigh least, or came last." }
                        }
                        (response(findings))
                    }
                    (excused(findings))
                    @if let Some(policy) = policy { (rules(policy)) }
                }
                footer {
                    "Written by Tidewaiter " (tidewaiter::VERSION) ". All times are UTC, and those of the records. "
                    @if !findings.policy.is_empty() { "Judged by policy " code { (findings.policy) } "." }
                }
            }
        }
    };
    markup.into_string()
}

/// A time without its fractions.
fn time(at: i64) -> String {
    let text = Time::from_sec(at).to_string();
    format!("{} {}", text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default())
}

fn head(findings: &Findings, title: &str) -> Markup {
    let count = |severity: &str| findings.list.iter().filter(|finding| finding.severity == severity).count();
    html! {
        header.top {
            h1 { (title) }
            p.soft {
                @if findings.until > 0 { (time(findings.from)) " to " (time(findings.until)) " · " }
                (findings.records) " records, " (findings.enriched) " of them container events of " (findings.workloads) " workloads"
            }
            ul.numbers {
                @for severity in ["high", "medium", "low"] { li class=(severity) { b { (count(severity)) } (severity) } }
                li { b { (findings.list.iter().map(|finding| finding.alerts).sum::<u64>()) } "alerts" }
                li { b { (findings.excused.values().sum::<u64>()) } "suppressed" }
            }
        }
    }
}

fn overview(findings: &Findings) -> Markup {
    let rules = RuleName::ALL.map(RuleName::as_str);
    let mut workloads: Vec<(&str, [Vec<usize>; 3])> = Vec::new();
    for (place, finding) in findings.list.iter().enumerate() {
        let at = workloads.iter().position(|(workload, _)| *workload == finding.workload).unwrap_or_else(|| {
            workloads.push((&finding.workload, Default::default()));
            workloads.len() - 1
        });
        let column = rules.iter().position(|rule| *rule == finding.rule).unwrap_or(0);
        if let Some(places) = workloads.get_mut(at).and_then(|(_, columns)| columns.get_mut(column)) {
            places.push(place);
        }
    }
    html! {
        h2 { "When" }
        div.panel { (picture::timeline(&findings.list, findings.from, findings.until)) }
        h2 { "Where" }
        div.panel {
            table {
                thead { tr { th { "workload" } @for rule in rules { th { (rule) } } th.count { "alerts" } } }
                tbody {
                    @for (workload, columns) in &workloads {
                        tr {
                            td.name { (workload) }
                            @for places in columns {
                                td {
                                    @for (nth, (finding, times)) in distinct(findings, places).iter().enumerate() {
                                        @if nth > 0 { ", " }
                                        a href=(format!("#{}", anchor(finding))) { (finding.reason) }
                                        @if *times > 1 { span.soft { " × " (times) } }
                                    }
                                }
                            }
                            td.count {
                                (columns.iter().flatten().filter_map(|place| findings.list.get(*place)).map(|finding| finding.alerts).sum::<u64>())
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The findings of each reason: the first, and how many there are.
fn distinct<'f>(findings: &'f Findings, places: &[usize]) -> Vec<(&'f Finding, usize)> {
    let mut distinct: Vec<(&Finding, usize)> = Vec::new();
    for finding in places.iter().filter_map(|place| findings.list.get(*place)) {
        match distinct.iter_mut().find(|(known, _)| known.reason == finding.reason) {
            Some((_, times)) => *times += 1,
            None => distinct.push((finding, 1)),
        }
    }
    distinct
}

/// An id of the page: an episode's is made of hexadecimal digits, when nobody has written another into the records.
fn anchor(finding: &Finding) -> String {
    let digits: String = finding.episode.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    format!("f-{digits}")
}

fn card(finding: &Finding, points: &Points) -> Markup {
    let severity = ["high", "medium", "low"].get(finding.rank()).copied().unwrap_or("low");
    html! {
        article id=(anchor(finding)) class=(severity) {
            header {
                span class=(format!("badge {severity}")) { (severity) " " (finding.score) }
                h3 { (finding.message) }
            }
            p.facts {
                span { (finding.rule) "/" b { (finding.reason) } }
                span { (finding.kind) " " (finding.workload) }
                span { (time(finding.first())) @if finding.times.len() > 1 { " to " (time(finding.last())) } }
                span {
                    (finding.alerts) @if finding.alerts == 1 { " alert" } @else { " alerts" }
                    @if finding.suppressed > 0 { ", " (finding.suppressed) " more suppressed" }
                }
                @if finding.is_over { span { "over" } }
                @if finding.baseline == "learning" { span { "baseline still learning" } }
                span { "told by " (finding.source) }
            }
            @if let Some((picture, says)) = picture::evidence(finding, points) {
                figure { (picture) figcaption { (says) } }
            }
            details {
                summary { "Evidence, ATT&CK, image" }
                table.evidence {
                    @for (name, value) in &finding.evidence {
                        tr { th { (name.replace('_', " ")) } td { (shown(value)) } }
                    }
                    @for (tactic, technique) in &finding.attack {
                        tr { th { "ATT&CK" } td { (tactic) " " (technique) } }
                    }
                    @if let Some(image) = &finding.image { tr { th { "image" } td { (image) } } }
                    tr { th { "episode" } td { (finding.episode) } }
                }
            }
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(value) => value.as_f64().map_or_else(|| value.to_string(), number),
        other => other.to_string(),
    }
}

/// The response steps of every rule that has a finding, as a checklist.
fn response(findings: &Findings) -> Markup {
    html! {
        h2 id="response" { "What to do" }
        @for rule in RuleName::ALL {
            @let of: Vec<&Finding> = findings.list.iter().filter(|finding| finding.rule == rule.as_str()).collect();
            @if !of.is_empty() {
                div.panel {
                    h3 { (rule.as_str()) }
                    p.soft { (of.len()) @if of.len() == 1 { " finding. " } @else { " findings. " } (ads::of(rule).goal) }
                    ul.steps {
                        @for step in ads::of(rule).response {
                            li { label { input type="checkbox"; span { (step) } } }
                        }
                    }
                    details {
                        summary { "What sets it off without harm" }
                        ul { @for item in ads::of(rule).false_positives { li { (item) } } }
                    }
                }
            }
        }
    }
}

/// What was suppressed each time, so that nobody takes it for what is not there.
fn excused(findings: &Findings) -> Markup {
    let mut causes: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for ((reason, cause), count) in &findings.excused {
        causes.entry(cause).or_default().push((reason, *count));
    }
    html! {
        @if !causes.is_empty() {
            h2 { "Suppressed" }
            div.panel {
                table {
                    thead { tr { th { "cause" } th { "what" } th.count { "episodes" } } }
                    tbody {
                        @for (cause, reasons) in &causes {
                            @for (reason, count) in reasons {
                                tr { td { (cause) } td { (reason) } td.count { (count) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The image rules, as the policy has them: what the paths above go through.
fn rules(policy: &Policy) -> Markup {
    html! {
        h2 { "Image rules" }
        div.panel {
            p.soft {
                @match policy.images.mode {
                    Mode::Enforce => "What no rule names is unauthorised. The most specific rule wins.",
                    Mode::Learn => "What no rule names is learned first, and unauthorised when it is new afterwards.",
                    Mode::Open => "What no rule names passes.",
                }
            }
            table {
                @for rule in &policy.images.rules {
                    tr {
                        td { (format!("{:?}", rule.action).to_lowercase()) }
                        td { code { (rule.pattern) } }
                        td.soft { (rule.namespaces.join(", ")) }
                    }
                }
            }
        }
    }
}
