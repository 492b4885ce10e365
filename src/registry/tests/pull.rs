//! Manifests and blobs out of a registry that errs.

use std::time::Instant;

use super::*;
use crate::oci::{ContentError, MAX_MANIFEST_SIZE, Manifest, ManifestError, OCI_INDEX, Tag};
use crate::registry::Name;

fn by_tag(client: &Client, server: &Server) -> Result<Option<Manifest>, RegistryError> {
    let tag: Tag = "v1".parse().unwrap();
    client.manifest(&repository(server), Name::Tag(&tag))
}

fn head(client: &Client, server: &Server) -> Result<Option<Digest>, RegistryError> {
    let tag: Tag = "v1".parse().unwrap();
    client.head_manifest(&repository(server), Name::Tag(&tag))
}

/// A megabyte that does not repeat, and the registry's answer from a byte on.
fn content() -> Vec<u8> {
    (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn from(seen: &Seen) -> usize {
    let range = seen.header("range").and_then(|text| text.strip_prefix("bytes="));
    range.map_or(0, |text| text.trim_end_matches('-').parse().unwrap())
}

fn part(content: &[u8], from: usize) -> Reply {
    let (last, size) = (content.len() - 1, content.len());
    match from {
        0 => Reply::ok(content),
        _ => Reply::new(206)
            .header("content-range", format!("bytes {from}-{last}/{size}"))
            .body(&content[from..]),
    }
}

#[test]
fn a_documents_own_media_type_counts() {
    let server = Server::replies(vec![
        Reply::ok(manifest("")).header("content-type", format!("{OCI_INDEX}; charset=utf-8")),
    ]);
    let found = by_tag(&client(), &server).unwrap().unwrap();
    assert_eq!(found.descriptor().media_type.as_str(), OCI_MANIFEST);
    assert_eq!(found.descriptor().digest, Digest::of(manifest("").as_bytes()));
    let accept = server.seen()[0].header("accept").unwrap().to_owned();
    assert!(accept.contains(OCI_INDEX) && accept.ends_with(", */*"), "{accept}");
}

#[test]
fn the_headers_media_type_counts_where_there_is_no_other() {
    let bare = manifest("").replace(&format!("\"mediaType\":\"{OCI_MANIFEST}\","), "");
    let server = Server::replies(vec![
        Reply::ok(&bare).header("content-type", format!("{OCI_MANIFEST}; charset=utf-8")),
        Reply::ok(&bare),
    ]);
    let found = by_tag(&client(), &server).unwrap().unwrap();
    assert_eq!(found.descriptor().media_type.as_str(), OCI_MANIFEST);
    let error = by_tag(&client(), &server).unwrap_err();
    assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
}

#[test]
fn a_header_that_lies_about_the_digest_is_refused() {
    let (found_is, stated_is) = (Digest::of(manifest("").as_bytes()), Digest::of(b"other"));
    let with = |stated: &str| Reply::ok(manifest("")).header("docker-content-digest", stated);
    let server = Server::replies(vec![
        with(&stated_is.to_string()),
        with("sha256:../.."),
        with(&found_is.to_string()),
    ]);
    let error = by_tag(&client(), &server).unwrap_err();
    assert!(matches!(error, RegistryError::StatedDigest { stated, found, .. }
            if stated == stated_is && found == found_is));
    let error = by_tag(&client(), &server).unwrap_err();
    assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
    assert!(by_tag(&client(), &server).unwrap().is_some());
}

#[test]
fn other_bytes_than_the_digest_asked_for_are_refused() {
    let server = Server::replies(vec![Reply::ok(manifest(""))]);
    let asked = Digest::of(b"other");
    let error = client().manifest(&repository(&server), Name::Digest(&asked)).unwrap_err();
    assert!(matches!(error, RegistryError::Manifest(ManifestError::Digest { expected, .. })
            if expected == asked));
    let mut wanted = Descriptor::of(MediaType::new(OCI_MANIFEST).unwrap(), manifest("").as_bytes());
    assert!(client().document(&repository(&server), &wanted).unwrap().is_some());
    wanted.size -= 1;
    let error = client().document(&repository(&server), &wanted).unwrap_err();
    assert!(matches!(error, RegistryError::Manifest(ManifestError::Size { .. })), "{error}");
}

#[test]
fn a_manifest_over_the_limit_is_refused() {
    let large = vec![b' '; MAX_MANIFEST_SIZE as usize + 1];
    let server = Server::replies(vec![Reply::ok(large)]);
    let error = by_tag(&client(), &server).unwrap_err();
    assert!(matches!(error, RegistryError::Manifest(ManifestError::TooLarge(_))), "{error}");
    let mut wanted = blob(b"");
    wanted.size = MAX_MANIFEST_SIZE + 1;
    let error = client().document(&repository(&server), &wanted).unwrap_err();
    assert!(matches!(error, RegistryError::Manifest(ManifestError::TooLarge(_))), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn what_is_not_there_is_none() {
    let server = Server::replies(vec![Reply::new(404)]);
    let client = client();
    assert!(by_tag(&client, &server).unwrap().is_none());
    // Twice: there are registries that know tags only when they are fetched.
    assert!(head(&client, &server).unwrap().is_none());
    assert!(!client.has_blob(&repository(&server), &blob(b"x")).unwrap());
    assert!(client.blob(&repository(&server), &blob(b"x")).unwrap().is_none());
    assert_eq!(server.seen().len(), 5);
}

#[test]
fn a_head_that_is_refused_or_tells_no_digest_becomes_a_get() {
    let expected = Digest::of(manifest("").as_bytes());
    for answer in [Reply::new(403), Reply::new(405), Reply::new(200)] {
        let server = Server::start(move |seen, _| match seen.method.as_str() {
            "HEAD" => answer.clone(),
            _ => Reply::ok(manifest("")),
        });
        assert_eq!(head(&client(), &server).unwrap(), Some(expected));
        assert_eq!(server.seen().len(), 2);
    }
    let stated = Reply::new(200).header("docker-content-digest", expected);
    let server = Server::replies(vec![stated]);
    assert_eq!(head(&client(), &server).unwrap(), Some(expected));
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_blob_that_lies_elsewhere_is_there() {
    let server = Server::replies(vec![Reply::new(307).header("location", "https://cdn.test/x")]);
    assert!(client().has_blob(&repository(&server), &blob(b"x")).unwrap());
}

#[test]
fn a_blob_that_is_cut_goes_on_where_it_stopped() {
    let content = Arc::new(content());
    let served = content.clone();
    let server = Server::start(move |seen, _| {
        let from = from(seen);
        let left = served.len() - from;
        let reply = part(&served, from);
        if left > 400_000 { reply.cut(300_000) } else { reply }
    });
    let (client, events) = client_with_events();
    assert!(read_blob(&client, &server, &blob(&content)).unwrap() == *content);
    let ranges: Vec<Option<String>> =
        server.seen().iter().map(|seen| seen.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, [None, Some("bytes=300000-".into()), Some("bytes=600000-".into())]);
    assert_eq!(events.retries(), 2);
}

#[test]
fn a_registry_without_ranges_sends_all_of_it_again() {
    let content = Arc::new(content());
    let served = content.clone();
    let server = Server::start(move |_, count| match count {
        0 => Reply::ok(&*served).cut(700_000),
        1 => Reply::ok(&*served).cut(10),
        _ => Reply::ok(&*served),
    });
    assert!(read_blob(&client(), &server, &blob(&content)).unwrap() == *content);
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn tries_that_bring_nothing_are_bounded() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |seen, _| match from(seen) {
        0 => Reply::ok(&served).cut(100_000),
        from => part(&served, from).cut(0),
    });
    let error = read_blob(&client(), &server, &blob(&content)).unwrap_err();
    assert!(matches!(inside(&error), RegistryError::Unreachable { .. }), "{error}");
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn another_range_than_asked_for_is_refused() {
    for range in ["bytes 0-9/1000000", "bytes 100001-9/*", "bytes 100000-9/7", "", "bytes x"] {
        let content = content();
        let served = content.clone();
        let server = Server::start(move |seen, _| match from(seen) {
            0 => Reply::ok(&served).cut(100_000),
            from => Reply::new(206).header("content-range", range).body(&served[from..]),
        });
        let error = read_blob(&client(), &server, &blob(&content)).unwrap_err();
        assert!(matches!(inside(&error), RegistryError::Malformed { .. }), "{range}: {error}");
    }
}

#[test]
fn other_content_is_named_and_not_asked_for_again() {
    let server = Server::replies(vec![Reply::ok("abd"), Reply::ok("abcd")]);
    let expected = Digest::of(b"abc");
    let error = read_blob(&client(), &server, &blob(b"abc")).unwrap_err();
    let found = Digest::of(b"abd");
    let wrong = ContentError::Digest { expected, found, size: 3 };
    assert_eq!(ContentError::inside(&error), Some(&wrong));
    let error = read_blob(&client(), &server, &blob(b"abc")).unwrap_err();
    let long = ContentError::Long { digest: expected, expected: 3 };
    assert_eq!(ContentError::inside(&error), Some(&long));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_body_without_a_length_that_ends_early_is_resumed() {
    let server = Server::start(|seen, _| match from(seen) {
        0 => Reply::ok("abcdef").header("content-length", 3),
        from => part(b"abcdef", from),
    });
    assert_eq!(read_blob(&client(), &server, &blob(b"abcdef")).unwrap(), b"abcdef");
}

#[test]
fn a_blob_that_stalls_is_resumed_and_then_given_up() {
    let idle_timeout = Duration::from_millis(200);
    let client = Client::new(Config { idle_timeout, retries: 1, ..config() }).unwrap();
    let server = Server::start(|seen, _| match from(seen) {
        0 => Reply::ok(b"abcdef").stall(2),
        from => part(b"abcdef", from),
    });
    assert_eq!(read_blob(&client, &server, &blob(b"abcdef")).unwrap(), b"abcdef");
    let server = Server::start(|seen, _| part(b"abcdef", from(seen)).stall(0));
    let start = Instant::now();
    let error = read_blob(&client, &server, &blob(b"abcdef")).unwrap_err();
    assert!(matches!(inside(&error), RegistryError::TimedOut { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn a_blob_behind_a_redirect_is_asked_for_anew_after_a_cut() {
    let other = Server::start(|seen, _| match from(seen) {
        0 => Reply::ok(b"abcdef").cut(2),
        from => part(b"abcdef", from),
    });
    let there = other.url("/signed");
    let server = Server::start(move |_, _| Reply::new(307).header("location", &there));
    assert_eq!(read_blob(&client(), &server, &blob(b"abcdef")).unwrap(), b"abcdef");
    assert_eq!((server.seen().len(), other.seen().len()), (2, 2));
    assert_eq!(other.seen()[1].header("range"), Some("bytes=2-"));
}

#[test]
fn a_blob_that_crawls_is_given_up() {
    let idle_timeout = Duration::from_millis(150);
    let client = Client::new(Config { idle_timeout, retries: 1, ..config() }).unwrap();
    let content = content();
    let served = content.clone();
    let server = Server::start(move |seen, _| part(&served, from(seen)).crawl(1_000));
    let start = Instant::now();
    let error = read_blob(&client, &server, &blob(&content)).unwrap_err();
    assert!(matches!(inside(&error), RegistryError::TimedOut { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_registry_that_gives_a_byte_a_time_is_not_asked_for_ever() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |seen, _| part(&served, from(seen)).cut(1));
    let error = read_blob(&client(), &server, &blob(&content)).unwrap_err();
    assert!(matches!(inside(&error), RegistryError::Unreachable { .. }), "{error}");
    assert_eq!(server.seen().len(), 4);
}
