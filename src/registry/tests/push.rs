//! Blobs and manifests into a registry that errs.

use std::io;

use super::*;
use crate::oci::{Manifest, OCI_INDEX, Repository, Tag};
use crate::registry::{Credentials, Name, Upload};

const START: &str = "POST /v2/team/app/blobs/uploads/";

fn upload(client: &Client, server: &Server, bytes: &[u8]) -> Result<Upload, RegistryError> {
    let open = || Ok(Box::new(bytes) as Box<dyn Read>);
    client.upload(&repository(server), &blob(bytes), &open)
}

fn commit(client: &Client, server: &Server, bytes: &[u8]) -> Result<(), RegistryError> {
    upload(client, server, bytes)?.commit()
}

fn session(status: u16, location: &str) -> Reply {
    Reply::new(status).header("location", location)
}

/// A registry that takes everything, but for what `odd` answers itself.
fn registry(odd: impl Fn(&Seen, usize) -> Option<Reply> + Send + Sync + 'static) -> Server {
    Server::start(move |seen, count| {
        odd(seen, count).unwrap_or_else(|| match seen.method.as_str() {
            "POST" => session(202, "/up/1?s=a"),
            "PATCH" => session(202, "/up/2?s=b"),
            "DELETE" => Reply::new(204),
            _ => Reply::new(201),
        })
    })
}

#[test]
fn bytes_go_up_first_and_get_their_digest_later() {
    let server = registry(|_, _| None);
    let staged = upload(&client(), &server, b"abc").unwrap();
    assert_eq!(server.lines(), [START, "PATCH /up/1?s=a"]);
    staged.commit().unwrap();
    let put = format!("PUT /up/2?s=b&digest=sha256%3A{}", Digest::of(b"abc").hex());
    assert_eq!(server.lines()[2..], [put]);
    assert_eq!(server.seen()[1].body, b"abc");
    assert_eq!(server.seen()[0].header("content-length"), Some("0"));
}

#[test]
fn what_is_dropped_is_cancelled() {
    let server = registry(|_, _| None);
    drop(upload(&client(), &server, b"abc").unwrap());
    assert_eq!(server.lines()[2..], ["DELETE /up/2?s=b"]);
}

#[test]
fn every_form_of_location_is_followed() {
    for (location, patch) in [
        ("uuid?x=1", "PATCH /v2/team/app/blobs/uploads/uuid?x=1"),
        ("/rooted", "PATCH /rooted"),
        ("ABSOLUTE", "PATCH /absolute"),
    ] {
        let server = registry(move |seen, _| {
            let absolute = format!("http://{}/absolute", seen.header("host").unwrap());
            let location = location.replace("ABSOLUTE", &absolute);
            (seen.method == "POST").then(|| session(202, &location))
        });
        commit(&client(), &server, b"abc").unwrap();
        assert_eq!(server.lines()[1], patch);
    }
}

#[test]
fn a_patch_may_be_answered_with_201_or_204_and_without_a_location() {
    for status in [201, 204] {
        let server = registry(move |seen, _| (seen.method == "PATCH").then(|| Reply::new(status)));
        commit(&client(), &server, b"abc").unwrap();
        assert!(server.lines()[2].starts_with("PUT /up/1?s=a&digest="));
    }
}

#[test]
fn a_session_at_another_host_gets_no_authorization() {
    let other = registry(|_, _| None);
    let there = other.url("/up/1");
    let server = registry(move |seen, _| {
        if seen.header("authorization").is_none() {
            return Some(Reply::new(401).header("www-authenticate", "Basic"));
        }
        Some(session(202, &there))
    });
    let mut credentials = Credentials::default();
    credentials.insert(&server.host(), "user", "hunter2");
    let client = Client::new(Config { credentials, ..config() }).unwrap();
    commit(&client, &server, b"abc").unwrap();
    assert_eq!(other.seen().len(), 2);
    assert!(other.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[test]
fn a_start_without_a_location_is_malformed() {
    for reply in [Reply::new(202), session(202, "ftp://x/y")] {
        let server = Server::replies(vec![reply]);
        let error = upload(&client(), &server, b"abc").err().unwrap();
        assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
    }
}

#[test]
fn a_lost_answer_is_not_sent_again_blindly() {
    // The registry took it all and the answer got lost: the session says so.
    let server = registry(|seen, _| match seen.method.as_str() {
        "PATCH" => Some(Reply::new(202).body("x").cut(0).header("content-length", "x")),
        "GET" => Some(session(204, "/up/3").header("range", "0-2")),
        _ => None,
    });
    commit(&client(), &server, b"abc").unwrap();
    let methods: Vec<String> = server.seen().iter().map(|seen| seen.method.clone()).collect();
    assert_eq!(methods, ["POST", "PATCH", "GET", "PUT"]);
    assert!(server.lines()[3].starts_with("PUT /up/3?digest="));
}

#[test]
fn a_session_goes_on_from_where_it_says() {
    let server = registry(|seen, count| match (seen.method.as_str(), count) {
        ("PATCH", 1) => Some(Reply::new(500)),
        ("GET", _) => Some(session(204, "/up/3").header("range", "0-1")),
        _ => None,
    });
    commit(&client(), &server, b"abcdef").unwrap();
    let again = &server.seen()[3];
    assert_eq!(again.line(), "PATCH /up/3");
    assert_eq!((again.header("content-range"), &again.body[..]), (Some("2-5"), &b"cdef"[..]));
}

#[test]
fn a_registry_that_took_a_part_gets_the_rest() {
    let server = registry(|seen, count| match (seen.method.as_str(), count) {
        ("PATCH", 1) => Some(session(202, "/up/2").header("range", "0-3")),
        ("GET", _) => Some(session(204, "/up/3").header("range", "0-3")),
        _ => None,
    });
    commit(&client(), &server, b"abcdef").unwrap();
    assert_eq!(server.seen()[3].body, b"ef");
    assert!(server.lines()[4].starts_with("PUT "));
}

#[test]
fn a_session_that_is_lost_is_begun_anew() {
    for status in [404, 400] {
        let server = registry(move |seen, count| match (seen.method.as_str(), count) {
            ("PATCH", 1) => Some(Reply::new(503)),
            ("GET", _) => Some(Reply::new(status)),
            _ => None,
        });
        commit(&client(), &server, b"abc").unwrap();
        let methods: Vec<String> = server.seen().iter().map(|seen| seen.method.clone()).collect();
        assert_eq!(methods, ["POST", "PATCH", "GET", "DELETE", "POST", "PATCH", "PUT"]);
        assert_eq!(server.seen()[5].body, b"abc");
    }
}

#[test]
fn what_is_too_large_for_one_request_goes_up_in_pieces() {
    const MIB: usize = 1024 * 1024;
    let content: Arc<Vec<u8>> = Arc::new(
        (0..10 * MIB as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
    );
    let taken: Arc<Mutex<Vec<u8>>> = Arc::default();
    let (taking, failed) = (taken.clone(), Mutex::new(false));
    let server = registry(move |seen, _| {
        let mut taken = taking.lock().unwrap();
        match seen.method.as_str() {
            "PATCH" if seen.body.len() > 4 * MIB => Some(Reply::new(413)),
            "PATCH" => {
                let last = taken.len() + seen.body.len() - 1;
                let range = format!("{}-{last}", taken.len());
                assert_eq!(seen.header("content-range"), Some(range.as_str()));
                taken.extend(&seen.body);
                let lost = last > 5 * MIB && !std::mem::replace(&mut *failed.lock().unwrap(), true);
                let reply = session(202, "/up/2").header("range", format!("0-{last}"));
                Some(if lost { Reply::new(502) } else { reply })
            }
            "GET" => Some(session(204, "/up/3").header("range", format!("0-{}", taken.len() - 1))),
            _ => None,
        }
    });
    commit(&client(), &server, &content).unwrap();
    assert!(*taken.lock().unwrap() == *content);
    let methods: Vec<String> = server.seen().iter().map(|seen| seen.method.clone()).collect();
    let whole = ["POST", "PATCH", "DELETE"];
    let pieces = ["POST", "PATCH", "PATCH", "GET", "PATCH", "PUT"];
    assert_eq!(methods, [&whole[..], &pieces].concat());
}

#[test]
fn a_registry_that_takes_a_part_and_never_goes_on_is_given_up() {
    let server = registry(|seen, _| match (seen.method.as_str(), seen.header("content-range")) {
        ("PATCH", None) => Some(Reply::new(500)),
        ("PATCH", Some(_)) => Some(Reply::new(404)),
        ("GET", _) => Some(session(204, "/up/3").header("range", "0-99999")),
        _ => None,
    });
    let error = upload(&client(), &server, &[1; 200_000]).err().unwrap();
    assert!(matches!(error, RegistryError::Server { .. } | RegistryError::NotFound { .. }));
    let patches = server.seen().iter().filter(|seen| seen.method == "PATCH").count();
    assert!(patches < 8, "{patches}");
}

#[test]
fn an_upload_that_always_fails_ends() {
    let server = registry(|seen, _| (seen.method == "PATCH").then(|| Reply::new(500)));
    let error = upload(&client(), &server, b"abc").err().unwrap();
    assert!(matches!(error, RegistryError::Server { status: 500, .. }), "{error}");
    let patches = server.seen().iter().filter(|seen| seen.method == "PATCH").count();
    assert_eq!(patches, 4);
}

#[test]
fn a_token_that_ends_in_mid_upload_is_replaced() {
    let server = registry(|seen, count| {
        if seen.target.starts_with("/token") {
            return Some(Reply::ok(format!(r#"{{"token":"t{count}"}}"#)));
        }
        let realm = format!("http://{}/token", seen.header("host").unwrap());
        let good = match seen.method.as_str() {
            "POST" => seen.header("authorization").is_some(),
            _ => seen.header("authorization") == Some("Bearer t4"),
        };
        let challenge = format!("Bearer realm=\"{realm}\"");
        (!good).then(|| Reply::new(401).header("www-authenticate", challenge))
    });
    commit(&client(), &server, b"abc").unwrap();
    let lines = server.lines();
    assert!(lines[1].ends_with("scope=repository%3Ateam%2Fapp%3Apull%2Cpush"), "{lines:?}");
    assert_eq!(server.seen()[5].body, b"abc");
}

#[test]
fn content_that_cannot_be_read_is_told_from_a_registry_that_fails() {
    let server = registry(|_, _| None);
    let gone = || Err(io::ErrorKind::NotFound.into());
    let error = client().upload(&repository(&server), &blob(b"abc"), &gone).err().unwrap();
    assert!(
        matches!(&error, RegistryError::Content(error) if error.kind() == io::ErrorKind::NotFound)
    );
    for wrong in [&b"ab"[..], b"abcd"] {
        let open = || Ok(Box::new(wrong) as Box<dyn Read>);
        let error = client().upload(&repository(&server), &blob(b"abc"), &open).err().unwrap();
        assert!(matches!(error, RegistryError::Content(_)), "{error}");
    }
}

#[test]
fn what_the_registry_forgot_is_expired_unless_it_is_there() {
    for (head, is_there) in [(404, false), (200, true)] {
        let server = registry(move |seen, _| match seen.method.as_str() {
            "PUT" => Some(Reply::new(404)),
            "HEAD" => Some(Reply::new(head)),
            _ => None,
        });
        match commit(&client(), &server, b"abc") {
            Ok(()) => assert!(is_there),
            Err(RegistryError::UploadExpired { digest, .. }) => {
                assert!(!is_there && digest == Digest::of(b"abc"));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn mount(server: &Server) -> Result<bool, RegistryError> {
    let from = Repository::new(&server.host(), "other/app").unwrap();
    client().mount(&blob(b"abc"), &from, &repository(server))
}

#[test]
fn a_mount_is_made_or_left() {
    let server = Server::replies(vec![session(201, "/v2/x")]);
    assert!(mount(&server).unwrap());
    let line = format!("{START}?mount={}&from=other/app", Digest::of(b"abc"));
    assert_eq!(server.lines(), [line]);

    let server = registry(|_, _| None);
    let (client, from) = (client(), Repository::new(&server.host(), "other/app").unwrap());
    assert!(!client.mount(&blob(b"abc"), &from, &repository(&server)).unwrap());
    commit(&client, &server, b"abc").unwrap();
    assert_eq!(server.lines()[1], "PATCH /up/1?s=a", "the session in place of the mount is used");

    for status in [400, 401, 403, 404, 405] {
        let server = Server::replies(vec![Reply::new(status)]);
        assert!(!mount(&server).unwrap());
        assert_eq!(server.seen().len(), 1, "{status}");
    }
    let error = mount(&Server::replies(vec![Reply::new(500)])).unwrap_err();
    assert!(matches!(error, RegistryError::Server { .. }), "{error}");
}

#[test]
fn nothing_is_mounted_across_hosts() {
    let server = registry(|_, _| None);
    let from = Repository::new("elsewhere.test", "a").unwrap();
    assert!(!client().mount(&blob(b"abc"), &from, &repository(&server)).unwrap());
    assert!(server.seen().is_empty());
}

fn put(server: &Server) -> Result<(), RegistryError> {
    let raw = manifest("").into_bytes();
    let image = Descriptor::of(MediaType::new(OCI_MANIFEST).unwrap(), &raw);
    let tag: Tag = "v1".parse().unwrap();
    let image = Manifest::parse(image, raw).unwrap();
    client().put_manifest(&repository(server), Name::Tag(&tag), &image)
}

#[test]
fn a_manifest_goes_up_as_it_is() {
    let server = registry(|_, _| None);
    put(&server).unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.line(), "PUT /v2/team/app/manifests/v1");
    assert_eq!(seen.header("content-type"), Some(OCI_MANIFEST));
    assert_ne!(seen.header("content-type"), Some(OCI_INDEX));
    assert_eq!(seen.body, manifest("").as_bytes());
}

#[test]
fn refusals_of_a_manifest_are_named() {
    let error = put(&Server::replies(vec![Reply::new(413)])).unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");
    let denied = Reply::new(403).body(r#"{"errors":[{"code":"DENIED","message":"quota"}]}"#);
    let error = put(&Server::replies(vec![denied])).unwrap_err();
    assert!(matches!(&error, RegistryError::Denied { why, .. } if why == "DENIED: quota"));
    let other = Reply::new(201).header("docker-content-digest", Digest::of(b"rewritten"));
    let error = put(&Server::replies(vec![other])).unwrap_err();
    assert!(matches!(error, RegistryError::StatedDigest { .. }), "{error}");
}
