//! Tries, redirects, limits.

use std::time::Instant;

use super::*;
use crate::oci::Tag;
use crate::registry::{Credentials, Name};

fn pull(client: &Client, server: &Server) -> Result<bool, RegistryError> {
    let tag: Tag = "v1".parse().unwrap();
    Ok(client.manifest(&repository(server), Name::Tag(&tag))?.is_some())
}

#[test]
fn a_rate_limit_is_waited_out() {
    let server = Server::replies(vec![
        Reply::new(429).header("retry-after", 0),
        Reply::new(503),
        Reply::ok(manifest("")),
    ]);
    let (client, events) = client_with_events();
    assert!(pull(&client, &server).unwrap());
    let Event::Retry { host, why, wait_ms: 0 } = &events.list()[0] else {
        panic!("{:?}", events.list());
    };
    assert_eq!((host, why.as_str()), (&server.host(), "status 429"));
    assert_eq!(events.retries(), 2);
}

#[test]
fn what_fails_for_ever_is_tried_a_bounded_number_of_times() {
    for (status, check) in [
        (
            500,
            (|error| matches!(error, RegistryError::Server { status: 500, .. })) as fn(&_) -> bool,
        ),
        (429, |error| matches!(error, RegistryError::RateLimited { .. })),
    ] {
        let server = Server::replies(vec![Reply::new(status)]);
        let (client, events) = client_with_events();
        let error = pull(&client, &server).unwrap_err();
        assert!(check(&error), "{error}");
        assert_eq!((server.seen().len(), events.retries()), (4, 3));
    }
}

#[test]
fn a_refusal_is_final_and_in_the_registrys_words() {
    let long = format!(r#"{{"errors":[{{"code":"DENIED","message":"{}"}}]}}"#, "x".repeat(1000));
    let server = Server::replies(vec![Reply::new(403).body(long)]);
    let error = pull(&client(), &server).unwrap_err();
    let RegistryError::Denied { why, .. } = error else { panic!("{error}") };
    assert!(why.starts_with("DENIED: xxx") && why.chars().count() == 301, "{why}");
    assert_eq!(server.seen().len(), 1);
    let server = Server::replies(vec![Reply::new(418).body("<html>")]);
    let error = pull(&client(), &server).unwrap_err();
    assert!(matches!(error, RegistryError::Refused { status: 418, .. }), "{error}");
}

#[test]
fn a_connection_that_is_cut_is_made_again() {
    let whole = manifest("");
    let cut = Reply::ok(&whole).cut(10);
    let server = Server::replies(vec![cut.clone(), cut.clone(), Reply::ok(&whole)]);
    let (client, events) = client_with_events();
    assert!(pull(&client, &server).unwrap());
    assert_eq!(events.retries(), 2);
    let server = Server::replies(vec![cut]);
    let error = pull(&client, &server).unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn nobody_there_is_unreachable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let repository = Repository::new(&format!("127.0.0.1:{port}"), "a").unwrap();
    let tag: Tag = "v1".parse().unwrap();
    let error = client().manifest(&repository, Name::Tag(&tag)).unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
}

#[test]
fn silence_ends_at_the_idle_limit() {
    let idle_timeout = Duration::from_millis(200);
    let client = Client::new(Config { idle_timeout, retries: 1, ..config() }).unwrap();
    let server = Server::replies(vec![Reply::ok(manifest("")).stall(5)]);
    let start = Instant::now();
    let error = pull(&client, &server).unwrap_err();
    assert!(matches!(error, RegistryError::TimedOut { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_redirect_to_another_host_carries_no_authorization() {
    let other = Server::replies(vec![Reply::ok(manifest(""))]);
    let there = other.url("/cdn?signed=1");
    let server = Server::start(move |seen, _| match seen.header("authorization") {
        None => Reply::new(401).header("www-authenticate", "Basic"),
        Some(_) if seen.target == "/here" => Reply::new(307).header("location", &there),
        Some(_) => Reply::new(307).header("location", "/here"),
    });
    let mut credentials = Credentials::default();
    credentials.insert(&server.host(), "user", "hunter2");
    let client = Client::new(Config { credentials, ..config() }).unwrap();
    assert!(pull(&client, &server).unwrap());
    assert_eq!(other.seen()[0].header("authorization"), None);
    assert_eq!(other.lines(), ["GET /cdn?signed=1"]);
    assert!(server.seen()[2].header("authorization").is_some(), "the same origin gets it");
}

#[test]
fn a_foreign_host_that_asks_who_we_are_is_not_told() {
    // It asks for the password to be sent to itself.
    let other = Server::start(|seen, _| {
        let realm = format!("Bearer realm=\"http://{}/token\"", seen.header("host").unwrap());
        Reply::new(401).header("www-authenticate", realm)
    });
    let there = other.url("/x");
    let server = Server::start(move |_, _| Reply::new(307).header("location", &there));
    let mut credentials = Credentials::default();
    credentials.insert(&server.host(), "user", "hunter2");
    credentials.insert(&other.host(), "user", "hunter2");
    let client = Client::new(Config { credentials, ..config() }).unwrap();
    let error = pull(&client, &server).unwrap_err();
    assert!(matches!(error, RegistryError::Unauthorised { .. }), "{error}");
    assert_eq!(other.lines(), ["GET /x"]);
    assert_eq!(other.seen()[0].header("authorization"), None);
}

#[test]
fn redirects_end() {
    let server = Server::replies(vec![Reply::new(302).header("location", "/again")]);
    let error = pull(&client(), &server).unwrap_err();
    assert!(matches!(error, RegistryError::Redirect { .. }), "{error}");
    assert_eq!(server.seen().len(), 6);
    for bad in ["", "ftp://x/y", "http://u:p@127.0.0.1/"] {
        let server = Server::replies(vec![Reply::new(302).header("location", bad)]);
        let error = pull(&client(), &server).unwrap_err();
        assert!(matches!(error, RegistryError::Redirect { .. }), "{error}");
    }
}

#[test]
fn plain_http_elsewhere_is_refused_before_anything_is_sent() {
    let server = Server::replies(vec![Reply::new(307).header("location", "http://cdn.test/x")]);
    let error = pull(&client(), &server).unwrap_err();
    assert!(matches!(&error, RegistryError::PlainHttp { host } if host == "cdn.test"), "{error}");
}

#[test]
fn a_host_that_is_named_is_spoken_to_in_plain_http() {
    let named = Client::new(Config { plain_http: vec!["reg.test:5000".into()], ..config() });
    let base = |host: &str| named.as_ref().unwrap().base(host).unwrap().to_string();
    assert_eq!(base("reg.test:5000"), "http://reg.test:5000/");
    assert_eq!(base("reg.test"), "https://reg.test/");
    assert_eq!(base("docker.io"), "https://registry-1.docker.io/");
}

#[test]
fn each_warning_is_passed_on_once() {
    let warned = Reply::ok(manifest("")).header("warning", "299 - \"old thing\"");
    let warned = warned.header("warning", "299 - \"two\"");
    let server = Server::replies(vec![warned]);
    let (client, events) = client_with_events();
    assert!(pull(&client, &server).unwrap() && pull(&client, &server).unwrap());
    let texts: Vec<String> = events
        .list()
        .into_iter()
        .filter_map(|event| match event {
            Event::Warning { text, .. } => Some(text),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["old thing", "two"]);
}

#[test]
fn a_malformed_authority_is_refused() {
    for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"] {
        let error = Client::new(Config { ca_pem: vec![pem.into()], ..config() }).unwrap_err();
        assert!(matches!(error, RegistryError::Authority(_)), "{error}");
    }
}
