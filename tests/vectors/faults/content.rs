//! Faults of the files that the sums list.

use serde_json::{Value, json};

use super::super::build::{Document, MANIFEST};
use super::super::good::{ELSEWHERE, edit_catalog, index_text, with_docker_manifest};
use super::*;

pub(super) fn all() -> Vec<Vector> {
    let groups = [blobs(), indexes(), ladings(), images(), catalogs(), manifests()];
    groups.into_iter().flatten().collect()
}

fn blobs() -> Vec<Vector> {
    let layer = build::layer();
    let manifest = build::blob_name(build::manifest().as_bytes());
    vec![
        changed("blob-flipped", "damaged", "A bit of a layer is another.", |it| flip(it, &layer)),
        changed("blob-short", "wrong-size", "A layer lacks its last byte.", |files| {
            files.get_mut(&layer).expect("it is there").pop();
        }),
        changed("blob-long", "wrong-size", "A layer has a byte too many.", |files| {
            files.get_mut(&layer).expect("it is there").push(0);
        }),
        changed("blob-missing", "missing", "A layer is not there.", |files| {
            files.remove(&layer);
        }),
        changed("blob-extra", "extra-file", "A blob that nobody lists.", |files| {
            files.insert(build::blob_name(b"extra\n"), b"extra\n".to_vec());
        }),
        changed("blob-upper-case", "extra-file", "A blob's name in upper case.", |files| {
            let bytes = files.remove(&layer).expect("it is there");
            let hex = layer.replace("blobs/sha256/", "").to_uppercase();
            files.insert(format!("blobs/sha256/{hex}"), bytes);
        }),
        changed(
            "blob-other-algorithm",
            "extra-file",
            "A directory beside blobs/sha256.",
            |files| {
                files.insert("blobs/sha512/x".to_owned(), b"x\n".to_vec());
            },
        ),
        changed("file-extra", "extra-file", "A file that no bundle has.", |files| {
            files.insert("readme.txt".to_owned(), b"hello\n".to_vec());
        }),
        changed("document-flipped", "damaged", "A bit of the manifest is another.", |files| {
            flip(files, &manifest);
        }),
        changed("document-short", "wrong-size", "The manifest lacks its last byte.", |files| {
            files.get_mut(&manifest).expect("it is there").pop();
        }),
        changed("lading-flipped", "damaged", "A bit of lading.json is another.", |files| {
            flip(files, "lading.json");
        }),
        changed("index-flipped", "damaged", "A bit of index.json is another.", |files| {
            flip(files, "index.json");
        }),
        changed("catalog-flipped", "damaged", "A bit of the catalog is another.", |files| {
            flip(files, "catalog.json.zst");
        }),
        changed_chunks(),
        made("chunks-malformed", "bad-chunks", "A chunks.zst that is none.", |content| {
            content.insert("chunks.zst".to_owned(), b"chunks\n".to_vec());
        }),
        made("blob-of-no-image", "contradiction", "A signed blob that no image has.", |content| {
            content.insert(build::blob_name(b"extra\n"), b"extra\n".to_vec());
        }),
    ]
}

/// `chunks.zst` is proven like any file before it is read.
fn changed_chunks() -> Vector {
    let mut content = build::content();
    content.insert("chunks.zst".to_owned(), b"chunks\n".to_vec());
    let mut files = build::bundle(content);
    flip(&mut files, "chunks.zst");
    Vector::new("chunks-flipped", damaged("damaged"), "A bit of chunks.zst is another.", files)
}

/// `oci-layout`, `index.json` and `manifest.json` beside the lading.
fn indexes() -> Vec<Vector> {
    let bad = |name, what, file: &'static str, from: &'static str, to: &'static str| {
        made(name, "bad-index", what, |content| replace(content, file, from, to))
    };
    vec![
        bad("layout-version", "oci-layout states another version.", "oci-layout", "1.0.0", "1.0.1"),
        bad("index-other-name", "index.json gives another name.", "index.json", "l:1.0", "l:1.1"),
        bad("index-other-size", "index.json gives another size.", "index.json", "e\":", "e\":1"),
        bad(
            "index-unknown-field",
            "An entry of index.json says where else its content is.",
            "index.json",
            "\"digest\"",
            "\"urls\":[\"https://registry.example/x\"],\"digest\"",
        ),
        made("index-without-image", "bad-index", "index.json names no image.", |content| {
            let empty = json!({"schemaVersion": 2, "mediaType": build::INDEX, "manifests": []});
            content.insert("index.json".to_owned(), empty.to_string().into_bytes());
        }),
        made("index-twice", "bad-index", "index.json names the image twice.", |content| {
            let mut index: Value = serde_json::from_slice(&content["index.json"]).expect("JSON");
            let entries = index["manifests"].as_array_mut().expect("a list");
            entries.push(entries[0].clone());
            content.insert("index.json".to_owned(), index.to_string().into_bytes());
        }),
        made(
            "docker-manifest-other",
            "bad-index",
            "manifest.json gives another name.",
            |content| {
                *content = with_docker_manifest(std::mem::take(content));
                replace(content, "manifest.json", "tool:1.0", "tool:1.1");
            },
        ),
    ]
}

fn ladings() -> Vec<Vector> {
    let bad = |name, what, from: &'static str, to: &'static str| {
        made(name, "bad-lading", what, |content| replace(content, "lading.json", from, to))
    };
    vec![
        bad("lading-version", "Another version.", "lading v1", "lading v2"),
        bad(
            "lading-duplicate-key",
            "A key stands twice.",
            "\"source\"",
            "\"name\":\"a/b:1\",\"source\"",
        ),
        bad(
            "lading-unknown-field",
            "An image has an unknown field.",
            "\"source\"",
            "\"x\":1,\"source\"",
        ),
        bad(
            "lading-unknown-top-field",
            "The lading has an unknown field.",
            "\"images\"",
            "\"x\":1,\"images\"",
        ),
        bad("lading-trailing", "A second value behind the first.", "{\"g", "{}{\"g"),
        bad("lading-no-root", "The first document is not the root.", "\"root\"", "\"child\""),
        bad(
            "lading-other-root",
            "The image's digest is not its root's.",
            "\"digest\":\"sha256:",
            "\"digest\":\"sha256:1111111111111111111111111111111111111111111111111111111111111111\",\"index\":\"sha256:",
        ),
        bad(
            "lading-bad-digest",
            "A digest that climbs.",
            "\"digest\":\"sha256:",
            "\"digest\":\"sha256:../",
        ),
        made(
            "lading-record-unknown-field",
            "bad-lading",
            "A field that no record has.",
            |content| {
                with_record(content, json!({"gapferry": "record v1", "id": "a/1", "x": 1}));
            },
        ),
        made("lading-record-control", "bad-lading", "A line feed in a ticket.", |content| {
            with_record(content, json!({"gapferry": "record v1", "id": "a/1", "ticket": "1\n2"}));
        }),
        made("lading-record-absent", "bad-lading", "It tells of an image not aboard.", |content| {
            let images = json!([{"name": "registry.example/absent:1"}]);
            with_record(content, json!({"gapferry": "record v1", "id": "a/1", "images": images}));
        }),
        made("lading-name-twice", "bad-lading", "The image stands there twice.", |content| {
            edit_images(content, |images| images.push(images[0].clone()));
        }),
        made("lading-unsorted", "bad-lading", "The images are not sorted.", |content| {
            edit_images(content, |images| {
                let mut before = images[0].clone();
                before["name"] = "registry.example/a:1.0".into();
                images.push(before);
            });
        }),
    ]
}

/// Puts a transfer record into the lading.
pub(crate) fn with_record(content: &mut Files, record: Value) {
    let mut lading: Value = serde_json::from_slice(&content["lading.json"]).expect("it is JSON");
    lading["record"] = record;
    content.insert("lading.json".to_owned(), lading.to_string().into_bytes());
}

fn edit_images(content: &mut Files, edit: impl FnOnce(&mut Vec<Value>)) {
    let mut lading: Value = serde_json::from_slice(&content["lading.json"]).expect("it is JSON");
    edit(lading["images"].as_array_mut().expect("a list"));
    content.insert("lading.json".to_owned(), lading.to_string().into_bytes());
}

/// Images that are not whole, and documents with a false part in them.
fn images() -> Vec<Vector> {
    let contradiction = |name, what, content| {
        Vector::new(name, damaged("contradiction"), what, build::bundle(content))
    };
    let manifest = build::manifest();
    let other = manifest.replace("\"schemaVersion\"", " \"schemaVersion\"");
    let with = |role, more| {
        let root = Document::new("root", MANIFEST, &manifest);
        let mut second = Document::new(role, MANIFEST, &other);
        second.more = more;
        build::assemble(&[root, second], &[build::CONFIG, build::LAYER])
    };
    let subject = &build::descriptor(MANIFEST, manifest.as_bytes())["digest"];
    vec![
        contradiction(
            "image-without-child",
            "A platform is neither aboard nor stated to stay behind.",
            build::content_with_index(&index_text(), Value::Null),
        ),
        made("image-other-bytes", "contradiction", "An image has another size.", |content| {
            edit_images(content, |images| images[0]["bytes"] = 1.into());
        }),
        contradiction(
            "role-child",
            "A document that no index holds is called a child.",
            with("child", json!({})),
        ),
        contradiction(
            "role-referrer",
            "A document without a subject is called a referrer.",
            with("referrer", json!({"subject": subject, "artifactType": build::CONFIG_TYPE})),
        ),
        contradiction(
            "role-tagged",
            "The tag is not made of the digest that the document refers to.",
            with(
                "tagged",
                json!({"subject": subject, "tag": format!("{}.sig", ELSEWHERE.replace(':', "-"))}),
            ),
        ),
        contradiction(
            "image-without-layer",
            "A layer is in the sums, and neither aboard nor stated to stay behind.",
            {
                let root = Document::new("root", MANIFEST, &manifest);
                build::assemble(&[root], &[build::CONFIG])
            },
        ),
    ]
}

fn catalogs() -> Vec<Vector> {
    let edit = |name, code, what, from: &str, to: &str| {
        made(name, code, what, |content| edit_catalog(content, from, to))
    };
    let raw = |name, what, bytes: Vec<u8>| {
        made(name, "bad-catalog", what, |content| {
            content.insert("catalog.json.zst".to_owned(), bytes);
        })
    };
    let size = format!("\"size\":{}", build::LAYER.len());
    let marked = format!("\"marks\":\"{}=\",{size}", "A".repeat(43));
    vec![
        edit("catalog-version", "bad-catalog", "Another version.", "catalog v1", "catalog v2"),
        edit(
            "catalog-unknown-field",
            "bad-catalog",
            "An unknown field.",
            "\"needs\"",
            "\"x\":1,\"needs\"",
        ),
        edit(
            "catalog-unknown-blob-field",
            "bad-catalog",
            "A blob has an unknown field.",
            &size,
            &format!("{size},\"x\":1"),
        ),
        edit("catalog-other-block", "bad-catalog", "Blocks of another size.", "1048576", "1048575"),
        edit(
            "catalog-marks-too-many",
            "bad-catalog",
            "A mark for less than a block.",
            &size,
            &marked,
        ),
        edit(
            "catalog-marks-odd",
            "bad-catalog",
            "A mark of 3 bytes.",
            &size,
            &format!("\"marks\":\"AAAA\",{size}"),
        ),
        edit(
            "catalog-other-size",
            "contradiction",
            "Another size than the manifest's.",
            &size,
            "\"size\":21",
        ),
        Vector {
            verdict: Verdict::Refused { exit: 1, code: "needs-newer" },
            ..edit(
                "catalog-need",
                "",
                "It needs a feature that version 1 does not have.",
                "[]}",
                "[\"later\"]}",
            )
        },
        Vector {
            verdict: Verdict::Refused { exit: 1, code: "needs-newer" },
            ..edit(
                "catalog-need-and-field",
                "",
                "It needs a feature that version 1 does not have, and has a field for it.",
                "[]}",
                "[\"later\"],\"later\":[]}",
            )
        },
        made("catalog-unsorted", "bad-catalog", "The blobs are not sorted.", |content| {
            let text = build::unframe(&content["catalog.json.zst"]);
            let mut catalog: Value = serde_json::from_str(&text).expect("it is JSON");
            catalog["blobs"].as_array_mut().expect("a list").reverse();
            let frame = build::frame(catalog.to_string().as_bytes());
            content.insert("catalog.json.zst".to_owned(), frame);
        }),
        raw("catalog-not-zstd", "It is not compressed.", b"{}".to_vec()),
        raw("catalog-bomb", "It inflates to 600 MiB of zeros.", bomb()),
        raw("catalog-window", "Its frame asks for a window of 256 MiB.", {
            let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 18 << 3];
            frame.extend([2 << 3 | 1, 0, 0, b'{', b'}']);
            frame
        }),
    ]
}

/// One frame of blocks that repeat a zero 128 KiB times.
fn bomb() -> Vec<u8> {
    const REPEATED: u32 = 1 << 1;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3];
    for number in 1..=4800 {
        let header = (128 * 1024) << 3 | REPEATED | u32::from(number == 4800);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

fn manifests() -> Vec<Vector> {
    let size = format!("\"size\":{}", build::LAYER.len());
    let schema = "\"schemaVersion\":2";
    [
        (
            "manifest-with-manifests",
            "`manifests` beside `layers`.",
            schema,
            "\"manifests\":[],\"schemaVersion\":2",
        ),
        (
            "manifest-duplicate-key",
            "A key stands twice.",
            schema,
            "\"layers\":[],\"schemaVersion\":2",
        ),
        (
            "manifest-escaped-key",
            "A key stands twice, once in escapes.",
            schema,
            "\"\\u006cayers\":[],\"schemaVersion\":2",
        ),
        (
            "manifest-other-case",
            "A key in another case beside the right one.",
            schema,
            "\"Layers\":[],\"schemaVersion\":2",
        ),
        (
            "manifest-other-media-type",
            "It calls itself something else than its descriptor does.",
            build::MANIFEST,
            "application/vnd.docker.distribution.manifest.v2+json",
        ),
        ("manifest-without-config", "It has no config.", "\"config\"", "\"x\""),
        ("manifest-negative-size", "A layer of -1 bytes.", &size, "\"size\":-1"),
        ("manifest-bad-digest", "A digest that climbs.", "\"sha256:", "\"sha256:../"),
        ("manifest-trailing", "A second value behind the first.", "{\"config\"", "{}{\"config\""),
        ("manifest-not-json", "It is no JSON.", "{\"config\"", "{config"),
    ]
    .into_iter()
    .map(|(name, what, from, to)| {
        let manifest = build::manifest();
        assert!(manifest.contains(from), "{manifest} has no {from}");
        let content = build::content_of(&manifest.replacen(from, to, 1));
        Vector::new(name, damaged("bad-manifest"), what, build::bundle(content))
    })
    .collect()
}
