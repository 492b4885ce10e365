//! Uploads that go on in the session of a run before.

use std::collections::BTreeMap;

use super::*;
use crate::registry::{Sessions, Upload};

const MIB: usize = 1024 * 1024;

/// Notes in memory.
#[derive(Default)]
struct Notes(Mutex<BTreeMap<(String, Digest), String>>);

impl Notes {
    fn with(server: &Server, bytes: &[u8], address: &str) -> Arc<dyn Sessions> {
        let notes = Notes::default();
        notes.note(&repository(server), &Digest::of(bytes), address);
        Arc::new(notes)
    }
}

impl Sessions for Notes {
    fn find(&self, repository: &Repository, blob: &Digest) -> Option<String> {
        self.0.lock().unwrap().get(&(repository.to_string(), *blob)).cloned()
    }

    fn note(&self, repository: &Repository, blob: &Digest, address: &str) {
        self.0.lock().unwrap().insert((repository.to_string(), *blob), address.to_owned());
    }

    fn forget(&self, repository: &Repository, blob: &Digest) {
        self.0.lock().unwrap().remove(&(repository.to_string(), *blob));
    }

    fn all(&self) -> Vec<(Repository, Digest)> {
        let named = |(repository, blob): &(String, Digest)| {
            let (host, path) = repository.split_once('/').unwrap();
            (Repository::new(host, path).unwrap(), *blob)
        };
        self.0.lock().unwrap().keys().map(named).collect()
    }
}

fn upload(
    server: &Server,
    bytes: &[u8],
    notes: &Arc<dyn Sessions>,
) -> Result<Upload, RegistryError> {
    let open = || Ok(Box::new(bytes) as Box<dyn Read>);
    client().upload_over_runs(&repository(server), &blob(bytes), &open, notes)
}

/// A registry that keeps what it gets, but for what `odd` answers; its sessions hold `held` bytes.
fn registry(
    held: &'static str,
    odd: impl Fn(&Seen, usize) -> Option<Reply> + Send + Sync + 'static,
) -> Server {
    Server::start(move |seen, count| {
        odd(seen, count).unwrap_or_else(|| match seen.method.as_str() {
            "POST" => Reply::new(202).header("location", "/new"),
            "PATCH" => Reply::new(202).header("location", format!("/after{count}")),
            "GET" => Reply::new(204).header("location", "/asked").header("range", held),
            "DELETE" => Reply::new(204),
            _ => Reply::new(201),
        })
    })
}

#[test]
fn goes_on_where_the_session_is() {
    let server = registry("0-3", |_, _| None);
    let notes = Notes::with(&server, b"abcdef", &server.url("/old"));
    let staged = upload(&server, b"abcdef", &notes).unwrap();
    assert_eq!(staged.found(), 4);
    assert_eq!(server.lines(), ["GET /old", "PATCH /asked"]);
    let patch = &server.seen()[1];
    assert_eq!((&patch.body[..], patch.header("content-range")), (&b"ef"[..], Some("4-5")));
    let address = notes.find(&repository(&server), &Digest::of(b"abcdef"));
    assert_eq!(address, Some(server.url("/after1")));
    // Nobody cancels it: the next run may need it.
    drop(staged);
    assert_eq!(server.lines().len(), 2);
    upload(&server, b"abcdef", &notes).unwrap().commit().unwrap();
    assert!(server.lines()[4].starts_with("PUT /after3?digest="));
    assert_eq!(notes.all(), []);
}

#[test]
fn what_is_there_whole_is_not_sent() {
    let server = registry("0-5", |_, _| None);
    let notes = Notes::with(&server, b"abcdef", &server.url("/old"));
    let staged = upload(&server, b"abcdef", &notes).unwrap();
    assert_eq!((staged.found(), server.lines().len()), (6, 1));
    staged.commit().unwrap();
    assert!(server.lines()[1].starts_with("PUT /asked?digest="));
}

#[test]
fn a_session_that_is_no_more_is_begun_anew() {
    for (status, range) in [(404, "0-3"), (416, "0-3"), (500, "0-3"), (204, "0-9"), (204, "x")] {
        let server = registry("0-3", move |seen, _| {
            let reply = Reply::new(status).header("range", range);
            (seen.method == "GET").then_some(reply)
        });
        let notes = Notes::with(&server, b"abcdef", &server.url("/old"));
        let staged = upload(&server, b"abcdef", &notes).unwrap();
        assert_eq!(staged.found(), 0);
        let lines = server.lines();
        let after = lines.iter().position(|line| line.starts_with("POST")).unwrap();
        assert_eq!(lines[after + 1..], ["PATCH /new"], "{status} {range}");
        assert_eq!(server.seen()[after + 1].body, b"abcdef");
        staged.commit().unwrap();
    }
    // Notes that are no address are none.
    for nonsense in ["", "ftp://x/y", "/no/host", "\u{1}"] {
        let server = registry("0-3", |_, _| None);
        let notes = Notes::with(&server, b"abcdef", nonsense);
        upload(&server, b"abcdef", &notes).unwrap();
        assert!(server.lines()[0].starts_with("POST"));
    }
}

#[test]
fn what_another_run_spoilt_is_sent_anew() {
    let server =
        registry("0-3", |seen, _| (seen.method == "PUT").then(|| Reply::new(400).body("DIGEST")));
    let notes = Notes::with(&server, b"abcdef", &server.url("/old"));
    let refused = upload(&server, b"abcdef", &notes).unwrap().commit().unwrap_err();
    assert!(matches!(refused, RegistryError::UploadExpired { .. }), "{refused}");
    assert_eq!(notes.all(), []);
    // Nothing was there before: then it is the registry's last word.
    let refused = upload(&server, b"abcdef", &notes).unwrap().commit().unwrap_err();
    assert!(matches!(refused, RegistryError::Refused { status: 400, .. }), "{refused}");
}

#[test]
fn large_blobs_go_up_in_pieces_that_are_noted() {
    let server = registry("0-0", |_, _| None);
    let bytes = vec![7; 40 * MIB];
    let notes: Arc<dyn Sessions> = Arc::new(Notes::default());
    upload(&server, &bytes, &notes).unwrap();
    let sizes: Vec<usize> = server.seen().iter().map(|seen| seen.body.len() / MIB).collect();
    assert_eq!(sizes, [0, 16, 16, 8]);
    let address = notes.find(&repository(&server), &Digest::of(&bytes));
    assert_eq!(address, Some(server.url("/after3")));
}

#[test]
fn another_host_is_asked_without_credentials_and_what_is_left_is_cancelled() {
    let other = registry("0-3", |_, _| None);
    let server = registry("0-3", |seen, _| {
        let bare = seen.header("authorization").is_none();
        bare.then(|| Reply::new(401).header("www-authenticate", "Basic"))
    });
    let notes = Notes::with(&server, b"abcdef", &other.url("/old"));
    let mut credentials = crate::registry::Credentials::default();
    credentials.insert(&server.host(), "user", "hunter2");
    let client = Client::new(Config { credentials, ..config() }).unwrap();
    client.cancel_sessions(&notes);
    assert_eq!(other.lines(), ["DELETE /old"]);
    assert!(other.seen()[0].header("authorization").is_none());
    assert_eq!(notes.all(), []);
}
