//! Pictures: small SVGs that take their colours from the page, so that they follow light, dark and print.

use maud::{Markup, html};
use tidewaiter::time::Time;

use super::collect::Finding;
use super::series::Points;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;

/// A span of time across a picture.
#[derive(Clone, Copy)]
struct Span {
    from: f64,
    until: f64,
    left: f64,
}

/// Steps of axes, in seconds.
const STEPS: [f64; 14] = [
    10.0,
    60.0,
    300.0,
    900.0,
    1800.0,
    3600.0,
    10_800.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    604_800.0,
    2_592_000.0,
    31_536_000.0,
];

impl Span {
    fn new(from: f64, until: f64, left: f64) -> Self {
        // A single moment gets a minute around it.
        let rest = (60.0 - (until - from)).max(0.0) / 2.0;
        Self { from: from - rest, until: until + rest, left }
    }

    fn x(&self, at: f64) -> f64 {
        let part = ((at - self.from) / (self.until - self.from)).clamp(0.0, 1.0);
        round(self.left + part * (WIDTH - self.left - RIGHT))
    }

    fn axis(&self, top: f64, bottom: f64) -> Markup {
        let step = STEPS.into_iter().find(|step| (self.until - self.from) / step <= 8.0).unwrap_or(31_536_000.0);
        let mut at = (self.from / step).ceil() * step;
        let mut ticks = Vec::new();
        while at <= self.until && ticks.len() < 12 {
            ticks.push(at);
            at += step;
        }
        html! {
            @for at in ticks {
                line class="grid" x1=(self.x(at)) x2=(self.x(at)) y1=(top) y2=(bottom) {}
                // Half of a label at the edge would be cut off.
                @if self.x(at) < WIDTH - 40.0 {
                    text class="tick" x=(self.x(at)) y=(bottom + 14.0) text-anchor="middle" { (label(at, step)) }
                }
            }
        }
    }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A time as short as the step between them allows.
fn label(at: f64, step: f64) -> String {
    let text = Time::from_sec(at as i64).to_string();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
    match step {
        step if step >= 86_400.0 => part(5..10),
        step if step >= 3600.0 => format!("{} {}", part(5..10), part(11..16)),
        step if step >= 60.0 => part(11..16),
        _ => part(11..19),
    }
}

/// A number of seconds, for people.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds < 172_800.0 => format!("{:.1} h", seconds / 3600.0),
        seconds => format!("{:.1} d", seconds / 86_400.0),
    }
}

/// A number for people.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1e9 => format!("{:.1} G", value / 1e9),
        size if size >= 1e6 => format!("{:.1} M", value / 1e6),
        size if size >= 1e5 => format!("{:.0} k", value / 1e3),
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 0.01 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn svg(height: f64, title: &str, inner: &Markup) -> Markup {
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(title) {
            title { (title) }
            (inner)
        }
    }
}

/// When what was told: a line for each workload.
pub fn timeline(findings: &[Finding], from: i64, until: i64) -> Markup {
    const MOST: usize = 30;
    const ROW: f64 = 20.0;
    let mut lanes: Vec<(&str, Vec<&Finding>)> = Vec::new();
    for finding in findings {
        let known = lanes.iter().position(|(workload, _)| *workload == finding.workload);
        if known.is_none() && lanes.len() < MOST {
            lanes.push((&finding.workload, Vec::new()));
        }
        let place = known.unwrap_or(lanes.len() - 1);
        if let Some((_, of)) = lanes.get_mut(place).filter(|(workload, _)| *workload == finding.workload) {
            of.push(finding);
        }
    }
    let span = Span::new(from as f64, until as f64, 190.0);
    let bottom = 10.0 + ROW * lanes.len() as f64;
    let inner = html! {
        (span.axis(6.0, bottom))
        @for (place, (workload, of)) in lanes.iter().enumerate() {
            @let y = 20.0 + ROW * place as f64;
            @if place % 2 == 1 { rect class="stripe" x="0" y=(y - 10.0) width=(WIDTH) height=(ROW) {} }
            text class="lane" x="182" y=(y + 4.0) text-anchor="end" { (cut(workload, 28)) }
            @for finding in of.iter().rev() {
                g class=(finding.severity) {
                    @if finding.times.len() > 1 {
                        line class="lasts" x1=(span.x(finding.first() as f64)) x2=(span.x(finding.last() as f64)) y1=(y) y2=(y) {}
                    }
                    @for at in thinned(&finding.times) {
                        circle cx=(span.x(*at as f64)) cy=(y) r="4" {
                            title { (finding.reason) ": " (finding.message) }
                        }
                    }
                }
            }
        }
    };
    svg(bottom + 22.0, "Findings over time, by workload", &inner)
}

/// Not more than can be told apart.
fn thinned(times: &[i64]) -> impl Iterator<Item = &i64> {
    times.iter().step_by(times.len() / 60 + 1)
}

fn cut(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters - 1).chain(['…']).collect()
}

/// The picture of a finding's evidence, with a sentence that says what it shows.
pub fn evidence(finding: &Finding, points: &Points) -> Option<(Markup, String)> {
    if finding.rule == "unauthorized-image" && finding.reason != "correlated" {
        return Some(path(finding));
    }
    if finding.number("period_seconds").is_some() && points.len() > 2 {
        return Some(gaps(finding, points));
    }
    if finding.text("metric").is_some() && points.len() > 1 {
        return Some(usage(finding, points));
    }
    if let (Some(sent), Some(received)) = (finding.number("bytes_out"), finding.number("bytes_in")) {
        let usual = finding.number("usual_bytes_a_day").unwrap_or(0.0);
        return Some(bars(
            &[("sent", sent), ("received", received), ("usual a day", usual)],
            "Bytes to and from the destination.",
        ));
    }
    if finding.rule == "restart-spike" && finding.number("observed").is_some() && finding.text("metric").is_none() {
        if points.len() > 1 {
            return Some(restarts(finding, points));
        }
        let expected = finding.number("expected").unwrap_or(0.0);
        let observed = finding.number("observed").unwrap_or(0.0);
        return Some(bars(
            &[("restarts", observed), ("usual", expected)],
            "Restarts within the window of the finding.",
        ));
    }
    for (seen, usual, says) in [
        ("names", "usual_names", "Different names that were asked for below the domain."),
        ("missing", "", "Domains that were asked for and do not exist."),
        ("contacts", "usual_in_an_hour", "Contacts of the destination."),
        ("destinations", "usual_destinations", "Destinations that were contacted."),
        ("seconds", "", "Seconds that it has lasted."),
    ] {
        if let Some(value) = finding.number(seen) {
            let usual = finding.number(usual);
            let rows: Vec<(&str, f64)> =
                [Some((seen, value)), usual.map(|usual| ("usual", usual))].into_iter().flatten().collect();
            return Some(bars(&rows, says));
        }
    }
    None
}

/// The time from each contact to the next: a clock is a straight line of dots.
fn gaps(finding: &Finding, points: &Points) -> (Markup, String) {
    const TOP: f64 = 12.0;
    const BOTTOM: f64 = 138.0;
    let gaps: Vec<(f64, f64)> =
        points.windows(2).filter_map(|pair| Some((pair.last()?.0, pair.last()?.0 - pair.first()?.0))).collect();
    let period = finding.number("period_seconds").unwrap_or(60.0).max(1.0);
    let bound = |start: f64, pick: fn(f64, f64) -> f64| gaps.iter().map(|(_, gap)| *gap).fold(start, pick);
    let (low, high) = (bound(period / 2.0, f64::min).max(0.5), bound(period * 2.0, f64::max));
    let y = |gap: f64| {
        let part = (gap.clamp(low, high) / low).ln() / (high / low).ln().max(0.1);
        round(BOTTOM - part * (BOTTOM - TOP))
    };
    let ends = |end: Option<&(f64, f64)>| end.map_or(0.0, |(at, _)| *at);
    let span = Span::new(ends(points.first()), ends(points.last()), LEFT);
    let told = finding.first() as f64;
    let inner = html! {
        (span.axis(TOP, BOTTOM + 14.0))
        rect class="band" x=(LEFT) width=(WIDTH - LEFT - RIGHT) y=(y(period * 1.3)) height=(y(period * 0.7) - y(period * 1.3)) {}
        @for mark in [low, period, high] {
            text class="tick" x=(LEFT - 6.0) y=(y(mark) + 3.5) text-anchor="end" { (seconds(mark)) }
        }
        line class="usual" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y(period)) y2=(y(period)) {}
        @for (at, gap) in gaps.iter().step_by(gaps.len() / 700 + 1) {
            circle class="dot" cx=(span.x(*at)) cy=(y(*gap)) r="2.2" {}
        }
        @for (at, _) in points.iter().step_by(points.len() / 700 + 1) {
            line class="rug" x1=(span.x(*at)) x2=(span.x(*at)) y1=(BOTTOM + 6.0) y2=(BOTTOM + 14.0) {}
        }
        (told_at(&span, told, TOP, BOTTOM + 14.0))
    };
    let says = format!(
        "{} contacts (strokes), and the time from each to the next (dots). The line is the period of {}; the band is 30 % around it.",
        points.len(),
        seconds(period)
    );
    (svg(BOTTOM + 32.0, "Gaps between contacts", &inner), says)
}

/// The moment at which it was told.
fn told_at(span: &Span, at: f64, top: f64, bottom: f64) -> Markup {
    html! {
        line class="told" x1=(span.x(at)) x2=(span.x(at)) y1=(top) y2=(bottom) {}
        @if span.x(at) < WIDTH - 60.0 {
            text class="told" x=(span.x(at) + 4.0) y=(top + 4.0) { "found" }
        } @else {
            text class="told" x=(span.x(at) - 4.0) y=(top + 4.0) text-anchor="end" { "found" }
        }
    }
}

/// Restarts by the hour or whatever fits, against what is usual.
fn restarts(finding: &Finding, points: &Points) -> (Markup, String) {
    const TOP: f64 = 12.0;
    const BOTTOM: f64 = 132.0;
    let window = finding.number("window_seconds").unwrap_or(3600.0).max(60.0);
    let expected = finding.number("expected").unwrap_or(0.0);
    let ends = |end: Option<&(f64, f64)>| end.map_or(0.0, |(at, _)| *at);
    let told = finding.first() as f64;
    let (from, until) = (ends(points.first()).min(told - 6.0 * window), ends(points.last()).max(told + window));
    let step = STEPS.into_iter().find(|step| (until - from) / step <= 90.0).unwrap_or(86_400.0);
    let span = Span::new((from / step).floor() * step, (until / step).ceil() * step, LEFT);
    let count = (((span.until - span.from) / step).ceil() as usize).clamp(1, 400);
    let mut bins = vec![0.0; count];
    for (at, restarts) in points {
        if let Some(bin) = bins.get_mut(((at - span.from) / step) as usize) {
            *bin += restarts;
        }
    }
    let usual = expected / window * step;
    let most = bins.iter().copied().fold(usual.max(1.0), f64::max);
    let y = |value: f64| round(BOTTOM - value / most * (BOTTOM - TOP));
    let width = ((WIDTH - LEFT - RIGHT) / count as f64 - 1.0).max(1.0);
    let inner = html! {
        (span.axis(TOP, BOTTOM))
        @for mark in [0.0, most] {
            text class="tick" x=(LEFT - 6.0) y=(y(mark) + 3.5) text-anchor="end" { (number(mark)) }
        }
        line class="base" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(BOTTOM) y2=(BOTTOM) {}
        @for (place, value) in bins.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            rect class="bar" x=(span.x(span.from + place as f64 * step)) width=(round(width)) y=(y(*value)) height=(BOTTOM - y(*value)) {}
        }
        line class="usual" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y(usual)) y2=(y(usual)) {}
        (told_at(&span, told, TOP, BOTTOM))
    };
    let says = format!(
        "Restarts in each {}. The dashed line is what is usual: {} in that time.",
        seconds(step),
        number(usual)
    );
    (svg(BOTTOM + 20.0, "Restarts over time", &inner), says)
}

/// The use of a resource, against what is usual and what is allowed.
fn usage(finding: &Finding, points: &Points) -> (Markup, String) {
    const TOP: f64 = 12.0;
    const BOTTOM: f64 = 138.0;
    let told = finding.first() as f64;
    // A day before, and what came after it, for as long.
    let near: Points = points.iter().copied().filter(|(at, _)| (at - told).abs() <= 86_400.0).collect();
    let (unit, by) = match finding.text("metric") {
        Some("memory") => ("MiB", 1_048_576.0),
        Some("network-out") => ("MiB a minute", 1_048_576.0 / 60.0),
        _ => ("cores", 1.0),
    };
    let scaled = |name: &str| finding.number(name).map(|value| value / by).filter(|value| *value > 0.0);
    let (expected, limit) = (scaled("expected"), scaled("limit"));
    let most = near.iter().map(|(_, value)| value / by).chain(expected).chain(limit).fold(0.001, f64::max) * 1.05;
    let y = |value: f64| round(BOTTOM - (value / most).min(1.0) * (BOTTOM - TOP));
    let ends = |end: Option<&(f64, f64)>| end.map_or(told, |(at, _)| *at);
    let span = Span::new(ends(near.first()), ends(near.last()), LEFT);
    let line: Vec<String> = near.iter().map(|(at, value)| format!("{},{}", span.x(*at), y(value / by))).collect();
    let level = |class: &str, value: f64| {
        html! { line class=(class) x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y(value)) y2=(y(value)) {} }
    };
    let inner = html! {
        (span.axis(TOP, BOTTOM))
        @for mark in [Some(0.0), expected, limit.or(Some(most / 1.05))].into_iter().flatten() {
            text class="tick" x=(LEFT - 6.0) y=(y(mark) + 3.5) text-anchor="end" { (number(mark)) }
        }
        line class="base" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(BOTTOM) y2=(BOTTOM) {}
        @if let Some(limit) = limit { (level("limit", limit)) }
        @if let Some(expected) = expected { (level("usual", expected)) }
        polyline class="line" points=(line.join(" ")) {}
        (told_at(&span, told, TOP, BOTTOM))
    };
    let mut says = format!("Use in {unit}, a day before and after.");
    if let Some(expected) = expected {
        says += &format!(" The dashed line is what is usual, {}.", number(expected));
    }
    if let Some(limit) = limit {
        says += &format!(" The dotted line is the limit, {}.", number(limit));
    }
    (svg(BOTTOM + 20.0, "Use over time", &inner), says)
}

/// Numbers next to each other.
fn bars(rows: &[(&str, f64)], says: &str) -> (Markup, String) {
    const NAMES: f64 = 120.0;
    let most = rows.iter().map(|(_, value)| *value).fold(1e-9, f64::max);
    let inner = html! {
        @for (place, (name, value)) in rows.iter().enumerate() {
            @let y = 6.0 + 26.0 * place as f64;
            @let width = round((value / most * (WIDTH - NAMES - 90.0)).max(1.0));
            text class="lane" x=(NAMES - 8.0) y=(y + 13.0) text-anchor="end" { (name) }
            rect class=(if place == 0 { "bar" } else { "quiet" }) x=(NAMES) y=(y) width=(width) height="18" rx="2" {}
            text class="value" x=(NAMES + width + 6.0) y=(y + 13.0) { (number(*value)) }
        }
    };
    (svg(8.0 + 26.0 * rows.len() as f64, says, &inner), says.to_owned())
}

/// The stations of an image on its way through the policy.
const STATIONS: [&str; 5] = ["reference", "rules", "look-alikes", "tag", "digest"];

/// How far the image came, and what became of it there.
fn path(finding: &Finding) -> (Markup, String) {
    let (stop, what) = match &*finding.reason {
        "unparseable" => (0, "is no image reference".to_owned()),
        "denied" => (1, format!("denied by {}", finding.text("rule").unwrap_or("a rule"))),
        "registry-not-allowed" => (1, "no rule names its registry".into()),
        "repository-not-allowed" => (1, "no rule names its repository".into()),
        "first-seen" => (1, "was never seen while learning".into()),
        "lookalike" => (2, format!("imitates {}", finding.text("imitates").unwrap_or("a known name"))),
        "tag-rejected" => (3, "has a tag that is not wanted".into()),
        "digest-required" => (3, "is not named by its digest".into()),
        "digest-mismatch" => (4, "has another digest than the pinned one".into()),
        _ => (4, "has another digest than before".into()),
    };
    let image = finding.text("image").or(finding.text("reference")).or(finding.image.as_deref()).unwrap_or("-");
    let step = (WIDTH - 2.0 * LEFT) / (STATIONS.len() - 1) as f64;
    let x = |place: usize| round(LEFT + step * place as f64);
    let anchor = match stop {
        0 => "start",
        4 => "end",
        _ => "middle",
    };
    let text_x = match stop {
        0 => x(0) - 14.0,
        4 => x(4) + 14.0,
        other => x(other),
    };
    let imitated = finding.text("imitates").map(|imitates| letters(image, imitates));
    let height = if imitated.is_some() { 150.0 } else { 96.0 };
    let inner = html! {
        line class="way" x1=(x(0)) x2=(x(stop)) y1="26" y2="26" {}
        @if stop < 4 { line class="unreached" x1=(x(stop)) x2=(x(4)) y1="26" y2="26" {} }
        @for (place, station) in STATIONS.iter().enumerate() {
            @let class = if place < stop { "passed" } else if place == stop { "stopped" } else { "unreached" };
            circle class=(class) cx=(x(place)) cy="26" r="11" {}
            text class=(format!("mark {class}")) x=(x(place)) y="30.5" text-anchor="middle" {
                (if place < stop { "✓" } else if place == stop { "✕" } else { "" })
            }
            text class=(if place == stop { "station here" } else { "station" }) x=(x(place)) y="54" text-anchor="middle" { (station) }
        }
        text class="stopped" x=(text_x) y="78" text-anchor=(anchor) { (cut(&what, 70)) }
        @if let Some(imitated) = imitated { (imitated) }
    };
    let rest = if stop < 4 { "; what comes after the station that it failed was not asked" } else { "" };
    let says = format!("The way of {image} through the policy{rest}.");
    (svg(height, "The image's path through the policy", &inner), says)
}

/// Two names above each other, with the letters marked in which they differ.
fn letters(image: &str, imitates: &str) -> Markup {
    let cut_image = cut(image, 78);
    let (one, other): (Vec<char>, Vec<char>) = (cut_image.chars().collect(), imitates.chars().take(78).collect());
    let same = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    // Where they meet again: the longest end of the imitated name that the image has behind the difference.
    let tail: Vec<char> = other.iter().skip(same + 1).copied().collect();
    let rest: Vec<char> = one.iter().skip(same).copied().collect();
    let again = (0..rest.len()).find(|at| {
        let length = tail.len().min(3);
        length > 0 && rest.get(*at..*at + length) == tail.get(..length)
    });
    let end = same + again.unwrap_or(rest.len());
    let part = |text: &[char], from: usize, until: usize| -> String {
        text.iter().skip(from).take(until.saturating_sub(from)).collect()
    };
    html! {
        text class="letters" x=(LEFT) y="112" {
            (part(&one, 0, same)) tspan class="differs" { (part(&one, same, end)) } (part(&one, end, one.len()))
        }
        text class="letters" x=(LEFT) y="132" {
            (part(&other, 0, same)) tspan class="imitated" { (part(&other, same, same + 1)) } (part(&other, same + 1, other.len()))
        }
    }
}
