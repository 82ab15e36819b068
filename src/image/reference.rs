//! Image references, read exactly as Docker, containerd and the kubelet read them.
//!
//! The grammar is that of [distribution/reference](https://github.com/distribution/reference) (`regexp.go`,
//! `normalize.go`): `[host[:port]/]path[:tag][@algorithm:hex]`, where the first component is a host only if it has a
//! dot, a colon or an upper-case letter, or is `localhost`. Beyond it, one registry has one spelling: see
//! [`Reference`].

use std::error::Error;
use std::fmt;

/// The registry of a reference without a host.
pub(super) const HUB: &str = "docker.io";
/// Its namespace for the images that Docker publishes itself.
pub(super) const LIBRARY: &str = "library";
/// Other hosts of the same registry.
const HUB_ALIASES: [&str; 3] = ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
const LONGEST_REPOSITORY: usize = 255;
const LONGEST_TAG: usize = 128;

/// An image's name in its canonical form.
///
/// The host is in lower case and without the default port 443, the aliases of Docker Hub are `docker.io`, and `latest`
/// is filled in where there is neither tag nor digest. So `nginx`, `Docker.io/nginx` and
/// `index.docker.io:443/library/nginx:latest` are one image.
///
/// ```
/// use tidewaiter::image::Reference;
///
/// let image = Reference::parse(b"GHCR.IO:443/acme/app").unwrap();
/// assert_eq!(image.canonical(), "ghcr.io/acme/app:latest");
/// assert_eq!(Reference::parse(b"ghcr.io").unwrap().name(), "docker.io/library/ghcr.io");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The registry's host, with its port where that is not 443.
    pub registry: String,
    /// The path within the registry.
    pub repository: String,
    /// The tag. A runtime that is given a digest ignores it.
    pub tag: Option<String>,
    /// The manifest's digest, `sha256:…`.
    pub digest: Option<String>,
    /// Whether the tag is the `latest` of a reference with neither tag nor digest.
    pub implicit_tag: bool,
}

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    /// A text that a runtime would not take either, and an image ID, which names no repository.
    pub fn parse(text: &[u8]) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if is_hex(text.strip_prefix(b"sha256:").unwrap_or(text), 64) {
            return Err(ReferenceError::ImageId);
        }
        let first = text.split(|&byte| byte == b'/').next().unwrap_or_default();
        let has_host = first.len() < text.len() && reads_as_host(first);
        let (registry, start) = if has_host {
            (canonical_host(first).map_err(|offset| ReferenceError::Format { offset })?, first.len() + 1)
        } else {
            (HUB.to_owned(), 0)
        };

        let path_end = end_of_path(text, start)?;
        let mut repository = ascii(text.get(start..path_end).unwrap_or_default());
        if registry == HUB && !repository.contains('/') {
            repository = format!("{LIBRARY}/{repository}");
        }
        let mut end = path_end;
        let mut tag = None;
        if text.get(end) == Some(&b':') {
            end = end_of_tag(text, path_end + 1).map_err(|offset| ReferenceError::Format { offset })?;
            tag = text.get(path_end + 1..end).map(ascii);
        }
        // What follows now can only be a digest: both ends stop at nothing else.
        let digest = text.get(end + 1..);
        if repository.len() > LONGEST_REPOSITORY {
            return Err(ReferenceError::TooLong);
        }
        let digest = digest.map(|digest| check_digest(digest).map(|()| ascii(digest))).transpose()?;

        let implicit_tag = tag.is_none() && digest.is_none();
        if implicit_tag {
            tag = Some("latest".to_owned());
        }
        Ok(Self { registry, repository, tag, digest, implicit_tag })
    }

    /// `registry/repository`.
    ///
    /// A registry that is a single name gets its port 443 back: without it, the text would be read as a namespace of
    /// Docker Hub.
    #[must_use]
    pub fn name(&self) -> String {
        let port = if reads_as_host(self.registry.as_bytes()) { "" } else { ":443" };
        format!("{}{port}/{}", self.registry, self.repository)
    }

    /// `registry/repository@digest`, or `registry/repository:tag` where there is no digest. It reads as the same image.
    #[must_use]
    pub fn canonical(&self) -> String {
        let name = self.name();
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("{name}@{digest}"),
            (None, Some(tag)) => format!("{name}:{tag}"),
            (None, None) => name,
        }
    }
}

/// The canonical form.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

/// Why a text is no reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceError {
    /// There is nothing in it.
    Empty,
    /// The byte at the offset does not belong there; at the text's length, something is missing.
    Format {
        /// Bytes from the text's beginning.
        offset: usize,
    },
    /// The repository has upper-case letters.
    Uppercase,
    /// The repository has more than 255 characters.
    TooLong,
    /// It is the ID of an image, 64 hexadecimal digits with or without `sha256:`, and names no repository.
    ImageId,
    /// The digest is not `algorithm:hex`, or its hexadecimal part is of the wrong length or case.
    DigestFormat,
    /// The digest's algorithm is none of sha256, sha384 and sha512.
    DigestUnsupported,
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the image reference is empty"),
            Self::Format { offset } => write!(f, "the image reference is malformed at byte {offset}"),
            Self::Uppercase => f.write_str("the repository has upper-case letters"),
            Self::TooLong => write!(f, "the repository has more than {LONGEST_REPOSITORY} characters"),
            Self::ImageId => f.write_str("this is an image ID, which names no repository"),
            Self::DigestFormat => f.write_str("the digest is malformed"),
            Self::DigestUnsupported => f.write_str("the digest is none of sha256, sha384 and sha512"),
        }
    }
}

impl Error for ReferenceError {}

/// Whether the first of several components is a host, by Docker's rule.
pub(super) fn reads_as_host(first: &[u8]) -> bool {
    first == b"localhost" || first.iter().any(|&byte| byte == b'.' || byte == b':' || byte.is_ascii_uppercase())
}

/// Checks a host with or without a port, and spells it in the one way that [`Reference`] does.
///
/// # Errors
/// The offset of what does not belong there.
pub(super) fn canonical_host(host: &[u8]) -> Result<String, usize> {
    let host = folded_host(host)?;
    Ok(if HUB_ALIASES.contains(&host.as_str()) { HUB.to_owned() } else { host })
}

/// The same without the aliases.
pub(super) fn folded_host(host: &[u8]) -> Result<String, usize> {
    let end = end_of_host_name(host)?;
    let (name, port) = host.split_at_checked(end).unwrap_or_default();
    let name = ascii(&name.to_ascii_lowercase());
    let Some((_, digits)) = port.split_first() else {
        return Ok(name);
    };
    if let Some(odd) = digits.iter().position(|byte| !byte.is_ascii_digit()) {
        return Err(end + 1 + odd);
    }
    let port = ascii(digits);
    // A resolver takes 0443 for 443.
    match port.trim_start_matches('0') {
        "443" => Ok(name),
        "" if digits.is_empty() => Err(host.len()),
        "" => Ok(format!("{name}:0")),
        port => Ok(format!("{name}:{port}")),
    }
}

/// Where the port's colon is, or the end.
fn end_of_host_name(host: &[u8]) -> Result<usize, usize> {
    if let Some(inner) = host.strip_prefix(b"[") {
        let length = inner.iter().take_while(|byte| byte.is_ascii_hexdigit() || **byte == b':').count();
        let closed = length > 0 && inner.get(length) == Some(&b']');
        let end = length + 2;
        return match host.get(end) {
            _ if !closed => Err(length + 1),
            None | Some(b':') => Ok(end),
            Some(_) => Err(end),
        };
    }
    let mut before = b'.';
    for (at, &byte) in host.iter().enumerate() {
        match byte {
            b':' if before.is_ascii_alphanumeric() => return Ok(at),
            b'.' if before.is_ascii_alphanumeric() => {}
            b'-' if before != b'.' => {}
            _ if byte.is_ascii_alphanumeric() => {}
            _ => return Err(at),
        }
        before = byte;
    }
    if before.is_ascii_alphanumeric() { Ok(host.len()) } else { Err(host.len()) }
}

/// Where the tag's colon or the digest's `@` is, or the end. Between words of a component stand one dot, one or two
/// underscores, or any number of dashes.
pub(super) fn end_of_path(text: &[u8], start: usize) -> Result<usize, ReferenceError> {
    let mut before: &[u8] = b"/";
    for (at, &byte) in text.iter().enumerate().skip(start) {
        before = match (byte, before) {
            (b'a'..=b'z' | b'0'..=b'9', _) => b"a",
            (b'A'..=b'Z', _) => return Err(ReferenceError::Uppercase),
            (b':' | b'@', b"a") => return Ok(at),
            (b'/', b"a") => b"/",
            (b'.', b"a") => b".",
            (b'-', b"a" | b"-") => b"-",
            (b'_', b"a") => b"_",
            (b'_', b"_") => b"__",
            _ => return Err(ReferenceError::Format { offset: at }),
        };
    }
    if before == b"a" { Ok(text.len()) } else { Err(ReferenceError::Format { offset: text.len() }) }
}

/// Where the digest's `@` is, or the end.
pub(super) fn end_of_tag(text: &[u8], start: usize) -> Result<usize, usize> {
    for (at, &byte) in text.iter().enumerate().skip(start) {
        match byte {
            b'@' if at > start => return Ok(at),
            _ if at - start == LONGEST_TAG => return Err(at),
            b'.' | b'-' if at > start => {}
            b'_' => {}
            _ if byte.is_ascii_alphanumeric() => {}
            _ => return Err(at),
        }
    }
    if text.len() > start { Ok(text.len()) } else { Err(start) }
}

/// Whether a digest, `algorithm:hex`, is one that runtimes take.
pub(super) fn check_digest(digest: &[u8]) -> Result<(), ReferenceError> {
    let colon = digest.iter().position(|&byte| byte == b':').ok_or(ReferenceError::DigestFormat)?;
    let (algorithm, hex) = digest.split_at_checked(colon).unwrap_or_default();
    let hex = hex.get(1..).unwrap_or_default();
    let length = match algorithm {
        b"sha256" => 64,
        b"sha384" => 96,
        b"sha512" => 128,
        _ => {
            let mut words = algorithm.split(|byte| b"+._-".contains(byte));
            let is_word = |word: &[u8]| {
                word.first().is_some_and(u8::is_ascii_lowercase)
                    && word.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            };
            let well_formed = words.all(is_word) && hex.len() >= 32 && hex.iter().all(u8::is_ascii_hexdigit);
            return Err(if well_formed { ReferenceError::DigestUnsupported } else { ReferenceError::DigestFormat });
        }
    };
    if is_hex(hex, length) { Ok(()) } else { Err(ReferenceError::DigestFormat) }
}

fn is_hex(text: &[u8], length: usize) -> bool {
    text.len() == length && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn ascii(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use oci_spec::distribution::Reference as Oracle;
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "5ab02f0c4d1e3b7a9685746352413021fedcba98765432100123456789abcdef";

    /// The text with `#` for 64 hexadecimal digits.
    fn parse(text: &str) -> Result<Reference, ReferenceError> {
        Reference::parse(text.replace('#', HEX).as_bytes())
    }

    #[rstest::rstest]
    #[case::short("alpine", "docker.io/library/alpine:latest")]
    #[case::tag("alpine:3.20", "docker.io/library/alpine:3.20")]
    #[case::namespace("team_a/tool", "docker.io/team_a/tool:latest")]
    #[case::library("library/alpine/deep", "docker.io/library/alpine/deep:latest")]
    #[case::hub("docker.io/alpine", "docker.io/library/alpine:latest")]
    #[case::hub_index("index.docker.io/alpine", "docker.io/library/alpine:latest")]
    #[case::hub_registry("registry-1.docker.io:443/library/alpine", "docker.io/library/alpine:latest")]
    #[case::hub_web("Registry.Hub.Docker.com/a/b", "docker.io/a/b:latest")]
    #[case::hub_other_port("docker.io:8443/alpine", "docker.io:8443/alpine:latest")]
    #[case::upper_host("GHCR.IO/a/b:V1", "ghcr.io/a/b:V1")]
    #[case::default_port("ghcr.io:443/a/b", "ghcr.io/a/b:latest")]
    #[case::padded_port("ghcr.io:0443/a/b", "ghcr.io/a/b:latest")]
    #[case::odd_port("ghcr.io:99999/a", "ghcr.io:99999/a:latest")]
    #[case::zero_port("ghcr.io:00/a", "ghcr.io:0/a:latest")]
    #[case::host_is_no_host("ghcr.io", "docker.io/library/ghcr.io:latest")]
    #[case::port_is_a_tag("10.1.2.3:443", "docker.io/library/10.1.2.3:443")]
    #[case::address("10.1.2.3:8/a", "10.1.2.3:8/a:latest")]
    #[case::localhost("localhost/a", "localhost/a:latest")]
    #[case::upper_name_is_a_host("Acme/a", "acme:443/a:latest")]
    #[case::name_with_port("acme:443/a", "acme:443/a:latest")]
    #[case::name_with_other_port("acme:5000/a", "acme:5000/a:latest")]
    #[case::ipv6("[FD00::1]:5000/a/b:t", "[fd00::1]:5000/a/b:t")]
    #[case::ipv6_default_port("[fd00::1]:443/a", "[fd00::1]/a:latest")]
    #[case::ipv6_unchecked("[fd00:1234567]/a", "[fd00:1234567]/a:latest")]
    #[case::idn("xn--bcher-kva.example/a:xn--a", "xn--bcher-kva.example/a:xn--a")]
    #[case::separators("x/a.b_c__d---e/f", "docker.io/x/a.b_c__d---e/f:latest")]
    #[case::digest("alpine@sha256:#", "docker.io/library/alpine@sha256:#")]
    #[case::both("q.example/a:t@sha256:#", "q.example/a@sha256:#")]
    #[case::sha512("alpine@sha512:##", "docker.io/library/alpine@sha512:##")]
    #[case::hex_with_a_host("docker.io/#", "docker.io/library/#:latest")]
    #[case::hex_too_short("5ab02f", "docker.io/library/5ab02f:latest")]
    fn canonical(#[case] text: &str, #[case] expected: &str) {
        let image = parse(text).unwrap();
        assert_eq!(image.canonical(), expected.replace('#', HEX));
        assert_eq!(Reference::parse(image.canonical().as_bytes()).unwrap().name(), image.name());
        assert_eq!(image.implicit_tag, expected.ends_with(":latest") && !text.contains("latest"));
    }

    #[rstest::rstest]
    #[case::empty("", ReferenceError::Empty)]
    #[case::ipv6_without_any_colon("[fd00]/a", ReferenceError::Format { offset: 0 })]
    #[case::image_id("#", ReferenceError::ImageId)]
    #[case::image_id_with_algorithm("sha256:#", ReferenceError::ImageId)]
    #[case::tag_alone(":t", ReferenceError::Format { offset: 0 })]
    #[case::digest_alone("@sha256:#", ReferenceError::Format { offset: 0 })]
    #[case::no_path("ghcr.io/", ReferenceError::Format { offset: 8 })]
    #[case::empty_component("a//b", ReferenceError::Format { offset: 2 })]
    #[case::empty_tag("a:", ReferenceError::Format { offset: 2 })]
    #[case::odd_tag("a:b~", ReferenceError::Format { offset: 3 })]
    #[case::tag_begins_with_a_dot("a:.b", ReferenceError::Format { offset: 2 })]
    #[case::line_end("alpine\n", ReferenceError::Format { offset: 6 })]
    #[case::space(" alpine", ReferenceError::Format { offset: 0 })]
    #[case::not_ascii("alpine:т", ReferenceError::Format { offset: 7 })]
    #[case::scheme("https://ghcr.io/a", ReferenceError::Format { offset: 6 })]
    #[case::host_ends_with_a_dot("ghcr.io./a", ReferenceError::Format { offset: 8 })]
    #[case::host_with_an_underscore("a_b.example:80/c", ReferenceError::Format { offset: 1 })]
    #[case::host_begins_with_a_dash("-a.example/c", ReferenceError::Format { offset: 0 })]
    #[case::label_ends_with_a_dash("a-.example/c", ReferenceError::Format { offset: 2 })]
    #[case::port_is_no_number("a.example:http/b", ReferenceError::Format { offset: 10 })]
    #[case::ipv6_alone("[fd00::1]:5000", ReferenceError::Format { offset: 0 })]
    #[case::ipv6_zone("[fe80::1%eth0]:5000/a", ReferenceError::Format { offset: 8 })]
    #[case::ipv6_open("[fe80::1/a", ReferenceError::Format { offset: 8 })]
    #[case::ipv6_without_a_colon("[fe80::1]5000/a", ReferenceError::Format { offset: 9 })]
    #[case::three_underscores("a___b", ReferenceError::Format { offset: 3 })]
    #[case::two_dots("a..b/c", ReferenceError::Format { offset: 2 })]
    #[case::mixed_separators("a-_b", ReferenceError::Format { offset: 2 })]
    #[case::ends_with_a_dash("a-/b", ReferenceError::Format { offset: 2 })]
    #[case::upper("Alpine:t", ReferenceError::Uppercase)]
    #[case::upper_path("ghcr.io/a/B", ReferenceError::Uppercase)]
    #[case::digest_short("a@sha256:abcdef", ReferenceError::DigestFormat)]
    #[case::digest_of_another_length("a@sha512:#", ReferenceError::DigestFormat)]
    #[case::digest_empty("a@", ReferenceError::DigestFormat)]
    #[case::digest_twice("a@sha256:#@sha256:#", ReferenceError::DigestFormat)]
    #[case::digest_before_tag("a@sha256:#:t", ReferenceError::DigestFormat)]
    #[case::digest_algorithm_upper("a:t@SHA256:#", ReferenceError::DigestFormat)]
    #[case::digest_unknown("a@blake3:#", ReferenceError::DigestUnsupported)]
    fn errors(#[case] text: &str, #[case] expected: ReferenceError) {
        assert_eq!(parse(text), Err(expected), "{expected}");
    }

    #[test]
    fn lengths() {
        let [tag, path] = [128, 255].map(|length| "a".repeat(length));
        assert!(parse(&format!("a:{tag}")).is_ok());
        assert_eq!(parse(&format!("a:{tag}a")), Err(ReferenceError::Format { offset: 130 }));
        assert!(parse(&format!("q.example/{path}:{tag}@sha256:#")).is_ok());
        assert_eq!(parse(&format!("q.example/{path}a")), Err(ReferenceError::TooLong));
        assert_eq!(parse(&path), Err(ReferenceError::TooLong));
        assert_eq!(parse(&format!("a@sha256:{}", HEX.to_uppercase())), Err(ReferenceError::DigestFormat));
    }

    fn check(text: &str) -> Result<(), TestCaseError> {
        let Ok(image) = Reference::parse(text.as_bytes()) else {
            return Ok(());
        };
        let again = Reference::parse(image.canonical().as_bytes()).unwrap();
        prop_assert_eq!((again.name(), &again.digest), (image.name(), &image.digest));
        // The oracle's grammar has no IPv6 hosts.
        if !text.starts_with('[') {
            let oracle: Oracle = text.parse().unwrap();
            prop_assert_eq!((oracle.tag(), oracle.digest()), (image.tag.as_deref(), image.digest.as_deref()));
            prop_assert!(oracle.repository().to_lowercase().ends_with(&image.repository), "{} {}", oracle, image);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn takes_any_bytes(text: Vec<u8>) {
            let _ = Reference::parse(&text);
        }

        #[test]
        fn takes_nothing_that_the_oracle_rejects(text in "[a-cA\\[\\]0-2._:/@%-]{0,12}") {
            check(&text)?;
        }

        #[test]
        fn agrees_with_the_oracle(
            name in "([a-zA-Z]{1,4}[.:-]?[a-z0-9]{1,4}/)?([a-z0-9]{1,3}[._-]{0,2}[a-z0-9]{1,3}/?){1,3}",
            version in "(:[a-zA-Z0-9_.-]{1,5})?(@sha256:[0-9a-f]{64})?",
        ) {
            check(&(name + &version))?;
        }
    }
}
