//! Patterns over image names, as a policy lists them: see [`Pattern`].

use std::error::Error;
use std::fmt;

use super::reference::{
    HUB, LIBRARY, Reference, canonical_host, check_digest, end_of_path, end_of_tag, folded_host, reads_as_host,
};

/// A pattern over image references. It is read as Docker reads a reference, and compared component by component:
/// `registry.corp.example` never fits `registry.corp.example.evil.test`, and `acme/*` never `acme-evil/app`.
///
/// | pattern | fits |
/// |---|---|
/// | `nginx` | `docker.io/library/nginx`, any tag |
/// | `acme/app:v3`, `acme/app:v*`, `acme/app@sha256:…` | that repository of Docker Hub with such a tag or digest |
/// | `ghcr.io/acme/*` | the repositories right below `acme` |
/// | `ghcr.io/acme/**`, `ghcr.io/acme/` | those at any depth, `ghcr.io/acme` itself included |
/// | `ghcr.io`, `registry:5000`, `localhost` | a whole registry |
/// | `*.corp.example` | every registry below `corp.example`, at any depth |
/// | `**/xmrig*` | any registry and any depth |
///
/// The first component is a registry if it has a dot, a colon or an upper-case letter, is `localhost` or `**`; any
/// other, `*` too, is on Docker Hub. A lone component is a registry if it has a dot before any colon, is `localhost`,
/// or ends in a port of four or five digits: `redis:7` is a tag, `redis:7000` a port.
///
/// `*`, `?` and `[a-z]` stand for characters within one component, `**` between slashes for any number of components.
/// A registry takes no other wildcard than a leading `*.`: an open end would admit hosts of somebody else. A tag is
/// compared as the reference spells it, even beside a digest; a pattern with a digest asks for that alone.
///
/// ```
/// use tidewaiter::image::{Fit, Pattern, Reference};
///
/// let pattern = Pattern::parse("ghcr.io/acme/**:v*").unwrap();
/// let image = |text: &str| Reference::parse(text.as_bytes()).unwrap();
/// assert_eq!(pattern.fit(&image("ghcr.io/acme/team/app:v3")), Fit::Yes);
/// assert_eq!(pattern.fit(&image("ghcr.io/acme/team/app")), Fit::Name);
/// assert_eq!(pattern.fit(&image("ghcr.io/acme-evil/app:v3")), Fit::No);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    registry: Registry,
    path: Vec<Part>,
    tag: Option<Part>,
    digest: Option<String>,
    /// The path, where no part of it is a glob.
    literal_path: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Registry {
    Any,
    Exact(String),
    /// The parent domain, with the dot before it.
    Below(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `**`.
    Any,
    Literal(String),
    Glob(String),
}

/// How a pattern fits a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is about other repositories.
    No,
    /// The repository fits, but not the tag or digest.
    Name,
    /// All that the pattern asks for fits.
    Yes,
}

/// How narrowly a pattern points; of two patterns that fit, the greater one decides.
///
/// What counts, in this order: how the last component is given (literally, in part, not at all), the number of literal
/// components, digest before tag before glob of a tag, and the number of literal characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    last: u8,
    components: usize,
    version: u8,
    characters: usize,
}

impl Pattern {
    /// Whether the pattern asks for a tag.
    #[must_use]
    pub fn has_tag(&self) -> bool {
        self.tag.is_some()
    }

    /// Whether the pattern asks for a digest.
    #[must_use]
    pub fn has_digest(&self) -> bool {
        self.digest.is_some()
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// A pattern that could never fit or that would fit more than it seems to.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        if let Some(digest) = digest {
            check_digest(digest.as_bytes()).map_err(|error| {
                PatternError::new(format!("`@{digest}`: {error}"), "write `@sha256:` and 64 hexadecimal digits")
            })?;
        }
        if named.is_empty() {
            return Err(PatternError::new("the pattern names no image", "write `**` for every image"));
        }
        check_characters(named)?;
        if names_whole_registry(named) {
            if digest.is_some() {
                let help = format!("write `{HUB}/{LIBRARY}/…` for an image of Docker Hub");
                return Err(PatternError::new(format!("`{named}` is a whole registry, which has no digest"), help));
            }
            return Ok(Self::new(text, registry(named)?, vec![Part::Any], None, None));
        }

        let last = named.rfind('/').map_or(0, |slash| slash + 1);
        let (directory, last) = named.split_at_checked(last).unwrap_or_default();
        let (last, tag) = last.split_once(':').map_or((last, None), |(last, tag)| (last, Some(tag)));
        let tag = tag.map(tag_part).transpose()?;
        let name = format!("{directory}{last}");

        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if reads_as_host(first.as_bytes()) => (registry(first)?, path),
            Some(("**", _)) => (Registry::Any, name.as_str()),
            None if name == "**" => (Registry::Any, name.as_str()),
            _ => (Registry::Exact(HUB.to_owned()), name.as_str()),
        };
        let (path, below) = path.strip_suffix('/').map_or((path, path.is_empty()), |path| (path, true));
        let mut parts = Vec::new();
        if !path.is_empty() || !below {
            for component in path.split('/') {
                parts.push(path_part(component)?);
            }
        }
        if below {
            parts.push(Part::Any);
        }
        if registry == Registry::Exact(HUB.to_owned()) && !matches!(parts.as_slice(), [Part::Any] | [_, _, ..]) {
            parts.insert(0, Part::Literal(LIBRARY.to_owned()));
        }
        Ok(Self::new(text, registry, parts, tag, digest.map(str::to_owned)))
    }

    fn new(text: &str, registry: Registry, path: Vec<Part>, tag: Option<Part>, digest: Option<String>) -> Self {
        let literals: Option<Vec<&str>> = path.iter().map(Part::literal).collect();
        let literal_path = literals.map(|literals| literals.join("/"));
        Self { text: text.to_owned(), registry, path, tag, digest, literal_path }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How it fits a reference.
    #[must_use]
    pub fn fit(&self, image: &Reference) -> Fit {
        if !self.registry.fits(&image.registry) || !fits_path(&self.path, &image.repository) {
            return Fit::No;
        }
        let fits = match (&self.digest, &self.tag) {
            (Some(digest), _) => image.digest.as_ref() == Some(digest),
            (None, Some(tag)) => image.tag.as_ref().is_some_and(|name| tag.fits(name)),
            (None, None) => true,
        };
        if fits { Fit::Yes } else { Fit::Name }
    }

    /// How narrowly it points.
    #[must_use]
    pub fn specificity(&self) -> Specificity {
        let last = match self.path.last() {
            Some(Part::Literal(_)) => 2,
            Some(part) if part.characters() > 0 => 1,
            _ => 0,
        };
        let (host, host_characters) = match &self.registry {
            Registry::Any => (0, 0),
            Registry::Exact(host) => (1, host.len()),
            Registry::Below(parent) => (0, parent.len()),
        };
        let version = match (&self.digest, &self.tag) {
            (Some(_), _) => 3,
            (None, Some(Part::Literal(_))) => 2,
            (None, Some(_)) => 1,
            (None, None) => 0,
        };
        let parts = self.path.iter().chain(&self.tag);
        Specificity {
            last,
            components: host + self.path.iter().filter_map(Part::literal).count(),
            version,
            characters: host_characters + parts.map(Part::characters).sum::<usize>(),
        }
    }

    /// Whether it is about this registry by name. A pattern for any registry is about none.
    #[must_use]
    pub fn names_registry(&self, registry: &str) -> bool {
        self.registry != Registry::Any && self.registry.fits(registry)
    }

    /// The registry, where it is given without a wildcard.
    #[must_use]
    pub fn literal_registry(&self) -> Option<&str> {
        match &self.registry {
            Registry::Exact(host) => Some(host),
            Registry::Any | Registry::Below(_) => None,
        }
    }

    /// Registry and repository, where both are given without wildcards.
    #[must_use]
    pub fn literal_name(&self) -> Option<(&str, &str)> {
        Some((self.literal_registry()?, self.literal_path.as_deref()?))
    }

    /// The components of the path before the first wildcard: `acme` of `ghcr.io/acme/**`.
    pub fn literal_prefix(&self) -> impl Iterator<Item = &str> {
        self.path.iter().map_while(Part::literal)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Registry {
    fn fits(&self, registry: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(host) => host == registry,
            Self::Below(parent) => registry.strip_suffix(parent.as_str()).is_some_and(|labels| !labels.is_empty()),
        }
    }
}

impl Part {
    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(literal) => literal == name,
            Self::Glob(glob) => fast_glob::glob_match(glob, name),
        }
    }

    fn literal(&self) -> Option<&str> {
        if let Self::Literal(literal) = self { Some(literal) } else { None }
    }

    /// How many characters are given literally.
    fn characters(&self) -> usize {
        match self {
            Self::Any => 0,
            Self::Literal(literal) => literal.len(),
            Self::Glob(glob) => {
                let outside = glob.split('[').map(|piece| piece.rsplit_once(']').map_or(piece, |(_, after)| after));
                outside.flat_map(str::chars).filter(|character| !is_wildcard(*character)).count()
            }
        }
    }
}

/// Whether the parts fit all components of a path. To go back to the last `**` is enough: what an earlier one could
/// take in addition, the last one can take as well.
fn fits_path(parts: &[Part], path: &str) -> bool {
    let components: Vec<&str> = path.split('/').collect();
    let (mut part, mut at) = (0, 0);
    let mut last_any = None;
    while part < parts.len() || at < components.len() {
        match (parts.get(part), components.get(at)) {
            (Some(Part::Any), _) => {
                part += 1;
                last_any = Some((part, at));
            }
            (Some(wanted), Some(component)) if wanted.fits(component) => {
                part += 1;
                at += 1;
            }
            _ => match last_any {
                Some((after, taken)) if taken < components.len() => {
                    (part, at) = (after, taken + 1);
                    last_any = Some((part, at));
                }
                _ => return false,
            },
        }
    }
    true
}

/// Whether a pattern without a slash is a host.
fn names_whole_registry(named: &str) -> bool {
    if named.contains('/') {
        return false;
    }
    let (name, port) = named.split_once(':').unwrap_or((named, ""));
    let is_port = matches!(port.len(), 4 | 5) && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_ipv6 = named.starts_with('[') && name.len() < named.find(']').unwrap_or_default();
    name.contains('.') || name == "localhost" || is_ipv6 || is_port && !name.contains(is_wildcard)
}

fn registry(host: &str) -> Result<Registry, PatternError> {
    let parent = host.strip_prefix("*.");
    let fixed = parent.unwrap_or(host);
    if fixed.contains(['*', '?']) || fixed.find('[').is_some_and(|at| at > 0) {
        let message = format!("the registry `{host}` has a wildcard other than a leading `*.`");
        let help = "`*.corp.example` is every registry below corp.example, `**/…` is any registry";
        return Err(PatternError::new(message, help));
    }
    let read = match parent {
        Some(parent) if parent.starts_with('[') => Err(0),
        Some(parent) => folded_host(parent.as_bytes()).map(|parent| Registry::Below(format!(".{parent}"))),
        None => canonical_host(host.as_bytes()).map(Registry::Exact),
    };
    read.map_err(|_| {
        let help = if host == "http:" || host == "https:" {
            "leave out the scheme".to_owned()
        } else {
            format!("a registry is a host with an optional port; an image of Docker Hub is `{HUB}/{LIBRARY}/…`")
        };
        PatternError::new(format!("`{host}` is no registry"), help)
    })
}

fn path_part(component: &str) -> Result<Part, PatternError> {
    if component == "**" {
        return Ok(Part::Any);
    }
    if component.is_empty() {
        return Err(PatternError::new("a component of the path is empty", "write `*` for one component, `**` for any"));
    }
    if component.contains(|character: char| character.is_ascii_uppercase()) {
        let message = format!("`{component}` has upper-case letters, which no repository has");
        return Err(PatternError::new(message, format!("write `{}`", component.to_ascii_lowercase())));
    }
    if component.contains(is_wildcard) {
        return glob(component);
    }
    match end_of_path(component.as_bytes(), 0) {
        Ok(end) if end == component.len() => Ok(Part::Literal(component.to_owned())),
        Ok(_) | Err(_) => {
            let message = format!("no repository has a component `{component}`");
            Err(PatternError::new(message, "words of a-z and 0-9, between them `.`, `_`, `__` or dashes"))
        }
    }
}

fn tag_part(tag: &str) -> Result<Part, PatternError> {
    if tag.contains(is_wildcard) {
        return glob(tag);
    }
    end_of_tag(tag.as_bytes(), 0).map_err(|_| {
        let message = format!("`:{tag}` is no tag");
        PatternError::new(message, "at most 128 of A-Z, a-z, 0-9, `_`, `.` and `-`, not beginning with `.` or `-`")
    })?;
    Ok(Part::Literal(tag.to_owned()))
}

/// A glob within one component. Only what `fast_glob` reads as the documentation above says gets to it: no braces, no
/// negation of the whole, no escapes.
fn glob(component: &str) -> Result<Part, PatternError> {
    let help = "a class of characters is `[abc]`, `[a-z]` or `[!a-z]`";
    let mut class = None;
    for (at, character) in component.char_indices() {
        let fine = match (character, class) {
            ('[', None) => {
                class = Some(at);
                true
            }
            (']', Some(open)) => {
                class = None;
                !matches!(component.get(open + 1..at), Some("" | "!" | "^"))
            }
            ('!' | '^', Some(open)) => at == open + 1,
            ('[' | '*' | '?' | ':', Some(_)) | (']' | '!' | '^' | ':', None) => false,
            _ => true,
        };
        if !fine {
            let message = format!("`{component}` has a misplaced `{character}`");
            return Err(PatternError::new(message, help));
        }
    }
    if class.is_some() {
        return Err(PatternError::new(format!("`{component}` has a `[` without its `]`"), help));
    }
    let mut glob = String::with_capacity(component.len());
    // Several stars in a row are one. The library's search for a text makes the guests 2 kB larger.
    for character in component.chars() {
        if character != '*' || !glob.ends_with('*') {
            glob.push(character);
        }
    }
    Ok(Part::Glob(glob))
}

fn check_characters(named: &str) -> Result<(), PatternError> {
    let fits = |character: char| {
        character.is_ascii_alphanumeric()
            || matches!(character, '.' | '_' | '-' | '/' | ':' | '*' | '?' | '[' | ']' | '!' | '^')
    };
    let Some(odd) = named.chars().find(|&character| !fits(character)) else {
        return Ok(());
    };
    let help = match odd {
        '{' | '}' | ',' => "write one pattern for each alternative",
        _ => "`*`, `?` and `[a-z]` are the wildcards within a component, `**` is any number of components",
    };
    Err(PatternError::new(format!("{odd:?} has no meaning in a pattern"), help))
}

fn is_wildcard(character: char) -> bool {
    matches!(character, '*' | '?' | '[' | ']' | '!' | '^')
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl PatternError {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: Some(help.into()) }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

impl Error for PatternError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";

    fn fit(pattern: &str, image: &str) -> Fit {
        let [pattern, image] = [pattern, image].map(|text| text.replace('#', DIGEST));
        Pattern::parse(&pattern).unwrap().fit(&Reference::parse(image.as_bytes()).unwrap())
    }

    #[rstest::rstest]
    #[case::short(
        "nginx",
        &["nginx", "docker.io/nginx:1", "index.docker.io/library/nginx@#"],
        &["acme/nginx", "ghcr.io/library/nginx", "nginx-evil"],
    )]
    #[case::hub("Docker.io:443/nginx", &["nginx"], &["ngin"])]
    #[case::hub_namespace(
        "acme/app",
        &["acme/app", "docker.io/acme/app:v1"],
        &["acme/app/x", "x/acme/app", "acme-evil/app"],
    )]
    #[case::registry(
        "registry.corp.example",
        &["registry.corp.example/a", "REGISTRY.corp.example:443/a/b/c:t"],
        &["registry.corp.example.evil.test/a", "registry.corp.example:5000/a", "registry.corp.example"],
    )]
    #[case::registry_port(
        "registry.corp.example:5000",
        &["registry.corp.example:5000/a/b"],
        &["registry.corp.example/a", "registry.corp.example:50000/a"],
    )]
    #[case::name_with_port("registry:5000", &["registry:5000/a"], &["registry:5000", "registry:5001/a"])]
    #[case::localhost("localhost", &["localhost/a"], &["localhost:5000/a", "localhost"])]
    #[case::localhost_port("localhost:80", &["localhost:80/a/b"], &["localhost/a"])]
    #[case::ipv6("[FD00::1]:5000", &["[fd00::1]:5000/a"], &["[fd00::2]:5000/a"])]
    #[case::ipv6_path("[fd00::1]/a/*:t*", &["[fd00::1]/a/b:tag"], &["[fd00::1]/b/b:tag"])]
    #[case::trailing_slash("ghcr.io/", &["ghcr.io/a", "ghcr.io/a/b"], &["a", "ghcr.io.evil.test/a"])]
    #[case::namespace_slash("acme/", &["acme/a", "acme/a/b"], &["acme-evil/a", "ghcr.io/acme/a"])]
    #[case::upper_name("Acme/app", &["ACME:443/app"], &["acme/app"])]
    #[case::below(
        "*.corp.example",
        &["a.corp.example/x", "a.b.corp.example/x/y"],
        &["corp.example/x", "evilcorp.example/x", "a.corp.example.evil.test/x", "a.corp.example:5000/x"],
    )]
    #[case::below_path(
        "*.corp.example:5000/team/*",
        &["a.corp.example:5000/team/x"],
        &["a.corp.example/team/x", "a.corp.example:5000/x"],
    )]
    #[case::star("*", &["nginx", "library/redis"], &["acme/app", "ghcr.io/x"])]
    #[case::star_on_hub("docker.io/*", &["nginx"], &["acme/app"])]
    #[case::star_component("ghcr.io/*/app", &["ghcr.io/acme/app"], &["ghcr.io/app", "ghcr.io/a/b/app"])]
    #[case::star_first("*/app", &["acme/app", "library/app"], &["ghcr.io/acme/app"])]
    #[case::part("foo*", &["foo", "foobar"], &["afoo", "x/foo"])]
    #[case::glued("foo**", &["foo", "foobar"], &["foo/bar"])]
    #[case::question("ghcr.io/a/v?", &["ghcr.io/a/v1"], &["ghcr.io/a/v", "ghcr.io/a/v12"])]
    #[case::class("team/ba[rz]", &["team/bar", "team/baz"], &["team/bat", "team/ba"])]
    #[case::class_negated("team/ba[!a-q]", &["team/bar"], &["team/bad"])]
    #[case::class_first("[a-c]x/*", &["ax/y"], &["dx/y"])]
    #[case::everything("**", &["a", "a/b/c", "[fd00::1]:5000/a/b"], &[])]
    #[case::any_registry(
        "**/xmrig*",
        &["xmrig", "a/xmrig", "ghcr.io/a/b/xmrig-cpu:1"],
        &["ghcr.io/xmrig/app", "notxmrig"],
    )]
    #[case::any_between("ghcr.io/a/**/z", &["ghcr.io/a/z", "ghcr.io/a/b/c/z"], &["ghcr.io/a/b/z/c", "ghcr.io/z"])]
    #[case::any_twice("**/a/**/b", &["a/x/a/y/b", "ghcr.io/a/b"], &["ghcr.io/b/a"])]
    #[case::any_depth(
        "ghcr.io/acme/**",
        &["ghcr.io/acme/a", "ghcr.io/acme/a/b", "ghcr.io/acme"],
        &["ghcr.io/acme-evil/a", "ghcr.io/a"],
    )]
    #[case::hub_any("docker.io/**", &["nginx", "a/b/c"], &["ghcr.io/a"])]
    #[case::any_with_a_tag("ghcr.io/acme/**:v*", &["ghcr.io/acme/a:v1"], &["ghcr.io/b:v1"])]
    #[case::short_port_is_a_tag("redis:7", &["redis:7"], &["redis:7/a"])]
    #[case::dotted_tag("redis:7.2.1", &["redis:7.2.1"], &[])]
    fn fits(#[case] pattern: &str, #[case] yes: &[&str], #[case] no: &[&str]) {
        for image in yes {
            assert_eq!(fit(pattern, image), Fit::Yes, "{image}");
        }
        for image in no {
            assert_eq!(fit(pattern, image), Fit::No, "{image}");
        }
    }

    #[rstest::rstest]
    #[case("a/b:v3", "a/b:v3", Fit::Yes)]
    #[case("a/b:v3", "a/b:v3@#", Fit::Yes)]
    #[case("a/b:v3", "a/b:v4", Fit::Name)]
    #[case("a/b:v3", "a/b@#", Fit::Name)]
    #[case("a/b:latest", "a/b", Fit::Yes)]
    #[case("a/b:v[0-9]*", "a/b:v30", Fit::Yes)]
    #[case("a/b:V*", "a/b:v3", Fit::Name)]
    #[case("a/b@#", "a/b@#", Fit::Yes)]
    #[case("a/b:v3@#", "a/b:v4@#", Fit::Yes)]
    #[case("a/b@#", "a/b:v3", Fit::Name)]
    #[case("a/b@#", "a/c@#", Fit::No)]
    fn versions(#[case] pattern: &str, #[case] image: &str, #[case] expected: Fit) {
        assert_eq!(fit(pattern, image), expected);
    }

    #[rstest::rstest]
    #[case::empty("", "names no image")]
    #[case::digest_alone("@#", "names no image")]
    #[case::open_end("registry.corp.*/app", "wildcard other than a leading `*.`")]
    #[case::open_end_alone("registry.corp.**", "wildcard other than a leading `*.`")]
    #[case::open_begin("*corp.example/app", "wildcard other than a leading `*.`")]
    #[case::any_in_a_host("**.corp.example/app", "wildcard other than a leading `*.`")]
    #[case::middle("a.*.example", "wildcard other than a leading `*.`")]
    #[case::class_in_a_host("a[bc].example/app", "wildcard other than a leading `*.`")]
    #[case::nothing_below("*./app", "`*.` is no registry")]
    #[case::regex(".+", "'+' has no meaning")]
    #[case::braces("a/{b,c}", "write one pattern for each")]
    #[case::escape("a/\\*", "has no meaning")]
    #[case::space("a/b ", "has no meaning")]
    #[case::not_ascii("a/é", "has no meaning")]
    #[case::negation("!a/b", "misplaced `!`")]
    #[case::class_open("a/[bc", "without its `]`")]
    #[case::class_close("a/bc]", "misplaced `]`")]
    #[case::class_empty("a/[!]x", "misplaced `]`")]
    #[case::class_nested("a/[[b]", "misplaced `[`")]
    #[case::empty_component("ghcr.io//a", "is empty")]
    #[case::leading_slash("/a", "is empty")]
    #[case::upper("ghcr.io/Acme/*", "(write `acme`)")]
    #[case::odd_component("a/b..c", "no repository has a component `b..c`")]
    #[case::empty_tag("a/b:", "is no tag")]
    #[case::two_tags("a/b:c:d", "is no tag")]
    #[case::two_tags_with_a_glob("a/b:c*:d", "misplaced `:`")]
    #[case::scheme("https://ghcr.io/a", "leave out the scheme")]
    #[case::tag_of_a_registry("ghcr.io:v1", "`docker.io/library/…`")]
    #[case::digest_of_a_registry("ghcr.io@#", "which has no digest")]
    #[case::short_digest("a/b@sha256:12", "the digest is malformed")]
    fn errors(#[case] pattern: &str, #[case] expected: &str) {
        let error = Pattern::parse(&pattern.replace('#', DIGEST)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    /// From the most specific on.
    #[rstest::rstest]
    #[case(&["ghcr.io/acme/xmrig-exporter", "**/xmrig*", "ghcr.io/acme/**", "registry.corp.example", "**"])]
    #[case(&["docker.io/library/nginx", "docker.io/library/*", "docker.io/**"])]
    #[case(&["ghcr.io/a/b@#", "ghcr.io/a/b:v1", "ghcr.io/a/b:v*", "ghcr.io/a/b", "ghcr.io/a/b*", "ghcr.io/a/*"])]
    #[case(&["ghcr.io/a/bc*", "ghcr.io/a/b*", "ghcr.io/**/[a-z]bc", "*.ghcr.io/**/ab*"])]
    #[case(&["reg.corp.example/**", "*.corp.example/**", "*.example/**", "**/[a-z]*"])]
    fn specificity(#[case] patterns: &[&str]) {
        let specificity = |text: &&str| Pattern::parse(&text.replace('#', DIGEST)).unwrap().specificity();
        let all: Vec<_> = patterns.iter().map(specificity).collect();
        assert!(all.is_sorted_by(|narrow, wide| narrow > wide), "{all:?}");
    }

    #[rstest::rstest]
    #[case("ghcr.io/acme/app:v1", Some("ghcr.io"), Some(("ghcr.io", "acme/app")), &["acme", "app"])]
    #[case("ghcr.io/acme/**", Some("ghcr.io"), None, &["acme"])]
    #[case("nginx", Some("docker.io"), Some(("docker.io", "library/nginx")), &["library", "nginx"])]
    #[case("*.corp.example/app", None, None, &["app"])]
    #[case("**/app", None, None, &[])]
    fn parts(
        #[case] text: &str,
        #[case] registry: Option<&str>,
        #[case] name: Option<(&str, &str)>,
        #[case] prefix: &[&str],
    ) {
        let pattern = Pattern::parse(text).unwrap();
        assert_eq!(pattern.literal_registry(), registry);
        assert_eq!(pattern.literal_name(), name);
        assert!(pattern.literal_prefix().eq(prefix.iter().copied()));
        assert_eq!(pattern.to_string(), text);
    }

    #[rstest::rstest]
    #[case("nginx", "docker.io", true)]
    #[case("ghcr.io/acme/app:v1", "ghcr.io", true)]
    #[case("*.corp.example", "a.corp.example", true)]
    #[case("*.corp.example", "corp.example", false)]
    #[case("**/app", "ghcr.io", false)]
    fn names_registry(#[case] pattern: &str, #[case] registry: &str, #[case] expected: bool) {
        assert_eq!(Pattern::parse(pattern).unwrap().names_registry(registry), expected);
    }

    /// The textbook's definition, by recursion.
    fn oracle<T>(pattern: &[T], text: &[T], is_many: fn(&T) -> bool, fits: fn(&T, &T) -> bool) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((first, rest)), _) if is_many(first) => {
                oracle(rest, text, is_many, fits) || !text.is_empty() && oracle(pattern, &text[1..], is_many, fits)
            }
            (Some((first, rest)), Some((head, tail))) if fits(first, head) => oracle(rest, tail, is_many, fits),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn takes_any_text(text: String, odd in "[a-c*?\\[\\]!^.:/@A-]{0,12}") {
            let _ = Pattern::parse(&text);
            if let Ok(pattern) = Pattern::parse(&odd) {
                let image = Reference::parse(b"a.b/a/b/c:a").unwrap();
                let itself = Pattern::parse("a.b/a/b/c:a").unwrap().specificity();
                prop_assert!(pattern.fit(&image) != Fit::Yes || pattern.specificity() <= itself);
            }
        }

        #[test]
        fn globs_within_a_component_as_the_textbook_does(pattern in "[ab*?]{1,8}", text in "[ab]{1,8}") {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = oracle(
                &characters(&pattern),
                &characters(&text),
                |pattern| *pattern == '*',
                |pattern, character| *pattern == '?' || pattern == character,
            );
            let found = path_part(&pattern).unwrap().fits(&text);
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn globs_over_components_as_the_textbook_does(
            pattern in "(a|b|\\*\\*|\\*)(/(a|b|\\*\\*|\\*)){0,6}",
            text in "[ab](/[ab]){0,6}",
        ) {
            let parts: Vec<Part> = pattern.split('/').map(|part| path_part(part).unwrap()).collect();
            let components = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
            let expected = oracle(
                &components(&pattern),
                &components(&text),
                |pattern| pattern == "**",
                |pattern, component| pattern == "*" || pattern == component,
            );
            prop_assert_eq!(fits_path(&parts, &text), expected);
        }

        #[test]
        fn a_canonical_name_fits_itself(text in "([a-c]{1,3}\\.example/)?[a-c]{1,3}(/[a-c]{1,3}){0,2}(:[a-c]{1,3})?") {
            let image = Reference::parse(text.as_bytes()).unwrap();
            let pattern = Pattern::parse(&image.canonical()).unwrap();
            prop_assert_eq!(pattern.fit(&image), Fit::Yes);
            prop_assert_eq!(pattern.literal_name(), Some((image.registry.as_str(), image.repository.as_str())));
        }
    }
}
