//! Names that imitate others.
//!
//! That attackers register near misses of registry hosts and of the names within them, and that they are pulled by
//! mistake, is measured by Liu et al., *Exploring the Unchartered Space of Container Registry Typosquatting*, USENIX
//! Security 2022. Skeletons fold what looks alike, after Unicode TS 39, reduced to the characters that a reference can
//! have; edits are counted by optimal string alignment. Both are held back where siblings of one owner differ just so:
//! `worker-1` and `worker-2`, `shop-api` and `shop-app`.

use crate::baseline::Map;

use super::brands::{GENERIC, OFFICIAL, PUBLISHERS, REGISTRIES};
use super::pattern::{Fit, Pattern};
use super::reference::{HUB, LIBRARY, Reference};

/// More names than this are not learned.
const MOST_NAMES: usize = 8192;
/// Shorter skeletons say nothing.
const SHORTEST_SKELETON: usize = 4;

/// What a name imitates, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookalike {
    /// The way of imitation.
    ///
    /// - `nested-registry`: a known registry's host is the beginning of another host, or a component of the path.
    /// - `skeleton`: the host or a component looks like a known one, `paypa1` for `paypal`.
    /// - `one-edit`: it is one typing error away from a known one, two if it is long.
    /// - `private-name-on-hub`: a repository that is known from a private registry comes from Docker Hub.
    /// - `foreign-namespace`: the last component is that of an authorised repository, in other hands.
    pub technique: &'static str,
    /// The registry, `registry/namespace` or `registry/repository` that is imitated.
    pub imitates: String,
}

/// The names that are worth imitating: what a policy authorises, what was learned, the official images of Docker Hub
/// and the public registries. Built once; a look into it changes nothing.
#[derive(Clone, Debug)]
pub struct Known {
    patterns: Vec<Pattern>,
    /// Domain names of registries, without ports.
    hosts: Vec<Name>,
    /// `registry/repository`.
    names: Map<String, String>,
    /// The next components below a registry or a `registry/namespace`.
    children: Map<String, Vec<Name>>,
    /// The authorised name of a last component that is distinctive.
    last_components: Map<String, String>,
    /// The known name of a path on Docker Hub that is that of a private registry.
    private_paths: Map<String, String>,
}

#[derive(Clone, Debug)]
struct Name {
    text: String,
    skeleton: String,
}

impl Name {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), skeleton: skeleton(text) }
    }

    /// How another name imitates this one.
    fn imitated_by(&self, other: &str, other_skeleton: &str, kind: Kind) -> Option<&'static str> {
        if self.text == other {
            None
        } else if self.skeleton.len() >= SHORTEST_SKELETON && self.skeleton == other_skeleton {
            Some("skeleton")
        } else {
            is_typo(&self.text, other, kind).then_some("one-edit")
        }
    }
}

impl Default for Known {
    fn default() -> Self {
        let mut known = Self {
            patterns: Vec::new(),
            hosts: Vec::new(),
            names: Map::default(),
            children: Map::default(),
            last_components: Map::default(),
            private_paths: Map::default(),
        };
        for registry in REGISTRIES.iter() {
            known.add_host(registry);
        }
        for name in OFFICIAL.iter() {
            known.add_repository(HUB, &format!("{LIBRARY}/{name}"));
        }
        known
    }
}

impl Known {
    /// Adds what a pattern of an allow rule authorises, as far as it is given without wildcards.
    pub fn add_pattern(&mut self, pattern: &Pattern) {
        self.patterns.push(pattern.clone());
        let Some(registry) = pattern.literal_registry() else {
            return;
        };
        self.add_host(registry);
        let mut parent = registry.to_owned();
        for component in pattern.literal_prefix() {
            self.add_child(&parent, component);
            parent = format!("{parent}/{component}");
        }
        let Some((registry, repository)) = pattern.literal_name() else {
            return;
        };
        self.add_repository(registry, repository);
        let last = last_component(repository);
        if !GENERIC.has(last) {
            self.last_components.entry_ref(last).or_insert_with(|| format!("{registry}/{repository}"));
        }
    }

    /// Adds a name that was learned. Beyond a bound it is ignored.
    pub fn add_name(&mut self, registry: &str, repository: &str) {
        if self.names.len() < MOST_NAMES {
            self.add_host(registry);
            self.add_repository(registry, repository);
        }
    }

    /// What a reference imitates. A name that is known itself, or that a pattern authorises in some version, imitates
    /// nothing.
    #[must_use]
    pub fn imitated_by(&self, image: &Reference) -> Option<Lookalike> {
        let name = format!("{}/{}", image.registry, image.repository);
        if self.names.contains_key(&name) || self.patterns.iter().any(|pattern| pattern.fit(image) != Fit::No) {
            return None;
        }
        self.imitated_host(&image.registry)
            .or_else(|| self.nested_registry(image))
            .or_else(|| self.private_name(image))
            .or_else(|| self.imitated_component(&name))
            .or_else(|| self.foreign_namespace(image))
    }

    fn add_host(&mut self, registry: &str) {
        if let Some(domain) = domain(registry)
            && self.hosts.iter().all(|host| host.text != domain)
        {
            self.hosts.push(Name::new(domain));
        }
    }

    fn add_repository(&mut self, registry: &str, repository: &str) {
        let name = format!("{registry}/{repository}");
        if self.names.contains_key(&name) {
            return;
        }
        for (parent, child) in levels(&name) {
            self.add_child(parent, child);
        }
        if registry != HUB && !REGISTRIES.has(registry) {
            let on_hub =
                if repository.contains('/') { repository.to_owned() } else { format!("{LIBRARY}/{repository}") };
            self.private_paths.entry(on_hub).or_insert_with(|| name.clone());
        }
        self.names.insert(name, String::new());
    }

    fn add_child(&mut self, parent: &str, child: &str) {
        let children = self.children.entry_ref(parent).or_default();
        if children.iter().all(|name| name.text != child) {
            children.push(Name::new(child));
        }
    }

    fn imitated_host(&self, registry: &str) -> Option<Lookalike> {
        let domain = domain(registry)?;
        if self.hosts.iter().any(|host| host.text == domain) {
            return None;
        }
        let nested = self.hosts.iter().find(|host| begins_with_labels(domain, &host.text));
        if let Some(host) = nested {
            return Some(Lookalike { technique: "nested-registry", imitates: host.text.clone() });
        }
        let skeleton = skeleton(domain);
        self.hosts.iter().filter(|host| !have_one_owner(&host.text, domain)).find_map(|host| {
            let technique = host.imitated_by(domain, &skeleton, Kind::Host)?;
            Some(Lookalike { technique, imitates: host.text.clone() })
        })
    }

    /// A registry's host as a component of the path. Caches in front of public registries name projects after them, so
    /// that a public host in a private registry's path is no imitation.
    fn nested_registry(&self, image: &Reference) -> Option<Lookalike> {
        let is_public = REGISTRIES.has(&image.registry);
        let mut components = image.repository.split('/').filter(|component| component.contains('.'));
        let nested = components.find(|component| {
            (is_public || !REGISTRIES.has(component)) && self.hosts.iter().any(|host| host.text == **component)
        })?;
        Some(Lookalike { technique: "nested-registry", imitates: nested.to_owned() })
    }

    fn private_name(&self, image: &Reference) -> Option<Lookalike> {
        if image.registry != HUB || is_published(&image.repository) {
            return None;
        }
        let imitates = self.private_paths.get(&image.repository)?.clone();
        Some(Lookalike { technique: "private-name-on-hub", imitates })
    }

    /// Goes down along known components to the first unknown one, and compares that with its known siblings.
    fn imitated_component(&self, name: &str) -> Option<Lookalike> {
        for (parent, child) in levels(name) {
            let siblings = self.children.get(parent)?;
            if siblings.iter().any(|sibling| sibling.text == child) {
                continue;
            }
            if parent == HUB && PUBLISHERS.has(child) {
                return None;
            }
            let skeleton = skeleton(child);
            return siblings.iter().find_map(|sibling| {
                let technique = sibling.imitated_by(child, &skeleton, Kind::Component)?;
                Some(Lookalike { technique, imitates: format!("{parent}/{}", sibling.text) })
            });
        }
        None
    }

    /// An authorised last component elsewhere. Not that of well-known publishers, who build the same software, nor of
    /// a mirror, which keeps the path of the official image.
    fn foreign_namespace(&self, image: &Reference) -> Option<Lookalike> {
        let last = last_component(&image.repository);
        let imitates = self.last_components.get(last)?;
        let mirrors = image.repository.strip_suffix(last).is_some_and(|path| path.ends_with("library/"));
        if is_published(&image.repository) || mirrors && OFFICIAL.has(last) {
            return None;
        }
        Some(Lookalike { technique: "foreign-namespace", imitates: imitates.clone() })
    }
}

/// Every parent in `registry/a/b`, with the component below it.
fn levels(name: &str) -> impl Iterator<Item = (&str, &str)> {
    name.match_indices('/').filter_map(|(at, _)| {
        let (parent, rest) = name.split_at_checked(at)?;
        Some((parent, rest.split('/').nth(1)?))
    })
}

fn last_component(repository: &str) -> &str {
    repository.rsplit('/').next().unwrap_or(repository)
}

fn is_published(repository: &str) -> bool {
    repository.split_once('/').is_some_and(|(namespace, _)| namespace != LIBRARY && PUBLISHERS.has(namespace))
}

/// The registry's domain name without its port; none of an address or a single name, which nobody can register.
fn domain(registry: &str) -> Option<&str> {
    let name = registry.split(':').next()?;
    let is_address = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (name.contains('.') && !is_address).then_some(name)
}

fn begins_with_labels(domain: &str, host: &str) -> bool {
    domain.strip_prefix(host).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether both domains are below one that a single owner has: below two common labels, but for the suffixes under
/// which anybody may register.
fn have_one_owner(one: &str, other: &str) -> bool {
    let mut common = one.rsplit('.').zip(other.rsplit('.')).take_while(|(one, other)| one == other);
    let (Some((top, _)), Some((second, _))) = (common.next(), common.next()) else {
        return false;
    };
    let is_open = match second {
        "co" | "com" | "net" | "org" | "ac" | "edu" | "gov" => top.len() == 2,
        "azurecr" | "jfrog" => true,
        _ => false,
    };
    !is_open || common.next().is_some()
}

/// What names are compared as.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Host,
    Component,
}

/// Whether the other name is a typing error away: one edit, or two in ten characters.
///
/// Only whole words count, and they must be long enough that an edit seldom makes another word of them.
fn is_typo(name: &str, other: &str, kind: Kind) -> bool {
    let (separators, shortest): (&[char], _) = match kind {
        Kind::Host => (&['.'], 4),
        Kind::Component => (&['-', '_', '.'], 5),
    };
    let most = most_edits(name, other);
    if name.len().abs_diff(other.len()) > most {
        return false;
    }
    let (mut words, mut others) = (name.split(separators), other.split(separators));
    let mut edits = 0;
    loop {
        match (words.next(), others.next()) {
            (None, None) => return edits > 0 && edits <= most,
            (Some(word), Some(other)) if word == other => {}
            (Some(word), Some(other)) if word.len().min(other.len()) >= shortest => match word_edits(word, other) {
                Some(some) => edits += some,
                None => return false,
            },
            _ => return false,
        }
    }
}

fn most_edits(one: &str, other: &str) -> usize {
    if one.len().min(other.len()) < 10 { 1 } else { 2 }
}

/// The number of edits between two different words, if they can be a mistake.
fn word_edits(word: &str, other: &str) -> Option<usize> {
    let most = most_edits(word, other);
    if word.len().abs_diff(other.len()) > most {
        return None;
    }
    // An edit changes two letters at most: that much is counted faster than edits.
    if (letters(word) ^ letters(other)).count_ones() as usize > 2 * most {
        return None;
    }
    let is_letter = |byte: &u8| !byte.is_ascii_digit();
    if word.bytes().filter(is_letter).eq(other.bytes().filter(is_letter)) {
        return None;
    }
    let edits = strsim::osa_distance(word, other);
    if edits > most {
        return None;
    }
    // Short words have real neighbours (`mongo`, `mango`): a letter for another has to be a slip of the finger.
    if word.len() == other.len() && word.len() <= 5 {
        let mut differing = word.bytes().zip(other.bytes()).filter(|(one, other)| one != other);
        if let (Some((one, other)), None) = (differing.next(), differing.next())
            && !are_neighbouring_keys(one, other)
        {
            return None;
        }
    }
    Some(edits)
}

/// A bit for each character of the word.
fn letters(word: &str) -> u64 {
    word.bytes().fold(0, |letters, byte| letters | 1 << (byte & 63))
}

fn are_neighbouring_keys(one: u8, other: u8) -> bool {
    const ROWS: [&str; 4] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];
    let place = |key: u8| {
        let mut rows = ROWS.iter().enumerate();
        rows.find_map(|(row, keys)| Some((row, keys.bytes().position(|byte| byte == key)?)))
    };
    match (place(one), place(other)) {
        (Some((row, column)), Some((other_row, other_column))) => {
            row.abs_diff(other_row) <= 1 && column.abs_diff(other_column) <= 1
        }
        _ => false,
    }
}

/// The name without what the eye passes over: separators gone, characters and pairs that look alike made the same.
fn skeleton(name: &str) -> String {
    let mut skeleton = String::with_capacity(name.len());
    let mut bytes = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_' | b'.')).peekable();
    while let Some(byte) = bytes.next() {
        let pair = match (byte, bytes.peek()) {
            (b'r', Some(b'n')) => Some('m'),
            (b'v', Some(b'v')) => Some('w'),
            (b'c', Some(b'l' | b'1')) => Some('d'),
            _ => None,
        };
        if pair.is_some() {
            bytes.next();
        }
        skeleton.push(pair.unwrap_or(match byte {
            b'0' => 'o',
            b'1' | b'i' => 'l',
            b'5' => 's',
            b'3' => 'e',
            b'4' => 'a',
            other => char::from(other),
        }));
    }
    skeleton
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: [&str; 8] = [
        "registry.corp.example",
        "harbor.acme.test/platform/billing",
        "harbor.acme.test/gateway",
        "ghcr.io/acme/**",
        "ghcr.io/acme-labs/telemetry-agent:v*",
        "quay.io/acme/app",
        "ubuntu",
        "acmeprod.azurecr.io/ledger",
    ];

    fn known(patterns: &[&str]) -> Known {
        let mut known = Known::default();
        for text in patterns {
            known.add_pattern(&Pattern::parse(text).unwrap());
        }
        known
    }

    fn imitated(known: &Known, image: &str) -> Option<(&'static str, String)> {
        let lookalike = known.imitated_by(&Reference::parse(image.as_bytes()).unwrap())?;
        Some((lookalike.technique, lookalike.imitates))
    }

    #[rstest::rstest]
    #[case::host_prefix("docker.io.evil.test/nginx", "nested-registry", "docker.io")]
    #[case::policy_host_prefix("registry.corp.example.evil.test:5000/a", "nested-registry", "registry.corp.example")]
    #[case::host_in_the_path("docker.io/registry.corp.example/app", "nested-registry", "registry.corp.example")]
    #[case::public_host_in_the_path("ghcr.io/evil/quay.io/app", "nested-registry", "quay.io")]
    #[case::private_host_in_a_path("evil.test/registry.corp.example/app", "nested-registry", "registry.corp.example")]
    #[case::host_swap("gchr.io/a/b", "one-edit", "ghcr.io")]
    #[case::host_late_swap("ghrc.io/acme/app", "one-edit", "ghcr.io")]
    #[case::host_skeleton("d0cker.io/nginx", "skeleton", "docker.io")]
    #[case::host_letter("cocker.io/nginx", "one-edit", "docker.io")]
    #[case::host_pair("clocker.io/nginx", "skeleton", "docker.io")]
    #[case::host_dash("registry-corp.example/a", "skeleton", "registry.corp.example")]
    #[case::host_port("quay.1o:5000/a", "skeleton", "quay.io")]
    #[case::tenant("acrneprod.azurecr.io/ledger", "skeleton", "acmeprod.azurecr.io")]
    #[case::tenant_typo("acmeprdo.azurecr.io/ledger", "one-edit", "acmeprod.azurecr.io")]
    #[case::official_digit("pyth0n", "skeleton", "docker.io/library/python")]
    #[case::official_pair("rnariadb", "skeleton", "docker.io/library/mariadb")]
    #[case::official_swap("ngnix:1.27", "one-edit", "docker.io/library/nginx")]
    #[case::official_slip("ngimx", "one-edit", "docker.io/library/nginx")]
    #[case::official_two_edits("elasticsaerhc", "one-edit", "docker.io/library/elasticsearch")]
    #[case::official_word("hello-wolrd", "one-edit", "docker.io/library/hello-world")]
    #[case::library("1ibrary/nginx", "skeleton", "docker.io/library")]
    #[case::organisation("ghcr.io/acrne/app", "skeleton", "ghcr.io/acme")]
    #[case::organisation_dash("ghcr.io/acmelabs/x", "skeleton", "ghcr.io/acme-labs")]
    #[case::sibling("ghcr.io/acme-labs/telemetry-agnet", "one-edit", "ghcr.io/acme-labs/telemetry-agent")]
    #[case::deep("harbor.acme.test/platform/bil1ing", "skeleton", "harbor.acme.test/platform/billing")]
    #[case::deep_namespace("harbor.acme.test/p1atform/x", "skeleton", "harbor.acme.test/platform")]
    #[case::private("platform/billing", "private-name-on-hub", "harbor.acme.test/platform/billing")]
    #[case::private_short("gateway:v2", "private-name-on-hub", "harbor.acme.test/gateway")]
    #[case::foreign_brand("evilhub/ubuntu", "foreign-namespace", "docker.io/library/ubuntu")]
    #[case::foreign_name("quay.io/evil/ledger", "foreign-namespace", "acmeprod.azurecr.io/ledger")]
    fn imitations(#[case] image: &str, #[case] technique: &'static str, #[case] imitates: &str) {
        assert_eq!(imitated(&known(&POLICY), image), Some((technique, imitates.to_owned())));
    }

    #[rstest::rstest]
    #[case::official("nginx")]
    #[case::publisher("bitnami/nginx")]
    #[case::publisher_of_an_authorised_name("bitnami/ubuntu")]
    #[case::mirror("public.ecr.aws/docker/library/ubuntu")]
    #[case::own("grafana/grafana")]
    #[case::other_spelling("prom/prometheus")]
    #[case::real_word("mango")]
    #[case::longer("mongodb")]
    #[case::version("python3")]
    #[case::variant("node-dev")]
    #[case::near_publisher("rocker/rstudio")]
    #[case::authorised("ghcr.io/acme/anything")]
    #[case::authorised_in_another_version("ghcr.io/acme-labs/telemetry-agent:x")]
    #[case::other_registry("ghrd.test/a/b")]
    #[case::sub_domain("eu.registry.corp.example/a")]
    #[case::same_owner("registry2.corp.example/a")]
    #[case::same_owner_typo("harbour.acme.test/a")]
    #[case::other_tenant("acmetest.azurecr.io/x")]
    #[case::address("10.0.0.1:5000/nginx")]
    #[case::proxy_project("harbor.other.test/docker.io/library/nginx")]
    #[case::suffix("ghcr.io/acme-labs/telemetry-agent-debug")]
    #[case::numbered("ghcr.io/acme-labs/telemetry-agent2")]
    #[case::generic("docker.io/other/app")]
    #[case::unrelated("ghcr.io/someone/something")]
    fn innocent(#[case] image: &str) {
        assert_eq!(imitated(&known(&POLICY), image), None);
    }

    #[rstest::rstest]
    #[case("shop-api", "shop-app")]
    #[case("worker-1", "worker-2")]
    #[case("service-a", "service-b")]
    #[case("payments-db", "payments-ui")]
    #[case("redis6", "redis7")]
    #[case("frontend", "backend")]
    #[case("kube-proxy", "kube-pro")]
    #[case("mono", "mongo")]
    fn siblings_are_no_imitation(#[case] name: &str, #[case] sibling: &str) {
        let mut known = Known::default();
        known.add_name("registry.corp.example", &format!("shop/{name}"));
        assert_eq!(imitated(&known, &format!("registry.corp.example/shop/{sibling}")), None);
    }

    #[test]
    fn learned_names_count() {
        let mut known = Known::default();
        assert_eq!(imitated(&known, "registry.corp.example/shop/chekout"), None);
        known.add_name("registry.corp.example", "shop/checkout");
        known.add_name("registry.corp.example", "bitnami/redis");
        known.add_name("registry.corp.example", "nginx");
        let typo = imitated(&known, "registry.corp.example/shop/chekout").unwrap();
        assert_eq!(typo, ("one-edit", "registry.corp.example/shop/checkout".to_owned()));
        assert_eq!(imitated(&known, "shop/checkout").unwrap().0, "private-name-on-hub");
        // A last component is authorised by a policy only.
        assert_eq!(imitated(&known, "ghcr.io/market/checkout"), None);
        assert_eq!(imitated(&known, "bitnami/redis"), None);
        assert_eq!(imitated(&known, "nginx"), None);
    }

    #[test]
    fn no_official_name_imitates_another() {
        for official in OFFICIAL.iter() {
            let mut known = Known::default();
            known.names.remove(&format!("docker.io/library/{official}"));
            known.children.get_mut("docker.io/library").unwrap().retain(|name| name.text != official);
            assert_eq!(imitated(&known, official), None, "{official}");
        }
    }

    #[test]
    fn no_publisher_imitates_another() {
        let mut known = Known::default();
        for publisher in PUBLISHERS.iter() {
            known.add_name("docker.io", &format!("{publisher}/x"));
        }
        for publisher in PUBLISHERS.iter() {
            assert_eq!(imitated(&known, &format!("{publisher}/y")), None, "{publisher}");
        }
    }

    #[test]
    fn swapped_letters_are_found() {
        let known = Known::default();
        let long = OFFICIAL.iter().filter(|name| name.len() >= 5 && name.bytes().all(|byte| byte.is_ascii_lowercase()));
        for name in long {
            for at in 1..name.len() {
                let mut letters = name.as_bytes().to_vec();
                letters.swap(at - 1, at);
                let typo = String::from_utf8(letters).unwrap();
                assert_eq!(imitated(&known, &typo).is_some(), typo != name, "{typo}");
            }
        }
    }
}
