//! Documents as the tools write them, and every way in which one is refused.

use serde_json::{Value, json};

use super::*;
use crate::oci::{DOCKER_LIST, DOCKER_MANIFEST, OCI_ARTIFACT, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn descriptor(media_type: &str, raw: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::new(media_type).unwrap(), raw)
}

fn child(media_type: &str, content: &[u8]) -> Value {
    json!(descriptor(media_type, content))
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": child(OCI_CONFIG, b"config"),
        "layers": [child(LAYER, b"base"), child(LAYER, b"top")],
    })
}

fn index() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [child(OCI_MANIFEST, b"a"), child(OCI_INDEX, b"b")],
    })
}

/// `document` with one field set; `null` takes the field away.
fn with(mut document: Value, field: &str, value: Value) -> Value {
    let fields = document.as_object_mut().unwrap();
    match value {
        Value::Null => fields.remove(field),
        value => fields.insert(field.to_owned(), value),
    };
    document
}

fn parse_text(media_type: &str, raw: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(descriptor(media_type, raw.as_bytes()), raw.as_bytes().to_vec())
}

fn parse(media_type: &str, document: &Value) -> Result<Manifest, ManifestError> {
    parse_text(media_type, &document.to_string())
}

#[test]
fn an_image_has_a_config_and_layers() {
    let manifest = parse(OCI_MANIFEST, &image()).unwrap();
    let blobs: Vec<_> = manifest.blobs().map(|blob| blob.digest).collect();
    assert_eq!(blobs, [Digest::of(b"config"), Digest::of(b"base"), Digest::of(b"top")]);
    assert!(manifest.children().is_empty());
    assert!(manifest.subject().is_none());
    assert_eq!(manifest.artifact_type(), Some(OCI_CONFIG));
    assert_eq!(manifest.raw(), image().to_string().as_bytes());
    assert_eq!(manifest.descriptor().digest, Digest::of(manifest.raw()));
}

#[test]
fn a_media_type_of_its_own_is_not_needed() {
    for (media_type, document) in [(OCI_MANIFEST, image()), (OCI_INDEX, index())] {
        assert!(parse(media_type, &with(document, "mediaType", Value::Null)).is_ok());
    }
}

#[test]
fn dockers_documents_are_read_alike() {
    let document = with(image(), "mediaType", json!(DOCKER_MANIFEST));
    assert_eq!(parse(DOCKER_MANIFEST, &document).unwrap().blobs().count(), 3);
    let document = with(index(), "mediaType", json!(DOCKER_LIST));
    assert_eq!(parse(DOCKER_LIST, &document).unwrap().children().len(), 2);
}

#[test]
fn an_index_has_children_and_no_blobs() {
    let manifest = parse(OCI_INDEX, &index()).unwrap();
    let children: Vec<_> = manifest.children().iter().map(|child| child.digest).collect();
    assert_eq!(children, [Digest::of(b"a"), Digest::of(b"b")]);
    assert_eq!(manifest.blobs().count(), 0);
    assert_eq!(manifest.artifact_type(), None);
    assert!(parse(OCI_INDEX, &with(index(), "manifests", json!([]))).is_ok());
}

#[test]
fn a_referrer_has_a_subject_and_a_kind() {
    for (media_type, document) in [(OCI_MANIFEST, image()), (OCI_INDEX, index())] {
        let document = with(document, "subject", child(OCI_MANIFEST, b"subject"));
        let document = with(document, "artifactType", json!("application/x.sbom"));
        let document = with(document, "annotations", json!({"a": "b"}));
        let manifest = parse(media_type, &document).unwrap();
        assert_eq!(manifest.subject().unwrap().digest, Digest::of(b"subject"));
        assert_eq!(manifest.artifact_type(), Some("application/x.sbom"));
        assert_eq!(manifest.annotations().get("a").map(String::as_str), Some("b"));
    }
    let document = with(image(), "artifactType", json!(""));
    assert_eq!(parse(OCI_MANIFEST, &document).unwrap().artifact_type(), Some(OCI_CONFIG));
}

#[test]
fn the_withdrawn_artifact_manifest_has_blobs() {
    let document = json!({
        "mediaType": OCI_ARTIFACT,
        "artifactType": "application/x.sbom",
        "blobs": [child("text/plain", b"sbom")],
        "subject": child(OCI_MANIFEST, b"subject"),
    });
    let manifest = parse(OCI_ARTIFACT, &document).unwrap();
    assert_eq!(manifest.blobs().map(|blob| blob.digest).collect::<Vec<_>>(), [Digest::of(b"sbom")]);
    assert!(matches!(manifest.content(), Content::Image { config: None, .. }));
    let without = with(document, "blobs", Value::Null);
    assert_eq!(parse(OCI_ARTIFACT, &without).unwrap().blobs().count(), 0);
}

#[test]
fn an_unknown_media_type_is_carried_as_bytes() {
    for raw in ["", "{", "{\"layers\":[],\"manifests\":[]}"] {
        let manifest = parse_text("application/x.new", raw).unwrap();
        assert_eq!((manifest.content(), manifest.raw()), (&Content::Opaque, raw.as_bytes()));
        assert_eq!(manifest.blobs().count() + manifest.children().len(), 0);
    }
}

#[test]
fn what_nobody_knows_is_kept() {
    let document = with(image(), "future", json!({"x": [1, 2]}));
    assert!(parse(OCI_MANIFEST, &document).is_ok());
}

#[test]
fn a_document_may_tell_its_media_type() {
    let own = |raw: &str| Manifest::own_media_type(raw.as_bytes()).map(|own| own.to_string());
    assert_eq!(own(&image().to_string()).as_deref(), Some(OCI_MANIFEST));
    for raw in ["", "{}", "[]", r#"{"mediaType":""}"#, r#"{"mediaType":"a/b","mediaType":"c/d"}"#] {
        assert_eq!(own(raw), None, "{raw}");
    }
}

#[test]
fn a_document_over_the_limit_is_refused() {
    let raw = vec![b' '; MAX_MANIFEST_SIZE as usize + 1];
    let found = Manifest::parse(descriptor(OCI_MANIFEST, &raw), raw.clone());
    assert!(matches!(found, Err(ManifestError::TooLarge(size)) if size == MAX_MANIFEST_SIZE + 1));
    let lie = Descriptor { size: u64::MAX, ..descriptor(OCI_MANIFEST, b"") };
    let found = Manifest::parse(lie, Vec::new());
    assert!(matches!(found, Err(ManifestError::TooLarge(u64::MAX))));
    let found = Manifest::parse(descriptor("application/x.new", &raw), raw);
    assert!(matches!(found, Err(ManifestError::TooLarge(_))));
}

#[test]
fn a_size_that_lies_is_refused() {
    let raw = image().to_string().into_bytes();
    let honest = descriptor(OCI_MANIFEST, &raw);
    for size in [0, honest.size - 1, honest.size + 1] {
        let lie = Descriptor { size, ..honest.clone() };
        let found = Manifest::parse(lie, raw.clone());
        assert!(matches!(found, Err(ManifestError::Size { digest, expected, found })
                if digest == honest.digest && expected == size && found == honest.size));
    }
}

#[test]
fn other_bytes_than_the_digest_says_are_refused() {
    let raw = image().to_string().into_bytes();
    let sha512: Digest = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
    for digest in [Digest::of(b"other"), sha512] {
        let lie = Descriptor { digest, ..descriptor(OCI_MANIFEST, &raw) };
        let found = Manifest::parse(lie, raw.clone());
        assert!(matches!(found, Err(ManifestError::Digest { expected, .. }) if expected == digest));
    }
    let lie = Descriptor { digest: sha512, ..descriptor("application/x.new", &raw) };
    assert!(matches!(Manifest::parse(lie, raw), Err(ManifestError::Digest { .. })));
}

#[test]
fn what_is_not_of_the_form_is_refused() {
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let duplicate = image().to_string().replacen('{', "{\"layers\":[],", 1);
    let escaped = image().to_string().replacen('{', "{\"l\\u0061yers\":[],", 1);
    let within = image().to_string().replacen("\"size\":", "\"size\":1,\"size\":", 1);
    for raw in ["", "[]", "null", "{", "{} {}", "\u{feff}{}", &deep, &duplicate, &escaped, &within]
    {
        let found = parse_text(OCI_MANIFEST, raw);
        assert!(matches!(found, Err(ManifestError::Json { .. })), "{raw:.60}: {found:?}");
    }
    for (field, value) in [
        ("layers", json!({})),
        ("layers", json!([1])),
        ("layers", json!([{"size": 1}])),
        ("config", json!("x")),
        ("subject", json!(7)),
        ("annotations", json!({"a": 1})),
        ("mediaType", json!(1)),
        ("schemaVersion", json!("2")),
    ] {
        let found = parse(OCI_MANIFEST, &with(image(), field, value.clone()));
        assert!(matches!(found, Err(ManifestError::Json { .. })), "{field} {value}: {found:?}");
    }
}

#[test]
fn a_bad_descriptor_within_is_refused() {
    let bad = |field: &str, value: Value| with(child(LAYER, b"x"), field, value);
    for (bad, why) in [
        (bad("mediaType", json!("a/\u{1b}b")), "media type"),
        (bad("size", json!(u64::MAX)), "size"),
        (bad("data", json!("eXk=")), "inline data"),
    ] {
        for (media_type, document) in [
            (OCI_MANIFEST, with(image(), "config", bad.clone())),
            (OCI_MANIFEST, with(image(), "layers", json!([bad]))),
            (OCI_MANIFEST, with(image(), "subject", bad.clone())),
            (OCI_INDEX, with(index(), "manifests", json!([bad]))),
        ] {
            let found = parse(media_type, &document);
            assert!(matches!(found, Err(ManifestError::Descriptor { .. })), "{why}: {found:?}");
        }
    }
    for digest in ["sha256:x", "sha256:", "sha256:../x"] {
        let document = with(image(), "config", bad("digest", json!(digest)));
        let found = parse(OCI_MANIFEST, &document);
        assert!(matches!(found, Err(ManifestError::Json { .. })), "{digest}: {found:?}");
    }
    let unknown = json!("md5:d41d8cd98f00b204e9800998ecf8427e");
    let found = parse(OCI_MANIFEST, &with(image(), "config", bad("digest", unknown)));
    assert!(matches!(found, Err(ManifestError::Descriptor { .. })), "{found:?}");
}

#[test]
fn a_media_type_unlike_the_descriptors_is_refused() {
    for (media_type, document) in [
        (DOCKER_MANIFEST, image()),
        (OCI_INDEX, with(index(), "mediaType", json!(DOCKER_LIST))),
        (OCI_MANIFEST, with(image(), "mediaType", json!(""))),
        (OCI_MANIFEST, with(image(), "mediaType", json!("x".repeat(1000)))),
    ] {
        let found = parse(media_type, &document);
        assert!(
            matches!(&found, Err(ManifestError::MediaType { expected, found, .. })
                if expected == media_type && found.len() <= 100),
            "{found:?}"
        );
    }
}

#[test]
fn what_could_be_two_things_is_refused() {
    for (media_type, document) in [
        (OCI_INDEX, with(index(), "layers", json!([]))),
        (OCI_INDEX, with(index(), "config", child(OCI_CONFIG, b"config"))),
        (OCI_INDEX, with(index(), "blobs", json!([]))),
        (OCI_MANIFEST, with(image(), "manifests", json!([]))),
        (OCI_ARTIFACT, json!({"blobs": [], "manifests": []})),
        (OCI_MANIFEST, with(image(), "Layers", json!([]))),
        (OCI_MANIFEST, with(image(), "CONFIG", json!({}))),
        (OCI_INDEX, with(index(), "Manifests", json!([]))),
        (OCI_INDEX, with(index(), "mediatype", json!(OCI_MANIFEST))),
        (OCI_MANIFEST, with(image(), "fslayers", json!([]))),
    ] {
        let found = parse(media_type, &document);
        assert!(matches!(found, Err(ManifestError::Ambiguous { .. })), "{document}: {found:?}");
    }
}

#[test]
fn more_children_than_the_cap_are_refused() {
    let children = |count: usize| {
        vec![json!({"mediaType": "a/b", "digest": Digest::of(b""), "size": 0}); count]
    };
    let documents = |count: usize| {
        [
            (OCI_INDEX, with(index(), "manifests", json!(children(count)))),
            (OCI_MANIFEST, with(image(), "layers", json!(children(count)))),
            (OCI_ARTIFACT, json!({ "blobs": children(count) })),
        ]
    };
    for (media_type, document) in documents(MAX_CHILDREN) {
        assert!(parse(media_type, &document).is_ok(), "{media_type}");
    }
    for (media_type, document) in documents(MAX_CHILDREN + 1) {
        let found = parse(media_type, &document);
        assert!(matches!(found, Err(ManifestError::Ambiguous { .. })), "{media_type}");
    }
}

#[test]
fn what_its_media_type_calls_for_must_be_there() {
    for (media_type, document, absent) in [
        (OCI_INDEX, with(index(), "manifests", Value::Null), "manifests"),
        (OCI_MANIFEST, with(image(), "config", Value::Null), "config"),
        (OCI_MANIFEST, with(image(), "layers", Value::Null), "layers"),
        (DOCKER_LIST, json!({}), "manifests"),
        (DOCKER_MANIFEST, json!({}), "config"),
    ] {
        let found = parse(media_type, &document);
        assert!(
            matches!(found, Err(ManifestError::Missing { field, .. }) if field == absent),
            "{absent}"
        );
    }
}

#[test]
fn schema_1_is_refused_by_name() {
    for kind in ["json", "prettyjws"] {
        let media_type = format!("application/vnd.docker.distribution.manifest.v1+{kind}");
        let found = parse(&media_type, &json!({"schemaVersion": 1, "fsLayers": []}));
        assert!(matches!(found, Err(ManifestError::Schema1(_))), "{kind}");
    }
    for media_type in [OCI_MANIFEST, DOCKER_MANIFEST] {
        let found = parse(media_type, &json!({"schemaVersion": 1, "fsLayers": []}));
        assert!(matches!(found, Err(ManifestError::Schema1(_))), "{media_type}");
    }
}
