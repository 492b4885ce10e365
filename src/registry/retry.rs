//! How long to wait before another try.
//!
//! Withstands: a `Retry-After` of years, of nonsense, or with a date and no clock to hold against.
//! Source: RFC 9110, sections 5.6.7 and 10.2.3.

use std::time::Duration;

use ureq::http::HeaderMap;

/// No wait is longer, whatever the registry asks for.
const MAX_ASKED: Duration = Duration::from_secs(60);
/// Our own waits stop growing here.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// The wait before try number `attempt` (from 0): what the registry asked for, or else twice as
/// long each time, less up to half so that many clients do not come back at once.
pub(super) fn wait(base: Duration, attempt: u32, asked: Option<Duration>) -> Duration {
    if let Some(asked) = asked {
        return asked.min(MAX_ASKED);
    }
    let full = base.saturating_mul(2_u32.saturating_pow(attempt)).min(MAX_BACKOFF);
    full - full.mul_f64(f64::from(random()) / 512.0)
}

/// Any byte; which one is of no weight, so a failure of the system's source is none of ours.
fn random() -> u8 {
    let mut byte = [0];
    getrandom::fill(&mut byte).map_or(0, |()| byte[0])
}

/// What `Retry-After` asks for. A date is held against the answer's own `Date`.
pub(super) fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let after = text("retry-after")?;
    if let Ok(seconds) = after.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let (until, now) = (seconds(after)?, seconds(text("date")?)?);
    Some(Duration::from_secs(until.saturating_sub(now)))
}

/// Seconds since the year 0 of an HTTP date: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = date.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { return None };
    let number = |text: &str| text.parse::<u16>().ok().map(u64::from);
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let (day, year) = (number(day)?, number(year)?);
    let clock: Vec<u64> = time.split(':').map(number).collect::<Option<_>>()?;
    let [hour, minute, second] = clock[..] else { return None };
    // Years from March on, so that the leap day is the last.
    let (year, month) =
        if month < 2 { (year.checked_sub(1)?, month + 10) } else { (year, month - 2) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn waits_grow_and_stay_bounded() {
        let base = Duration::from_millis(100);
        for attempt in [0, 1, 5, 40, u32::MAX] {
            let full = base.saturating_mul(2_u32.saturating_pow(attempt)).min(MAX_BACKOFF);
            let wait = wait(base, attempt, None);
            assert!(wait <= full && wait >= full / 2, "{attempt}: {wait:?}");
        }
        assert_eq!(wait(base, 0, Some(Duration::from_secs(u64::MAX))), MAX_ASKED);
        assert_eq!(wait(base, 0, Some(Duration::from_secs(3))), Duration::from_secs(3));
    }

    #[test]
    fn reads_seconds_and_dates() {
        assert_eq!(asked(&headers(&[("retry-after", "7")])), Some(Duration::from_secs(7)));
        let now = ("date", "Wed, 28 Feb 2024 23:59:50 GMT");
        for (until, wait) in [
            ("Thu, 29 Feb 2024 00:00:00 GMT", 10),
            ("Fri, 01 Mar 2024 00:00:00 GMT", 86_410),
            ("Wed, 28 Feb 2024 23:59:00 GMT", 0),
        ] {
            let found = asked(&headers(&[("retry-after", until), now]));
            assert_eq!(found, Some(Duration::from_secs(wait)), "{until}");
        }
    }

    #[test]
    fn nonsense_asks_for_nothing() {
        let until = ("retry-after", "Fri, 01 Mar 2024 00:00:00 GMT");
        assert_eq!(asked(&headers(&[])), None);
        assert_eq!(asked(&headers(&[until])), None);
        for text in ["", "-1", "soon", "Fri, 01 Foo 2024 00:00:00 GMT", "a b c d e GMT"] {
            assert_eq!(asked(&headers(&[("retry-after", text), until])), None, "{text}");
        }
        assert_eq!(asked(&headers(&[("retry-after", "Sun, 00 Jan 0000 0:0:0 GMT"), until])), None);
    }
}
