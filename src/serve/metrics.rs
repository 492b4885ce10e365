//! What the server counts, in the text format of Prometheus (0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters since the start.
#[derive(Default)]
pub(super) struct Metrics {
    /// By the first digit of the status, from 1xx on.
    requests: [AtomicU64; 5],
    sent: AtomicU64,
    begun: AtomicU64,
    ended: AtomicU64,
    made: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    damaged: AtomicU64,
    unreadable: AtomicU64,
    connections: AtomicU64,
    closed: AtomicU64,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Relaxed);
}

impl Metrics {
    /// A request was answered with this status.
    pub(super) fn answered(&self, status: u16) {
        if let Some(counter) = self.requests.get(usize::from(status / 100).wrapping_sub(1)) {
            add(counter, 1);
        }
    }

    /// So many bytes of a blob went out.
    pub(super) fn sent(&self, bytes: u64) {
        add(&self.sent, bytes);
    }

    /// A blob is on its way.
    pub(super) fn begun(&self) {
        add(&self.begun, 1);
    }

    /// A blob is not on its way any more.
    pub(super) fn ended(&self) {
        add(&self.ended, 1);
    }

    /// A block of a layer was made.
    pub(super) fn made(&self) {
        add(&self.made, 1);
    }

    /// A block of a made layer was asked for, and was kept or not.
    pub(super) fn asked(&self, kept: bool) {
        add(if kept { &self.hits } else { &self.misses }, 1);
    }

    /// Content proved to be damaged.
    pub(super) fn damaged(&self) {
        add(&self.damaged, 1);
    }

    /// Content could not be read.
    pub(super) fn unreadable(&self) {
        add(&self.unreadable, 1);
    }

    /// A client came.
    pub(super) fn connected(&self) {
        add(&self.connections, 1);
    }

    /// A client went.
    pub(super) fn closed(&self) {
        add(&self.closed, 1);
    }

    /// All of them as text, with the number of images.
    pub(super) fn text(&self, images: usize) -> String {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, values: &[(&str, u64)]| {
            // Writing to a text does not fail.
            let _ = writeln!(text, "# HELP gapferry_{name} {help}\n# TYPE gapferry_{name} {kind}");
            for (label, value) in values {
                let _ = writeln!(text, "gapferry_{name}{label} {value}");
            }
        };
        let labels = ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|code| format!("{{code=\"{code}\"}}"));
        let requests: Vec<_> =
            labels.iter().map(String::as_str).zip(self.requests.iter().map(get)).collect();
        family("http_requests_total", "counter", "Requests by status.", &requests);
        for (name, help, counter) in [
            ("blob_bytes_sent_total", "Bytes of blobs that went out.", &self.sent),
            ("blocks_made_total", "Blocks of packed layers that were made.", &self.made),
            ("cache_hits_total", "Blocks of packed layers that were kept.", &self.hits),
            ("cache_misses_total", "Blocks of packed layers that were not kept.", &self.misses),
            ("content_damaged_total", "Content that proved to be damaged.", &self.damaged),
            ("content_unreadable_total", "Content that could not be read.", &self.unreadable),
        ] {
            family(name, "counter", help, &[("", get(counter))]);
        }
        let open = |from: &AtomicU64, to: &AtomicU64| get(from).saturating_sub(get(to));
        let pulls = open(&self.begun, &self.ended);
        family("blobs_in_flight", "gauge", "Blobs on their way to clients.", &[("", pulls)]);
        let clients = open(&self.connections, &self.closed);
        family("connections", "gauge", "Connections that are open.", &[("", clients)]);
        family("images", "gauge", "Images that are served.", &[("", images as u64)]);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::default();
        metrics.answered(404);
        metrics.answered(999);
        metrics.sent(7);
        metrics.begun();
        let text = metrics.text(3);
        for line in [
            "gapferry_http_requests_total{code=\"4xx\"} 1",
            "gapferry_http_requests_total{code=\"2xx\"} 0",
            "gapferry_blob_bytes_sent_total 7",
            "gapferry_blobs_in_flight 1",
            "gapferry_images 3",
            "# TYPE gapferry_images gauge",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
    }
}
