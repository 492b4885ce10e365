//! Pinning: every rule of what travels, and every way in which it is refused.

use super::*;

#[test]
fn without_platforms_everything_travels_in_index_order() {
    let b = buildkit();
    let image = pin_for(&b.memory, &[]).unwrap();
    let all = [&b.index, &b.amd64_attestation, &b.amd64, &b.arm64, &b.arm64_attestation];
    assert_eq!(digests(&image), those(&all));
    assert_eq!((image.digest, image.index), (b.index.digest, None));
    assert_eq!(image.documents[0].role, Role::Root);
    assert!(image.documents[1..].iter().all(|document| document.role == Role::Child));
    assert_eq!(image.documents[2].platform, Some("linux/amd64".parse().unwrap()));
    assert!(image.omitted.is_empty());
    assert_eq!(image.why, ["argument 1"]);
}

#[test]
fn one_platform_makes_its_manifest_the_root() {
    let b = buildkit();
    let image = pin_for(&b.memory, &["linux/arm64", "linux/arm64"]).unwrap();
    assert_eq!(digests(&image), those(&[&b.arm64]));
    assert_eq!((image.digest, image.index), (b.arm64.digest, Some(b.index.digest)));
    assert_eq!(image.documents[0].platform, Some("linux/arm64".parse().unwrap()));
    assert!(image.root().is_some());
}

/// An index with a manifest for each of `platforms`, and the digest of each.
fn variants(memory: &mut Memory, platforms: &[&str]) -> Vec<Digest> {
    let mut entries = Vec::new();
    let mut digests = Vec::new();
    for platform in platforms {
        let image = memory.image(platform);
        let mut value = reference(&image);
        let parts: Vec<&str> = platform.split('/').collect();
        value["platform"] = json!({"os": parts[0], "architecture": parts[1]});
        if let Some(variant) = parts.get(2) {
            value["platform"]["variant"] = json!(variant);
        }
        entries.push(value);
        digests.push(image.digest);
    }
    let index = memory.index(&entries);
    memory.tag("latest", &index);
    digests
}

#[test]
fn of_several_variants_the_usual_one_is_chosen() {
    let mut memory = Memory::default();
    let all = ["linux/arm/v5", "linux/arm/v6", "linux/arm/v7", "linux/amd64/v3", "linux/amd64"];
    let digests = variants(&mut memory, &all);
    for (wish, place) in [
        ("linux/arm", 2),
        ("linux/arm/v7", 2),
        ("linux/arm/v6", 1),
        ("linux/amd64", 4),
        ("linux/amd64/v1", 4),
        ("linux/amd64/v3", 3),
    ] {
        assert_eq!(pin_for(&memory, &[wish]).unwrap().digest, digests[place], "{wish}");
    }
    let three = pin_for(&memory, &["linux/arm", "linux/amd64/v3"]).unwrap();
    assert_eq!((three.documents.len(), three.omitted.len()), (5, 1));
    let few = variants(&mut memory, &["linux/arm/v5", "linux/arm/v6"]);
    assert_eq!(pin_for(&memory, &["linux/arm"]).unwrap().digest, few[0]);
    let none = pin_for(&memory, &["linux/arm/v7"]);
    assert!(matches!(none, Err(SelectError::NoPlatform { .. })), "{none:?}");
}

#[test]
fn one_platform_is_found_in_nested_indexes() {
    let mut b = buildkit();
    let other = b.memory.image("linux/s390x");
    let outer = b.memory.index(&[for_platform(&other, "linux/s390x"), reference(&b.index)]);
    b.memory.tag("latest", &outer);
    let image = pin_for(&b.memory, &["linux/amd64"]).unwrap();
    assert_eq!((image.digest, image.index), (b.amd64.digest, Some(outer.digest)));
}

#[test]
fn several_platforms_keep_the_index_and_name_what_stays_behind() {
    let mut b = buildkit();
    let s390x = b.memory.image("linux/s390x");
    let mut children: Vec<Value> =
        serde_json::from_slice::<Value>(&b.memory.content[&b.index.digest]).unwrap()["manifests"]
            .as_array()
            .unwrap()
            .clone();
    children.push(for_platform(&s390x, "linux/s390x"));
    let index = b.memory.index(&children);
    b.memory.tag("latest", &index);
    let image = pin_for(&b.memory, &["linux/amd64", "linux/s390x"]).unwrap();
    assert_eq!(digests(&image), those(&[&index, &b.amd64_attestation, &b.amd64, &s390x]));
    assert_eq!((image.digest, image.index), (index.digest, None));
    let omitted: Vec<Digest> = image.omitted.iter().map(|omitted| omitted.digest).collect();
    assert_eq!(omitted, those(&[&b.arm64, &b.arm64_attestation]));
    assert!(image.omitted.iter().all(|omitted| omitted.reason == OmittedReason::Platform));
    assert_eq!(image.omitted[0].platform, Some("linux/arm64".parse().unwrap()));
    assert!(image.omits(&b.arm64.digest));
}

#[test]
fn what_stays_behind_is_stated_once_and_does_not_travel() {
    let mut memory = Memory::default();
    let [a, b, c] = ["linux/a", "linux/b", "linux/c"].map(|platform| memory.image(platform));
    let index = memory.index(&[
        for_platform(&a, "linux/a"),
        for_platform(&b, "linux/b"),
        for_platform(&c, "linux/c"),
        for_platform(&c, "linux/d"),
        for_platform(&a, "linux/e"),
    ]);
    memory.tag("latest", &index);
    let image = pin_for(&memory, &["linux/a", "linux/b"]).unwrap();
    assert_eq!(digests(&image), those(&[&index, &a, &b]));
    let omitted: Vec<Digest> = image.omitted.iter().map(|omitted| omitted.digest).collect();
    assert_eq!(omitted, those(&[&c]));
}

#[test]
fn a_platform_that_is_not_there_is_an_error_that_lists_what_is() {
    let b = buildkit();
    for platforms in [&["linux/riscv64"][..], &["linux/amd64", "linux/riscv64"]] {
        match pin_for(&b.memory, platforms) {
            Err(SelectError::NoPlatform { wanted, offered, .. }) => {
                assert_eq!(wanted.to_string(), "linux/riscv64");
                let offered: Vec<String> = offered.iter().map(ToString::to_string).collect();
                assert_eq!(offered, ["linux/amd64", "linux/arm64"]);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_image_without_index_must_be_for_the_platform() {
    let mut memory = Memory::default();
    let image = memory.image("linux/amd64");
    memory.tag("latest", &image);
    assert_eq!(pin_for(&memory, &["linux/amd64"]).unwrap().digest, image.digest);
    let error = pin_for(&memory, &["linux/arm64"]).unwrap_err();
    let text = "quay.io/a/b:1 has no linux/arm64; it has linux/amd64";
    assert!(matches!(error, SelectError::NoPlatform { .. }));
    assert_eq!(error.to_string(), text);
    // An artifact is for every platform.
    let config = memory.put("application/vnd.cncf.helm.config.v1+json", b"{}".to_vec());
    let chart = memory.document(OCI_MANIFEST, manifest(&config, &[]));
    memory.tag("latest", &chart);
    assert_eq!(pin_for(&memory, &["linux/arm64"]).unwrap().digest, chart.digest);
}

#[test]
fn a_sparse_index_is_an_error_unless_the_gap_is_not_wanted() {
    let mut b = buildkit();
    b.memory.content.remove(&b.arm64.digest);
    match pin_for(&b.memory, &[]) {
        Err(SelectError::Source { error: SourceError::NotFound(what), .. }) => {
            assert_eq!(what, b.arm64.digest.to_string());
        }
        other => panic!("{other:?}"),
    }
    assert!(pin_for(&b.memory, &["linux/amd64"]).is_ok());
}

#[test]
fn unknown_documents_travel_as_they_are_and_repeats_once() {
    let mut memory = Memory::default();
    let odd = memory.put("application/vnd.example.thing", b"\x00\xffthing".to_vec());
    let image = memory.image("linux/amd64");
    let inner = memory.index(&[reference(&image), reference(&odd)]);
    let index = memory.index(&[reference(&odd), reference(&inner), reference(&image)]);
    memory.tag("latest", &index);
    let pinned = pin_for(&memory, &[]).unwrap();
    assert_eq!(digests(&pinned), those(&[&index, &odd, &inner, &image]));
    assert_eq!(pinned.documents[1].media_type.as_str(), "application/vnd.example.thing");
}

#[test]
fn foreign_layers_stay_behind() {
    let mut memory = Memory::default();
    let config = memory.put(OCI_CONFIG, b"{}".to_vec());
    let (foreign, both) = (memory.put(FOREIGN, vec![1]), memory.put(FOREIGN, vec![2]));
    let mut value = manifest(&config, &[foreign.clone(), both.clone(), both.clone()]);
    value["layers"][0]["urls"] = json!(["https://example.com/layer"]);
    value["layers"][1]["urls"] = json!(["https://example.com/other"]);
    let image = memory.document(OCI_MANIFEST, value);
    memory.tag("latest", &image);
    let pinned = pin_for(&memory, &[]).unwrap();
    assert_eq!(pinned.omitted.len(), 1);
    assert_eq!(pinned.omitted[0].digest, foreign.digest);
    assert_eq!(pinned.omitted[0].reason, OmittedReason::Foreign);
    let options =
        Options { platforms: Vec::new(), referrers: Referrers::all(), foreign_layers: true };
    let whole = pin(&memory, &request(), &options).unwrap();
    assert!(whole.omitted.is_empty(), "they travel when they are asked for");
    assert_eq!(whole.bytes, pinned.bytes + 1);
}

#[test]
fn referrers_travel_and_what_refers_to_them() {
    let mut b = buildkit();
    let memory = &mut b.memory;
    let mut signatures = [1, 2].map(|n| memory.referrer(OCI_MANIFEST, &b.index, json!(n))).to_vec();
    signatures.sort_by_key(|signature| signature.digest);
    // The source may give them in any order.
    let turned = signatures.iter().rev().cloned().collect();
    memory.referrers.insert(b.index.digest, turned);
    let of_child = memory.referrer(OCI_MANIFEST, &b.arm64, json!("sbom"));
    let of_first = memory.referrer(OCI_MANIFEST, &signatures[0], json!("countersigned"));
    let inside = memory.image("linux/riscv64");
    let bundle = memory.referrer(OCI_INDEX, &of_child, json!([reference(&inside)]));
    let image = pin_for(memory, &["linux/amd64", "linux/arm64"]).unwrap();
    let (first, second) = (&signatures[0], &signatures[1]);
    let expected = [first, second, &of_child, &of_first, &bundle, &inside];
    assert_eq!(digests(&image)[5..], those(&expected));
    let roles: Vec<Role> = image.documents[5..].iter().map(|document| document.role).collect();
    let all = [Role::Referrer; 5].into_iter().chain([Role::Child]).collect::<Vec<_>>();
    assert_eq!(roles, all);
    assert_eq!(image.documents[5].subject, Some(b.index.digest));
    assert_eq!(image.documents[5].artifact_type.as_deref(), Some(SIGNATURE));
    assert_eq!(image.documents[8].subject, Some(first.digest));

    let options =
        Options { platforms: Vec::new(), referrers: Referrers::none(), foreign_layers: false };
    assert_eq!(pin(memory, &request(), &options).unwrap().documents.len(), 5);
}

#[test]
fn cosign_tags_travel_in_a_fixed_order() {
    let mut b = buildkit();
    let tag = |suffix: &str| format!("sha256-{}{suffix}", b.index.digest.hex());
    let [sbom, att, sig] = ["x/sbom", "x/att", "x/sig"].map(|text| b.memory.image(text));
    b.memory.tag(&tag(".sbom"), &sbom);
    b.memory.tag(&tag(".att"), &att);
    b.memory.tag(&tag(".sig"), &sig);
    // The tag by which clients find referrers where the registry has no API for it.
    let fallback = b.memory.index(&[]);
    b.memory.tag(&tag(""), &fallback);
    let of_sig = b.memory.referrer(OCI_MANIFEST, &sig, json!(0));
    // Two documents that share one SBOM: each has its tag.
    let shared = format!("sha256-{}.sbom", b.amd64.digest.hex());
    b.memory.tag(&shared, &sbom);
    let countersigned = b.memory.image("x/countersigned");
    b.memory.tag(&format!("sha256-{}.sig", sbom.digest.hex()), &countersigned);
    let image = pin_for(&b.memory, &[]).unwrap();
    let expected = [&sig, &att, &sbom, &sbom, &of_sig, &countersigned];
    assert_eq!(digests(&image)[5..], those(&expected));
    let signature = &image.documents[5];
    assert_eq!((signature.role, signature.subject), (Role::Tagged, Some(b.index.digest)));
    assert_eq!(signature.tag.as_ref().map(Tag::as_str), Some(tag(".sig").as_str()));
    assert_eq!(image.documents[8].tag.as_ref().map(Tag::as_str), Some(shared.as_str()));
    assert_eq!(image.documents[8].subject, Some(b.amd64.digest));
    let lock = Lock::new(vec![image]).unwrap();
    assert_eq!(Lock::parse("x", &lock.to_bytes()).unwrap(), lock);
}

#[test]
fn answers_that_go_round_in_circles_end() {
    let mut memory = Memory::default();
    let image = memory.image("linux/amd64");
    memory.tag("latest", &image);
    let signature = memory.referrer(OCI_MANIFEST, &image, json!(1));
    let second = memory.referrer(OCI_MANIFEST, &signature, json!(2));
    for subject in [&image, &signature, &second] {
        let everything = vec![second.clone(), image.clone(), signature.clone(), image.clone()];
        memory.referrers.insert(subject.digest, everything);
    }
    let pinned = pin_for(&memory, &[]).unwrap();
    assert_eq!(digests(&pinned), those(&[&image, &signature, &second]));
}

#[test]
fn what_refers_to_something_else_is_no_referrer() {
    let mut memory = Memory::default();
    let (image, other) = (memory.image("linux/amd64"), memory.image("linux/arm64"));
    memory.tag("latest", &image);
    let signature = memory.referrer(OCI_MANIFEST, &other, json!(1));
    memory.referrers.insert(image.digest, vec![signature, other]);
    assert_eq!(digests(&pin_for(&memory, &[]).unwrap()), those(&[&image]));
}

#[test]
fn depth_is_capped() {
    let mut memory = Memory::default();
    let image = memory.image("linux/amd64");
    let mut top = memory.index(&[for_platform(&image, "linux/amd64")]);
    for _ in 0..MAX_DEPTH - 1 {
        top = memory.index(&[reference(&top)]);
    }
    memory.tag("latest", &top);
    assert_eq!(pin_for(&memory, &[]).unwrap().documents.len(), MAX_DEPTH + 1);
    let top = memory.index(&[reference(&top)]);
    memory.tag("latest", &top);
    let deep = pin_for(&memory, &[]).unwrap_err();
    assert!(matches!(deep, SelectError::TooDeep { digest, .. } if digest == image.digest));
    let top = memory.index(&[reference(&top)]);
    memory.tag("latest", &top);
    let deep = pin_for(&memory, &["linux/amd64"]).unwrap_err();
    assert!(matches!(deep, SelectError::TooDeep { .. }));
}

#[test]
fn indexes_that_double_at_every_step_are_searched_once() {
    let mut memory = Memory::default();
    let mut top = memory.index(&[]);
    for _ in 0..MAX_DEPTH - 1 {
        top = memory.index(&[reference(&top), reference(&top)]);
    }
    memory.tag("latest", &top);
    let none = pin_for(&memory, &["linux/amd64"]).unwrap_err();
    assert!(matches!(&none, SelectError::NoPlatform { offered, .. } if offered.is_empty()));
    assert!(none.to_string().ends_with("it has none that it states"));
    assert_eq!(pin_for(&memory, &[]).unwrap().documents.len(), MAX_DEPTH);
}

#[test]
fn the_number_of_documents_is_capped() {
    let mut memory = Memory::default();
    let mut halves = Vec::new();
    for half in 0..2u16 {
        let leaf = |n: u16| [half.to_be_bytes(), n.to_be_bytes()].concat();
        let children: Vec<Value> =
            (0..5000).map(|n| reference(&memory.put("example/leaf", leaf(n)))).collect();
        halves.push(reference(&memory.index(&children)));
    }
    let few = memory.index(&halves[..1]);
    memory.tag("latest", &few);
    assert_eq!(pin_for(&memory, &[]).unwrap().documents.len(), 5002);
    let many = memory.index(&halves);
    memory.tag("latest", &many);
    assert!(matches!(pin_for(&memory, &[]), Err(SelectError::TooMany { .. })));
}

#[test]
fn the_source_has_the_last_word() {
    let mut memory = Memory::default();
    let missing = pin_for(&memory, &[]).unwrap_err();
    assert!(matches!(missing, SelectError::Source { error: SourceError::NotFound(_), .. }));
    let old = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let schema1 = memory.document(old, json!({"schemaVersion": 1}));
    memory.tag("latest", &schema1);
    match pin_for(&memory, &[]).unwrap_err() {
        SelectError::Source { name, error: SourceError::Manifest(error) } => {
            assert_eq!(name, request().name);
            assert!(matches!(error, ManifestError::Schema1(digest) if digest == schema1.digest));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_digest_in_the_name_must_be_what_the_source_gives() {
    let mut memory = Memory::default();
    let image = memory.image("linux/amd64");
    memory.tag("latest", &image);
    let options =
        Options { platforms: Vec::new(), referrers: Referrers::all(), foreign_layers: false };
    let named = |digest: Digest| Request {
        name: format!("quay.io/a/b@{digest}").parse().unwrap(),
        ..request()
    };
    assert!(pin(&memory, &named(image.digest), &options).is_ok());
    let error = pin(&memory, &named(Digest::of(b"")), &options).unwrap_err();
    assert!(matches!(error, SelectError::OtherDigest { found, .. } if found == image.digest));
}

#[test]
fn a_config_that_cannot_be_read_is_an_error() {
    struct Broken(Memory);
    struct Breaks;
    impl std::io::Read for Breaks {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the line went dead"))
        }
    }
    impl Source for Broken {
        fn root(&self) -> Result<Manifest, SourceError> {
            self.0.root()
        }
        fn tagged(&self, tag: &Tag) -> Result<Option<Manifest>, SourceError> {
            self.0.tagged(tag)
        }
        fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError> {
            self.0.manifest(descriptor)
        }
        fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, SourceError> {
            self.0.referrers(subject)
        }
        fn blob(&self, blob: &Descriptor) -> Result<Unproven, SourceError> {
            Ok(Unproven::new(Box::new(Breaks), blob.digest, blob.size))
        }
    }
    let mut memory = Memory::default();
    let image = memory.image("linux/amd64");
    memory.tag("latest", &image);
    let platforms = vec!["linux/amd64".parse().unwrap()];
    let options = Options { platforms, referrers: Referrers::none(), foreign_layers: false };
    let error = pin(&Broken(memory), &request(), &options).unwrap_err();
    assert!(matches!(error, SelectError::Config { .. }), "{error}");
}
