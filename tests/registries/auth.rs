//! Cases 62 and 65 to 69: who asks, and who must not hear it.

use super::misbehaving::{PASSWORD, REFRESH, USER};
use super::*;
use gapferry::registry::Credentials;

/// A client that is [`USER`] at this registry.
fn robot(registry: &Misbehaving) -> Client {
    let mut credentials = Credentials::default();
    credentials.insert(&registry.host(), USER, PASSWORD);
    Client::new(Config { credentials, ..config() }).unwrap()
}

#[test]
fn basic_and_tokens_open_with_the_right_words() {
    for quirk in [Quirk::AsksBasic, Quirk::AsksToken] {
        let registry = Misbehaving::with(&[quirk]);
        carries(&robot(&registry), &registry, 10);
    }
    let registry = Misbehaving::with(&[Quirk::AsksBasic]);
    let error = refused(push(&client(), &registry, b"layer"));
    assert!(matches!(error, RegistryError::Unauthorised { credentials: false, .. }), "{error}");
}

#[test]
fn a_token_that_ends_in_mid_upload_is_replaced() {
    for uses in [1, 2, 3] {
        let registry = Misbehaving::with(&[Quirk::TokensWearOut(uses), Quirk::RequestsUpTo4MiB]);
        carries(&robot(&registry), &registry, 9 * MIB);
        assert!(registry.count("GET", "/token") > 3, "{uses}");
    }
}

#[test]
fn a_token_is_for_one_repository() {
    let registry = Misbehaving::with(&[Quirk::OneRepositoryAToken]);
    let client = robot(&registry);
    carries(&client, &registry, 10);
    let target = RegistryTarget::new(client);
    for name in ["a/b", "c/d", "e/f"] {
        let at = Repository::new(&registry.host(), name).unwrap();
        put_blob(&target, &at, b"layer").unwrap();
    }
    let tokens = registry.seen().into_iter().filter(|seen| seen.path == "/token");
    assert_eq!(tokens.clone().count(), 4);
    assert!(tokens.into_iter().all(|seen| seen.query["scope"].matches("repository:").count() == 1));
}

#[test]
fn a_repository_that_is_not_there_yet_is_asked_for_with_the_right_to_write() {
    let registry = Misbehaving::with(&[Quirk::NewRepositoriesHidden]);
    carries(&robot(&registry), &registry, 10);
    let scopes: Vec<String> = registry
        .seen()
        .iter()
        .filter(|seen| seen.path == "/token")
        .map(|seen| seen.query["scope"].clone())
        .collect();
    assert_eq!(scopes, [format!("repository:{APP}:pull,push")], "one token does for all");
    // Who only reads asks for no more.
    pull(&robot(&registry), &registry).unwrap();
    assert!(registry.seen().last().unwrap().query.is_empty());
    let asked = registry.seen().into_iter().rev().find(|seen| seen.path == "/token").unwrap();
    assert_eq!(asked.query["scope"], format!("repository:{APP}:pull"));
}

#[test]
fn a_refresh_token_is_traded_in() {
    let registry = Misbehaving::with(&[Quirk::TokensForRefresh]);
    let file = |token: &str| {
        let host = registry.host();
        let text =
            format!(r#"{{"auths":{{"{host}":{{"username":"<token>","password":"{token}"}}}}}}"#);
        let credentials = Credentials::parse(text.as_bytes()).unwrap();
        Client::new(Config { credentials, ..config() }).unwrap()
    };
    carries(&file(REFRESH), &registry, 10);
    assert!(registry.count("POST", "/token") > 0);
    let error = refused(push(&file("wrong-horse"), &registry, b"layer"));
    assert!(matches!(error, RegistryError::Unauthorised { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("wrong-horse"));
}

#[test]
fn no_other_origin_sees_who_asks() {
    for quirk in [Quirk::BlobsElsewhere, Quirk::SessionsElsewhere] {
        let registry = Misbehaving::with(&[Quirk::AsksToken, quirk]);
        carries(&robot(&registry), &registry, 10);
        let port = registry.elsewhere().rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
        let there: Vec<_> = registry.seen().into_iter().filter(|seen| seen.port == port).collect();
        assert!(!there.is_empty(), "{quirk:?}");
        assert!(there.iter().all(|seen| seen.header("authorization").is_none()), "{quirk:?}");
    }
}

#[test]
fn a_realm_in_plain_http_gets_nothing() {
    let registry = Misbehaving::with(&[Quirk::RealmInPlainHttp]);
    let error = refused(push(&robot(&registry), &registry, b"layer"));
    assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
}

#[test]
fn nothing_leads_to_plain_http_that_is_not_allowed() {
    let registry = Misbehaving::with(&[Quirk::BlobsInPlainHttp]);
    push(&client(), &registry, b"layer").unwrap();
    let error = unpulled(pull(&client(), &registry));
    assert!(matches!(&error, RegistryError::PlainHttp { host } if host == "cdn.test"), "{error}");
}
