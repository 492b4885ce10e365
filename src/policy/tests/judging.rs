//! Every rule but those of signatures.

use serde_json::json;

use super::world::{World, child, image, pinned};
use super::*;
use crate::oci::{Omitted, OmittedReason, PinnedDocument, Role};

const AMD: &str = "linux/amd64";
const ARM: &str = "linux/arm64";
const APP: &str = "quay.io/team/app:1";
const SPDX: &str = "application/spdx+json";
const NOTATION: &str = "application/vnd.cncf.notary.signature";

/// An image of one platform.
fn single(created: Option<&str>) -> (World, PinnedImage) {
    let mut world = World::default();
    let root = world.manifest(AMD, created);
    (world, image(APP, &root, &[]))
}

/// An image of two platforms.
fn multi() -> (World, Vec<Descriptor>, PinnedImage) {
    let mut world = World::default();
    let amd = world.manifest(AMD, Some("2023-12-31T00:00:00Z"));
    let arm = world.manifest(ARM, Some("2023-12-01T00:00:00Z"));
    let root = world.index(&[(amd.clone(), AMD), (arm.clone(), ARM)]);
    let image = image(APP, &root, &[child(&amd, AMD), child(&arm, ARM)]);
    (world, vec![root, amd, arm], image)
}

fn attach(
    world: &mut World,
    subject: &Descriptor,
    kind: &str,
    created: Option<&str>,
) -> PinnedDocument {
    let layer = world.add_blob("application/octet-stream", kind.as_bytes());
    let notes = created.map_or(json!({}), |date| json!({"org.opencontainers.image.created": date}));
    world.referrer(subject, kind, layer, notes)
}

#[test]
fn images_come_from_allowed_places() {
    let (world, mut image) = single(None);
    assert_eq!(judged(&policy("allow = [\"quay.io/team/*\"]"), &world, [&image]), []);
    let strict = policy("allow = [\"docker.io/**\", \"oci:\"]");
    let source = image.source.clone();
    assert_eq!(judged(&strict, &world, [&image]), [Breach::Source(source)]);
    // What it is called does not matter; where it comes from does.
    image.name = "docker.io/library/app:1".parse().unwrap();
    assert_eq!(judged(&strict, &world, [&image]).len(), 1);
    image.source = "oci:/srv/layout:app".to_owned();
    assert_eq!(judged(&strict, &world, [&image]), []);
    image.source = "docker-archive:app.tar".to_owned();
    assert_eq!(judged(&strict, &world, [&image]).len(), 1);
}

#[test]
fn a_rule_is_for_what_it_matches_by_name_or_by_source() {
    let (world, mut image) = single(None);
    let breach = [Breach::Platform(ARM.parse().unwrap())];
    let rule = |pattern: &str| {
        policy(&format!("[[rule]]\nmatch = \"{pattern}\"\nplatforms = [\"{ARM}\"]"))
    };
    assert_eq!(judged(&rule("quay.io/**"), &world, [&image]), breach);
    assert_eq!(judged(&rule("docker.io/**"), &world, [&image]), []);
    image.name = "docker.io/other/name:1".parse().unwrap();
    assert_eq!(judged(&rule("quay.io/**"), &world, [&image]), breach);
    assert_eq!(judged(&rule("docker.io/**"), &world, [&image]), breach);
}

#[test]
fn blocked_content_is_found_wherever_it_is() {
    let (mut world, digests, mut image) = multi();
    let sbom = attach(&mut world, &digests[0], SPDX, None);
    image.documents.push(sbom.clone());
    image.index = Some(Digest::of(b"the index that stayed behind"));
    let arm = &world.documents[&digests[2].digest];
    let parts: Vec<Digest> = arm.blobs().map(|blob| blob.digest).collect();
    for digest in
        [image.digest, digests[2].digest, parts[0], parts[1], sbom.digest, image.index.unwrap()]
    {
        let found = judged(&policy(&format!("block = [\"{digest}\"]")), &world, [&image]);
        assert_eq!(found, [Breach::Blocked(digest)]);
    }
    let other = Digest::of(b"not there");
    assert_eq!(judged(&policy(&format!("block = [\"{other}\"]")), &world, [&image]), []);
}

#[test]
fn a_tag_alone_does_not_do_where_digests_are_asked_for() {
    let (world, image) = single(None);
    let rule = policy("[[rule]]\nrequire-digest = true");
    let judged = |image: &PinnedImage, by_tag| {
        rule.check([image], &world, Circumstances { now: NOW, by_tag }).unwrap().len()
    };
    assert_eq!(judged(&image, true), 1);
    assert_eq!(judged(&image, false), 0);
    let named = format!("quay.io/team/app@{}", image.digest);
    let by_name = PinnedImage { name: named.parse().unwrap(), ..image.clone() };
    assert_eq!(judged(&by_name, true), 0);
    let by_source = PinnedImage { source: format!("docker://{named}"), ..image.clone() };
    assert_eq!(judged(&by_source, true), 0);
}

#[test]
fn platforms_are_those_aboard() {
    let both = policy(&format!("[[rule]]\nplatforms = [\"{AMD}\", \"{ARM}/v8\"]"));
    let (world, digests, mut image) = multi();
    assert_eq!(judged(&both, &world, [&image]), []);
    image.documents.pop();
    image.omitted.push(Omitted {
        digest: digests[2].digest,
        reason: OmittedReason::Platform,
        platform: Some(ARM.parse().unwrap()),
    });
    let arm = Breach::Platform("linux/arm64/v8".parse().unwrap());
    assert_eq!(judged(&both, &world, [&image]), std::slice::from_ref(&arm));
    // An image without an index says it in its config.
    let (world, image) = single(None);
    assert_eq!(judged(&both, &world, [&image]), [arm]);
}

#[test]
fn an_artifact_runs_nowhere() {
    let mut world = World::default();
    let config = world.add_blob("application/vnd.cncf.helm.config.v1+json", b"{}");
    let root = world.add_document(&json!({"schemaVersion": 2, "config": config, "layers": []}));
    let rule = policy(&format!("[[rule]]\nplatforms = [\"{AMD}\"]"));
    assert_eq!(judged(&rule, &world, [&image(APP, &root, &[])]), []);
}

#[test]
fn a_kind_is_there_for_the_whole_or_for_each_platform() {
    let rule = policy("[[rule]]\nrequire = [\"sbom\"]");
    let (mut world, digests, bare) = multi();
    let missing = |at: usize| Breach::Missing { kind: Kind::Sbom, subject: digests[at].digest };
    assert_eq!(judged(&rule, &world, [&bare]), [missing(0)]);
    let sboms: Vec<PinnedDocument> =
        digests.iter().map(|subject| attach(&mut world, subject, SPDX, None)).collect();
    let with = |places: &[usize]| {
        let mut image = bare.clone();
        image.documents.extend(places.iter().map(|at| sboms[*at].clone()));
        judged(&rule, &world, [&image])
    };
    assert_eq!(with(&[0]), []);
    assert_eq!(with(&[1, 2]), []);
    assert_eq!(with(&[1]), [missing(2)]);
}

#[test]
fn sboms_come_in_many_forms() {
    let rule = policy("[[rule]]\nrequire = [\"sbom\"]");
    let (mut world, bare) = single(None);
    let root = world.documents[&bare.digest].descriptor().clone();
    let in_toto = "application/vnd.in-toto+json";
    let statement = |world: &mut World, note: &str, predicate: &str| {
        let mut layer = world.add_blob("application/vnd.dsse.envelope.v1+json", b"{}");
        layer["annotations"] = json!({note: predicate});
        layer
    };
    let cyclonedx = "https://cyclonedx.org/bom/v1.6";
    let layer = statement(&mut world, "predicateType", cyclonedx);
    let attestation = world.tagged(&root, "att", layer);
    let layer = statement(&mut world, "in-toto.io/predicate-type", "https://spdx.dev/Document");
    let statement_of = world.referrer(&root, in_toto, layer, json!({}));
    let notes = json!({"dev.sigstore.bundle.predicateType": cyclonedx});
    let layer = world.add_blob("application/x", b"bundle");
    let bundle = world.referrer(&root, "application/x", layer.clone(), notes);
    let tagged = world.tagged(&root, "sbom", layer.clone());
    let cdx = attach(&mut world, &root, "application/vnd.cyclonedx+json", None);
    for good in [attestation, statement_of, bundle, tagged, cdx] {
        let mut image = bare.clone();
        image.documents.push(good);
        assert_eq!(judged(&rule, &world, [&image]), [], "{image:?}");
    }
    let other = statement(&mut world, "predicateType", "https://slsa.dev/provenance/v1");
    let provenance = world.tagged(&root, "att", other);
    let signature = world.tagged(&root, "sig", layer);
    for bad in [provenance, signature] {
        let mut image = bare.clone();
        image.documents.push(bad);
        assert_eq!(judged(&rule, &world, [&image]).len(), 1);
    }
}

/// Buildkit puts attestations into the index, beside what they describe.
#[test]
fn an_sbom_of_buildkit_is_in_the_index() {
    let mut world = World::default();
    let amd = world.manifest(AMD, None);
    let mut layer = world.add_blob("application/vnd.in-toto+json", b"{}");
    layer["annotations"] = json!({"in-toto.io/predicate-type": "https://spdx.dev/Document"});
    let config = world.add_blob("application/vnd.oci.image.config.v1+json", b"{}");
    let attestation =
        world.add_document(&json!({"schemaVersion": 2, "config": config, "layers": [layer]}));
    let mut noted = attestation.clone();
    noted.annotations.insert("vnd.docker.reference.digest".to_owned(), amd.digest.to_string());
    let root = world.index(&[(amd.clone(), AMD), (noted, "unknown/unknown")]);
    let image = image(APP, &root, &[child(&amd, AMD), child(&attestation, "unknown/unknown")]);
    assert_eq!(judged(&policy("[[rule]]\nrequire = [\"sbom\"]"), &world, [&image]), []);
}

/// A lock is a file: that it calls something a referrer of the image does not make it one.
#[test]
fn what_a_lock_says_of_a_referrer_is_not_believed() {
    let rule = policy("[[rule]]\nrequire = [\"notation-signature\"]");
    let (mut world, bare) = single(None);
    let other = world.manifest(ARM, None);
    let stray = attach(&mut world, &other, NOTATION, None);
    let mut image = bare.clone();
    image.documents.push(PinnedDocument { subject: Some(image.digest), ..stray });
    assert_eq!(judged(&rule, &world, [&image]).len(), 1);
    let mut image = bare.clone();
    let kind = Some(NOTATION.to_owned());
    image.documents.push(PinnedDocument { artifact_type: kind, ..pinned(&other, Role::Child) });
    assert_eq!(judged(&rule, &world, [&image]).len(), 1);
    let root = world.documents[&bare.digest].descriptor().clone();
    let mut image = bare;
    image.documents.push(attach(&mut world, &root, NOTATION, None));
    assert_eq!(judged(&rule, &world, [&image]), []);
}

#[test]
fn scans_have_an_age() {
    let sarif = "application/sarif+json";
    let rule = policy(&format!("[[rule]]\nscan = {{ types = [\"{sarif}\"], max-age-days = 7 }}"));
    let (mut world, bare) = single(None);
    let root = world.documents[&bare.digest].descriptor().clone();
    assert_eq!(judged(&rule, &world, [&bare]), [Breach::NoScan(root.digest)]);
    let mut with = |dates: &[Option<&str>]| {
        let mut image = bare.clone();
        let scans = dates.iter().map(|date| attach(&mut world, &root, sarif, *date));
        image.documents.extend(scans.collect::<Vec<_>>());
        let last = image.documents.last().unwrap().digest;
        (judged(&rule, &world, [&image]), last)
    };
    let old = Some("2023-12-24T00:00:00Z");
    assert_eq!(with(&[Some("2023-12-25T00:00:00Z")]).0, []);
    assert_eq!(with(&[old, Some("2023-12-31T12:00:00.5+01:00")]).0, []);
    let (found, digest) = with(&[old]);
    assert_eq!(found, [Breach::TooOld { of: Dated::Scan, digest, days: 8, limit: 7 }]);
    for date in [None, Some("yesterday")] {
        let (found, digest) = with(&[date]);
        assert_eq!(found, [Breach::Undated { of: Dated::Scan, digest }]);
    }
    let (found, digest) = with(&[Some("2024-01-03T00:00:00Z")]);
    assert_eq!(found, [Breach::Future { of: Dated::Scan, digest }]);
}

#[test]
fn images_have_an_age() {
    let rule = policy("[[rule]]\nmax-age-days = 14");
    let (world, digests, image) = multi();
    let digest = digests[2].digest;
    let old = Breach::TooOld { of: Dated::Image, digest, days: 31, limit: 14 };
    assert_eq!(judged(&rule, &world, [&image]), [old]);
    let (world, fresh) = single(Some("2023-12-20T00:00:00Z"));
    assert_eq!(judged(&rule, &world, [&fresh]), []);
    let (world, undated) = single(None);
    let digest = undated.digest;
    assert_eq!(judged(&rule, &world, [&undated]), [Breach::Undated { of: Dated::Image, digest }]);
}

#[test]
fn an_annotation_dates_what_has_no_date_in_its_config() {
    let rule = policy("[[rule]]\nmax-age-days = 14");
    let mut world = World::default();
    let config = world.add_blob("application/vnd.cncf.helm.config.v1+json", b"{}");
    let notes = json!({"org.opencontainers.image.created": "2023-12-31T00:00:00Z"});
    let root = world.add_document(
        &json!({"schemaVersion": 2, "config": config, "layers": [], "annotations": notes}),
    );
    assert_eq!(judged(&rule, &world, [&image(APP, &root, &[])]), []);
}

#[test]
fn what_cannot_be_looked_at_is_a_finding() {
    let rule = policy("[[rule]]\nmax-age-days = 14");
    let (mut world, image) = single(Some("2023-12-31T00:00:00Z"));
    let config = world.documents[&image.digest].blobs().next().unwrap().digest;
    let digest = image.digest;
    let undated = Breach::Undated { of: Dated::Image, digest };
    world.blobs.insert(config, b"{\"created\":1,\"created\":2}".to_vec());
    assert_eq!(judged(&rule, &world, [&image]), std::slice::from_ref(&undated));
    world.blobs.remove(&config);
    assert_eq!(judged(&rule, &world, [&image]), [Breach::Unseen(config), undated]);
    world.documents.clear();
    assert_eq!(judged(&rule, &world, [&image]), [Breach::Unseen(digest)]);
}

#[test]
fn sizes_count_each_blob_once() {
    let (world, _, image) = multi();
    let configs: u64 =
        world.blobs.values().map(|blob| blob.len() as u64).filter(|it| *it < 1000).sum();
    let bytes = configs + 1000;
    let rule = |limit: u64| policy(&format!("[[rule]]\nmax-bytes = {limit}"));
    assert_eq!(judged(&rule(bytes), &world, [&image]), []);
    let large = Breach::TooLarge { bytes, limit: bytes - 1 };
    assert_eq!(judged(&rule(bytes - 1), &world, [&image]), [large]);
}

#[test]
fn the_strictest_rule_counts_and_all_findings_are_told() {
    let (world, _, first) = multi();
    let second = PinnedImage { name: "docker.io/library/b:1".parse().unwrap(), ..first.clone() };
    let strict = policy(
        "allow = []
        [[rule]]
        max-bytes = 5
        require = [\"sbom\", \"notation-signature\"]
        [[rule]]
        match = \"docker.io/**\"
        max-bytes = 3
        platforms = [\"linux/s390x\"]
        require = [\"sbom\"]",
    );
    let found = strict.check([&first, &second], &world, Circumstances { now: NOW, by_tag: false });
    let codes = |name: &Reference| -> Vec<&'static str> {
        let found = found.as_ref().unwrap().iter().filter(|it| it.image == *name);
        found.map(|finding| finding.breach.code()).collect()
    };
    assert_eq!(codes(&first.name), ["source", "too-large", "sbom", "notation-signature"]);
    assert_eq!(
        codes(&second.name),
        ["source", "too-large", "platform", "sbom", "notation-signature"]
    );
}

/// Nothing recurses, and nothing goes round.
#[test]
fn indexes_in_indexes_end() {
    let mut world = World::default();
    let leaf = world.manifest(AMD, None);
    let mut documents = vec![child(&leaf, AMD)];
    let mut top = leaf;
    for _ in 0..5_000 {
        top = world.index(&[(top.clone(), AMD), (top, ARM)]);
        documents.push(pinned(&top, Role::Child));
    }
    let image = image(APP, &top, &documents);
    let rule = policy(&format!("[[rule]]\nplatforms = [\"{AMD}\"]"));
    assert_eq!(judged(&rule, &world, [&image]), []);
}
