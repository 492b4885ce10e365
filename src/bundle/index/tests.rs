use super::*;
use crate::oci::{OCI_CONFIG, OCI_MANIFEST, Omitted, OmittedReason, PinnedDocument};
use crate::tests::document;
use serde_json::{Value, json};

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn manifest(config: &str, layers: &[&str]) -> Manifest {
    let blob =
        |kind: &str, text: &str| json!({"mediaType": kind, "digest": digest(text), "size": 1});
    let layers: Vec<_> = layers.iter().map(|text| blob("a/layer", text)).collect();
    let config = blob(config, &format!("config of {}", layers.len()));
    document(OCI_MANIFEST, json!({"schemaVersion": 2, "config": config, "layers": layers}))
}

fn pinned(document: &Manifest, role: Role) -> PinnedDocument {
    let descriptor = document.descriptor();
    PinnedDocument {
        digest: descriptor.digest,
        media_type: descriptor.media_type.clone(),
        size: descriptor.size,
        role,
        platform: None,
        subject: None,
        tag: None,
        artifact_type: None,
    }
}

fn image(name: &str, documents: Vec<PinnedDocument>) -> PinnedImage {
    PinnedImage {
        name: name.parse().unwrap(),
        source: name.to_owned(),
        why: vec![],
        digest: documents[0].digest,
        bytes: 0,
        index: None,
        documents,
        omitted: vec![],
    }
}

fn of_platform(document: &Manifest, platform: &str) -> PinnedDocument {
    let platform = Some(platform.parse().unwrap());
    PinnedDocument { platform, ..pinned(document, Role::Child) }
}

fn by_digest(documents: &[&Manifest]) -> BTreeMap<Digest, Manifest> {
    documents.iter().map(|it| (it.descriptor().digest, (*it).clone())).collect()
}

/// An image under two names with a referrer and a signature, and one without a tag.
fn images() -> Vec<PinnedImage> {
    let (root, other) = (manifest(OCI_CONFIG, &["l"]), manifest(OCI_CONFIG, &["l", "m"]));
    let (referrer, tagged) = (manifest("a/sbom", &[]), manifest("a/sig", &["x", "y", "z"]));
    let kind = Some("a/kind".to_owned());
    let referrer =
        PinnedDocument { artifact_type: kind.clone(), ..pinned(&referrer, Role::Referrer) };
    let tag = Some("sha256-x.sig".parse().unwrap());
    let tagged = PinnedDocument { tag, artifact_type: kind, ..pinned(&tagged, Role::Tagged) };
    let documents = vec![pinned(&root, Role::Root), referrer, tagged];
    let bare = format!("quay.io/b@{}", other.descriptor().digest);
    vec![
        image("a:1", documents.clone()),
        image("a:2", documents),
        image(&bare, vec![pinned(&other, Role::Root)]),
    ]
}

#[test]
fn every_name_and_every_referrer_is_listed() {
    let index: Value = serde_json::from_slice(&index_json(&images())).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    let names: Vec<_> = entries.iter().map(|it| it["annotations"][REF_NAME].as_str()).collect();
    let bare = images()[2].name.to_string();
    let expected = [
        Some("docker.io/library/a:1"),
        None,
        Some("docker.io/library/a:sha256-x.sig"),
        Some("docker.io/library/a:2"),
        Some(bare.as_str()),
    ];
    assert_eq!(names, expected);
    for entry in entries {
        assert_eq!(entry["annotations"][REF_NAME], entry["annotations"][CONTAINERD_NAME]);
        assert_eq!(entry.get("artifactType").is_some(), entry.get("annotations").is_none());
    }
    check_index_json(&index_json(&images()), &images()).unwrap();
}

#[test]
fn an_index_that_says_something_else_is_refused() {
    let good: Value = serde_json::from_slice(&index_json(&images())).unwrap();
    let check = |index: &Value| check_index_json(index.to_string().as_bytes(), &images());
    check(&good).unwrap();
    // In another order it says the same.
    let mut turned = good.clone();
    turned["manifests"].as_array_mut().unwrap().reverse();
    check(&turned).unwrap();
    let changes: [fn(&mut Value); 9] = [
        |index| index["schemaVersion"] = json!(1),
        |index| index["mediaType"] = json!(OCI_MANIFEST),
        |index| drop(index["manifests"].as_array_mut().unwrap().pop()),
        |index| {
            let twice = index["manifests"][0].clone();
            index["manifests"].as_array_mut().unwrap().push(twice);
        },
        |index| index["manifests"][0]["size"] = json!(1),
        |index| index["manifests"][0]["digest"] = json!(digest("x")),
        |index| index["manifests"][0]["mediaType"] = json!(OCI_INDEX),
        |index| index["manifests"][0]["annotations"][REF_NAME] = json!("docker.io/library/b:1"),
        |index| index["manifests"][1]["artifactType"] = json!("a/other"),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut index = good.clone();
        change(&mut index);
        assert!(matches!(check(&index), Err(IndexError::Differs("index.json"))), "{at}");
    }
    let malformed = check_index_json(b"{}", &images());
    assert!(matches!(malformed, Err(IndexError::Json("index.json", _))));
    let twice = br#"{"schemaVersion":2,"schemaVersion":2,"mediaType":"x","manifests":[]}"#;
    assert!(matches!(check_index_json(twice, &[]), Err(IndexError::Json("index.json", _))));
}

fn docker(images: &[PinnedImage], documents: &[&Manifest]) -> Value {
    let documents = by_digest(documents);
    let bytes = docker_manifest_json(images, &documents);
    check_docker_manifest_json(&bytes, images, &documents).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn docker_gets_every_tagged_image_that_runs() {
    let runs = manifest(OCI_CONFIG, &["l", "m"]);
    let artifact = manifest("application/vnd.cncf.helm.config.v1+json", &["chart"]);
    let bare = format!("c@{}", runs.descriptor().digest);
    let images = [
        image("a:1", vec![pinned(&runs, Role::Root)]),
        image("b:1", vec![pinned(&artifact, Role::Root)]),
        image(&bare, vec![pinned(&runs, Role::Root)]),
    ];
    let path = |text: &str| format!("blobs/sha256/{}", digest(text).hex());
    let expected = json!([{
        "Config": path("config of 2"),
        "RepoTags": ["docker.io/library/a:1"],
        "Layers": [path("l"), path("m")],
    }]);
    assert_eq!(docker(&images, &[&runs, &artifact]), expected);
    // What is not whole docker cannot have.
    let (reason, platform) = (OmittedReason::Foreign, None);
    let omitted = vec![Omitted { digest: digest("l"), reason, platform }];
    let part = PinnedImage { omitted, ..images[0].clone() };
    assert_eq!(docker(&[part], &[&runs]), json!([]));
}

#[test]
fn docker_gets_one_platform() {
    let children = ["a", "b", "c", "d"].map(|layer| manifest(OCI_CONFIG, &[layer]));
    let index = document(OCI_INDEX, json!({"schemaVersion": 2, "manifests": []}));
    let chosen = |platforms: [&str; 4]| {
        let mut documents = vec![pinned(&index, Role::Root)];
        let each = children.iter().zip(platforms);
        documents.extend(each.map(|(child, platform)| of_platform(child, platform)));
        let [a, b, c, d] = &children;
        let list = docker(&[image("a:1", documents)], &[&index, a, b, c, d]);
        let layer = list[0]["Layers"][0].as_str().unwrap_or("").to_owned();
        ["a", "b", "c", "d"].iter().position(|text| layer.ends_with(&digest(text).hex()))
    };
    let attestation = "unknown/unknown";
    assert_eq!(chosen([attestation, "linux/arm64/v8", "linux/s390x", "linux/amd64"]), Some(3));
    assert_eq!(chosen([attestation, "linux/s390x", "linux/arm64/v8", "linux/arm/v7"]), Some(2));
    assert_eq!(chosen([attestation, "linux/s390x", "linux/riscv64", attestation]), Some(1));
    assert_eq!(chosen([attestation; 4]), None);
}

#[test]
fn a_list_for_docker_that_says_something_else_is_refused() {
    let runs = manifest(OCI_CONFIG, &["l"]);
    let images = [image("a:1", vec![pinned(&runs, Role::Root)])];
    let documents = by_digest(&[&runs]);
    let good = String::from_utf8(docker_manifest_json(&images, &documents)).unwrap();
    let check = |text: &str| check_docker_manifest_json(text.as_bytes(), &images, &documents);
    check(&good).unwrap();
    let other = good.replace("library/a:1", "library/b:1");
    assert!(matches!(check(&other), Err(IndexError::Differs("manifest.json"))));
    assert!(matches!(check("[]"), Err(IndexError::Differs("manifest.json"))));
    for bad in ["", "{}", &good.replace("Layers", "layers"), &good.replace("[{", "[{\"X\":1,")] {
        assert!(matches!(check(bad), Err(IndexError::Json("manifest.json", _))), "{bad}");
    }
}
