//! Dates as OCI's annotations and configs hold them: RFC 3339, section 5.6.
//!
//! Withstands: months and days that there are not, years before 1970 (they are 1970), texts of any
//! length.

const DAY: u64 = 86_400;
/// `YYYY-MM-DDThh:mm:ss`, and behind it a fraction and the zone.
const PLAIN: usize = 19;

/// Seconds since 1970; 0 for what was before; `None` when `text` is no such date.
pub fn seconds(text: &str) -> Option<u64> {
    let (plain, rest) = text.split_at_checked(PLAIN)?;
    let bytes = plain.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if !plain.is_ascii() || !marks.iter().all(|(at, mark)| bytes[*at].eq_ignore_ascii_case(mark)) {
        return None;
    }
    let part = |from: usize, to: usize| digits(&plain[from..to]);
    let days = days(part(0, 4)?, part(5, 7)?, part(8, 10)?)?;
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    // A leap second is 60.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone = zone(rest)?;
    let local = days * DAY as i64 + hour * 3600 + minute * 60 + second;
    Some(u64::try_from(local - zone).unwrap_or(0))
}

/// Whole days from `then` to `now`; 0 when `then` is later.
pub fn days_between(then: u64, now: u64) -> u64 {
    now.saturating_sub(then) / DAY
}

/// Whether `then` is later than clocks can be off.
pub fn is_future(then: u64, now: u64) -> bool {
    then > now.saturating_add(DAY)
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Seconds that local time is ahead of UTC, after a fraction that does not matter.
fn zone(text: &str) -> Option<i64> {
    let zone = match text.strip_prefix('.') {
        Some(rest) => {
            let zone = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            (zone.len() < rest.len()).then_some(zone)?
        }
        None => text,
    };
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, span) = match zone.split_at_checked(1)? {
        ("+", span) => (1, span),
        ("-", span) => (-1, span),
        _ => return None,
    };
    let (hours, minutes) = span.split_once(':')?;
    let fits = hours.len() == 2 && minutes.len() == 2;
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (fits && hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month - 1).ok()?)?;
    if !(1..=length).contains(&day) {
        return None;
    }
    let before: i64 = lengths[..month as usize - 1].iter().sum();
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    Some(years + before + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_as_rfc_3339_has_them() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:30:15Z", 951_827_415),
            ("2024-02-29T23:59:60z", 1_709_251_200),
            ("2023-11-14T22:13:20.123456789Z", 1_700_000_000),
            ("2023-11-15t00:13:20+02:00", 1_700_000_000),
            ("2023-11-14T17:43:20-04:30", 1_700_000_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
            ("0001-01-01T00:00:00Z", 0),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "2023",
            "2023-11-14",
            "2023-11-14T22:13:20",
            "2023-11-14 22:13:20Z",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-01-00T00:00:00Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:60:00Z",
            "+023-01-01T00:00:00Z",
            "2023-01-01T00:00:00.Z",
            "2023-01-01T00:00:00+1:00",
            "2023-01-01T00:00:00+01:0é",
            "2023-01-01T00:00:00Zx",
            "2023-01-01T00:00:é0Z",
            "2023-01-01T00:00é:0Z",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn ages_are_whole_days() {
        assert_eq!(days_between(0, DAY - 1), 0);
        assert_eq!(days_between(0, DAY), 1);
        assert_eq!(days_between(DAY, 0), 0);
        assert!(is_future(DAY + 1, 0) && !is_future(DAY, 0));
    }
}
