//! Which images there were, and the rules that allow them: as general as the sightings bear, and no more.

use std::collections::{BTreeMap, BTreeSet};

use tidewaiter::image::{Fit, Known, Pattern, Reference};
use tidewaiter::source::Observation;
use tidewaiter::time::Time;

/// More repositories than this are not learned: nobody would read the list.
const MOST: usize = 20_000;
/// What was seen less often than this is for a person to judge.
const RARELY: u64 = 3;

/// Registries where anybody may have a name: no rule is about all of one.
const PUBLIC: [&str; 9] = [
    "docker.io",
    "ghcr.io",
    "quay.io",
    "gcr.io",
    "public.ecr.aws",
    "registry.gitlab.com",
    "codeberg.org",
    "icr.io",
    "lscr.io",
];

/// Namespaces in which people try things: what is seen there alone is allowed there alone.
const TRIAL: [&str; 8] = ["ci", "dev", "test", "preview", "sandbox", "staging", "playground", "scratch"];

/// How often something was seen, and where.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub count: u64,
    pub namespaces: BTreeSet<String>,
    workloads: BTreeSet<u64>,
    pub first: i64,
    pub last: i64,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.first = if self.count == 0 { other.first } else { self.first.min(other.first) };
        self.last = self.last.max(other.last);
        self.count += other.count;
        self.namespaces.extend(other.namespaces.iter().cloned());
        self.workloads.extend(&other.workloads);
    }

    /// For a comment in the policy.
    pub fn told(&self) -> String {
        const NAMED: usize = 4;
        let mut places: Vec<&str> = self.namespaces.iter().map(String::as_str).take(NAMED).collect();
        let more = format!("{} more", self.namespaces.len().saturating_sub(NAMED));
        if self.namespaces.len() > NAMED {
            places.push(&more);
        }
        let workloads = self.workloads.len();
        let few = if workloads == 1 { "1 workload alone".into() } else { format!("{workloads} workloads") };
        let last = Time::from_sec(self.last).to_string();
        let (places, last) = (places.join(", "), last.get(..10).unwrap_or_default());
        format!("{} times, {few} in {places}, last {last}", self.count)
    }

    fn is_trial(&self) -> bool {
        self.namespaces.iter().all(|namespace| {
            let words: Vec<&str> = namespace.split(['-', '_']).collect();
            let ends = [words.first(), words.last()];
            ends.into_iter().flatten().any(|word| TRIAL.contains(word))
        })
    }
}

/// The images of a history.
#[derive(Default)]
pub struct Images {
    /// By registry and repository.
    repositories: BTreeMap<(String, String), Seen>,
    /// What is no reference, and how often.
    pub unparseable: BTreeMap<String, u64>,
    pub omitted: u64,
}

impl Images {
    pub fn see(&mut self, at: i64, observation: &Observation<'_>) {
        for image in &observation.images {
            let text = image.reference.as_bytes();
            let Ok(reference) = Reference::parse(text) else {
                let is_id = text.starts_with(b"sha256:") || text.iter().all(u8::is_ascii_hexdigit);
                if !is_id && self.unparseable.len() < 100 {
                    *self.unparseable.entry(String::from_utf8_lossy(text).into_owned()).or_default() += 1;
                }
                continue;
            };
            let key = (reference.registry, reference.repository);
            if self.repositories.len() >= MOST && !self.repositories.contains_key(&key) {
                self.omitted += 1;
                continue;
            }
            let seen = self.repositories.entry(key).or_default();
            seen.first = if seen.count == 0 { at } else { seen.first.min(at) };
            seen.last = seen.last.max(at);
            seen.count += 1;
            if seen.namespaces.len() < 64 {
                seen.namespaces.insert(observation.workload.namespace.to_str().into_owned());
            }
            if seen.workloads.len() < 1024 {
                seen.workloads.insert(observation.workload.id());
            }
        }
    }

    /// The rules, and what is to be looked at.
    pub fn rules(&self, denied: &[Pattern]) -> Rules {
        let mut rules = Rules::default();
        let mut known = Known::default();
        // What was seen most is taken for the original, and what imitates it for the copy.
        let mut order: Vec<_> = self.repositories.iter().collect();
        order.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.count));
        let served = self.repositories.iter().filter(|(_, seen)| !seen.is_trial());
        let trusted: BTreeSet<&str> = served.map(|((registry, _), _)| &**registry).collect();
        let mut allowed = Vec::new();
        for ((registry, repository), seen) in order {
            let name = format!("{registry}/{repository}");
            let Ok(reference) = Reference::parse(name.as_bytes()) else { continue };
            if let Some(pattern) = denied.iter().find(|pattern| pattern.fit(&reference) != Fit::No) {
                rules.doubtful.push((name, format!("denied by {pattern}"), seen.clone()));
                continue;
            }
            if let Some(lookalike) = known.imitated_by(&reference) {
                rules.doubtful.push((name, format!("imitates {}", lookalike.imitates), seen.clone()));
                continue;
            }
            if seen.count < RARELY {
                rules.doubtful.push((name, "seen rarely".into(), seen.clone()));
                continue;
            }
            known.add_name(registry, repository);
            if seen.is_trial() && (PUBLIC.contains(&&**registry) || !trusted.contains(&**registry)) {
                rules.trials.push((name, seen.clone()));
                continue;
            }
            allowed.push((registry.clone(), repository.clone(), seen.clone()));
        }
        rules.allow = generalised(allowed);
        rules.trials.sort_by(|one, other| one.0.cmp(&other.0));
        rules
    }
}

/// What is to be written.
#[derive(Debug, Default)]
pub struct Rules {
    /// Patterns with how many repositories each stands for.
    pub allow: Vec<(String, usize, Seen)>,
    /// Repositories of trial namespaces.
    pub trials: Vec<(String, Seen)>,
    /// What is not allowed, and why.
    pub doubtful: Vec<(String, String, Seen)>,
}

/// Groups repositories: those of a registry of one's own, those of one owner, else each for itself.
fn generalised(allowed: Vec<(String, String, Seen)>) -> Vec<(String, usize, Seen)> {
    let mut groups: BTreeMap<(bool, String), Vec<(String, Seen)>> = BTreeMap::new();
    for (registry, repository, seen) in allowed {
        let is_public = PUBLIC.contains(&&*registry);
        let owner = repository.split_once('/').map_or("", |(owner, _)| owner);
        let group = if is_public { format!("{registry}/{owner}") } else { registry.clone() };
        groups.entry((is_public, group)).or_default().push((format!("{registry}/{repository}"), seen));
    }
    let mut rules = Vec::new();
    for ((is_public, group), members) in groups {
        // A registry of one's own is trusted as such; a stranger's name on a public one has to be seen more often.
        let enough = if is_public { 3 } else { 2 };
        if members.len() < enough || group.ends_with('/') {
            rules.extend(members.into_iter().map(|(name, seen)| (name, 1, seen)));
            continue;
        }
        let mut all = Seen::default();
        members.iter().for_each(|(_, seen)| all.add(seen));
        let is_flat = members.iter().all(|(name, _)| name.matches('/').count() == 2);
        let pattern = match is_public {
            false => group,
            true if is_flat => format!("{group}/*"),
            true => format!("{group}/**"),
        };
        rules.push((pattern, members.len(), all));
    }
    rules
}
