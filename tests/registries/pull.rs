//! Cases 81 to 91: what registries do when they are pulled from.

use std::time::{Duration, Instant};

use super::*;
use gapferry::oci::ManifestError;

#[test]
fn a_digest_that_is_not_stated_is_reckoned() {
    carried(&[Quirk::NoContentDigest], 10);
}

#[test]
fn where_head_fails_get_is_asked() {
    for status in [403, 404, 405] {
        carried(&[Quirk::ManifestHeadAnswers(status)], 10);
    }
}

#[test]
fn bodies_need_no_length() {
    for quirk in [Quirk::NoContentLength, Quirk::Chunked] {
        carried(&[quirk], 100_000);
        carried(&[quirk, Quirk::BlobsCut], 100_000);
    }
}

#[test]
fn a_blob_that_is_cut_goes_on_or_begins_anew() {
    let registry = carried(&[Quirk::BlobsCut], 100_000);
    let ranges = |registry: &Misbehaving| {
        registry.seen().iter().filter(|seen| seen.header("range").is_some()).count()
    };
    assert_eq!(ranges(&registry), 1);
    let registry = carried(&[Quirk::RangesIgnored], 100_000);
    assert_eq!(ranges(&registry), 1);
}

#[test]
fn artifactory_says_406_and_403() {
    let (client, said) = with_events(config());
    let registry = Misbehaving::with(&[Quirk::ReferrersAnswer(406), Quirk::AbsentTagsForbidden]);
    carries(&client, &registry, 10);
    let warnings = said.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("403"), "{warnings:?}");
    // What is asked for by name is not taken for absent.
    let reference = format!("{}:v2", app(&registry)).parse().unwrap();
    let error = unpulled(RegistrySource::new(client, reference).root());
    assert!(matches!(error, RegistryError::Denied { .. }), "{error}");
}

#[test]
fn the_documents_own_media_type_counts() {
    carried(&[Quirk::OtherContentType], 10);
}

#[test]
fn schema_1_is_named() {
    let registry = Misbehaving::with(&[Quirk::OnlySchema1]);
    let error = unpulled(pull(&client(), &registry));
    assert!(matches!(error, RegistryError::Manifest(ManifestError::Schema1(_))), "{error}");
}

#[test]
fn a_document_without_end_is_capped() {
    let plain = Misbehaving::with(&[Quirk::DocumentsNeverEnd]);
    let target = RegistryTarget::new(client());
    for blob in [&b"layer"[..], b"{}"] {
        put_blob(&target, &app(&plain), blob).unwrap();
    }
    target.put_tag(&app(&plain), &tag("v1"), &image(b"layer", "")).unwrap();
    let error = unpulled(pull(&client(), &plain));
    assert!(matches!(error, RegistryError::Manifest(ManifestError::TooLarge(_))), "{error}");
}

#[test]
fn a_blob_that_crawls_is_given_up() {
    let registry = Misbehaving::with(&[Quirk::BlobsCrawl]);
    push(&client(), &registry, &bytes(1000)).unwrap();
    let idle_timeout = Duration::from_millis(300);
    let client = Client::new(Config { idle_timeout, retries: 1, ..config() }).unwrap();
    let start = Instant::now();
    let error = unpulled(pull(&client, &registry));
    assert!(matches!(error, RegistryError::TimedOut { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn few_requests_that_are_left_are_spread() {
    let (client, said) = with_events(config());
    let registry = Misbehaving::with(&[Quirk::FewRequestsLeft]);
    let start = Instant::now();
    carries(&client, &registry, 10);
    // Two seconds for ten requests: a fifth of one between two. Content is not held back.
    let requests = u32::try_from(registry.seen().len()).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200) * (requests / 2), "{requests}");
    assert_eq!(said.warnings().len(), 1, "{:?}", said.warnings());
}

#[test]
fn a_warning_is_passed_on_once_and_escaped() {
    let (client, said) = with_events(config());
    let registry = Misbehaving::with(&[Quirk::Warns]);
    carries(&client, &registry, 10);
    assert_eq!(said.warnings(), [r"going \u{202e}away"]);
}
