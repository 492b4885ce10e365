//! Bundles that must be taken.

use serde_json::{Value, json};

use super::build::{self, Document, Files};
use super::faults::with_record;
use super::packed;
use super::papers;
use super::{Bundle, Vector, Verdict};

/// The state of SHA-256 after 1 MiB of zeros, computed by hand after FIPS 180-4.
const MARK_OF_ZEROS: &str = "3m6ZAbMjlxImbbyW0PSNb7e8Mwww/x52KYrjuPXRJ14=";

pub(crate) fn all() -> Vec<Vector> {
    let good = |name, what, files| Vector::new(name, Verdict::Good, what, files);
    let directory = build::bundle(build::content());
    vec![
        Vector {
            bundle: Bundle::Archive(build::archive(&directory)),
            ..good("good-archive", "One archive.", Files::new())
        },
        good("good-companions", "Files of protection and packaging, which are passed over.", {
            let mut files = directory.clone();
            for name in ["parity-0001.rs", "receipt-plant-7", "trust-0001"] {
                files.insert(name.to_owned(), b"anything\n".to_vec());
            }
            files
        }),
        good("good-requires", "It names a base bundle and takes nothing from it.", {
            resealed("trust: 0", &format!("requires: sha256:{}\ntrust: 0", "ab".repeat(32)))
        }),
        good("good-packed", "A layer that lies in a pack.", build::bundle(packed::content(None))),
        good("good-packed-gzip", "A gzip layer that is made from a pack by an encoder.", {
            build::bundle(packed::gzip_content(None))
        }),
        Vector {
            site: Some("plant-7"),
            ..good(
                "good-destination",
                "For the site where it is verified.",
                resealed("destination: any", "destination: plant-7"),
            )
        },
        good("good-directory", "One image of one layer, every file by itself.", directory.clone()),
        good("good-docker-manifest", "With the manifest.json that docker reads.", {
            build::bundle(with_docker_manifest(build::content()))
        }),
        good("good-expires-later", "It expires in the year 9999.", {
            resealed("expires: never", "expires: 9999-12-31T23:59:59Z")
        }),
        good("good-index", "An index with a platform that is stated to stay behind.", index()),
        good("good-record", "With a transfer record.", {
            let said = json!({"ticket": "CHG-1", "preparer": "Ann", "approver": "Bob"});
            recorded(said, "record v1")
        }),
        good("good-record-newer", "With a transfer record of another version.", {
            recorded(json!({"anything": [1]}), "record v2")
        }),
        good(
            "good-referrer",
            "A signature that a subject and one that a tag ties to the image.",
            referrers(),
        ),
        good(
            "good-stranger-signed-too",
            "A key that nobody trusts signed beside the trusted one.",
            signed_by(&["release", "stranger"]),
        ),
        Vector {
            trust: &["release", "second"],
            threshold: 2,
            ..good("good-two-signatures", "Two keys must sign and did.", {
                signed_by(&["release", "second"])
            })
        },
        papers::judged(
            "good-trust",
            Verdict::Good,
            "Its keys are those of a trust document.",
            |_| (),
        ),
        papers::judged(
            "good-trust-newer",
            Verdict::Good,
            "A newer trust document on the medium names the key that sealed it.",
            |case| {
                let [old, new] = ["stranger", "release"].map(papers::key_line);
                let ids = ["stranger", "release"].map(papers::id);
                case.first = case.first.replace(&new, &old).replace(&ids[1], &ids[0]);
                case.carry_second(|it| it.replace(&old, &new).replace(&ids[0], &ids[1]));
            },
        ),
        good(
            "good-volumes",
            "Blobs on three volumes, head files beside them.",
            volumes(&directory),
        ),
    ]
}

/// The good bundle with a transfer record.
fn recorded(mut said: Value, version: &str) -> Files {
    said["gapferry"] = json!(version);
    said["id"] = json!("default/1");
    let mut content = build::content();
    with_record(&mut content, said);
    build::bundle(content)
}

/// The good bundle with another line in its seal.
pub(crate) fn resealed(from: &str, to: &str) -> Files {
    let content = build::content();
    let sums = build::sums(&content);
    let seal = build::seal(&content, &sums);
    assert!(seal.contains(from), "{from}");
    build::signed(content, &sums, seal.replacen(from, to, 1).as_bytes(), &["release"])
}

pub(crate) fn signed_by(keys: &[&str]) -> Files {
    let content = build::content();
    let sums = build::sums(&content);
    let seal = build::seal(&content, &sums);
    build::signed(content, &sums, seal.as_bytes(), keys)
}

pub(crate) fn with_docker_manifest(mut content: Files) -> Files {
    let manifest: Value = serde_json::from_str(&build::manifest()).expect("it is JSON");
    let path = |part: &Value| {
        part["digest"].as_str().expect("a digest").replace("sha256:", "blobs/sha256/")
    };
    let list = json!([{
        "Config": path(&manifest["config"]),
        "RepoTags": [build::NAME],
        "Layers": [path(&manifest["layers"][0])],
    }]);
    content.insert("manifest.json".to_owned(), list.to_string().into_bytes());
    content
}

/// The digest of a manifest that is nowhere.
pub(crate) const ELSEWHERE: &str =
    "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// An index of the manifest for amd64 and one for arm64 that is nowhere.
pub(crate) fn index_text() -> String {
    let mut amd64 = build::descriptor(build::MANIFEST, build::manifest().as_bytes());
    amd64["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let arm64 = json!({
        "mediaType": build::MANIFEST, "digest": ELSEWHERE, "size": 500,
        "platform": {"os": "linux", "architecture": "arm64"},
    });
    json!({"schemaVersion": 2, "mediaType": build::INDEX, "manifests": [amd64, arm64]}).to_string()
}

fn index() -> Files {
    let omitted = json!([{"digest": ELSEWHERE, "reason": "platform", "platform": "linux/arm64"}]);
    build::bundle(build::content_with_index(&index_text(), omitted))
}

/// An image whose one layer is a block of zeros and one byte more.
pub(crate) fn marks() -> Files {
    let layer = vec![0; (1 << 20) + 1];
    let manifest = build::manifest_of(&layer);
    let root = Document::new("root", build::MANIFEST, &manifest);
    let mut content = build::assemble(&[root], &[build::CONFIG, &layer]);
    let size = format!("\"size\":{}", layer.len());
    let marked = format!("\"marks\":\"{MARK_OF_ZEROS}\",{size}");
    edit_catalog(&mut content, &size, &marked);
    build::bundle(content)
}

/// Replaces text in the catalog.
pub(crate) fn edit_catalog(content: &mut Files, from: &str, to: &str) {
    let text = build::unframe(&content["catalog.json.zst"]);
    assert!(text.contains(from), "{text}");
    let frame = build::frame(text.replacen(from, to, 1).as_bytes());
    content.insert("catalog.json.zst".to_owned(), frame);
}

fn referrers() -> Files {
    let image = build::manifest();
    let subject = build::descriptor(build::MANIFEST, image.as_bytes());
    let digest = subject["digest"].as_str().expect("a digest").to_owned();
    let empty = build::descriptor("application/vnd.oci.empty.v1+json", b"{}");
    let mut artifact = json!({
        "schemaVersion": 2, "mediaType": build::MANIFEST,
        "config": empty, "layers": [empty],
    });
    let tagged = artifact.to_string();
    artifact["artifactType"] = "application/vnd.example.signature".into();
    artifact["subject"] = subject;
    let referrer = artifact.to_string();
    let mut by_subject = Document::new("referrer", build::MANIFEST, &referrer);
    by_subject.more =
        json!({"subject": digest, "artifactType": "application/vnd.example.signature"});
    let mut by_tag = Document::new("tagged", build::MANIFEST, &tagged);
    let tag = format!("{}.sig", digest.replace(':', "-"));
    by_tag.more = json!({"subject": digest, "tag": tag});
    let root = Document::new("root", build::MANIFEST, &image);
    build::bundle(build::assemble(
        &[root, by_subject, by_tag],
        &[build::CONFIG, build::LAYER, b"{}"],
    ))
}

/// A volume a blob.
pub(crate) fn volumes(bundle: &Files) -> Files {
    let is_blob = |name: &String| name.starts_with("blobs/");
    let mut files: Files = bundle.clone().into_iter().filter(|(name, _)| !is_blob(name)).collect();
    let blobs = bundle.iter().filter(|(name, _)| is_blob(name));
    for (number, (name, bytes)) in (1..).zip(blobs) {
        let one = Files::from([(name.clone(), bytes.clone())]);
        files.insert(format!("volume-{number:04}.tar"), build::archive(&one));
    }
    files
}
