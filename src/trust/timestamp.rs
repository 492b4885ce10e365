//! Points in time, to the second, in UTC: `2026-11-20T10:00:00Z` and nothing else.

use std::fmt;
use std::str::FromStr;

/// Seconds since 1970-01-01T00:00:00Z, up to the year 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// A text that is not `YYYY-MM-DDThh:mm:ssZ`, or seconds past the year 9999.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a time of the form 2026-11-20T10:00:00Z")]
pub struct InvalidTimestamp;

const LAST: u64 = 253_402_300_799;
const DAY: u64 = 86_400;

impl Timestamp {
    /// `seconds` since 1970.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] past the year 9999.
    pub fn from_unix(seconds: u64) -> Result<Timestamp, InvalidTimestamp> {
        if seconds <= LAST { Ok(Timestamp(seconds)) } else { Err(InvalidTimestamp) }
    }

    /// Seconds since 1970.
    pub fn unix(self) -> u64 {
        self.0
    }
}

fn is_leap(year: u64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_before_year(year: u64) -> u64 {
    let before = year - 1;
    let since_year_one = before * 365 + before / 4 - before / 100 + before / 400;
    since_year_one - 719_162
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = (self.0 / DAY, self.0 % DAY);
        let mut year = 1970 + days / 366;
        while days_before_year(year + 1) <= days {
            year += 1;
        }
        let (mut month, mut day) = (1, days - days_before_year(year));
        while day >= days_in_month(year, month) {
            day -= days_in_month(year, month);
            month += 1;
        }
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", day + 1)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Timestamp, InvalidTimestamp> {
        let number = |at: std::ops::Range<usize>| {
            let digits = text.get(at)?;
            digits.bytes().all(|c| c.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?
        };
        let read = || {
            let [year, month, day] = [number(0..4)?, number(5..7)?, number(8..10)?];
            let [hour, minute, second] = [number(11..13)?, number(14..16)?, number(17..19)?];
            if year < 1970 || !(1..=12).contains(&month) || day == 0 {
                return None;
            }
            let days: u64 = (1..month).map(|month| days_in_month(year, month)).sum();
            let days = days_before_year(year) + days + day - 1;
            Some(Timestamp(days * DAY + hour * 3600 + minute * 60 + second))
        };
        // Writing it again checks the punctuation, the length and the range of every field.
        read().filter(|time| time.to_string() == text).ok_or(InvalidTimestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_168_800, "2026-11-20T10:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp(seconds).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp(seconds)));
        }
        for day in 0..150_000 {
            let time = Timestamp(day * DAY + day % DAY);
            assert_eq!(time.to_string().parse(), Ok(time));
        }
    }

    #[test]
    fn refuses_other_forms() {
        assert!(Timestamp::from_unix(LAST + 1).is_err());
        for text in [
            "",
            "2026-11-20",
            "2026-11-20T10:00:00",
            "2026-11-20t10:00:00z",
            "2026-11-20T10:00:00+00:00",
            "2026-13-20T10:00:00Z",
            "2026-02-29T10:00:00Z",
            "2026-11-00T10:00:00Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T10:00:60Z",
            " 2026-11-20T10:00:00Z",
            "2026-11-20T10:00:00Z\n",
            "1969-12-31T23:59:59Z",
            "2026-1é-20T10:00:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text:?}");
        }
    }
}
