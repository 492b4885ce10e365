//! Cases 63, 64 and 70 to 80: what registries do when they are pushed to.

use std::time::{Duration, Instant};

use super::*;
use gapferry::registry::Name;

#[test]
fn a_registry_without_quirks_takes_and_gives() {
    let registry = carried(&[], 2 * MIB);
    assert_eq!(registry.count("PATCH", "uploads"), 2);
}

#[test]
fn a_mount_that_is_refused_is_an_upload() {
    for status in [400, 401, 403, 404, 405] {
        let registry = Misbehaving::with(&[Quirk::MountAnswers(status)]);
        mount(&registry, false);
        assert_eq!(registry.count("POST", "other/app/blobs/uploads"), 2, "{status}");
    }
}

/// Brings a blob of `team/app` to `other/app`.
fn mount(registry: &Misbehaving, mounts: bool) {
    let client = client();
    push(&client, registry, b"layer").unwrap();
    let target = RegistryTarget::new(client);
    let other = Repository::new(&registry.host(), "other/app").unwrap();
    let blob = descriptor(LAYER, b"layer");
    registry.forget();
    assert_eq!(target.share(&blob, &app(registry), &other).unwrap(), mounts);
    if !mounts {
        let open = || Ok(Box::new(&b"layer"[..]) as Box<dyn Read>);
        target.stage(&other, &blob, &open).unwrap().commit().unwrap();
    }
    assert_eq!(registry.blob("other/app", &blob.digest.to_string()).unwrap(), b"layer");
}

#[test]
fn a_mount_says_from_where() {
    let registry = Misbehaving::with(&[Quirk::MountNeedsFrom]);
    mount(&registry, true);
    assert_eq!(registry.seen().last().unwrap().query["from"], APP);
}

#[test]
fn a_session_in_place_of_a_mount_is_used() {
    let registry = Misbehaving::with(&[Quirk::MountAnswers(202)]);
    mount(&registry, false);
    assert_eq!(registry.count("POST", "uploads"), 1);
    assert_eq!(registry.count("DELETE", "uploads"), 0);
}

#[test]
fn a_patch_may_be_answered_with_201() {
    carried(&[Quirk::PatchAnswers201], 10);
    carried(&[Quirk::PatchAnswers201, Quirk::RequestsUpTo4MiB], 5 * MIB);
}

#[test]
fn relative_locations_are_followed() {
    carried(&[Quirk::RelativeLocations], 10);
}

#[test]
fn a_cap_of_4_mib_is_found_once() {
    let client = client();
    let registry = Misbehaving::with(&[Quirk::RequestsUpTo4MiB]);
    carries(&client, &registry, 9 * MIB);
    // The whole in vain, three pieces, and the config.
    assert_eq!(registry.count("PATCH", "uploads"), 5);
    registry.forget();
    push(&client, &registry, &bytes(9 * MIB + 1)).unwrap();
    assert_eq!(registry.count("PATCH", "uploads"), 3, "the cap is remembered");
}

#[test]
fn a_cap_of_100_mb_before_the_registry_is_kept() {
    let registry = carried(&[Quirk::RequestsUpTo100MB], 101_000_000);
    assert_eq!(registry.count("PATCH", "uploads"), 1 + 25 + 1);
}

#[test]
fn a_registry_that_cuts_large_requests_gets_small_ones() {
    let registry = carried(&[Quirk::LargeRequestsCut], 9 * MIB);
    assert_eq!(registry.count("PATCH", "uploads"), 2 + 3 + 1);
}

#[test]
fn the_least_size_of_a_piece_is_kept() {
    let registry = carried(&[Quirk::ChunksFrom5MiB], 13 * MIB);
    let sizes: Vec<usize> = registry
        .seen()
        .iter()
        .filter(|seen| seen.header("content-range").is_some())
        .map(|seen| seen.header("content-length").unwrap().parse().unwrap())
        .collect();
    assert_eq!(sizes, [5 * MIB, 5 * MIB, 3 * MIB]);
}

#[test]
fn what_was_taken_is_not_sent_twice() {
    let registry = carried(&[Quirk::PatchAnswerLost], 2 * MIB);
    assert_eq!(registry.count("PATCH", "uploads"), 2);
    assert_eq!(registry.count("GET", "uploads"), 1);
}

#[test]
fn a_session_that_was_cut_or_answers_416_goes_on_from_its_range() {
    for quirk in [Quirk::PatchCut, Quirk::PatchHalfTaken416] {
        let registry = carried(&[quirk], 2 * MIB);
        let ranges: Vec<String> = registry
            .seen()
            .iter()
            .filter_map(|seen| seen.header("content-range").map(str::to_owned))
            .collect();
        assert_eq!(ranges, [format!("{}-{}", MIB, 2 * MIB - 1)], "{quirk:?}");
        assert_eq!(registry.count("POST", "uploads"), 2);
    }
}

#[test]
fn a_session_at_a_wrong_offset_is_begun_anew() {
    let registry = carried(&[Quirk::ResumedAtWrongOffset], 2 * MIB);
    assert_eq!(registry.count("POST", "uploads"), 3);
    assert_eq!(registry.count("PATCH", "uploads"), 4);
}

#[test]
fn a_session_that_is_forgotten_is_an_upload_to_be_made_again() {
    let registry = carried(&[Quirk::SessionsForgotten], 10);
    assert_eq!(registry.count("POST", "uploads"), 4);
}

#[test]
fn a_busy_registry_is_waited_for() {
    let cases = [
        (429, None, Duration::ZERO),
        (503, Some("0"), Duration::ZERO),
        (429, Some("1"), Duration::from_secs(5)),
        (503, Some("Thu, 29 Feb 2024 00:00:00 GMT"), Duration::from_secs(5)),
    ];
    std::thread::scope(|scope| {
        for (status, after, least) in cases {
            scope.spawn(move || {
                let start = Instant::now();
                // HEAD, POST, PATCH and PUT of blobs; HEAD and PUT of manifests; GET of both.
                carried(&[Quirk::BusyAtFirst(status, after)], 10);
                assert!(start.elapsed() >= least, "{status} {after:?}: {:?}", start.elapsed());
            });
        }
    });
}

#[test]
fn a_document_that_is_too_large_is_named() {
    let registry = Misbehaving::with(&[Quirk::ManifestsTooLarge]);
    let error = refused(push(&client(), &registry, b"layer"));
    assert!(
        matches!(&error, RegistryError::TooLarge { what, .. } if what.contains(APP)),
        "{error}"
    );
    assert_eq!(registry.count("PUT", "manifests"), 1);
}

#[test]
fn a_document_without_its_blobs_is_refused_and_not_absent() {
    let registry = Misbehaving::with(&[]);
    let target = RegistryTarget::new(client());
    let error = refused(target.put_manifest(&app(&registry), &image(b"layer", "")));
    let RegistryError::Refused { status: 404, why, .. } = &error else { panic!("{error}") };
    assert!(why.starts_with("MANIFEST_BLOB_UNKNOWN"), "{why}");
}

#[test]
fn quota_and_denial_are_told_in_the_registrys_words() {
    let registry = Misbehaving::with(&[Quirk::QuotaExceeded]);
    let error = refused(push(&client(), &registry, b"layer"));
    assert!(
        matches!(&error, RegistryError::Denied { why, .. } if why.contains("exceeds the quota")),
        "{error}"
    );
    assert_eq!(registry.count("PUT", "manifests"), 1, "no second try");
    let registry = Misbehaving::with(&[Quirk::UploadsDenied]);
    let error = refused(push(&client(), &registry, b"layer"));
    assert!(
        matches!(&error, RegistryError::Denied { why, .. } if why.starts_with("DENIED: requested")),
        "{error}"
    );
    assert_eq!(registry.count("POST", "uploads"), 1);
}

#[test]
fn a_tag_that_may_not_move_is_told_in_the_registrys_words() {
    for status in [400, 409, 412] {
        let registry = Misbehaving::with(&[Quirk::TagsImmutable(status)]);
        push(&client(), &registry, b"first").unwrap();
        registry.forget();
        let error = refused(push(&client(), &registry, b"second"));
        let RegistryError::Refused { status: found, why, what, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(*found, status);
        assert!(why.contains("immutable") && what.ends_with(" v1"), "{error}");
        let puts = |seen: &&misbehaving::Seen| seen.method == "PUT";
        let seen = registry.seen();
        assert_eq!(seen.iter().filter(puts).filter(|seen| seen.path.ends_with("/v1")).count(), 1);
        assert!(seen[0].path.ends_with("/manifests/v1"), "the tag is looked at before all else");
    }
}

/// A document that refers to the image, with an artifact type.
fn push_referrer(client: &Client, registry: &Misbehaving) -> Result<Manifest, TargetError> {
    push(client, registry, b"layer")?;
    let subject = image(b"layer", "");
    let more = format!(
        r#","artifactType":"test/sbom","subject":{}"#,
        json(&descriptor(OCI_MANIFEST, subject.raw()))
    );
    let referrer = image(b"layer", &more);
    let target = RegistryTarget::new(client.clone());
    target.put_manifest(&app(registry), &referrer).map(|()| referrer)
}

#[test]
fn without_oci_subject_the_fallback_tag_is_kept() {
    for quirks in [&[][..], &[Quirk::NoReferrersApi], &[Quirk::ReferrersAnswer(406)]] {
        let (client, registry) = (client(), Misbehaving::with(quirks));
        let referrer = push_referrer(&client, &registry).unwrap();
        let subject = image(b"layer", "").descriptor().digest;
        let found = client.referrers(&app(&registry), &subject).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].digest, referrer.descriptor().digest);
        let fallback = registry.tagged(APP, &format!("sha256-{}", subject.hex()));
        assert_eq!(fallback.is_some(), !quirks.is_empty());
    }
}

#[test]
fn an_artifact_type_that_is_refused_is_named() {
    let registry = Misbehaving::with(&[Quirk::ArtifactTypesRefused]);
    let error = refused(push_referrer(&client(), &registry).map(drop));
    let RegistryError::Refused { status: 405, what, .. } = &error else { panic!("{error}") };
    assert!(what.contains("sha256:"), "{what}");
    assert!(registry.tagged(APP, "v1").is_some(), "the image is there");
}

#[test]
fn dockers_types_where_they_are_refused_are_told_so() {
    let registry = Misbehaving::with(&[Quirk::DockerTypesRefused]);
    let (client, at) = (client(), app(&registry));
    push(&client, &registry, b"layer").unwrap();
    let kind = "application/vnd.docker.distribution.manifest.v2+json";
    let text = String::from_utf8(image(b"layer", "").raw().to_vec()).unwrap();
    let raw = text.replacen(OCI_MANIFEST, kind, 1).into_bytes();
    let docker = Manifest::parse(descriptor(kind, &raw), raw).unwrap();
    let error = client.put_manifest(&at, Name::Tag(&tag("docker")), &docker).unwrap_err();
    assert!(
        matches!(&error, RegistryError::MediaType { media_type, status: 415, .. } if media_type == kind),
        "{error}"
    );
}

#[test]
fn sha512_is_a_digest_too() {
    let registry = Misbehaving::with(&[Quirk::RequestsUpTo4MiB]);
    let (client, at, bytes) = (client(), app(&registry), bytes(5 * MIB));
    let mut hasher =
        format!("sha512:{}", "0".repeat(128)).parse::<gapferry::oci::Digest>().unwrap().hasher();
    hasher.update(&bytes);
    let digest = hasher.finish();
    let blob = Descriptor::new(MediaType::new(LAYER).unwrap(), digest, bytes.len() as u64);
    let open = || Ok(Box::new(&bytes[..]) as Box<dyn Read>);
    client.upload(&at, &blob, &open).unwrap().commit().unwrap();
    assert!(client.has_blob(&at, &blob).unwrap());
    let mut found = Vec::new();
    client.blob(&at, &blob).unwrap().unwrap().proving().read_to_end(&mut found).unwrap();
    assert!(found == bytes);
}

#[test]
fn what_is_there_costs_one_head() {
    let (client, registry) = (client(), carried(&[], 10));
    registry.forget();
    let (target, at) = (RegistryTarget::new(client), app(&registry));
    assert!(target.has_blob(&at, &descriptor(LAYER, &bytes(10))).unwrap());
    assert!(target.has_manifest(&at, image(&bytes(10), "").descriptor()).unwrap());
    assert!(target.tag(&at, &tag("v1")).unwrap().is_some());
    let lines: Vec<String> = registry.seen().iter().map(|seen| seen.method.clone()).collect();
    // The first finds out whether this machine's registry speaks TLS.
    assert_eq!(lines, ["HEAD", "HEAD", "HEAD"]);
}
