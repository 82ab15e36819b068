//! Points in time, as records have them. Nothing here reads a clock.

use std::fmt;

/// Seconds and nanoseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Time {
    /// Whole seconds.
    pub sec: i64,
    /// Nanoseconds within the second.
    pub nanos: u32,
}

/// Seconds in a day.
pub const DAY: i64 = 86_400;

impl Time {
    /// The beginning of that second.
    #[must_use]
    pub const fn from_sec(sec: i64) -> Self {
        Self { sec, nanos: 0 }
    }

    /// The time that many nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        let sec = nanos.div_euclid(1_000_000_000);
        Self { sec, nanos: (nanos - sec * 1_000_000_000) as u32 }
    }

    /// Reads [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339), and what shippers make of it: a space for the `T`, an
    /// offset without its colon, no offset for UTC, a date alone for its beginning.
    ///
    /// ```
    /// use tidewaiter::time::Time;
    ///
    /// let time = Time::parse(b"2026-03-15T00:06:31.8+01:00");
    /// assert_eq!(time, Some(Time { sec: 1_773_529_591, nanos: 800_000_000 }));
    /// assert_eq!(Time::parse(b"2026-02-30"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut rest = text;
        let year = number(&mut rest, 4)?;
        literal(&mut rest, b"-")?;
        let month = number(&mut rest, 2)?;
        literal(&mut rest, b"-")?;
        let day = number(&mut rest, 2)?;
        let mut sec = days(year, month, day)? * DAY;
        let mut nanos = 0;
        if rest.is_empty() {
            return Some(Self { sec, nanos });
        }
        literal(&mut rest, b"Tt ")?;
        let hour = number(&mut rest, 2)?;
        literal(&mut rest, b":")?;
        let minute = number(&mut rest, 2)?;
        literal(&mut rest, b":")?;
        let second = number(&mut rest, 2)?;
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        sec += hour * 3600 + minute * 60 + second;
        if literal(&mut rest, b".,").is_some() {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (fraction, after) = rest.split_at_checked(digits)?;
            let mut unit = 100_000_000;
            for digit in fraction {
                nanos += u32::from(digit - b'0') * unit;
                unit /= 10;
            }
            rest = if digits == 0 { return None } else { after };
        }
        let _ = literal(&mut rest, b" ");
        let offset = match rest {
            b"" | b"Z" | b"z" | b"+0000 UTC" => 0,
            _ => parse_offset(rest)?,
        };
        Some(Self { sec: sec - i64::from(offset), nanos })
    }

    /// The day of the week, Monday being 0.
    #[must_use]
    pub fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday.
        (self.sec.div_euclid(DAY) + 3).rem_euclid(7) as u8
    }

    /// Seconds since midnight.
    #[must_use]
    pub fn second_of_day(self) -> i64 {
        self.sec.rem_euclid(DAY)
    }

    /// Whole seconds from an earlier time to this one; negative when it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.sec.saturating_sub(earlier.sec)
    }
}

/// RFC 3339 in UTC, whole seconds.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.sec.div_euclid(DAY));
        let second = self.second_of_day();
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Reads an offset from UTC, `+02:00` or `-0530`, as seconds.
#[must_use]
pub fn parse_offset(text: &[u8]) -> Option<i32> {
    let mut rest = text;
    let sign = literal(&mut rest, b"+-")?;
    let hours = number(&mut rest, 2)?;
    let _ = literal(&mut rest, b":");
    let minutes = if rest.is_empty() { 0 } else { number(&mut rest, 2)? };
    if !rest.is_empty() || hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = (hours * 3600 + minutes * 60) as i32;
    Some(if sign == b'-' { -seconds } else { seconds })
}

fn literal(rest: &mut &[u8], any_of: &[u8]) -> Option<u8> {
    let (&first, tail) = rest.split_first()?;
    any_of.contains(&first).then(|| {
        *rest = tail;
        first
    })
}

fn number(rest: &mut &[u8], digits: usize) -> Option<i64> {
    let (head, tail) = rest.split_at_checked(digits)?;
    *rest = tail;
    head.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; none when there is no such date.
///
/// Howard Hinnant, [chrono-compatible low-level date algorithms](https://howardhinnant.github.io/date_algorithms.html),
/// `days_from_civil`: years begin in March, so that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
}

/// The date that many days after 1970-01-01: `civil_from_days` of the same source.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12 + 1;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("1970-01-01T00:00:00Z", Some(0))]
    #[case("2026-11-24 03:00:00 +0000 UTC", Some(1_795_489_200))]
    #[case("2023-09-18T06:13:21.216460+0000", Some(1_695_017_601))]
    #[case("2024-02-29", Some(1_709_164_800))]
    #[case("2023-02-29", None)]
    #[case("2026-13-01", None)]
    #[case("2026-01-01T24:00:00Z", None)]
    #[case("2026-01-01T00:00:00.Z", None)]
    #[case("2026-01-01T00:00:00+1", None)]
    #[case("yesterday", None)]
    #[case("", None)]
    fn parses(#[case] text: &str, #[case] sec: Option<i64>) {
        assert_eq!(Time::parse(text.as_bytes()).map(|time| time.sec), sec);
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_jiff(sec in -62_135_596_800_i64..253_402_300_799) {
            let oracle = jiff::Timestamp::from_second(sec).unwrap();
            let zoned = jiff::tz::TimeZone::UTC.to_datetime(oracle);
            let time = Time::from_sec(sec);
            proptest::prop_assert_eq!(time.to_string(), oracle.to_string());
            proptest::prop_assert_eq!(Time::parse(oracle.to_string().as_bytes()), Some(time));
            proptest::prop_assert_eq!(i8::try_from(time.weekday()).unwrap(), zoned.weekday().to_monday_zero_offset());
        }
    }
}
