//! Guests: the engine as WebAssembly, with a door for each kind of host. Each translates and nothing else.

#[cfg(all(target_os = "wasi", target_env = "p1"))]
mod buffers;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub mod component;
#[cfg(all(target_os = "wasi", target_env = "p1"))]
mod files;
#[cfg(all(target_os = "wasi", target_env = "p1"))]
pub mod fluent_bit;
#[cfg(all(target_os = "wasi", target_env = "p1"))]
mod lists;
#[cfg(any(test, all(target_os = "wasi", target_env = "p1")))]
mod numbers;
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub mod state;

use crate::engine::{Engine, Outcome};
use crate::time::Time;

/// The lines of a text: each without its ending, and the ending (`\n`, `\r\n`, or none at the end of the text).
pub fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
        let (line, after) = rest.split_at_checked(end)?;
        rest = after;
        let content = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        (!line.is_empty()).then(|| (content, line.get(content.len()..).unwrap_or_default()))
    })
}

/// Judges NDJSON line by line and appends it to `out`, with every line's own ending. `each` is told what became of a
/// line. An empty line passes.
pub fn inspect_lines(
    engine: &mut Engine,
    records: &[u8],
    at: Option<Time>,
    out: &mut Vec<u8>,
    mut each: impl FnMut(Outcome),
) {
    for (line, ending) in lines(records) {
        each(if line.is_empty() { Outcome::Passed } else { engine.inspect(line, at, out) });
        out.extend_from_slice(ending);
    }
}

/// When to look whether the policy has changed: at the first record of a second, and within a second after one more
/// record, two more, three more. A sparse stream sees a change at once, and a burst pays almost nothing.
#[derive(Debug, Default)]
pub struct Pace {
    second: u32,
    wait: u32,
    left: u32,
}

impl Pace {
    /// The most records without a look.
    const LONGEST: u32 = 64;

    /// Whether to look now. `second` is the time of the record at hand.
    pub fn is_due(&mut self, second: u32) -> bool {
        if second != self.second {
            *self = Self { second, ..Self::default() };
        } else if self.left > 0 {
            self.left -= 1;
            return false;
        }
        self.left = self.wait;
        self.wait = Self::LONGEST.min(self.wait + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Loaded;

    #[rstest::rstest]
    #[case::empty("", &[])]
    #[case::one("a", &[("a", "")])]
    #[case::ended("a\n", &[("a", "\n")])]
    #[case::windows("a\r\nb", &[("a", "\r\n"), ("b", "")])]
    #[case::empty_lines("\n\r\na", &[("", "\n"), ("", "\r\n"), ("a", "")])]
    #[case::lone_return("a\rb\r", &[("a\rb\r", "")])]
    fn splits_lines(#[case] text: &str, #[case] expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(line, ending)| (line.as_bytes(), ending.as_bytes())).collect();
        assert_eq!(lines(text.as_bytes()).collect::<Vec<_>>(), expected);
    }

    proptest::proptest! {
        #[test]
        fn lines_lose_nothing(text in "[a{}\\r\\n]{0,40}") {
            let joined = lines(text.as_bytes()).flat_map(|(line, ending)| [line, ending]).collect::<Vec<_>>().concat();
            proptest::prop_assert_eq!(joined, text.as_bytes());
        }
    }

    #[test]
    fn what_is_no_record_comes_out_as_it_went_in() {
        let records = b"{\"a\":1}\r\n\n[1]\nnot json\n{\"b\":2}";
        let mut engine = Engine::new(Loaded::builtin(), [1, 2]);
        let (mut out, mut invalid) = (Vec::new(), Vec::new());
        inspect_lines(&mut engine, records, None, &mut out, |outcome| {
            invalid.push(matches!(outcome, Outcome::Invalid(_)));
        });
        assert_eq!(out.escape_ascii().to_string(), records.escape_ascii().to_string());
        assert_eq!(invalid, [false, false, true, true, false]);
    }

    #[rstest::rstest]
    #[case::a_record_a_second(&[1, 2, 3, 4], &[0, 1, 2, 3])]
    #[case::a_burst(&[5; 20], &[0, 1, 3, 6, 10, 15])]
    #[case::a_new_second(&[5, 5, 5, 5, 6, 6], &[0, 1, 3, 4, 5])]
    #[case::no_time(&[0; 5], &[0, 1, 3])]
    fn looks_ever_more_sparsely(#[case] seconds: &[u32], #[case] looks: &[usize]) {
        let mut pace = Pace::default();
        let due: Vec<_> = (0..seconds.len()).filter(|&i| pace.is_due(seconds[i])).collect();
        assert_eq!(due, looks);
    }

    #[test]
    fn never_waits_longer_than_the_longest() {
        let mut pace = Pace::default();
        let due: Vec<_> = (0..100_000_usize).filter(|_| pace.is_due(7)).collect();
        let gaps = due.windows(2).map(|pair| pair[1] - pair[0]);
        assert_eq!(gaps.max(), Some(Pace::LONGEST as usize + 1));
    }
}
