//! Whether contacts come by a clock.
//!
//! The gaps between contacts are compared with their median: how many of them are within a share of it, and how likely
//! is that where contacts come by chance? For a Poisson process, whose gaps are exponential, the share of gaps within a
//! window around the median is known, and the tail of the binomial distribution then says how likely so many are. It is a
//! device for calibration rather than an exact test: the median is of the same gaps, there are several windows, and one
//! looks more than once (see `tests/traffic_quality.rs` for what comes of it). Unlike quartiles, dispersion and
//! histograms of a day, as in RITA, it needs no more than 32 gaps, and it tells steady traffic without a clock, which
//! scores 0.85 there, from a beacon that loses records.
//!
//! Where records are lost, gaps are multiples of the period; so the gaps are compared with the multiples of a short one
//! as well. The periodogram and autocorrelation of BAYWATCH (Hu et al., DSN 2016) would find more, but want the whole
//! series.
//!
//! Time alone never tells command and control from a harmless poller: see [`Standing`](super::Standing).

use crate::baseline::{GAP_STEPS, KEPT, Pair, decode_gap};

/// What is less likely than this does not come by chance. With 1e-6 what is nearly regular by nature, such as the sum of
/// four exponentials, has two to six times as many findings, and hardly a beacon is found sooner.
const UNLIKELY: f64 = 1.2e-7;

/// A window around the median.
struct Test {
    /// So many gaps.
    gaps: usize,
    /// The window, in steps of coded gaps below and above the median.
    below: i32,
    above: i32,
    /// In hundredths of the median: for people.
    share: f64,
    /// The probability that a gap that comes by chance is in it, with what the median takes up.
    chance: f64,
    /// The shortest median, in milliseconds.
    shortest: f64,
}

const fn test(gaps: usize, percent: u32, (below, above): (f64, f64), chance: f64, shortest: f64) -> Test {
    let (below, above) = ((below * GAP_STEPS) as i32, (above * GAP_STEPS) as i32);
    Test { gaps, below, above, share: percent as f64, chance, shortest }
}

/// ln(1 - b) and ln(1 + b) for the shares.
const TENTH: (f64, f64) = (-0.105_36, 0.095_31);
const FIFTH: (f64, f64) = (-0.223_14, 0.182_32);
const THIRD: (f64, f64) = (-0.356_67, 0.262_36);
const MOST: (f64, f64) = (-1.203_97, 0.530_63);

/// The windows. The chances are those of an exponential, 2^-(1-b) - 2^-(1+b), and but for the first a fifth more.
const TESTS: [Test; 6] = [
    test(7, 10, TENTH, 0.069, 600_000.0),
    test(12, 20, FIFTH, 0.17, 600_000.0),
    test(16, 30, THIRD, 0.25, 5_000.0),
    test(KEPT, 20, FIFTH, 0.17, 1_800.0),
    test(KEPT, 30, THIRD, 0.25, 5_000.0),
    test(KEPT, 70, MOST, 0.55, 5_000.0),
];

/// In the multiples of a period a gap has to be within so much of it ...
const FOLD: f64 = 0.15;
/// ... which by chance it is as often as this, the period being the best of a few.
const FOLD_CHANCE: f64 = 0.42;
/// More than so many contacts in a row are not lost.
const FOLD_MOST: f64 = 6.5;

/// A clock.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Timing {
    /// Its period, in milliseconds.
    pub period: f64,
    /// How many gaps are as they should be, and of how many.
    pub within: u32,
    /// All gaps but the one in the middle.
    pub of: u32,
    /// How far from it they may be, in hundredths.
    pub share: f64,
    /// How likely that is by chance.
    pub probability: f64,
}

impl Timing {
    /// How sure it is: a half where it is as unlikely as is asked for, one where it is twice that in magnitude.
    pub fn strength(&self) -> f64 {
        (-self.probability.ln() / (12.0 * core::f64::consts::LN_10)).clamp(0.0, 1.0)
    }
}

/// Whether it is time to look at the gaps again: once there are as many as a test wants, then at every eighth. Those of
/// ten minutes and longer are few.
pub fn is_due(pair: &Pair) -> bool {
    let (seen, newest) = (pair.gaps_seen, pair.gaps.get(pair.gaps_seen.wrapping_sub(1) as usize % KEPT));
    let is_slow = newest.is_some_and(|gap| decode_gap(*gap) >= 600_000.0);
    match seen {
        0..7 => false,
        7 | 12 | 16 | 24 => true,
        8..32 => is_slow,
        _ => is_slow || seen % 8 == 0,
    }
}

/// The clock behind a pair's gaps, if there is one. `codes` is room to work in.
pub fn timing(pair: &Pair, codes: &mut Vec<u16>) -> Option<Timing> {
    let mut best: Option<Timing> = None;
    let mut sorted = 0;
    for test in &TESTS {
        if (pair.gaps_seen as usize) < test.gaps {
            continue;
        }
        if sorted != test.gaps {
            pair.newest_gaps(test.gaps, codes);
            codes.sort_unstable();
            sorted = test.gaps;
        }
        let median = codes.get((test.gaps - 1) / 2).copied()?;
        let period = decode_gap(median);
        if period < test.shortest {
            continue;
        }
        let middle = i32::from(median);
        let window = middle + test.below..=middle + test.above;
        let within = codes.iter().filter(|code| window.contains(&i32::from(**code))).count() as u32 - 1;
        let of = test.gaps as u32 - 1;
        let probability = tail(within, of, test.chance);
        better(&mut best, Timing { period, within, of, share: test.share, probability });
    }
    if sorted == KEPT {
        fold(codes, &mut best);
    }
    best.filter(|timing| timing.probability < UNLIKELY)
}

fn better(best: &mut Option<Timing>, timing: Timing) {
    if best.is_none_or(|best| timing.probability < best.probability) {
        *best = Some(timing);
    }
}

/// Compares all gaps, which are sorted, with the multiples of some of the short ones.
fn fold(codes: &[u16], best: &mut Option<Timing>) {
    for place in [KEPT / 8, KEPT / 4, (KEPT - 1) / 2] {
        let Some(period) = codes.get(place).map(|code| decode_gap(*code)).filter(|period| *period >= 5_000.0) else {
            continue;
        };
        let fits = |code: &&u16| {
            let times = decode_gap(**code) / period;
            let whole = times.round();
            (1.0..FOLD_MOST).contains(&whole) && (times - whole).abs() <= FOLD
        };
        let within = codes.iter().filter(fits).count() as u32 - 1;
        let probability = tail(within, KEPT as u32 - 1, FOLD_CHANCE);
        better(best, Timing { period, within, of: KEPT as u32 - 1, share: FOLD * 100.0, probability });
    }
}

/// The probability of at least so many of so many, each of which has a chance.
fn tail(within: u32, of: u32, chance: f64) -> f64 {
    let odds = (1.0 - chance) / chance;
    let mut term = (f64::from(of) * chance.ln()).exp();
    let mut sum = 0.0;
    let mut count = of;
    loop {
        sum += term;
        if count <= within {
            return sum.min(1.0);
        }
        term *= f64::from(count) / f64::from(of - count + 1) * odds;
        count -= 1;
    }
}

/// What share of the sizes is like most of them; a half where there are too few to say.
pub fn same_size(pair: &Pair) -> f64 {
    let count = (pair.sizes_seen as usize).min(KEPT);
    let Some(sizes) = pair.sizes.get(..count).filter(|sizes| sizes.len() >= 4) else { return 0.5 };
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    let median = sizes.get(count / 2).copied().unwrap_or_default();
    let alike = sizes.iter().filter(|size| size.abs_diff(median) <= 1).count();
    alike as f64 / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected ones are sums of binomial probabilities.
    #[rstest::rstest]
    #[case(6, 6, 0.08, 2.62e-7)]
    #[case(10, 11, 0.17, 1.875e-7)]
    #[case(13, 15, 0.25, 9.23e-7)]
    #[case(21, 31, 0.25, 6.665e-7)]
    #[case(30, 31, 0.55, 2.35e-7)]
    #[case(0, 31, 0.25, 1.0)]
    fn tails(#[case] within: u32, #[case] of: u32, #[case] chance: f64, #[case] expected: f64) {
        let tail = tail(within, of, chance);
        assert!((tail / expected - 1.0).abs() < 0.02, "{tail:e}, expected {expected:e}");
    }
}
