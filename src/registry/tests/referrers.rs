//! Lists of referrers, well kept and badly.

use super::*;
use crate::oci::{Manifest, OCI_INDEX};
use crate::registry::Name;

fn subject() -> Digest {
    Digest::of(b"subject")
}

fn index(of: &[&str]) -> String {
    let entries: Vec<String> = of
        .iter()
        .map(|text| {
            let digest = Digest::of(text.as_bytes());
            format!(r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":1,"x-{text}":1}}"#)
        })
        .collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#,
        entries.join(",")
    )
}

fn page(of: &[&str]) -> Reply {
    Reply::ok(index(of)).header("content-type", OCI_INDEX)
}

fn referrers(server: &Server) -> Result<Vec<Digest>, RegistryError> {
    let found = client().referrers(&repository(server), &subject())?;
    Ok(found.into_iter().map(|descriptor| descriptor.digest).collect())
}

fn sorted(of: &[&str]) -> Vec<Digest> {
    let mut digests: Vec<Digest> = of.iter().map(|text| Digest::of(text.as_bytes())).collect();
    digests.sort();
    digests
}

#[test]
fn every_page_is_read_sorted_and_without_repeats() {
    let server = Server::start(|seen, _| match seen.target.split_once('?') {
        None => page(&["a", "b"]).header("link", "<?page=2>; rel=\"next\""),
        Some((_, "page=2")) => {
            let next = format!("<http://{}/last?x>; rel=next", seen.header("host").unwrap());
            page(&["c", "a"]).header("link", next)
        }
        _ => page(&["d"]).header("link", "</v2/>; rel=\"first\""),
    });
    assert_eq!(referrers(&server).unwrap(), sorted(&["a", "b", "c", "d"]));
    assert_eq!(server.seen().len(), 3);
    assert_eq!(server.seen()[0].header("accept"), Some(OCI_INDEX));
}

#[test]
fn a_list_without_end_or_at_another_host_is_refused() {
    for next in ["<?page=1>; rel=\"next\"", "<http://127.0.0.1:1/x>; rel=next", "<ftp:>; rel=next"]
    {
        let server = Server::replies(vec![page(&["a"]).header("link", next)]);
        let error = referrers(&server).unwrap_err();
        assert!(matches!(error, RegistryError::Malformed { .. }), "{next}: {error}");
        assert!(server.seen().len() <= 2);
    }
    let endless = Server::start(|_, count| {
        page(&["a"]).header("link", format!("<?page={count}>; rel=\"next\""))
    });
    let error = referrers(&endless).unwrap_err();
    assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
    assert_eq!(endless.seen().len(), 100);
}

#[test]
fn a_page_that_is_missing_is_no_end_of_the_list() {
    let server = Server::start(|seen, _| match seen.target.contains('?') {
        true => Reply::new(404),
        false => page(&["a"]).header("link", "<?page=2>; rel=\"next\""),
    });
    let error = referrers(&server).unwrap_err();
    assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
}

#[test]
fn without_the_api_the_fallback_tag_is_read() {
    for answer in [Reply::new(404), Reply::new(406), Reply::new(400), Reply::ok("<html>")] {
        let server = Server::start(move |seen, _| match seen.target.contains("/referrers/") {
            true => answer.clone(),
            false => page(&["b", "a"]),
        });
        assert_eq!(referrers(&server).unwrap(), sorted(&["a", "b"]));
        let tag = format!("GET /v2/team/app/manifests/sha256-{}", subject().hex());
        assert_eq!(server.lines()[1], tag);
    }
    for status in [404, 403] {
        let server = Server::replies(vec![Reply::new(404), Reply::new(status)]);
        assert!(referrers(&server).unwrap().is_empty());
    }
}

#[test]
fn failures_are_not_taken_for_an_empty_list() {
    for status in [401, 429, 500] {
        let server = Server::replies(vec![Reply::new(status)]);
        assert!(referrers(&server).is_err(), "{status}");
    }
    let server = Server::replies(vec![Reply::ok("{}").header("content-type", OCI_INDEX)]);
    let error = referrers(&server).unwrap_err();
    assert!(matches!(error, RegistryError::Manifest(_)), "{error}");
}

fn push(server: &Server) -> (Result<(), RegistryError>, Digest) {
    let raw = manifest(&format!(
        r#","artifactType":"test/x","annotations":{{"k":"v"}},"subject":{{"mediaType":"{OCI_MANIFEST}","digest":"{}","size":7}}"#,
        subject()
    ))
    .into_bytes();
    let descriptor = Descriptor::of(MediaType::new(OCI_MANIFEST).unwrap(), &raw);
    let digest = descriptor.digest;
    let document = Manifest::parse(descriptor, raw).unwrap();
    (client().put_manifest(&repository(server), Name::Digest(&digest), &document), digest)
}

#[test]
fn a_registry_that_lists_by_itself_needs_no_tag() {
    let server = Server::replies(vec![Reply::new(201).header("oci-subject", subject())]);
    push(&server).0.unwrap();
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn the_fallback_tag_gets_one_more_entry_and_keeps_the_others() {
    let server = Server::start(|seen, _| match seen.method.as_str() {
        "GET" => page(&["b", "a"]),
        _ => Reply::new(201),
    });
    let (outcome, digest) = push(&server);
    outcome.unwrap();
    let put = &server.seen()[2];
    assert_eq!(put.line(), format!("PUT /v2/team/app/manifests/sha256-{}", subject().hex()));
    assert_eq!(put.header("content-type"), Some(OCI_INDEX));
    let index: serde_json::Value = serde_json::from_slice(&put.body).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    let mut expected = sorted(&["a", "b"]);
    expected.push(digest);
    expected.sort();
    let found: Vec<Digest> =
        entries.iter().map(|one| one["digest"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(found, expected);
    let ours = entries.iter().find(|one| one["digest"] == digest.to_string()).unwrap();
    assert_eq!((&ours["artifactType"], &ours["annotations"]["k"]), (&"test/x".into(), &"v".into()));
    assert!(entries.iter().any(|one| one["x-a"] == 1), "what we do not know stays");
}

#[test]
fn an_entry_that_is_there_is_not_written_again() {
    let written = Mutex::new(String::new());
    let server = Server::start(move |seen, _| {
        let mut written = written.lock().unwrap();
        let is_tag = seen.target.contains("/sha256-");
        match seen.method.as_str() {
            "GET" if written.is_empty() => Reply::new(404),
            "GET" => Reply::ok(&*written).header("content-type", OCI_INDEX),
            _ if is_tag => {
                *written = String::from_utf8(seen.body.clone()).unwrap();
                Reply::new(201)
            }
            _ => Reply::new(201),
        }
    });
    push(&server).0.unwrap();
    push(&server).0.unwrap();
    let puts = server.lines().iter().filter(|line| line.starts_with("PUT")).count();
    assert_eq!(puts, 3);
}

#[test]
fn an_image_under_the_fallback_tag_is_not_overwritten() {
    let server = Server::start(|seen, _| match seen.method.as_str() {
        "GET" => Reply::ok(manifest("")),
        _ => Reply::new(201),
    });
    let error = push(&server).0.unwrap_err();
    assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
    assert_eq!(server.seen().len(), 2);
}
