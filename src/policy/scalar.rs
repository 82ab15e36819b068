//! The single values of a policy: what each kind looks like, and how to read it.

use std::net::IpAddr;

use super::schema::Scalar;
use crate::image::{Pattern, Reference};
use crate::time::{DAY, Time, parse_offset};

/// The longest value, in bytes.
const MAX_BYTES: usize = 1024;

/// What is wrong with a value: the message and the help.
pub(super) type Fault = (String, Option<String>);

/// What is wrong with a value that should be of a kind.
pub(super) fn fault(kind: Scalar, text: &str, quoted: bool) -> Option<Fault> {
    let value = excerpt(text);
    if text.len() > MAX_BYTES {
        return Some((format!("{value} is too long"), Some(format!("the most is {MAX_BYTES} bytes"))));
    }
    if text.trim().is_empty() {
        return Some((format!("{value} is empty"), help(kind).map(String::from)));
    }
    let (detail, better) = match valid(kind, text) {
        // YAML has these without quotes, and so does the JSON Schema.
        Ok(()) if quoted && matches!(kind, Scalar::Bool | Scalar::Integer(..) | Scalar::Decimal(..)) => {
            return Some((format!("{value} is in quotes"), Some(format!("write {text}"))));
        }
        Ok(()) => return None,
        Err(fault) => fault,
    };
    let colon = if detail.is_empty() { "" } else { ": " };
    Some((format!("{value} is not {}{colon}{detail}", noun(kind)), better.or_else(|| help(kind).map(String::from))))
}

/// Whether a text is of a kind; if not, what more there is to say and, where there is something better than the kind's
/// own help, what to write.
fn valid(kind: Scalar, text: &str) -> Result<(), Fault> {
    let detail = |detail: String| (detail, None);
    let advice = |help: &'static str| (String::new(), (!help.is_empty()).then(|| help.into()));
    let fits = match kind {
        Scalar::Version => text == "1",
        Scalar::Bool => boolean(text).is_some(),
        Scalar::Integer(least, most) => integer(text).is_some_and(|number| (least..=most).contains(&number)),
        Scalar::Decimal(least, most) => {
            decimal(text).is_some_and(|number| (f64::from(least)..=f64::from(most)).contains(&number))
        }
        Scalar::Text => true,
        Scalar::Choice(names) if !names.contains(&text) => {
            let near = nearest(text, names.iter().copied());
            return Err((String::new(), near.map(|near| format!("did you mean \"{near}\"?"))));
        }
        Scalar::Choice(_) => true,
        Scalar::Duration(least, most) => match duration(text) {
            Some(seconds) if !(least..=most).contains(&seconds) => {
                return Err(detail(format!("the least is {}, the most {}", spell(least), spell(most))));
            }
            seconds => seconds.is_some(),
        },
        Scalar::From => clock(text).is_some_and(|second| i64::from(second) < DAY),
        Scalar::To => clock(text).is_some(),
        Scalar::Offset => offset(text).is_some(),
        Scalar::Until => until(text).is_some(),
        Scalar::Day => day(text).is_some(),
        Scalar::Glob => return fast_glob::validate(text).map_err(|error| detail(error.to_string())),
        Scalar::Image => return pattern(text).map(drop),
        Scalar::Reference => return reference(text).map(drop).map_err(detail),
        Scalar::Digest => is_digest(text),
        Scalar::Network => return network(text).map(drop).map_err(advice),
        Scalar::Port => port(text).is_some(),
        Scalar::DomainGlob => return domain(text, true).map(drop).map_err(advice),
        Scalar::Domain => return domain(text, false).map(drop).map_err(advice),
        Scalar::Path => is_beside(text),
        Scalar::Reason => is_kebab(text),
    };
    if fits { Ok(()) } else { Err((String::new(), None)) }
}

/// What a value of a kind is called, after "is not".
fn noun(kind: Scalar) -> String {
    let noun = match kind {
        Scalar::Integer(least, most) => return format!("a whole number from {least} to {most}"),
        Scalar::Decimal(least, most) => return format!("a number from {least} to {most}"),
        Scalar::Choice(names) => return format!("one of {}", names.join(", ")),
        Scalar::Version => "a version of the policy format that this program knows",
        Scalar::Bool => "true or false",
        Scalar::Text => "a text",
        Scalar::Duration(..) => "a duration",
        Scalar::From | Scalar::To => "a time of day",
        Scalar::Offset => "an offset from UTC",
        Scalar::Until => "a date or time",
        Scalar::Day => "a day of the week",
        Scalar::Glob => "a glob",
        Scalar::Image => "an image pattern",
        Scalar::Reference => "an image reference",
        Scalar::Digest => "a digest",
        Scalar::Network => "a network",
        Scalar::Port => "a port with its protocol",
        Scalar::DomainGlob | Scalar::Domain => "a domain",
        Scalar::Path => "a path beside the policy",
        Scalar::Reason => "the id of a reason",
    };
    noun.into()
}

/// What to write for a kind.
fn help(kind: Scalar) -> Option<&'static str> {
    Some(match kind {
        Scalar::Version => "write 1",
        Scalar::Bool => "write true or false",
        Scalar::Duration(..) => "write 30s, 10m, 1h or 7d",
        Scalar::From => "write \"00:00\" to \"23:59\"",
        Scalar::To => "write \"00:00\" to \"24:00\"",
        Scalar::Offset => "write \"+02:00\"",
        Scalar::Until => "write 2027-01-31 or 2027-01-31T18:00:00Z",
        Scalar::Day => "write mon, tue, wed, thu, fri, sat or sun",
        Scalar::Reference => "write docker.io/library/nginx:1.25",
        Scalar::Digest => "write sha256: and 64 hexadecimal digits in lower case",
        Scalar::Network => "write 10.0.0.0/8, fd00::/8 or one address",
        Scalar::Port => "write 443/tcp, 123/udp or 38412/sctp",
        Scalar::DomainGlob => "write example.org, or \"*.example.org\" for all below it",
        Scalar::Domain => "write example.org: all below it is meant too",
        Scalar::Path => "write a path without a leading / and without ..",
        Scalar::Reason => "write it in lower case with hyphens, as records have it: first-seen",
        _ => return None,
    })
}

/// A text in quotes, for a message: cut short, on one line.
pub(super) fn excerpt(text: &str) -> String {
    let mut short: String =
        text.chars().take(60).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("\"{short}\"")
}

/// The name that somebody who wrote another one most likely meant.
pub(super) fn nearest(text: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if text.len() > 40 {
        return None;
    }
    let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let wanted = plain(text);
    let most = (text.len() / 3).max(1);
    names
        .map(|name| (strsim::osa_distance(&wanted, &plain(name)), name))
        .min_by_key(|&(distance, _)| distance)
        .filter(|&(distance, _)| distance <= most)
        .map(|(_, name)| name)
}

/// `true` or `false`, as the core schema of YAML has them.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A whole number in decimal digits.
pub(super) fn integer(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A number of at most 15 digits, for which one division gives the nearest double.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || fraction.is_empty() || whole.len() + fraction.len() > 15 {
        return None;
    }
    let (mut digits, mut scale) = (0_u64, 1_u64);
    for byte in whole.bytes() {
        digits = digits * 10 + u64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    for byte in fraction.bytes() {
        digits = digits * 10 + u64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
        scale *= 10;
    }
    Some(digits as f64 / scale as f64)
}

const UNITS: [(char, u32); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// A duration in seconds: `1h30m`, the larger unit first; a number alone is seconds.
pub(crate) fn duration(text: &str) -> Option<u32> {
    if let Some(seconds) = integer(text) {
        return Some(seconds);
    }
    let (mut rest, mut total) = (text, 0_u32);
    for (unit, seconds) in UNITS {
        if let Some((count, after)) = rest.split_once(unit) {
            total = total.checked_add(integer(count)?.checked_mul(seconds)?)?;
            rest = after;
        }
    }
    (rest.is_empty() && !text.is_empty()).then_some(total)
}

/// A duration in the largest unit that has no remainder.
fn spell(seconds: u32) -> String {
    let unit = UNITS.into_iter().find(|&(_, unit)| seconds >= unit && seconds.is_multiple_of(unit));
    let (letter, unit) = unit.unwrap_or(('s', 1));
    format!("{}{letter}", seconds / unit)
}

/// A time of day from `00:00` to `24:00`, in seconds after midnight.
pub(super) fn clock(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (integer(hours)?, integer(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= 24 * 60).then_some(hours * 3600 + minutes * 60)
}

/// An offset from UTC, in seconds east of it.
pub(super) fn offset(text: &str) -> Option<i32> {
    if text == "Z" { Some(0) } else { parse_offset(text.as_bytes()) }
}

/// When something ends: at a time, or with the day of a date in UTC.
pub(super) fn until(text: &str) -> Option<Time> {
    let mut time = Time::parse(text.as_bytes())?;
    if text.len() == "2027-01-31".len() {
        time.sec += DAY;
    }
    Some(time)
}

/// A day of the week by its English name or the first three letters of it, Monday being 0.
pub(super) fn day(text: &str) -> Option<u8> {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let name = text.to_ascii_lowercase();
    let day = DAYS.iter().position(|&day| day == name || day.get(..3) == Some(&name))?;
    u8::try_from(day).ok()
}

/// A network in CIDR; an address is the network that has only it. Otherwise what to write.
pub(super) fn network(text: &str) -> Result<String, &'static str> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().map_err(|_| "")?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = prefix.map_or(Some(most), integer).filter(|&length| length <= most).ok_or("")?;
    let host = most - length;
    let trailing = match address {
        IpAddr::V4(address) => u32::from(address).trailing_zeros(),
        IpAddr::V6(address) => u128::from(address).trailing_zeros(),
    };
    if trailing < host {
        return Err("it has bits beyond its prefix: write the first address of the network, or the address alone");
    }
    Ok(if prefix.is_some() { text.into() } else { format!("{text}/{most}") })
}

/// A port with its protocol, in lower case.
pub(super) fn port(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (number, protocol) = text.split_once('/')?;
    let number = integer(number).filter(|number| (1..=65_535).contains(number))?;
    matches!(protocol, "tcp" | "udp" | "sctp").then(|| format!("{number}/{protocol}"))
}

/// A domain in lower case and without the dot of the root. Otherwise what to write.
pub(super) fn domain(text: &str, wildcard: bool) -> Result<String, &'static str> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.parse::<IpAddr>().is_ok() {
        return Err("it is an address: write it under networks");
    }
    if name.contains(['/', ':']) {
        return Err("write the name alone, without a scheme, a port or a path");
    }
    if !name.is_ascii() {
        return Err("write the form that DNS has: xn--…");
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || wildcard && byte == b'*';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(letter);
    if name.len() <= 253 && name.split('.').all(label) { Ok(name) } else { Err("") }
}

/// A pattern over image references. Otherwise what is wrong with it.
pub(super) fn pattern(text: &str) -> Result<Pattern, Fault> {
    Pattern::parse(text).map_err(|error| (error.message, error.help))
}

/// The canonical `registry/repository:tag` of a reference without a digest.
pub(super) fn reference(text: &str) -> Result<String, String> {
    let reference = Reference::parse(text.as_bytes()).map_err(|error| error.to_string())?;
    if reference.digest.is_some() { Err("the digest belongs in the value".into()) } else { Ok(reference.canonical()) }
}

fn is_digest(text: &str) -> bool {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix("sha256:").is_some_and(|digits| digits.len() == 64 && digits.bytes().all(hex))
}

/// Whether a path stays where the policy is, on any system.
pub(crate) fn is_beside(text: &str) -> bool {
    let letters = !text.contains(['\\', ':']) && !text.chars().any(char::is_control);
    letters && !text.starts_with('/') && text.split('/').all(|part| part != "..")
}

fn is_kebab(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.split('-').all(|word| !word.is_empty() && word.bytes().all(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("30s", Some(30))]
    #[case("10m", Some(600))]
    #[case("6h", Some(21_600))]
    #[case("7d", Some(604_800))]
    #[case("1h30m", Some(5400))]
    #[case("1d1h1m1s", Some(90_061))]
    #[case("90", Some(90))]
    #[case("0", Some(0))]
    #[case("4294967295", Some(u32::MAX))]
    #[case("4294967296", None)]
    #[case("49711d", None)]
    #[case("10x", None)]
    #[case("30m1h", None)]
    #[case("1h30", None)]
    #[case("1m1m", None)]
    #[case("h", None)]
    #[case("-1h", None)]
    #[case("+1h", None)]
    #[case("1.5h", None)]
    #[case("1 h", None)]
    #[case("", None)]
    fn durations(#[case] text: &str, #[case] expected: Option<u32>) {
        assert_eq!(duration(text), expected);
        if let Some(seconds) = expected {
            assert_eq!(duration(&spell(seconds)), expected);
        }
    }

    #[rstest::rstest]
    #[case("2.0", Some(2.0))]
    #[case("2", Some(2.0))]
    #[case("0.1", Some(0.1))]
    #[case("1.000000001", Some(1.000_000_001))]
    #[case(".5", None)]
    #[case("5.", None)]
    #[case("1e3", None)]
    #[case("-1", None)]
    #[case("1.2.3", None)]
    #[case("1234567890123456", None)]
    #[case("", None)]
    fn decimals(#[case] text: &str, #[case] expected: Option<f64>) {
        assert_eq!(decimal(text), expected);
    }

    #[rstest::rstest]
    #[case("00:00", Some(0))]
    #[case("02:30", Some(9000))]
    #[case("23:59", Some(86_340))]
    #[case("24:00", Some(86_400))]
    #[case("24:01", None)]
    #[case("2:00", None)]
    #[case("02:60", None)]
    #[case("02:00:00", None)]
    #[case("0200", None)]
    fn clocks(#[case] text: &str, #[case] expected: Option<u32>) {
        assert_eq!(clock(text), expected);
    }

    #[rstest::rstest]
    #[case::a_date_is_included("2027-01-31", "2027-02-01T00:00:00Z")]
    #[case::time("2027-01-31T18:00:00Z", "2027-01-31T18:00:00Z")]
    #[case::offset("2027-01-31T01:00:00+02:00", "2027-01-30T23:00:00Z")]
    fn ends(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(until(text).unwrap().to_string(), expected);
    }

    #[rstest::rstest]
    #[case("mon", Some(0))]
    #[case("Sunday", Some(6))]
    #[case("SAT", Some(5))]
    #[case("su", None)]
    #[case("sund", None)]
    #[case("sön", None)]
    fn days(#[case] text: &str, #[case] expected: Option<u8>) {
        assert_eq!(day(text), expected);
    }

    #[rstest::rstest]
    #[case("10.0.0.0/8", Some("10.0.0.0/8"))]
    #[case("0.0.0.0/0", Some("0.0.0.0/0"))]
    #[case("203.0.113.7", Some("203.0.113.7/32"))]
    #[case("fd00::/8", Some("fd00::/8"))]
    #[case("2001:db8::1", Some("2001:db8::1/128"))]
    #[case("10.0.0.1/8", None)]
    #[case("fd00::1/64", None)]
    #[case("10.0.0.0/33", None)]
    #[case("10.0.0.0/", None)]
    #[case("10.0.0.0/+8", None)]
    #[case("10.0.0", None)]
    #[case("example.org", None)]
    fn networks(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(network(text).ok().as_deref(), expected);
    }

    #[rstest::rstest]
    #[case("123/udp", Some("123/udp"))]
    #[case("0443/TCP", Some("443/tcp"))]
    #[case("0/tcp", None)]
    #[case("65536/tcp", None)]
    #[case("443", None)]
    #[case("443/http", None)]
    fn ports(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(port(text).as_deref(), expected);
    }

    #[rstest::rstest]
    #[case("Example.ORG.", false, Some("example.org"))]
    #[case("*.corp.example", true, Some("*.corp.example"))]
    #[case("*.corp.example", false, None)]
    #[case("_dmarc.example.org", false, Some("_dmarc.example.org"))]
    #[case("https://example.org", true, None)]
    #[case("example.org:443", true, None)]
    #[case("a..b", true, None)]
    #[case(".", true, None)]
    #[case("203.0.113.7", true, None)]
    #[case("bücher.example", true, None)]
    fn domains(#[case] text: &str, #[case] wildcard: bool, #[case] expected: Option<&str>) {
        assert_eq!(domain(text, wildcard).ok().as_deref(), expected);
    }

    #[rstest::rstest]
    #[case("state", true)]
    #[case("a/b.txt", true)]
    #[case("..a", true)]
    #[case("/etc/passwd", false)]
    #[case("../a", false)]
    #[case("a/..", false)]
    #[case("C:a", false)]
    #[case("a\\..\\b", false)]
    fn paths(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(is_beside(text), expected);
    }

    #[rstest::rstest]
    #[case("nginx:1.25", Some("docker.io/library/nginx:1.25"))]
    #[case("index.docker.io/library/nginx", Some("docker.io/library/nginx:latest"))]
    #[case("nginx@sha256:0000000000000000000000000000000000000000000000000000000000000000", None)]
    #[case("Nginx", None)]
    fn references(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(reference(text).ok().as_deref(), expected);
    }

    #[rstest::rstest]
    #[case("alow", Some("allow"))]
    #[case("Require-Digest", Some("require_digest"))]
    #[case("modes", Some("mode"))]
    #[case("x", None)]
    #[case("blocklist", None)]
    fn suggests(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(nearest(text, ["allow", "mode", "require_digest"].into_iter()), expected);
    }
}
