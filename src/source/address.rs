//! Addresses of the internet as records spell them.

use std::net::IpAddr;

/// Reads an address: with the brackets of a URL and the zone of a link-local one, or without. IPv4 within IPv6
/// (`::ffff:192.0.2.1`) is IPv4. Leading zeros in IPv4 are refused, since readers differ in what they mean, and so is
/// the unspecified address, which is nobody's.
pub fn parse(text: &[u8]) -> Option<IpAddr> {
    let inner = text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(text);
    let inner = inner.split(|&byte| byte == b'%').next()?;
    let address: IpAddr = std::str::from_utf8(inner).ok()?.parse().ok()?;
    Some(address.to_canonical()).filter(|address| !address.is_unspecified())
}

/// The address, where it can tell one workload from others.
pub fn own(address: Option<IpAddr>) -> Option<IpAddr> {
    address.filter(|address| !address.is_loopback() && !address.is_multicast())
}

/// The host of an authority (`host:port`, perhaps with a user) or of a whole URL, and where its port begins.
pub fn authority(text: &[u8]) -> Option<(std::ops::Range<usize>, Option<u16>)> {
    let start = scheme(text).map_or(0, |scheme| scheme.len() + 3);
    let rest = text.get(start..)?;
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let user = rest.iter().take(end).rposition(|&byte| byte == b'@').map_or(0, |at| at + 1);
    let host = rest.get(user..end)?;
    let colon = host.iter().rposition(|&byte| byte == b':');
    // The last colon of a bare IPv6 address is no port's.
    let (host, port) = match colon.and_then(|colon| host.split_at_checked(colon)) {
        Some((before, port)) if before.ends_with(b"]") || !before.contains(&b':') => {
            (before, std::str::from_utf8(port.get(1..)?).ok()?.parse().ok())
        }
        _ => (host, None),
    };
    let host = host.strip_suffix(b".").unwrap_or(host);
    (!host.is_empty()).then_some((start + user..start + user + host.len(), port))
}

/// The scheme of a URL.
pub fn scheme(text: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = text.split_at_checked(text.iter().take(16).position(|&byte| byte == b':')?)?;
    rest.starts_with(b"://").then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("192.0.2.1", Some("192.0.2.1"))]
    #[case("2001:0db8:0000:0000:0000:0000:0000:0001", Some("2001:db8::1"))]
    #[case("[2001:db8::1]", Some("2001:db8::1"))]
    #[case("fe80::1%eth0", Some("fe80::1"))]
    #[case("::ffff:192.0.2.1", Some("192.0.2.1"))]
    #[case("192.0.2.010", None)]
    #[case("192.0.2.1:80", None)]
    #[case("192.0.2.256", None)]
    #[case("192.0.2", None)]
    #[case("[192.0.2.1", None)]
    #[case("0.0.0.0", None)]
    #[case("::", None)]
    #[case("-", None)]
    #[case("", None)]
    #[case("host.example", None)]
    fn addresses(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(parse(text.as_bytes()).map(|address| address.to_string()).as_deref(), expected);
    }

    #[rstest::rstest]
    #[case("a.example", Some(("a.example", None)))]
    #[case("a.example.", Some(("a.example", None)))]
    #[case("a.example:8443", Some(("a.example", Some(8443))))]
    #[case("a.example:", Some(("a.example", None)))]
    #[case("a.example:99999", Some(("a.example", None)))]
    #[case("http://user:word@a.example:81/b@c:7?d", Some(("a.example", Some(81))))]
    #[case("https://a.example?b", Some(("a.example", None)))]
    #[case("[2001:db8::1]:443", Some(("[2001:db8::1]", Some(443))))]
    #[case("2001:db8::1", Some(("2001:db8::1", None)))]
    #[case("/path", None)]
    #[case("http://", None)]
    #[case(":80", None)]
    #[case("", None)]
    fn authorities(#[case] text: &str, #[case] expected: Option<(&str, Option<u16>)>) {
        assert_eq!(authority(text.as_bytes()).map(|(host, port)| (&text[host], port)), expected);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text: Vec<u8>) {
            parse(&text);
            if let Some((host, _)) = authority(&text) {
                proptest::prop_assert!(text.get(host).is_some_and(|host| !host.is_empty()));
            }
        }
    }
}
