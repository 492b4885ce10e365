//! How fast one registry is asked: how many requests at once, how soon after another.
//!
//! Withstands: rate headers of nonsense, limits that would stop all work for hours (the wait has a
//! cap, and the registry's own refusal decides). Source: Docker Hub's "usage and limits"; RFC 9110,
//! section 10.2.3.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::HeaderMap;

/// Requests at one host at once; further ones wait. As many connections are kept.
pub(super) const MAX_AT_ONCE: usize = 32;
/// The longest that a request is held back for another's sake.
const MAX_GAP: Duration = Duration::from_secs(5);
/// Below one such part of the limit, requests are spread over the time that is left.
const SCARCE: u64 = 10;

/// Knows each host's pace.
#[derive(Default)]
pub(super) struct Pace {
    hosts: Mutex<HashMap<String, Host>>,
    freed: Condvar,
}

#[derive(Default)]
struct Host {
    busy: usize,
    /// Not before then.
    next: Option<Instant>,
    /// Time between the beginnings of two requests.
    gap: Duration,
}

/// The leave to send one request; ends when dropped.
pub(super) struct Turn<'a> {
    pace: &'a Pace,
    host: &'a str,
}

impl Pace {
    /// Waits until one of the requests to `host` has ended, if there are too many.
    pub(super) fn enter<'a>(&'a self, host: &'a str) -> Turn<'a> {
        let mut hosts = self.lock();
        while hosts.get(host).is_some_and(|one| one.busy >= MAX_AT_ONCE) {
            hosts = self.freed.wait(hosts).unwrap_or_else(PoisonError::into_inner);
        }
        hosts.entry(host.to_owned()).or_default().busy += 1;
        Turn { pace: self, host }
    }

    /// Waits as long as `host` wants us to.
    pub(super) fn wait(&self, host: &str) {
        let now = Instant::now();
        let mut hosts = self.lock();
        let one = hosts.entry(host.to_owned()).or_default();
        let at = one.next.map_or(now, |next| next.max(now));
        // A hold is for everybody, a gap for the next one.
        one.next = if one.gap.is_zero() { Some(at) } else { Some(at + one.gap) };
        drop(hosts);
        std::thread::sleep(at.saturating_duration_since(now));
    }

    /// Nobody asks `host` again before `wait` is over: it said so to one of us.
    pub(super) fn hold(&self, host: &str, wait: Duration) {
        let mut hosts = self.lock();
        let one = hosts.entry(host.to_owned()).or_default();
        let until = Instant::now() + wait;
        one.next = Some(one.next.map_or(until, |next| next.max(until)));
    }

    /// Takes notice of `RateLimit-Limit` and `RateLimit-Remaining`; the words to say when requests
    /// become scarce.
    pub(super) fn hear(&self, host: &str, headers: &HeaderMap) -> Option<String> {
        let (limit, _) = rate(headers, "ratelimit-limit")?;
        let (left, window) = rate(headers, "ratelimit-remaining")?;
        let scarce = left.saturating_mul(SCARCE) < limit;
        let spread = Duration::from_secs(window) / u32::try_from(left + 1).unwrap_or(u32::MAX);
        let gap = if scarce { spread.min(MAX_GAP) } else { Duration::ZERO };
        self.lock().entry(host.to_owned()).or_default().gap = gap;
        scarce.then(|| {
            "it allows few further requests now (RateLimit-Remaining): they are sent more slowly"
                .to_owned()
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(one) = self.pace.lock().get_mut(self.host) {
            one.busy = one.busy.saturating_sub(1);
        }
        self.pace.freed.notify_all();
    }
}

/// `<count>;w=<seconds>`; without a window, an hour.
fn rate(headers: &HeaderMap, name: &str) -> Option<(u64, u64)> {
    let text = headers.get(name)?.to_str().ok()?;
    let mut parts = text.split(';').map(str::trim);
    let count = parts.next()?.parse().ok()?;
    let window = parts.find_map(|part| part.strip_prefix("w=")?.parse().ok());
    Some((count, window.unwrap_or(3_600)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(limit: &str, left: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit-limit", limit.parse().unwrap());
        headers.insert("ratelimit-remaining", left.parse().unwrap());
        headers
    }

    fn gap(pace: &Pace) -> Duration {
        pace.lock().get("h").map_or(Duration::ZERO, |one| one.gap)
    }

    #[test]
    fn requests_are_spread_when_few_are_left() {
        let pace = Pace::default();
        assert_eq!(pace.hear("h", &headers("100;w=21600", "76;w=21600")), None);
        assert_eq!(gap(&pace), Duration::ZERO);
        assert!(pace.hear("h", &headers("100;w=18", "8;w=18")).is_some());
        assert_eq!(gap(&pace), Duration::from_secs(2));
        assert!(pace.hear("h", &headers("100;w=21600", "0;w=21600")).is_some());
        assert_eq!(gap(&pace), MAX_GAP);
        assert_eq!(pace.hear("h", &headers("100", "99")), None);
        assert_eq!(gap(&pace), Duration::ZERO);
    }

    #[test]
    fn nonsense_changes_nothing() {
        let pace = Pace::default();
        for (limit, left) in [("", ""), ("x", "1"), ("1", "-1"), ("5;w=x", "many")] {
            assert_eq!(pace.hear("h", &headers(limit, left)), None);
        }
        assert_eq!(pace.hear("h", &HeaderMap::new()), None);
        assert_eq!(gap(&pace), Duration::ZERO);
        let most = u64::MAX.to_string();
        pace.hear("h", &headers(&most, &format!("1;w={most}")));
        assert_eq!(gap(&pace), MAX_GAP);
    }

    #[test]
    fn what_one_is_told_all_keep_to() {
        let pace = Pace::default();
        let start = Instant::now();
        pace.hold("h", Duration::from_millis(50));
        pace.wait("other");
        assert!(start.elapsed() < Duration::from_millis(40));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    pace.wait("h");
                    assert!(start.elapsed() >= Duration::from_millis(50));
                });
            }
        });
    }

    #[test]
    fn no_more_than_so_many_at_once() {
        let (pace, most) = (Pace::default(), Mutex::new((0_usize, 0_usize)));
        std::thread::scope(|scope| {
            for _ in 0..2 * MAX_AT_ONCE {
                scope.spawn(|| {
                    let _turn = pace.enter("h");
                    let count = |by: isize| {
                        let mut most = most.lock().unwrap();
                        most.0 = most.0.wrapping_add_signed(by);
                        most.1 = most.1.max(most.0);
                    };
                    count(1);
                    std::thread::sleep(Duration::from_millis(5));
                    count(-1);
                });
            }
        });
        assert_eq!(most.into_inner().unwrap(), (0, MAX_AT_ONCE));
    }
}
