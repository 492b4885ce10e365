//! Who asks: challenges, tokens, and where they may not go.

use super::*;
use crate::oci::Tag;
use crate::registry::{Credentials, Name};

const USER: &str = "Basic dXNlcjpodW50ZXIy";

fn credentials(server: &Server) -> Credentials {
    let mut credentials = Credentials::default();
    credentials.insert(&server.host(), "user", "hunter2");
    credentials
}

fn client_as_user(server: &Server) -> Client {
    Client::new(Config { credentials: credentials(server), ..config() }).unwrap()
}

fn pull(client: &Client, server: &Server) -> Result<bool, RegistryError> {
    let tag: Tag = "v1".parse().unwrap();
    Ok(client.manifest(&repository(server), Name::Tag(&tag))?.is_some())
}

fn bearer(seen: &Seen, realm: &str) -> Reply {
    let _ = seen;
    let challenge = format!(r#"Bearer realm="{realm}",service="reg",scope="ignored""#);
    Reply::new(401).header("www-authenticate", challenge)
}

/// A registry that wants tokens and gives them out itself: `t1`, `t2`, …; `good` says which of
/// them it takes.
fn token_registry(good: impl Fn(&str, usize) -> bool + Send + Sync + 'static) -> Server {
    let issued = Mutex::new(0);
    Server::start(move |seen, count| {
        if seen.target.starts_with("/token") {
            let mut issued = issued.lock().unwrap();
            *issued += 1;
            return Reply::ok(format!(r#"{{"access_token":"t{issued}","expires_in":300}}"#));
        }
        let token = seen.header("authorization").and_then(|text| text.strip_prefix("Bearer "));
        match token.is_some_and(|token| good(token, count)) {
            true => Reply::ok(manifest("")),
            false => bearer(seen, &format!("http://{}/token", seen.header("host").unwrap())),
        }
    })
}

#[test]
fn a_token_is_fetched_once_for_a_repository() {
    let server = token_registry(|token, _| token == "t1");
    let client = client_as_user(&server);
    assert!(pull(&client, &server).unwrap());
    assert!(pull(&client, &server).unwrap());
    let token = "GET /token?service=reg&scope=repository%3Ateam%2Fapp%3Apull";
    let get = "GET /v2/team/app/manifests/v1";
    assert_eq!(server.lines(), [get, token, get, get]);
    let seen = server.seen();
    assert_eq!(seen[0].header("authorization"), None, "nothing before it asks");
    assert_eq!(seen[1].header("authorization"), Some(USER));
}

#[test]
fn nobody_asks_for_a_token_without_a_name() {
    let server = token_registry(|token, _| token == "t1");
    assert!(pull(&client(), &server).unwrap());
    assert_eq!(server.seen()[1].header("authorization"), None);
}

#[test]
fn a_token_that_ends_in_mid_work_is_replaced() {
    let server = token_registry(|token, count| token == if count < 4 { "t1" } else { "t2" });
    let client = client_as_user(&server);
    for _ in 0..3 {
        assert!(pull(&client, &server).unwrap());
    }
    assert_eq!(server.lines().iter().filter(|line| line.contains("/token")).count(), 2);
}

#[test]
fn a_token_that_is_never_good_enough_is_asked_for_once() {
    let server = token_registry(|_, _| false);
    let error = pull(&client_as_user(&server), &server).unwrap_err();
    assert!(matches!(error, RegistryError::Unauthorised { credentials: true, .. }), "{error}");
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn basic_is_used_where_it_is_asked_for() {
    let server = Server::start(|seen, _| match seen.header("authorization") {
        Some(USER) => Reply::ok(manifest("")),
        _ => Reply::new(401).header("www-authenticate", "Basic realm=\"x\""),
    });
    let client = client_as_user(&server);
    assert!(pull(&client, &server).unwrap() && pull(&client, &server).unwrap());
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn a_wrong_password_is_named_and_not_shown() {
    let server = Server::start(|_, _| {
        Reply::new(401)
            .header("www-authenticate", "Basic realm=\"x\"")
            .body(r#"{"errors":[{"code":"UNAUTHORIZED","message":"who\u001b are you"}]}"#)
    });
    let error = pull(&client_as_user(&server), &server).unwrap_err();
    let shown = format!("{error} {error:?}");
    let RegistryError::Unauthorised { why, credentials: true, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(why, r"UNAUTHORIZED: who\u{1b} are you");
    assert!(!shown.contains("hunter2") && !shown.contains("dXNlcj"), "{shown}");
    assert_eq!(server.seen().len(), 2);

    let error = pull(&client(), &server).unwrap_err();
    assert!(matches!(error, RegistryError::Unauthorised { credentials: false, .. }), "{error}");
}

#[test]
fn a_token_server_that_refuses_is_named() {
    let server = Server::start(|seen, _| match seen.target.starts_with("/token") {
        true => Reply::new(401).body(r#"{"details":"incorrect username or password"}"#),
        false => bearer(seen, &format!("http://{}/token", seen.header("host").unwrap())),
    });
    let error = pull(&client_as_user(&server), &server).unwrap_err();
    let RegistryError::Unauthorised { why, .. } = error else { panic!("{error}") };
    assert_eq!(why, "incorrect username or password");
}

#[test]
fn an_identity_token_is_traded_in() {
    let server = token_registry(|token, _| token == "t1");
    let text = format!(r#"{{"auths":{{"{}":{{"identitytoken":"r/t"}}}}}}"#, server.host());
    let credentials = Credentials::parse(text.as_bytes()).unwrap();
    let client = Client::new(Config { credentials, ..config() }).unwrap();
    assert!(pull(&client, &server).unwrap());
    let seen = &server.seen()[1];
    assert_eq!(seen.line(), "POST /token");
    assert_eq!(
        String::from_utf8_lossy(&seen.body),
        "grant_type=refresh_token&client_id=gapferry&service=reg\
         &scope=repository%3Ateam%2Fapp%3Apull&refresh_token=r%2Ft"
    );
}

#[test]
fn a_realm_in_plain_http_elsewhere_gets_nothing() {
    let server = Server::start(|seen, _| bearer(seen, "http://tokens.test/"));
    let error = pull(&client_as_user(&server), &server).unwrap_err();
    assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_token_answer_without_a_token_is_refused() {
    let large = format!(r#"{{"token":"{}"}}"#, "a".repeat(100_000));
    for answer in ["", "{}", "<html>", &large] {
        let answer = answer.to_owned();
        let server = Server::start(move |seen, _| match seen.target.starts_with("/token") {
            true => Reply::ok(&answer),
            false => bearer(seen, &format!("http://{}/token", seen.header("host").unwrap())),
        });
        let error = pull(&client(), &server).unwrap_err();
        assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
    }
}

#[test]
fn a_credential_helper_that_fails_is_named() {
    let server = Server::replies(vec![Reply::new(401).header("www-authenticate", "Basic")]);
    let text = format!(r#"{{"credHelpers":{{"{}":"is-not-there"}}}}"#, server.host());
    let credentials = Credentials::parse(text.as_bytes()).unwrap();
    let client = Client::new(Config { credentials, ..config() }).unwrap();
    let error = pull(&client, &server).unwrap_err();
    let RegistryError::CredentialHelper { helper, why, .. } = &error else { panic!("{error}") };
    assert!(helper == "is-not-there" && why.contains("cannot be run"), "{error}");
}
