//! Which workload a container belongs to, and what was asked of it.

use super::snapshot::{self, Entry, Number, Reader, put_text};
use super::{Seed, Table, Worth, id};
use crate::record::Text;
use crate::source::{Observation, Workload};

/// How much of a container's id is looked at: `docker ps` and Fluent Bit's `docker` input have no more.
const SHORT: usize = 12;

/// No time at all.
const NEVER: i64 = -(1 << 40);

/// What is known of one container.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Container {
    /// Cluster, namespace, kind and name of its workload.
    pub(crate) workload: [Box<[u8]>; 4],
    /// When somebody asked it to end.
    pub(crate) stopped: Option<i64>,
    /// When it ended, and which source told that.
    pub(crate) ended: Option<(i64, u8)>,
    /// When it was seen last.
    pub(crate) seen: i64,
    /// The id of its whole id; 0 where nobody has told more than the short one.
    pub(crate) whole: u64,
}

impl Entry for Container {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        self.workload.iter().for_each(|part| put_text(part, out));
        let (ended, teller) = self.ended.unwrap_or((NEVER, 0));
        [self.stopped.unwrap_or(NEVER), ended, self.seen].put(out);
        teller.put(out);
        self.whole.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut workload = <[Box<[u8]>; 4]>::default();
        for part in &mut workload {
            *part = reader.text()?.into();
        }
        let [stopped, ended, seen] = <[i64; 3] as Number>::read(reader)?;
        let is_one = |time: &i64| *time > NEVER;
        let (teller, whole) = (reader.u8()?, reader.u64()?);
        let ended = Some(ended).filter(is_one).map(|ended| (ended, teller));
        Some(Self { workload, stopped: Some(stopped).filter(is_one), ended, seen, whole })
    }

    fn merge(&mut self, other: Self) {
        snapshot::keep_later(self, other, |container| container.seen);
    }

    fn last(&self) -> Option<i64> {
        Some(self.seen)
    }
}

impl Worth for Container {
    fn worth(&self) -> i64 {
        self.seen
    }
}

/// The containers by their ids.
#[derive(Debug)]
pub struct Containers {
    pub(crate) table: Table<Container>,
}

impl Containers {
    /// None yet, and later at most that many.
    #[must_use]
    pub fn new(capacity: u32, seed: Seed) -> Self {
        Self { table: Table::new(capacity, seed) }
    }

    /// Brings together what the record says of its container with what others have said: of two names for the workload
    /// the better one counts, here and from now on.
    ///
    /// Sources that know a container by its id alone (the runtime's events, its statistics) would otherwise see another
    /// workload after each restart.
    ///
    /// Gives what is known of the container, and whether the observation's workload is another one now.
    pub fn identify(&mut self, observation: &mut Observation<'_>, at: i64) -> (Option<&mut Container>, bool) {
        let Some((key, whole)) = observation.container.as_ref().and_then(|id| self.key(id)) else {
            return (None, false);
        };
        let said = quality(&observation.workload);
        let Some(place) = self.table.find(key) else {
            // A name that is no better than the id itself is learned only with something to remember.
            if said == Quality::Id && observation.facts.is_empty() {
                return (None, false);
            }
            let workload = names(&observation.workload);
            let place = self.table.put(key, Container { workload, seen: at, whole, ..Container::default() });
            return (self.table.at_mut(place), false);
        };
        let Some(known) = self.table.at_mut(place) else { return (None, false) };
        known.seen = known.seen.max(at);
        known.whole = known.whole.max(whole);
        let [cluster, namespace, kind, name] = known.workload.each_ref().map(|name| Text::from(&**name));
        let remembered = Workload { cluster, namespace, kind, name };
        let knew = quality(&remembered);
        if knew > said {
            observation.workload = remembered.into_owned();
        } else if knew < said {
            known.workload = names(&observation.workload);
        }
        (Some(known), knew > said)
    }

    /// The key of a container, and the id of its whole id where that is given. Two whose ids begin alike are two, as far
    /// as whole ids are given.
    fn key(&self, container: &Text<'_>) -> Option<(u64, u64)> {
        let container = container.as_bytes();
        let short = container.get(..SHORT)?;
        if !short.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let key = id(&[short]);
        let whole = if container.len() > SHORT { id(&[container]) } else { 0 };
        let known = self.table.get(key).map_or(0, |known| known.whole);
        Some((if whole == 0 || known == 0 || known == whole { key } else { whole }, whole))
    }
}

fn names(workload: &Workload<'_>) -> [Box<[u8]>; 4] {
    [&workload.cluster, &workload.namespace, &workload.kind, &workload.name].map(|part| part.as_bytes().into())
}

/// How well a workload is named.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Quality {
    /// By the container's id, or not at all.
    Id,
    /// By the container's name.
    Container,
    /// By its owner.
    Owner,
}

fn quality(workload: &Workload<'_>) -> Quality {
    let name = workload.name.as_bytes();
    match workload.kind.as_bytes() {
        b"container" if name == b"-" || (name.len() >= SHORT && name.iter().all(u8::is_ascii_hexdigit)) => Quality::Id,
        b"container" => Quality::Container,
        _ => Quality::Owner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Fact, Source};

    const ID: &str = "5f0c2b9e7d1a4c3f8b6e9d0a1c2b3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e";

    fn observation(container: &'static str, kind: &'static str, name: &'static str) -> Observation<'static> {
        let workload = Workload { kind: kind.into(), name: name.into(), ..Workload::default() };
        Observation { container: Some(container.into()), ..Observation::new(Source::Docker, "container.die", workload) }
    }

    #[test]
    fn the_better_name_counts() {
        let mut containers = Containers::new(16, Seed([1, 2]));
        let mut identify = |container, kind, name| {
            let mut observation = observation(container, kind, name);
            containers.identify(&mut observation, 0);
            format!("{}/{}", observation.workload.kind, observation.workload.name)
        };
        assert_eq!(identify(ID, "container", "5f0c2b9e7d1a"), "container/5f0c2b9e7d1a");
        assert_eq!(identify(&ID[..12], "container", "web-1"), "container/web-1");
        assert_eq!(identify(ID, "container", "5f0c2b9e7d1a"), "container/web-1");
        assert_eq!(identify(ID, "compose", "web"), "compose/web");
        assert_eq!(identify(ID, "container", "web-1"), "compose/web");
        assert_eq!(identify("0123456789ab", "container", "other"), "container/other");
        assert_eq!(identify("web", "container", "web"), "container/web");
        let alike = "5f0c2b9e7d1a0000000000000000000000000000000000000000000000000000";
        assert_eq!(identify(alike, "container", "5f0c2b9e7d1a"), "container/5f0c2b9e7d1a", "it begins alike only");
    }

    #[test]
    fn what_is_known_by_id_alone_takes_a_place_only_with_a_fact() {
        let mut containers = Containers::new(16, Seed([1, 2]));
        let mut observation = observation(ID, "container", "5f0c2b9e7d1a");
        assert!(containers.identify(&mut observation, 0).0.is_none());
        observation.facts.push(Fact::Started);
        assert!(containers.identify(&mut observation, 0).0.is_some());
    }
}
