//! The client against a real registry.

mod support;

use std::io::{self, Read};
use std::time::Duration;

use gapferry::oci::{
    Descriptor, Digest, Manifest, MediaType, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Reference,
    Repository, Tag,
};
use gapferry::registry::{Client, Config, Name, RegistryError};
use gapferry::source::{RegistrySource, Source};
use gapferry::target::{RegistryTarget, Target, TargetError};
use support::DockerRegistry;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

fn client() -> Client {
    let backoff = Duration::from_millis(10);
    Client::new(Config { backoff, retries: 2, ..Config::default() }).unwrap()
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::new(media_type).unwrap(), bytes)
}

fn json(descriptor: &Descriptor) -> String {
    let Descriptor { media_type, digest, size, .. } = descriptor;
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

fn manifest(config: &Descriptor, layer: &Descriptor, more: &str) -> Manifest {
    let raw = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{}]{more}}}"#,
        json(config),
        json(layer)
    );
    Manifest::parse(descriptor(OCI_MANIFEST, raw.as_bytes()), raw.into_bytes()).unwrap()
}

fn stage_and_commit(target: &RegistryTarget, at: &Repository, media_type: &str, bytes: &[u8]) {
    let open = || Ok(Box::new(bytes) as Box<dyn Read>);
    let blob = descriptor(media_type, bytes);
    target.stage(at, &blob, &open).unwrap().commit().unwrap();
}

fn read(source: &RegistrySource, blob: &Descriptor) -> Vec<u8> {
    let mut bytes = Vec::new();
    source.blob(blob).unwrap().proving().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn an_image_goes_in_and_comes_out_bit_for_bit() {
    let registry = DockerRegistry::start();
    let target = RegistryTarget::new(client());
    let at = Repository::new(&registry.host(), "team/app").unwrap();
    // Larger than what is sent without asking first.
    let layer: Vec<u8> =
        (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (layer_is, config_is) = (descriptor(LAYER, &layer), descriptor(OCI_CONFIG, b"{}"));

    let open = || Ok(Box::new(&layer[..]) as Box<dyn Read>);
    let staged = target.stage(&at, &layer_is, &open).unwrap();
    assert!(!target.has_blob(&at, &layer_is).unwrap(), "seen before it was committed");
    staged.commit().unwrap();
    assert!(target.has_blob(&at, &layer_is).unwrap());
    stage_and_commit(&target, &at, OCI_CONFIG, b"{}");

    let image = manifest(&config_is, &layer_is, "");
    assert!(!target.has_manifest(&at, image.descriptor()).unwrap());
    target.put_manifest(&at, &image).unwrap();
    assert!(target.has_manifest(&at, image.descriptor()).unwrap());
    let tag: Tag = "v1".parse().unwrap();
    assert_eq!(target.tag(&at, &tag).unwrap(), None);
    target.put_tag(&at, &tag, &image).unwrap();
    assert_eq!(target.tag(&at, &tag).unwrap(), Some(image.descriptor().digest));

    let reference: Reference = format!("{at}:v1").parse().unwrap();
    let source = RegistrySource::new(client(), reference);
    assert_eq!(source.root().unwrap().raw(), image.raw());
    assert_eq!(source.manifest(image.descriptor()).unwrap().raw(), image.raw());
    assert!(source.tagged(&"v2".parse().unwrap()).unwrap().is_none());
    assert!(read(&source, &layer_is) == layer);
    assert!(source.blob(&descriptor(LAYER, b"other")).is_err());
}

#[test]
fn a_blob_is_mounted_or_not_but_never_in_between() {
    let registry = DockerRegistry::start();
    let target = RegistryTarget::new(client());
    let from = Repository::new(&registry.host(), "a").unwrap();
    let to = Repository::new(&registry.host(), "b").unwrap();
    stage_and_commit(&target, &from, LAYER, b"shared");
    let blob = descriptor(LAYER, b"shared");
    assert!(target.share(&blob, &from, &to).unwrap());
    assert!(target.has_blob(&to, &blob).unwrap());
    let absent = descriptor(LAYER, b"absent");
    assert!(!target.share(&absent, &from, &to).unwrap());
    assert!(!target.has_blob(&to, &absent).unwrap());
}

#[test]
fn an_empty_blob_is_a_blob() {
    let registry = DockerRegistry::start();
    let target = RegistryTarget::new(client());
    let at = Repository::new(&registry.host(), "a").unwrap();
    stage_and_commit(&target, &at, LAYER, b"");
    let source = RegistrySource::new(client(), format!("{at}:x").parse().unwrap());
    assert!(read(&source, &descriptor(LAYER, b"")).is_empty());
}

#[test]
fn referrers_are_found_through_the_fallback_tag() {
    let registry = DockerRegistry::start();
    let target = RegistryTarget::new(client());
    let at = Repository::new(&registry.host(), "signed").unwrap();
    for (media_type, bytes) in [(OCI_CONFIG, &b"{}"[..]), (LAYER, b"layer")] {
        stage_and_commit(&target, &at, media_type, bytes);
    }
    let (config, layer) = (descriptor(OCI_CONFIG, b"{}"), descriptor(LAYER, b"layer"));
    let image = manifest(&config, &layer, "");
    target.put_manifest(&at, &image).unwrap();
    let source = RegistrySource::new(client(), format!("{at}:x").parse().unwrap());
    let subject = image.descriptor().digest;
    assert!(source.referrers(&subject).unwrap().is_empty());

    let mut expected: Vec<Digest> = ["one", "two", "three"]
        .iter()
        .map(|kind| {
            let more = format!(
                r#","artifactType":"test/{kind}","annotations":{{"k":"{kind}"}},"subject":{}"#,
                json(image.descriptor())
            );
            let referrer = manifest(&config, &layer, &more);
            target.put_manifest(&at, &referrer).unwrap();
            // Again: it is in the list already.
            target.put_manifest(&at, &referrer).unwrap();
            referrer.descriptor().digest
        })
        .collect();
    expected.sort();
    let found = source.referrers(&subject).unwrap();
    assert_eq!(found.iter().map(|one| one.digest).collect::<Vec<_>>(), expected);
    assert!(found.iter().all(|one| one.artifact_type.as_deref().unwrap().starts_with("test/")));
    assert!(found.iter().all(|one| one.annotations.contains_key("k")));
    let tag: Tag = format!("sha256-{}", subject.hex()).parse().unwrap();
    let index = source.tagged(&tag).unwrap().unwrap();
    assert_eq!(index.descriptor().media_type.as_str(), OCI_INDEX);
}

#[test]
fn content_that_fails_leaves_nothing_behind() {
    let registry = DockerRegistry::start();
    let target = RegistryTarget::new(client());
    let at = Repository::new(&registry.host(), "a").unwrap();
    let blob = descriptor(LAYER, b"the whole");
    let short = || Ok(Box::new(&b"the"[..]) as Box<dyn Read>);
    let error = target.stage(&at, &blob, &short).err().unwrap();
    assert!(
        matches!(&error, TargetError::Read(error) if error.kind() == io::ErrorKind::UnexpectedEof)
    );
    let other = || Ok(Box::new(&b"another!!"[..]) as Box<dyn Read>);
    let error = target.stage(&at, &blob, &other).unwrap().commit().unwrap_err();
    let TargetError::Registry(RegistryError::Refused { status: 400, why, .. }) = &error else {
        panic!("{error}");
    };
    assert!(why.contains("DIGEST_INVALID"), "{why}");
    assert!(!target.has_blob(&at, &blob).unwrap());
}

#[test]
fn tls_is_spoken_where_the_authority_is_known() {
    let tag: Tag = "x".parse().unwrap();
    let ask = |host: &str, ca_pem: Vec<Vec<u8>>| {
        let client = Client::new(Config { ca_pem, ..Config::default() }).unwrap();
        client.manifest(&Repository::new(host, "a").unwrap(), Name::Tag(&tag))
    };
    let (signed, authority) = DockerRegistry::start_tls();
    let (alone, itself) = DockerRegistry::start_self_signed();
    for (registry, authority, other) in
        [(&signed, &authority, &itself), (&alone, &itself, &authority)]
    {
        let known = vec![other.clone(), authority.clone()];
        assert!(ask(&registry.host(), known.clone()).unwrap().is_none());
        let other_name = format!("localhost:{}", registry.port());
        for (host, known) in
            [(registry.host(), vec![other.clone()]), (registry.host(), vec![]), (other_name, known)]
        {
            let error = ask(&host, known).unwrap_err();
            assert!(matches!(&error, RegistryError::Tls { .. }), "{host}: {error}");
        }
    }
}
